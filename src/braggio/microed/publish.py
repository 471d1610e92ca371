"""Publishing a converted series: its report, what is odd about it, and the names of its files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from braggio.errors import warn
from braggio.microed.conversion import Conversion
from braggio.microed.existing import replaced_files
from braggio.microed.geometry import DEFAULT_DISTANCE, DEFAULT_OSC_RANGE, DEFAULT_PIXEL_SIZE
from braggio.microed.report import BlankReport, FrameReport, SeriesReport
from braggio.microed.write import BLANK, POSITION_LIMIT, write_blanks

MUCH_CLIPPED = 1e-4  # of the pixels: worth a warning
SATURATION_SHARE = 0.25  # an offset of this part of the detector's range is worth a warning


def publish(conversion: Conversion, frames: Sequence[FrameReport]) -> SeriesReport:
    """Give the files of all frames their names, and then the record its own."""
    conversion.require_same_inputs()
    report = _report(conversion, frames, write_blanks(conversion))
    replaced = replaced_files(conversion)
    conversion.staging.publish(conversion.outputs(), conversion.record, report.to_json(), replaced=replaced)
    texts = list(report.warnings)
    if replaced:
        texts.append(f"{len(replaced)} file(s) of the series that this one replaces removed: {_some(replaced)}")
    for text in texts:
        warn(f"{report.name}: {text}")
    return report


def _report(conversion: Conversion, reports: Sequence[FrameReport], blanks: Sequence[BlankReport]) -> SeriesReport:
    frames, options = conversion.frames, conversion.options
    return SeriesReport(
        name=conversion.series_name,
        folder=os.fspath(conversion.staging.target),
        policy=options.policy,
        offset=conversion.zero.offset,
        pedestal=conversion.zero.pedestal,
        shape=frames.shape,
        dtype=frames.dtype,
        flip=options.flip,
        header_bytes=options.header_bytes,
        wavelength=options.electron_wavelength,
        distance=float(options.distance or DEFAULT_DISTANCE),
        pixel_size=float(options.pixel_size or DEFAULT_PIXEL_SIZE),
        beam_center=options.center(frames.shape),
        osc_range=float(options.osc_range or DEFAULT_OSC_RANGE),
        two_theta=float(options.two_theta),
        gaps=frames.gaps,
        blanks=tuple(blanks),
        defaulted=options.defaulted,
        date_source=conversion.date_source(),
        frames=tuple(reports),
        mrc=tuple(conversion.names(".mrc")) if options.mrc else (),
        mrc_mode=conversion.stored,
        warnings=(*_warnings(conversion, reports), *_path_warnings(conversion)),
        position_limit=POSITION_LIMIT,
        digest=conversion.staging.digest,
    )


def _warnings(conversion: Conversion, reports: Sequence[FrameReport]) -> list[str]:
    frames, options = conversion.frames, conversion.options
    found = list(conversion.zero.warnings)
    if gaps := frames.gaps:
        found.append(f"{len(gaps)} frame number(s) missing: {_some(gaps)}; the angles of the others are not shifted")
    if blanks := conversion.blanks:
        found.append(f"{len(blanks)} blank image(s) written, every pixel {BLANK}: frame(s) {_some(blanks)}")
    found += options.notes
    if defaulted := options.defaulted:
        found.append(f"header values nobody gave, filled with defaults: {', '.join(defaulted)}")
    pixels = frames.shape[0] * frames.shape[1]
    much = [report.number for report in reports if report.clipped_low + report.clipped_high > MUCH_CLIPPED * pixels]
    if much:
        found.append(f"more than {MUCH_CLIPPED:.2%} of the pixels clipped in frame(s) {_some(much)}")
    offset, saturation = conversion.zero.offset, options.saturation
    if saturation is not None and offset >= SATURATION_SHARE * saturation:
        found.append(f"the offset {offset} takes {offset / saturation:.0%} of the range up to {saturation:g}")
    return found


def _path_warnings(conversion: Conversion) -> list[str]:
    """Characters that the programs which read the images next take for their own."""
    found, path = [], os.path.join(os.path.abspath(conversion.staging.target), conversion.name(1, ".img"))
    if " " in os.path.basename(path):
        found.append("XDS reads no file names with spaces; give the series another name")
    if "#" in path:
        found.append("DIALS takes # in a path for a digit of the frame number; give another name or folder")
    if "=" in path and len(conversion.frames.gaps) > len(conversion.blanks):
        found.append("DIALS takes a file with = in its path for a parameter; give another name or folder")
    return found


def _some(items: Sequence[object], most: int = 8) -> str:
    text = ", ".join(map(str, items[:most]))
    return text if len(items) <= most else f"{text}, ... ({len(items)} in all)"
