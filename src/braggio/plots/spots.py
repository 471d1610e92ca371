"""Pictures of a spot search: spots on a frame, the statistics of the pixels, spots per mask."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.plots.contrast import above_background, of_quantiles
from braggio.plots.figure import BLUE, SKY, VERMILLION, count_axis, page, picture, show_image
from braggio.plots.frame import said

STATS_LABELS = {
    "avg": "trimmed mean (counts)",
    "std": "standard deviation (counts)",
    "iqr": "interquartile range (counts)",
    "max": "maximum (counts)",
    "arg": "frame of the maximum",
}
LOW_QUANTILE, HIGH_QUANTILE = 0.01, 0.99  # of a map of statistics


def draw_overlay(
    path: str | os.PathLike[str],
    pixels: NDArray[Any],
    columns: Mapping[str, NDArray[Any]],
    frame: int,
    *,
    overwrite: bool = False,
) -> None:
    """Draw one frame with the boxes of its spots and their brightest pixels.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    pixels : ndarray (rows, columns)
        The frame.
    columns : Mapping
        The spot table, as `SpotReport.columns` or `formats.spots_h5.read_columns` give it.
    frame : int
        Number of the frame, from 0.
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    begin, end = columns["frame2spotsBE"][frame]
    contrast = above_background(pixels)
    title = f"Frame {frame}: {end - begin} spot" + ("" if end - begin == 1 else "s")
    with picture(path, page(pixels.shape), title=title, overwrite=overwrite) as figure:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        show_image(axes, pixels, contrast, label=f"counts ({said(contrast)})")
        label = "box of a spot"
        for x0, x1, y0, y1 in columns["box"][begin:end]:  # X is the row, Y the column
            box = Rectangle((y0 - 0.5, x0 - 0.5), y1 - y0, x1 - x0, label=label)
            box.set(fill=False, edgecolor=VERMILLION, linewidth=1.5)
            axes.add_patch(box)
            label = "_once"
        places = columns["XY"][begin:end]
        axes.plot(
            places[:, 1], places[:, 0], "+", color=SKY, markersize=9, markeredgewidth=1.8, label="its brightest pixel"
        )
        axes.set(xlabel="Y (column, pixels)", ylabel="X (row, pixels)")
        figure.legend(loc="outside lower left", ncols=2, frameon=False)


def draw_stats(path: str | os.PathLike[str], stats: Mapping[str, NDArray[Any]], *, overwrite: bool = False) -> None:
    """Draw the maps of the pixel statistics, each from its 1st to its 99th percentile.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    stats : Mapping
        Name to map: avg, std, iqr, max, arg. No spots should be seen in avg.
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    across = min(len(stats), 3)
    down = math.ceil(len(stats) / across)
    width, height = page(next(iter(stats.values())).shape, edge=4.0, beside=1.4)
    title = f"Statistics of every pixel (colours from {LOW_QUANTILE:.0%} to {HIGH_QUANTILE:.0%} of the pixels)"
    with picture(path, (across * width, down * height), title=title, overwrite=overwrite) as figure:
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, (name, values) in zip(panels, stats.items(), strict=False):
            contrast = of_quantiles(values, LOW_QUANTILE, HIGH_QUANTILE)
            show_image(axes, values, contrast, colours="cividis", label=STATS_LABELS.get(name, name))
            axes.set(title=name, xlabel="Y (column, pixels)", ylabel="X (row, pixels)")
        for axes in panels[len(stats) :]:
            axes.remove()


def draw_counts(path: str | os.PathLike[str], counts: ArrayLike, *, overwrite: bool = False) -> None:
    """Draw the number of spots of each mask, in mask order.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    counts : array-like of int (masks,)
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    values = np.asarray(counts)
    title = f"{int(values.sum()):,} spots in {len(values):,} masks"
    with picture(path, (8, 5), title=title, overwrite=overwrite) as figure:
        axes = figure.subplots()
        axes.stairs(values, np.arange(len(values) + 1) - 0.5, fill=True, color=BLUE)
        axes.set(xlabel="mask", ylabel="spots", xlim=(-0.5, max(len(values), 1) - 0.5), ylim=(0, None))
        count_axis(axes.xaxis)
        count_axis(axes.yaxis)
