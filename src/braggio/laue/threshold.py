"""Exact thresholds: the least pixel value that counts as a spot, per pixel, in the dtype of the frames.

``I >= avg + cutoff * std`` is decided in float64 where that is safe and in integers where the sum lies within 1e-9 of a
pixel value, so that the masks do not depend on how a mean or a square root was rounded.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

DOUBT = 1e-9
EXACT = float(1 << 51)  # sums below this come back exactly from a float64 mean


def threshold_map(
    avg: NDArray[np.float64], spread: NDArray[np.float64], kept: int | NDArray[Any], cutoff: float, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The least value of `dtype` with ``value >= avg + cutoff * std``, std = sqrt(spread) / kept.

    Parameters
    ----------
    avg, spread : float64 ndarray
        As `kernels.trimmed.trimmed` gives them.
    kept : int or ndarray
        Values behind each pixel.
    cutoff : float
    dtype : numpy.dtype
        Of the frames.

    Returns
    -------
    threshold : ndarray of `dtype`
    reachable : bool ndarray
        False where no value of the dtype is enough; the threshold there is the dtype's greatest value and must not be
        used.

    Examples
    --------
    >>> limits, reachable = threshold_map(np.array([5.0, 250.0]), np.array([4.0, 400.0]), 2, 3.0, np.dtype(np.uint8))
    >>> limits.tolist(), reachable.tolist()
    ([8, 255], [True, False])
    """
    with np.errstate(over="ignore"):  # a cutoff of 1e308 is one like others
        least = avg + cutoff * (np.sqrt(spread) / kept)
        if dtype.kind == "f":
            limits = np.maximum(least.astype(dtype), np.finfo(dtype).min)
            limits = np.where(limits < least, np.nextafter(limits, dtype.type(np.inf)), limits)
            return limits, np.isfinite(limits)
    bounds = np.iinfo(dtype)
    least = np.clip(least, bounds.min - 2.0, bounds.max + 2.0)
    whole = np.ceil(least)
    near = np.rint(least)
    possible = (near > bounds.min - 2.0) & (near < bounds.max + 2.0)
    doubtful = np.flatnonzero(possible & (np.abs(least - near) <= DOUBT * np.maximum(np.abs(least), 1.0)))
    if doubtful.size:
        counts = np.broadcast_to(np.asarray(kept), avg.shape).ravel()[doubtful]
        passes = _reaches(near.ravel()[doubtful], avg.ravel()[doubtful], spread.ravel()[doubtful], counts, cutoff)
        whole.ravel()[doubtful] = near.ravel()[doubtful] + np.where(passes, 0.0, 1.0)
    limits = np.clip(whole, bounds.min, bounds.max).astype(dtype)
    return limits, whole <= bounds.max


def _reaches(
    value: NDArray[np.float64], avg: NDArray[np.float64], spread: NDArray[np.float64], kept: NDArray[Any], cutoff: float
) -> NDArray[np.bool_]:
    """Kept * value - sum >= cutoff * sqrt(spread), in integers where the sums are exact."""
    total = np.rint(avg * kept)
    above = kept * value - total
    exact = (np.abs(total) < EXACT) & (spread < 4 * EXACT)
    passes: NDArray[np.bool_] = np.where(spread == 0, above >= 0, value >= avg + cutoff * np.sqrt(spread) / kept)
    ratio = Fraction(cutoff)
    p, q = ratio.numerator, ratio.denominator
    for index in np.flatnonzero(exact & (spread > 0)):
        left, right = q * int(above[index]), p * p * int(spread[index])
        passes[index] = (left >= 0 and left * left >= right) if p >= 0 else (left >= 0 or left * left <= right)
    return passes
