"""``braggio mccd2h5`` and ``lu_mccd2hdf``: mccd frames and a Lauecollect log into one HDF5 file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting, add_threads

if TYPE_CHECKING:
    from braggio.cli.session import Session

EPILOG = """Example:
  braggio mccd2h5 -o scan__mccd.h5 -p raw/ scan.log
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio mccd2h5``."""
    parser.add_argument("log", metavar="SCAN.log", help="log of Lauecollect, one line per image")
    parser.add_argument("-o", "--output", metavar="FO", help="output file (default: SCAN__mccd.h5)")
    parser.add_argument("-p", "--path", metavar="DIR", help="folder of the raw images (default: that of the log)")
    add_threads(parser)
    parser.add_argument("-f", "--force", "--overwrite", action="store_true", help="replace an existing output")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Collect the images of one log."""
    from braggio.laue.convert import mccd_to_hdf5

    with session.progress(arguments.log) as progress:
        report = mccd_to_hdf5(
            arguments.log,
            arguments.output,
            raw=arguments.path,
            overwrite=arguments.force,
            threads=arguments.threads,
            progress=progress,
        )
    frames, height, width = report.shape
    session.done(
        f"{report.output}: {frames} frames {width} x {height}, {report.n_angles} angles, "
        + (
            f"laser on and off, {report.block_size or 'uneven'} frames per block" if report.laser else "one laser state"
        ),
        output=report.output,
        frames=frames,
        angles=report.n_angles,
        laser=report.laser,
        block_size=report.block_size,
    )


def main(argv: list[str] | None = None) -> int:
    """The console script ``lu_mccd2hdf``."""
    from braggio.cli.session import run_command

    parser = argparse.ArgumentParser(
        prog="lu_mccd2hdf",
        description="Collect mccd frames and a Lauecollect log into one HDF5 file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return run_command(run, parser.parse_args(argv))
