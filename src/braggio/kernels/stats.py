"""Minimum, maximum, mean, standard deviation and a low quantile of a frame, in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numpy.typing import ArrayLike

from braggio._core import FrameLayout, Scratch, Source, scan
from braggio.kernels.arrays import as_pixels

# One pixel in ten thousand: a cosmic ray touches fewer pixels of a detector, the noise of the readout more.
LOW_FRACTION = 1e-4


@dataclass(frozen=True)
class FrameStats:
    """Statistics of one or more frames.

    Attributes
    ----------
    count : int
        Pixels.
    min, max : int or float
    mean, std : float
        Of integers: the mean is the exact rational value, correctly rounded; the standard deviation is within 1 ulp. Of
        floats: from float64 sums in a fixed order. `std` is the population standard deviation. None where the pass did
        not need them.
    low_quantile : int or float
        The pixel of rank ``floor(low_fraction * (count - 1))``: the frame's minimum, cosmic rays aside.
    """

    count: int
    min: Any
    max: Any
    mean: float | None
    std: float | None
    low_quantile: Any


def from_core(found: Mapping[str, Any]) -> FrameStats:
    """The statistics that the core's `scan` or `transcode` describes."""
    mean = std = None
    if "sum" in found:
        mean, std = _moments(found)
    return FrameStats(found["count"], found["min"], found["max"], mean, std, found["low_quantile"])


def _moments(found: Mapping[str, Any]) -> tuple[float, float]:
    n, total, squares = found["count"], found["sum"], found["squares"]
    if isinstance(total, int):
        variance = Fraction(n * squares - total * total, n * n)
        return total / n, math.sqrt(variance)
    shift = total / n
    return found["pivot"] + shift, math.sqrt(max(squares / n - shift * shift, 0.0))


def combined(parts: Iterable[FrameStats]) -> FrameStats:
    """The statistics of all the frames together (Chan, Golub and LeVeque, 1979); the low quantile is the lowest."""
    parts = list(parts)
    if not any(part.count for part in parts):
        return parts[0]
    parts = [part for part in parts if part.count]
    count, mean, spread = 0, 0.0, 0.0
    for part in parts:
        if part.mean is None or part.std is None:
            raise ValueError("statistics without mean and std cannot be combined")
        delta = part.mean - mean
        total = count + part.count
        spread += part.std**2 * part.count + delta * delta * count * part.count / total
        mean += delta * part.count / total
        count = total
    return FrameStats(
        count,
        min(part.min for part in parts),
        max(part.max for part in parts),
        mean,
        math.sqrt(spread / count),
        min(part.low_quantile for part in parts),
    )


def frame_stats(array: ArrayLike, *, low_fraction: float = LOW_FRACTION) -> FrameStats:
    """Statistics of an array of pixels.

    Parameters
    ----------
    array : array-like
        Any shape, not empty; dtypes as of `braggio.kernels.arrays.as_pixels`.
    low_fraction : float
        For `FrameStats.low_quantile`, 0 to 0.5.

    Raises
    ------
    DtypeError
        The array is not of integers or reals.
    ValueError
        The array is empty, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> stats = frame_stats(np.array([[1, 2], [3, 4]], dtype=np.int32))
    >>> stats.min, stats.max, stats.mean
    (1, 4, 2.5)
    """
    pixels = as_pixels(array, "array")
    if pixels.size == 0:
        raise ValueError(f"array must not be empty, but has shape {pixels.shape}")
    pixels = pixels.reshape(1, -1)
    layout = FrameLayout(dtype=pixels.dtype.name, width=pixels.shape[1], height=1)
    stream = Source.over(pixels), layout, 0
    [found] = scan([stream], moments=True, low_fraction=low_fraction, scratch=Scratch())
    if found["not_finite"] is not None:
        raise ValueError(
            f"array must be finite, not {pixels[0, found['not_finite']]} at flat index {found['not_finite']}"
        )
    return from_core(found)
