"""Pictures of template matching: a map with its peaks, the histogram of its scores, the survival curve.

They need matplotlib.
"""

from __future__ import annotations

import io
import math
import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import PartFile
from braggio.kernels.accumulate import Histogram

DPI = 100
MAX_SIDE = 1024  # pixels of a map in a picture


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
    """A map with its peaks, and the histogram of its scores with the cutoff.

    Large maps are shown by the maximum of each block of pixels, so that no peak is lost.

    Parameters
    ----------
    path : path-like
        PNG to write.
    scores : ndarray (ny, nx)
    y, x : array-like
        Peaks.
    cutoff : float, optional
    title : str
    overwrite : bool
        Replace an existing file.
    """
    from matplotlib.figure import Figure

    rows, columns = np.asarray(y), np.asarray(x)
    figure = Figure(figsize=(15, 7), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _map(figure, left, scores, rows, columns, f"{title}: {len(rows)} peaks")
    _scores(right, scores, scores[rows, columns], cutoff)
    _save(figure, path, overwrite)


def _map(figure: Any, axis: Any, scores: NDArray[Any], y: NDArray[Any], x: NDArray[Any], title: str) -> None:
    shown = _reduced(scores)
    finite = shown[np.isfinite(shown)]
    low, high = np.percentile(finite, [1, 99.9]) if finite.size else (0.0, 1.0)
    height, width = scores.shape
    image = axis.imshow(
        shown, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=(-0.5, width - 0.5, height - 0.5, -0.5)
    )
    size = 120 if len(y) < 200 else 40 if len(y) < 2000 else 8
    axis.scatter(x, y, s=size, facecolors="none", edgecolors="tab:orange", linewidths=1.0)
    axis.set(title=title, xlabel="x (pixels)", ylabel="y (pixels)", xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    figure.colorbar(image, ax=axis, shrink=0.8)


def _reduced(scores: NDArray[Any]) -> NDArray[Any]:
    """Maxima of blocks, so that the picture is at most `MAX_SIDE` wide and high."""
    step = max(1, math.ceil(max(scores.shape) / MAX_SIDE))
    if step == 1:
        return scores
    rows = np.maximum.reduceat(scores, np.arange(0, scores.shape[0], step), axis=0)
    return np.maximum.reduceat(rows, np.arange(0, scores.shape[1], step), axis=1)


def _scores(axis: Any, scores: NDArray[Any], peaks: NDArray[Any], cutoff: float | None) -> None:
    finite = scores[np.isfinite(scores)]
    counts, edges = np.histogram(finite, bins=200)
    axis.stairs(counts, edges, fill=True, color="0.6", label=f"{finite.size} pixels")
    found = peaks[np.isfinite(peaks)]
    axis.plot(found, np.full(len(found), 0.6), "|", color="tab:orange", markersize=14, label=f"{len(peaks)} peaks")
    if cutoff is not None and math.isfinite(cutoff):
        axis.axvline(cutoff, color="tab:red", label=f"cutoff {cutoff:.3f}")
    axis.set(title="scores", xlabel="score", ylabel="pixels", yscale="log", ylim=(0.4, None))
    axis.legend()


def draw_survival(path: str | os.PathLike[str], histogram: Histogram, *, overwrite: bool = False) -> None:
    """How many correlations lie at or above a value, beside what normal noise would give.

    Parameters
    ----------
    path : path-like
        PNG to write.
    histogram : Histogram
        Of all correlations of a search, as an `Accumulator` counts them.
    overwrite : bool
        Replace an existing file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    edges, survival = histogram.edges, histogram.survival()
    noise = np.array([0.5 * histogram.total * math.erfc(value / math.sqrt(2)) for value in edges])
    axis.plot(edges, np.where(survival > 0, survival, np.nan), color="tab:blue", label="measured")
    axis.plot(edges, np.where(noise > 0.1, noise, np.nan), "--", color="0.4", label="normal noise")
    axis.axhline(1.0, color="tab:red", linewidth=0.8, label="one correlation")
    axis.set(
        title="survival of correlations",
        xlabel="correlation",
        ylabel="correlations at or above",
        yscale="log",
        ylim=(0.3, None),
    )
    axis.legend()
    _save(figure, path, overwrite)


def _save(figure: Any, path: str | os.PathLike[str], overwrite: bool) -> None:
    """No time or version inside: the same picture is the same file."""
    memory = io.BytesIO()
    figure.savefig(memory, format="png", metadata={"Software": None})
    part = PartFile(os.fspath(path))
    part.write(memory.getvalue(), 0)
    part.publish(overwrite=overwrite)
