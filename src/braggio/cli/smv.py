"""``braggio smv``: series of raw frames into SMV."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import (
    UsageError,
    add_durability,
    add_options,
    add_overwriting,
    add_reporting,
    add_threads,
    options_of,
)

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.microed import FrameReport, Series, SeriesReport
    from braggio.microed.options import SmvOptions

EPILOG = """The offset is added to every pixel so that SMV, which has no signs, can hold it: LEGINON_OFFSET in the
header, and the true zero of the pixels. IMAGE_PEDESTAL is what DIALS subtracts. Policies:
  leginon   offset = -(lowest minimum), at most --max-offset; pedestal = offset + highest minimum (Leginon's rule)
  median    offset without a cut; pedestal = offset + median of the minima
  lossless  offset without a cut; refused when a pixel would pass 65535
  zero      leginon's offset; pedestal = offset, what XDS OFFSET= and DIALS mean

Example:
  braggio smv raw/ -o smv/ --voltage 200 --distance 1500 --pixel-size 0.028 --osc-start -30 --osc-range 0.5 \\
      --beam-center 1024 1020 --mrc
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio smv``."""
    from braggio.microed.options import SmvOptions

    parser.add_argument(
        "series", nargs="+", metavar="SERIES", help="folders, files or patterns of .bin, .ser or .mrc files"
    )
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    add_options(parser, SmvOptions)
    add_threads(parser)
    add_overwriting(parser)
    add_durability(parser, moving=True)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Convert every series found; one that fails does not stop the others."""
    from braggio.batch.sources import finish_removals
    from braggio.errors import MetadataError
    from braggio.microed.options import SmvOptions
    from braggio.microed.series import files_of, group_series

    options = options_of(arguments, SmvOptions)
    if arguments.move_source and not arguments.dry_run:
        finish_removals(Path(arguments.output))  # before what is left of a series passes for a shorter one
    files: list[Path] = []
    for place in arguments.series:
        with session.item(input=place):
            files += files_of(place)
    names: set[str] = set()
    found = group_series(dict.fromkeys(files))
    if options.name is not None and len(found) > 1:
        raise UsageError(f"--name: expected one series, found {len(found)}")
    for series in found:
        with session.item(input=series.prefix):
            if series.name in names:
                raise MetadataError(
                    "another series has this name; convert it into another folder",
                    path=series.files[0],
                    field="series",
                    found=series.name,
                )
            names.add(series.name)
            _convert(series, options, arguments, session)


def _convert(series: Series, options: SmvOptions, arguments: argparse.Namespace, session: Session) -> None:
    from braggio.batch.plan import inputs_of
    from braggio.batch.sources import move_source
    from braggio.errors import OutputError
    from braggio.microed import convert_series, losses

    if arguments.dry_run:
        gaps = f", missing {', '.join(map(str, series.gaps))}" if series.gaps else ""
        session.skipped(
            f"{series.name}: {len(series)} file(s){gaps} -> {arguments.output}",
            series=series.name,
            files=series.files,
            gaps=series.gaps,
        )
        return
    inputs = inputs_of(series.files)
    try:
        with session.progress(series.name) as progress:
            report = convert_series(
                series,
                arguments.output,
                overwrite=arguments.force or arguments.update,
                durable=arguments.durable or arguments.move_source,
                threads=arguments.threads,
                progress=progress,
                **vars(options),
            )
    except OutputError as error:
        if not arguments.no_clobber or error.errno is not None:
            raise
        session.skipped(f"{series.name}: left alone, {error}", series=series.name)
        return
    session.done(describe(report, options.saturation), **_facts(report, options.saturation))
    if arguments.move_source:
        outputs = [*report.outputs, report.record]
        reason = move_source(Path(arguments.output), report.digest, inputs, outputs, lambda: losses(report))
        if reason:
            session.warn(f"{series.name}: source kept: {reason}")
        else:
            session.event("removed", f"  {len(inputs)} source file(s) removed", series=series.name, files=series.files)


def describe(report: SeriesReport, saturation: float | None = None) -> str:
    """A report as people read it."""
    from braggio.microed import dials_line, xds_lines

    rows, columns = report.shape
    lines = [
        f"{report.name}: {len(report.frames)} frames {columns} x {rows} {report.dtype} -> {report.folder}",
        f"  LEGINON_OFFSET {report.offset}, IMAGE_PEDESTAL {report.pedestal:.12g} (policy {report.policy})",
        "  frame      minimum  low 1e-4      maximum  clipped at 0  at 65535",
    ]
    lines += [_frame_line(frame) for frame in report.frames]
    lines += [f"  {blank.number:5d} blank: {blank.output}, every pixel 65535" for blank in report.blanks]
    if rounded := sum(frame.rounded for frame in report.frames):
        lines.append(f"  {rounded} pixels that were not integers were rounded half to even")
    lines.append(f"  DIALS  {dials_line(report, saturation)}")
    lines += [f"  XDS    {line}" for line in xds_lines(report, saturation)]
    return "\n".join(lines)


def _frame_line(frame: FrameReport) -> str:
    return (
        f"  {frame.number:5d} {frame.min:12.9g} {frame.low_quantile:9.6g} {frame.max:12.9g}"
        f" {frame.clipped_low:13d} {frame.clipped_high:9d}"
    )


def _facts(report: SeriesReport, saturation: float | None) -> dict[str, Any]:
    from braggio.microed import dials_line, xds_lines

    return {
        "series": report.name,
        "offset": report.offset,
        "pedestal": report.pedestal,
        "policy": report.policy,
        "gaps": report.gaps,
        "blanks": [blank.output for blank in report.blanks],
        "clipped_per_frame": report.clipped_per_frame,
        "defaulted": report.defaulted,
        "outputs": [os.fspath(path) for path in report.outputs],
        "record": os.fspath(report.record),
        "dials": dials_line(report, saturation),
        "xds": xds_lines(report, saturation),
    }
