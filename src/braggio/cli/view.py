"""``braggio view``: frames as one PNG."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.cli.options import add_opening, add_reporting, positive

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.plots.contact_sheet import Tile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio view``."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="image files; stacks give a tile per frame")
    parser.add_argument("-o", "--output", metavar="PNG", help="the picture (default: <first file>.png here)")
    parser.add_argument("-f", "--force", action="store_true", help="replace the picture")
    parser.add_argument(
        "--most", type=positive, default=24, metavar="N", help="tiles at most, evenly spaced (default 24)"
    )
    parser.add_argument("--size", type=positive, default=256, metavar="PX", help="edge of a tile (default 256)")
    add_opening(parser)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Draw the frames that can be read."""
    from braggio.plots.contact_sheet import write_contact_sheet

    tiles: list[Tile] = []
    frames: list[tuple[str, int, int]] = []
    from braggio import formats
    from braggio.errors import OutputError
    from braggio.xfel.picture import draw, is_detector_image

    if arguments.output and any(_same(arguments.output, file) for file in arguments.files):
        raise OutputError("is an input; choose another name", path=arguments.output)
    placed = [file for file in arguments.files if os.path.isfile(file) and is_detector_image(file)]
    if placed and len(arguments.files) == 1:
        output = arguments.output or f"{Path(placed[0]).stem}.png"
        draw(placed[0], output, overwrite=arguments.force)
        session.done(f"{output}: {placed[0]}", output=os.fspath(output), tiles=1, frames=1)
        return
    for file in placed:
        with session.item(input=file):
            tiles.append(_assembled_tile(file, arguments.size))
    for file in arguments.files:
        if file in placed:
            continue
        with session.item(input=file), formats.open(file, permissive=arguments.permissive) as stack:
            frames += [(file, index, stack.nframes) for index in range(stack.nframes)]
    step = max(1, -(-len(frames) // arguments.most))
    for file, index, count in frames[::step]:
        with session.item(input=file):
            tiles.append(_tile(file, index, count, arguments.permissive, arguments.size))
    if not tiles:
        raise ValueError("no frame could be read")
    output = arguments.output or f"{Path(arguments.files[0]).stem}.png"
    write_contact_sheet(output, tiles, size=arguments.size, overwrite=arguments.force)
    count = len(frames) + len(placed)
    text = f"{output}: {len(tiles)} of {count} frame(s)"
    session.done(text, output=os.fspath(output), tiles=len(tiles), frames=count)


def _same(output: str, file: str) -> bool:
    return os.path.exists(output) and os.path.exists(file) and os.path.samefile(output, file)


def _assembled_tile(file: str, size: int) -> Tile:
    import numpy as np

    from braggio.plots.contact_sheet import tile
    from braggio.xfel.picture import assembled

    image = assembled(file)[0]
    return tile(np.where(image.mask, image.image, np.nan), Path(file).name, size=size)


def _tile(file: str, index: int, count: int, permissive: bool, size: int) -> Tile:
    from braggio import formats
    from braggio.plots.contact_sheet import tile

    with formats.open(file, permissive=permissive) as stack:
        frame = stack.read(index)
    name = Path(file).name + (f" [{index}]" if count > 1 else "")
    return tile(frame, name, size=size)
