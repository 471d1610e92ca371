"""``braggio view``: frames as one picture."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_opening, add_reporting, positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braggio.cli.session import Session
    from braggio.plots.contact_sheet import Tile
    from braggio.plots.frame import Beam


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio view``."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="image files; several frames give a sheet with a tile for each"
    )
    parser.add_argument(
        "-o", "--output", metavar="PICTURE", help=".png or .svg to write (default: <first file>.png here)"
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace the picture")
    parser.add_argument(
        "--most", type=positive, default=24, metavar="N", help="tiles at most, evenly spaced (default 24)"
    )
    parser.add_argument("--size", type=positive, default=256, metavar="PX", help="edge of a tile (default 256)")
    add_opening(parser)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Draw the frames that can be read."""
    from braggio import formats
    from braggio.errors import OutputError
    from braggio.plots.contact_sheet import TILE_CONTRAST, draw_sheet
    from braggio.plots.figure import check_picture
    from braggio.plots.frame import draw_frame
    from braggio.xfel.picture import is_detector_image

    files: list[str] = arguments.files
    output = arguments.output or f"{Path(files[0]).stem}.png"
    if arguments.output and any(_same(output, file) for file in files):
        raise OutputError("is an input; choose another name", path=output)
    check_picture(output, overwrite=arguments.force)
    placed = [file for file in files if os.path.isfile(file) and is_detector_image(file)]
    frames: list[tuple[str, int, int]] = []
    for file in files:
        if file in placed:
            continue
        with session.item(input=file), formats.open(file, permissive=arguments.permissive) as stack:
            frames += [(file, index, stack.nframes) for index in range(stack.nframes)]
    count = len(frames) + len(placed)
    if count == 1 and len(files) == 1:
        pixels, beam = _placed_frame(files[0]) if placed else _stored_frame(files[0], 0, arguments.permissive)
        draw_frame(output, pixels, beam=beam, title=Path(files[0]).name, overwrite=arguments.force)
        session.done(f"{output}: {files[0]}", output=os.fspath(output), tiles=1, frames=1)
        return
    tiles = _tiles(placed, frames, arguments, session)
    if not tiles:
        raise ValueError("no frame could be read")
    draw_sheet(output, tiles, size=arguments.size, title=TILE_CONTRAST, overwrite=arguments.force)
    session.done(
        f"{output}: {len(tiles)} of {count} frame(s)", output=os.fspath(output), tiles=len(tiles), frames=count
    )


def _same(output: str, file: str) -> bool:
    return os.path.exists(output) and os.path.exists(file) and os.path.samefile(output, file)


def _placed_frame(file: str) -> tuple[NDArray[Any], Beam | None]:
    """The panels of a CBF file or image pickle where they stand, NaN between them, and the beam."""
    import numpy as np

    from braggio.plots.frame import Beam
    from braggio.xfel.picture import read_detector_image

    image = read_detector_image(file)
    beam = Beam(*image.beam, image.pixel_size, image.distance, image.wavelength) if image.beam else None
    return np.where(image.mask, image.image, np.nan), beam


def _stored_frame(file: str, index: int, permissive: bool) -> tuple[NDArray[Any], Beam | None]:
    from braggio import formats
    from braggio.plots.frame import beam_of_smv

    with formats.open(file, permissive=permissive) as stack:
        beam = beam_of_smv(stack.header, stack.frame_shape) if stack.format == "smv" else None
        return stack.read(index), beam


def _tiles(
    placed: list[str], frames: list[tuple[str, int, int]], arguments: argparse.Namespace, session: Session
) -> list[Tile]:
    from braggio.plots.contact_sheet import tile

    tiles: list[Tile] = []
    for file in placed:
        with session.item(input=file):
            tiles.append(tile(_placed_frame(file)[0], Path(file).name, size=arguments.size))
    step = max(1, -(-len(frames) // arguments.most))
    for file, index, count in frames[::step]:
        with session.item(input=file):
            name = Path(file).name + (f" [{index}]" if count > 1 else "")
            frame = _stored_frame(file, index, arguments.permissive)[0]
            tiles.append(tile(frame, name, size=arguments.size))
    return tiles
