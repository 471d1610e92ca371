"""Contact sheet: many frames, or images of particles, in one picture."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.plots.contrast import HIGH_QUANTILE, Contrast, above_background, reduced
from braggio.plots.figure import DPI, GLYPH_WIDTH, VERMILLION, fitted, picture, show_image

MARGIN = 10  # pixels around a tile
POINTS = 9  # size of a caption's letters
MAX_MARKS = 100
MIN_WIDTH = 400  # pixels of a page: a title needs some
TILE_CONTRAST = f"each frame from its median (white) to {HIGH_QUANTILE:.1%} of what is above it (black)"


@dataclass(frozen=True)
class Tile:
    """One frame, reduced for drawing.

    Attributes
    ----------
    pixels : float64 ndarray (rows, columns)
        As drawn; NaN where there is nothing to show.
    shape : tuple of int
        Rows and columns of the frame.
    caption : str
        Under the tile.
    contrast : Contrast
    marks : tuple of (row, column)
        Pixels of the frame that are circled.
    """

    pixels: NDArray[np.float64]
    shape: tuple[int, int]
    caption: str
    contrast: Contrast
    marks: tuple[tuple[int, int], ...] = ()


def tile(frame: NDArray[Any], caption: str, *, size: int = 256, marks: Sequence[tuple[int, int]] = ()) -> Tile:
    """A frame as a tile, with its spots above background; of `marks` the first 100 are drawn.

    Examples
    --------
    >>> tile(np.zeros((512, 512)), "dark", size=256).pixels.shape
    (256, 256)
    """
    pixels = reduced(frame, size)
    return Tile(pixels, frame.shape, caption, above_background(pixels), tuple(marks[:MAX_MARKS]))


def draw_sheet(
    path: str | os.PathLike[str],
    tiles: Sequence[Tile],
    *,
    size: int = 256,
    title: str = "",
    colours: str = "gray_r",
    overwrite: bool = False,
) -> None:
    """Draw tiles, row by row, each with its own contrast.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    tiles : sequence of Tile
        At least one.
    size : int
        Edge of a tile in pixels.
    title : str
        Above the tiles: what they are, and what is black and white.
    colours : str
        One of matplotlib's colour maps.
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    across = min(len(tiles), max(3, math.ceil(math.sqrt(len(tiles)))))
    down = math.ceil(len(tiles) / across)
    em = POINTS * DPI / 72  # pixels
    width = max(size, 16 * em * GLYPH_WIDTH)  # of a column: captions need some
    captions = [fitted(each.caption, width / DPI, POINTS) for each in tiles]
    lines = 1 + max(caption.count("\n") for caption in captions)
    page_width = max(across * (width + MARGIN) + MARGIN, MIN_WIDTH)
    heading = fitted(title, page_width / DPI - 0.2, 11)
    top = (heading.count("\n") + 1) * 11 * DPI / 72 * 1.3 + MARGIN if heading else 0
    height = size + lines * em * 1.25 + 2 * MARGIN
    page = (page_width, down * height + top + MARGIN)
    with picture(path, (page[0] / DPI, page[1] / DPI), overwrite=overwrite) as figure:
        figure.set_layout_engine("none")
        figure.text(MARGIN / page[0], 1 - MARGIN / page[1], heading, va="top", fontsize=11, parse_math=False)
        for index, (each, caption) in enumerate(zip(tiles, captions, strict=True)):
            left = MARGIN + index % across * (width + MARGIN)
            bottom = page[1] - top - MARGIN - index // across * height - size
            axes = figure.add_axes((left / page[0], bottom / page[1], size / page[0], size / page[1]))
            _draw_tile(axes, each, caption, colours)


def _draw_tile(axes: Any, tile: Tile, caption: str, colours: str) -> None:
    show_image(axes, tile.pixels, tile.contrast, shape=tile.shape, colours=colours)
    if tile.marks:
        rows, columns = np.transpose(tile.marks)
        axes.plot(
            columns, rows, "o", markersize=11, markeredgewidth=1.8, fillstyle="none", color=VERMILLION, clip_on=False
        )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("0.65")
    axes.annotate(
        caption, (0, 0), (0, -3), "axes fraction", "offset points", va="top", fontsize=POINTS, parse_math=False
    )
