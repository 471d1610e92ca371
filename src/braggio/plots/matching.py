"""Pictures of template matching: a map with its peaks, the histogram of its scores, the survival curve."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.kernels.accumulate import Histogram
from braggio.plots.contrast import of_quantiles
from braggio.plots.figure import BLUE, ORANGE, VERMILLION, page, picture, show_image

MAX_EDGE = 1024  # pixels of a map in a picture
LOWEST_COUNT = 0.5  # of a logarithmic axis: a count of 1 stands above it
PEAK_AREAS = ((200, 120), (2000, 40), (math.inf, 8))  # below so many peaks, circles of so many square points


def draw_peaks(
    path: str | os.PathLike[str],
    scores: NDArray[Any],
    y: ArrayLike,
    x: ArrayLike,
    *,
    cutoff: float | None = None,
    title: str = "scaled MIP",
    overwrite: bool = False,
) -> None:
    """Draw a map with its peaks, and the histogram of its scores with the cutoff.

    Large maps are shown by the maximum of each block of pixels, so that no peak is lost.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    scores : ndarray (ny, nx)
    y, x : array-like
        Peaks.
    cutoff : float, optional
    title : str
        Name of the map.
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    rows, columns = np.asarray(y), np.asarray(x)
    width, height = page(scores.shape, edge=6.5)
    with picture(
        path,
        (width + 6.5, max(height, 5.0)),
        title=f"{title}: {_counted(len(rows), 'peak')}",
        overwrite=overwrite,
    ) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(width, 6.5))
        _draw_map(left, scores, rows, columns)
        _draw_scores(right, scores, scores[rows, columns], cutoff)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _draw_map(axes: Any, scores: NDArray[Any], y: NDArray[Any], x: NDArray[Any]) -> None:
    shown = _block_maxima(scores)
    label = "score" if shown.shape == scores.shape else "score (maximum of blocks of pixels)"
    contrast = of_quantiles(shown, 0.01, 0.999)
    show_image(axes, shown, contrast, shape=scores.shape, colours="gray", label=label)
    area = next(area for most, area in PEAK_AREAS if len(y) < most)
    axes.scatter(x, y, s=area, facecolors="none", edgecolors=ORANGE, linewidths=1.4, clip_on=False)
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)")


def _block_maxima(scores: NDArray[Any]) -> NDArray[Any]:
    """Maxima of blocks, so that the picture is at most `MAX_EDGE` wide and high."""
    step = math.ceil(max(scores.shape) / MAX_EDGE)
    rows = np.maximum.reduceat(scores, np.arange(0, scores.shape[0], step), axis=0)
    return np.asarray(np.maximum.reduceat(rows, np.arange(0, scores.shape[1], step), axis=1))


def _draw_scores(axes: Any, scores: NDArray[Any], peaks: NDArray[Any], cutoff: float | None) -> None:
    finite = scores[np.isfinite(scores)]
    counts, edges = np.histogram(finite, bins=200)
    axes.stairs(counts, edges, fill=True, baseline=LOWEST_COUNT, color="0.6", label=_counted(finite.size, "pixel"))
    found = peaks[np.isfinite(peaks)]
    label = _counted(len(peaks), "peak")
    axes.plot(found, np.full(len(found), 0.6), "|", color=ORANGE, markersize=16, markeredgewidth=2, label=label)
    if cutoff is not None and math.isfinite(cutoff):
        axes.axvline(cutoff, color=VERMILLION, linestyle="--", label=f"cutoff {cutoff:.3f}")
    axes.set(xlabel="score", ylabel="pixels", yscale="log", ylim=(LOWEST_COUNT, None))
    axes.legend()


def draw_survival(path: str | os.PathLike[str], histogram: Histogram, *, overwrite: bool = False) -> None:
    """Draw how many correlations lie at or above a value, beside what normal noise would give.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    histogram : Histogram
        Of all correlations of a search, as an `Accumulator` counts them.
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    edges, survival = histogram.edges, histogram.survival()
    noise = np.array([0.5 * histogram.total * math.erfc(value / math.sqrt(2)) for value in edges])
    title = f"Survival of {_counted(histogram.total, 'correlation')}"
    with picture(path, (8, 6), title=title, overwrite=overwrite) as figure:
        axes = figure.subplots()
        axes.plot(edges, np.where(survival > 0, survival, np.nan), color=BLUE, linewidth=2, label="measured")
        axes.plot(edges, np.where(noise > 0.1, noise, np.nan), "--", color="0.4", label="normal noise")
        axes.axhline(1.0, color=VERMILLION, linestyle=":", label="one correlation")
        axes.set(xlabel="correlation", ylabel="correlations at or above", yscale="log", ylim=(LOWEST_COUNT, None))
        axes.legend()
