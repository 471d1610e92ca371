"""``braggio demo``: the main job on the series that ships with the package."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session

GEOMETRY: dict[str, Any] = {
    "voltage": 200.0,
    "distance": 1500.0,
    "pixel_size": 0.028,
    "osc_start": -30.0,
    "osc_range": 0.5,
    "beam_center": (64.0, 64.0),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio demo``."""
    parser.add_argument("-o", "--output", default="braggio-demo", metavar="DIR", help="folder (default braggio-demo)")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Convert, verify and draw the demo series."""
    from braggio import formats
    from braggio.cli.smv import describe
    from braggio.microed import convert_series, verify_series
    from braggio.microed.demo import demo_files
    from braggio.plots.contact_sheet import TILE_CONTRAST, draw_sheet, tile

    folder = Path(arguments.output)
    with session.progress("demo") as progress:
        report = convert_series(demo_files(), folder, mrc=True, overwrite=True, progress=progress, **GEOMETRY)
    good = sum(check.ok for check in verify_series(report))
    tiles = []
    for frame in report.frames:
        with formats.open(folder / frame.output) as stack:
            note = f"frame {frame.number}  {frame.osc_start:+.1f} deg  clipped {frame.clipped_low + frame.clipped_high}"
            tiles.append(tile(stack.read(0), note, size=256, marks=frame.low_positions + frame.high_positions))
    sheet = folder / f"{report.name}.png"
    title = f"Demo series: {TILE_CONTRAST}; circles: clipped pixels"
    draw_sheet(sheet, tiles, size=256, title=title, overwrite=True)
    checked = f"{good} of {len(report.frames)} frames verified against the raw pixels"
    text = f"{describe(report)}\n  {checked}\n  picture  {sheet}"
    session.done(text, folder=folder, picture=sheet, offset=report.offset, pedestal=report.pedestal, verified=good)
