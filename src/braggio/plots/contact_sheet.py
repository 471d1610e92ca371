"""Many frames in one PNG."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile

CAPTION = 18  # pixels under a tile
MARGIN = 8
MARK = (220, 30, 30)


@dataclass(frozen=True)
class Tile:
    """One frame, reduced for drawing.

    Attributes
    ----------
    shades : uint8 ndarray
        0 black to 255 white.
    caption : str
        Under the tile.
    marks : tuple of (row, column)
        In tile pixels; circled.
    """

    shades: NDArray[np.uint8]
    caption: str
    marks: tuple[tuple[float, float], ...] = ()


def reduced(frame: NDArray[Any], size: int) -> NDArray[np.float64]:
    """The frame averaged over square blocks, or its pixels repeated, so that the longer edge is about `size`.

    Examples
    --------
    >>> reduced(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    values = np.abs(frame) if frame.dtype.kind == "c" else frame
    rows, columns = values.shape
    block = max(1, max(rows, columns) // size)
    padded = np.pad(values.astype(np.float64), ((0, -rows % block), (0, -columns % block)), mode="edge")
    small = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block).mean(axis=(1, 3))
    repeat = max(1, size // max(small.shape))
    return np.kron(small, np.ones((repeat, repeat)))


def shaded(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Spots dark on a light background: asinh between the 1st and the 99.8th percentile, inverted."""
    finite = values[np.isfinite(values)]
    low, middle, high = np.percentile(finite, (1, 50, 99.8)) if finite.size else (0.0, 0.0, 1.0)
    width = max(middle - low, (high - low) / 50, 1e-300)
    stretched = np.arcsinh((np.nan_to_num(values, nan=low, posinf=high, neginf=low) - middle) / width)
    bottom, top = np.arcsinh((low - middle) / width), np.arcsinh((high - middle) / width)
    scale = 255 / max(top - bottom, 1e-12)
    return np.asarray(255 - np.clip((stretched - bottom) * scale, 0, 255), np.uint8)


def tile(frame: NDArray[Any], caption: str, *, size: int = 256, marks: Sequence[tuple[int, int]] = ()) -> Tile:
    """A frame as a tile; `marks` are rows and columns of the frame.

    Examples
    --------
    >>> tile(np.zeros((512, 512)), "dark", size=256).shades.shape
    (256, 256)
    """
    small = reduced(frame, size)
    scale = small.shape[0] / frame.shape[0]
    return Tile(
        shaded(small), caption, tuple(((row + 0.5) * scale, (column + 0.5) * scale) for row, column in marks[:100])
    )


def write_contact_sheet(
    path: str | os.PathLike[str], tiles: Sequence[Tile], *, size: int = 256, overwrite: bool = False
) -> None:
    """Write tiles, row by row, into one PNG.

    Parameters
    ----------
    path : path-like
        The picture.
    tiles : sequence of Tile
        At least one.
    size : int
        Edge of a tile in pixels.
    overwrite : bool
        Replace an existing picture.

    Raises
    ------
    OutputError
        The picture exists or cannot be written.
    """
    from PIL import Image, ImageDraw, ImageFont

    across = min(len(tiles), max(3, math.ceil(math.sqrt(len(tiles)))))
    down = math.ceil(len(tiles) / across)
    width = max(tile.shades.shape[1] for tile in tiles)
    height = max(tile.shades.shape[0] for tile in tiles)
    sheet = Image.new("RGB", (MARGIN + across * (width + MARGIN), MARGIN + down * (height + CAPTION + MARGIN)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for index, each in enumerate(tiles):
        left = MARGIN + index % across * (width + MARGIN)
        top = MARGIN + index // across * (height + CAPTION + MARGIN)
        sheet.paste(Image.fromarray(each.shades), (left, top))
        rows, columns = each.shades.shape
        draw.rectangle((left - 1, top - 1, left + columns, top + rows), outline=(170, 170, 170))
        for row, column in each.marks:
            x, y = left + column, top + row
            draw.ellipse((x - 6, y - 6, x + 6, y + 6), outline=MARK, width=2)
        draw.text((left, top + rows + 3), each.caption, fill="black", font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    with PartFile(os.fspath(path)) as part:
        part.write(buffer.getvalue(), 0)
        part.publish(overwrite=overwrite)
