"""``braggio spots`` and ``lu_hdf2spots``: frames in HDF5 to a spot table."""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_durability, add_options, add_reporting, add_threads, options_of

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.laue import SpotReport

EPILOG = """A pixel of frame i belongs to a spot if I[i] >= avg + CUTOFF * std, with avg and std of the pixel's own
values over all frames, the N percent largest left out (-m n_removed) or the blocks that a Kruskal-Wallis test finds
too bright (-m kruskal). Masks are eroded, dilated, united over the frames that -S names, and labelled.

Example:
  braggio spots scan__mccd.h5 -S pairs -n 20
"""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio spots``: lu_hdf2spots' letters, names and defaults, then our own."""
    parser.add_argument("file", metavar="FILE__mccd.h5", help="frames in HDF5")
    from braggio.laue.options import SpotOptions

    parser.add_argument("-o", "--output", metavar="FO", help="output file (HDF5) name (default: file__spots.h5)")
    add_options(parser, SpotOptions)
    own = parser.add_argument_group("input and work").add_argument
    own("--dataset", metavar="PATH", help="of the frames in the file")
    own("--mask", metavar="FILE", help="detector mask (.npy, .h5 or an image): non-zero pixels are never in a spot")
    own("--memory", type=_bytes, metavar="SIZE", help="bytes to stay within, as 2G (default: a quarter of RAM)")
    add_threads(parser)
    own("-f", "--force", "--overwrite", action="store_true", help="replace an existing output")
    add_durability(parser)
    add_reporting(parser)


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    size = float(number) * _UNITS.get(unit, math.nan)
    if not 1 << 20 <= size < math.inf:
        raise ValueError(text)
    return int(size)


_bytes.__name__ = "size of at least 1M"  # what argparse calls it in "invalid ... value"


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Find the spots of one file."""
    from dataclasses import replace

    from braggio.batch.staging import durably
    from braggio.errors import BraggioError
    from braggio.laue import SpotOptions, default_output, find_spots
    from braggio.laue.spots import check_output

    try:
        options = options_of(arguments, SpotOptions)
    except BraggioError as error:
        print(f"braggio spots: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    if arguments.alpha is not None and options.method != "kruskal":
        session.warn("-A is of no use without -m kruskal")
    output = arguments.output or default_output(arguments.file)
    check_output(arguments.file, output, overwrite=arguments.force)  # `durably` would not
    with (
        session.progress(os.path.basename(arguments.file)) as progress,
        durably(output, overwrite=arguments.force, durable=arguments.durable) as place,
    ):
        report = find_spots(
            arguments.file,
            place,
            overwrite=arguments.force,
            dataset=arguments.dataset,
            mask=None if arguments.mask is None else read_mask(arguments.mask),
            memory=arguments.memory,
            threads=arguments.threads,
            progress=None
            if progress is None
            else (lambda stage, done, total: progress(done, total) if stage == "spots" else None),
            **vars(options),
        )
    report = replace(report, output=os.fspath(output))
    session.done(describe(report), **_facts(report))


def read_mask(path: str) -> Any:
    """A detector mask from .npy, the first 2-D dataset of an HDF5 file, or an image."""
    import numpy as np

    from braggio.errors import FormatError, numpy_errors

    try:
        if path.endswith(".npy"):
            return np.load(path, allow_pickle=False)
        if path.endswith((".h5", ".hdf5")):
            return _hdf5_mask(path)
        return _pictured_mask(path)
    except numpy_errors() as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise FormatError(str(error), path=path, expected="a mask: .npy, .h5 or an image") from None


def _pictured_mask(path: str) -> Any:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (SyntaxError, Image.DecompressionBombError) as error:  # a broken PNG; more pixels than any detector has
        raise ValueError(error) from None


def _hdf5_mask(path: str) -> Any:
    import h5py

    from braggio.errors import FormatError

    with h5py.File(path, "r") as file:
        found: list[Any] = []
        file.visititems(
            lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) and item.ndim == 2 else None
        )
        if len(found) != 1:
            raise FormatError(path=path, field="mask", expected="one 2-D dataset", found=f"{len(found)} of them")
        return found[0][()]


def describe(report: SpotReport) -> str:
    """A report as people read it."""
    counts = report.counts
    kept = report.stats.n_removed
    background = f"{kept} largest values of each pixel left out" if kept is not None else "Kruskal-Wallis background"
    return "\n".join(
        (
            f"{report.output}: {report.n_spots} spots on {report.n_frames} frames, {len(counts)} masks",
            f"  {background}; {report.n_angles} angles; {report.constant_pixels} constant pixels",
            f"  spots per mask: least {counts.min()}, median {sorted(counts)[len(counts) // 2]}, most {counts.max()}",
        )
    )


def _facts(report: SpotReport) -> dict[str, Any]:
    return {
        "output": report.output,
        "spots": report.n_spots,
        "frames": report.n_frames,
        "counts": report.counts.tolist(),
        "n_removed": report.stats.n_removed,
        "angles": report.n_angles,
        "constant_pixels": report.constant_pixels,
        "warnings": list(report.warnings),
    }


def main(argv: list[str] | None = None) -> int:
    """The console script ``lu_hdf2spots``."""
    from braggio.cli.session import run_command

    parser = argparse.ArgumentParser(
        prog="lu_hdf2spots",
        allow_abbrev=False,
        description="Find spots on Laue frames.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return run_command(run, parser.parse_args(argv))
