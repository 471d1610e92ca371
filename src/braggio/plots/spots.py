"""Pictures of a spot search: spots on a frame, the statistics of the pixels, spots per mask. They need matplotlib."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import PartFile

DPI = 100


def draw_overlay(
    path: str | os.PathLike[str], pixels: NDArray[Any], columns: Mapping[str, NDArray[Any]], frame: int
) -> None:
    """One frame with the boxes of its spots and their brightest pixels.

    Parameters
    ----------
    path : path-like
        PNG to write; one that is there is replaced.
    pixels : ndarray (rows, columns)
        The frame.
    columns : Mapping
        The spot table, as `SpotReport.columns` or `formats.spots_h5.read_columns` give it.
    frame : int
        Which frame it is.
    """
    from matplotlib.patches import Rectangle

    figure, axes = _figure(1, 10.0)
    low, high = np.percentile(pixels, [1, 99.5])
    axes[0].imshow(pixels, cmap="gray_r", vmin=low, vmax=max(high, low + 1), interpolation="nearest")
    begin, end = columns["frame2spotsBE"][frame]
    for x0, x1, y0, y1 in columns["box"][begin:end]:  # X is the row, Y the column
        axes[0].add_patch(Rectangle((y0 - 0.5, x0 - 0.5), y1 - y0, x1 - x0, fill=False, edgecolor="tab:red"))
    places = columns["XY"][begin:end]
    axes[0].plot(places[:, 1], places[:, 0], "+", color="tab:blue", markersize=4)
    axes[0].set(title=f"frame {frame}: {end - begin} spots", xlabel="Y (column)", ylabel="X (row)")
    _save(figure, path)


def draw_stats(path: str | os.PathLike[str], stats: Mapping[str, NDArray[Any]]) -> None:
    """The maps of the pixel statistics side by side, each from its 1st to its 99th percentile.

    Parameters
    ----------
    path : path-like
        PNG to write.
    stats : Mapping
        Name to map: avg, std, iqr, max, arg. No spots should be seen in avg.
    """
    figure, axes = _figure(len(stats), 4.0)
    for axis, (name, values) in zip(axes, stats.items(), strict=True):
        low, high = np.percentile(values, [1, 99])
        image = axis.imshow(values, vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
        axis.set_title(name)
        figure.colorbar(image, ax=axis, shrink=0.7)
    _save(figure, path)


def draw_counts(path: str | os.PathLike[str], counts: ArrayLike) -> None:
    """Spots of each mask, in mask order.

    Parameters
    ----------
    path : path-like
        PNG to write.
    counts : array-like (masks,)
    """
    figure, axes = _figure(1, 6.0)
    values = np.asarray(counts)
    axes[0].step(np.arange(len(values)), values, where="mid")
    axes[0].set(xlabel="mask", ylabel="spots", ylim=(0, None))
    _save(figure, path)


def _figure(panels: int, size: float) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size * panels, size), dpi=DPI, layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, panels)))


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    """No time or version inside: the same picture is the same file."""
    memory = io.BytesIO()
    figure.savefig(memory, format="png", metadata={"Software": None})
    part = PartFile(os.fspath(path))
    part.write(memory.getvalue(), 0)
    part.publish(overwrite=True)
