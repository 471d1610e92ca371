"""Contrast of a picture: which values are its lightest and its darkest, and the scale between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIGH_QUANTILE = 0.999  # of the values above background
KNEE_QUANTILE = 0.75
TICK_DISTANCE = 0.06  # of the length of the scale
LINEAR_RANGE = 8  # times the knee: beyond it, what is weak would be invisible on a linear scale


@dataclass(frozen=True)
class Contrast:
    """Range and scale of the values that a picture shows.

    Attributes
    ----------
    low, high : float
        Ends of the scale; `high` is above `low`.
    knee : float or None
        The scale is ``asinh((value - low) / knee)``: linear up to about `low + knee`, logarithmic above. None: linear.
    extend : {"neither", "min", "max", "both"}
        At which ends of the scale values lie outside.
    """

    low: float
    high: float
    knee: float | None = None
    extend: str = "neither"

    def place(self, values: Any) -> NDArray[np.float64]:
        """Places of values on the scale, 0 at `low` to 1 at `high`.

        Examples
        --------
        >>> Contrast(0.0, 1000.0, 1.0).place([0, 1, 1000]).round(2).tolist()
        [0.0, 0.12, 1.0]
        """
        above = np.asarray(values, np.float64) - self.low
        if self.knee is None:
            return np.asarray(above / (self.high - self.low))
        return np.asarray(np.arcsinh(above / self.knee) / np.arcsinh((self.high - self.low) / self.knee))

    def _value(self, places: Any) -> NDArray[np.float64]:
        knee = self.knee or 1.0
        scaled = np.sinh(np.asarray(places) * np.arcsinh((self.high - self.low) / knee))
        return np.asarray(self.low + knee * scaled)

    def norm(self) -> Any:
        """The same for matplotlib."""
        from matplotlib.colors import FuncNorm, Normalize

        if self.knee is None:
            return Normalize(self.low, self.high)
        return FuncNorm((self.place, self._value), self.low, self.high)

    def ticks(self) -> list[float]:
        """The ends of an asinh scale, and round values that are not too close to one another.

        Examples
        --------
        >>> Contrast(0.0, 4000.0, 2.0).ticks()
        [0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0]
        """
        decades = range(
            math.floor(math.log10(self.knee or 1.0)) - 1, 1 + math.ceil(math.log10(max(-self.low, self.high)))
        )
        steps = [step * 10.0**decade for step in (1, 2, 5) for decade in decades]
        kept = [self.low, self.high]
        for tick in [0.0, *steps, *(-step for step in steps)]:
            if self.low < tick < self.high and np.abs(self.place(kept) - self.place(tick)).min() > TICK_DISTANCE:
                kept.append(tick)
        return sorted(kept)

    @property
    def scale(self) -> str:
        """Name of the scale."""
        return "linear scale" if self.knee is None else "asinh scale"


def above_background(values: NDArray[Any]) -> Contrast:
    """Contrast for spots on a background: from the median to a high quantile of the pixels above the median.

    Quantiles of the pixels above the median stay apart even where nearly all pixels are 0.

    Parameters
    ----------
    values : ndarray
        NaN and infinity are left out.

    Returns
    -------
    Contrast
        On an asinh scale where the range is large.

    Examples
    --------
    >>> sparse = np.zeros((100, 100))
    >>> sparse[5, :50], sparse[6, 7] = 1, 900
    >>> found = above_background(sparse)
    >>> found.low, round(found.high), found.knee
    (0.0, 855, 1.0)
    """
    finite = values[np.isfinite(values)].astype(np.float64, copy=False)
    low = float(np.median(finite)) if finite.size else 0.0
    above = finite[finite > low]
    if not above.size:
        return _contrast(finite, low, low + max(1.0, abs(low) * 1e-6))
    weak, high = (float(each) for each in np.quantile(above, (KNEE_QUANTILE, HIGH_QUANTILE)))
    knee = weak - low
    return _contrast(finite, low, high, knee if high - low > LINEAR_RANGE * knee else None)


def of_quantiles(values: NDArray[Any], low: float, high: float) -> Contrast:
    """Linear contrast between two quantiles of the finite values.

    Examples
    --------
    >>> of_quantiles(np.arange(101.0), 0.01, 1.0)
    Contrast(low=1.0, high=100.0, knee=None, extend='min')
    """
    finite = values[np.isfinite(values)].astype(np.float64, copy=False)
    if not finite.size:
        return Contrast(0.0, 1.0)
    bottom, top = (float(each) for each in np.quantile(finite, (low, high)))
    if not top > bottom:  # the quantiles are of one value: take what is there
        bottom, top = float(finite.min()), float(finite.max())
    return _contrast(finite, bottom, top if top > bottom else bottom + max(1.0, abs(bottom) * 1e-6))


def of_spread(values: NDArray[Any], deviations: float) -> Contrast:
    """Linear contrast around the mean of noisy values, so many standard deviations to either side.

    Examples
    --------
    >>> of_spread(np.array([-1.0, 1.0]), 3)
    Contrast(low=-3.0, high=3.0, knee=None, extend='neither')
    """
    finite = values[np.isfinite(values)].astype(np.float64, copy=False)
    mean, deviation = (float(finite.mean()), float(finite.std())) if finite.size else (0.0, 0.0)
    reach = deviations * deviation or max(1.0, abs(mean) * 1e-6)
    return _contrast(finite, mean - reach, mean + reach)


def _contrast(finite: NDArray[Any], low: float, high: float, knee: float | None = None) -> Contrast:
    outside = (bool((finite < low).any()), bool((finite > high).any()))
    names = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    return Contrast(low, high, knee, names[outside])


def reduced(frame: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Means of square blocks of a frame, so that its longer edge is at most about `size`; complex pixels by modulus.

    Parameters
    ----------
    frame : ndarray (rows, columns)
        NaN pixels are left out; a block of which at least half is NaN is NaN.
    size : int
        A frame that is not larger is kept as it is.

    Examples
    --------
    >>> reduced(np.arange(16.0).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    values = (np.abs(frame) if frame.dtype.kind == "c" else frame).astype(np.float64)
    block = -(-max(values.shape) // size)
    if block <= 1:
        return values
    starts = [np.arange(0, length, block) for length in values.shape]

    def sums(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.add.reduceat(np.add.reduceat(pixels, starts[0], axis=0), starts[1], axis=1))

    there = ~np.isnan(values)
    count = sums(there.astype(np.float64))
    means = sums(np.where(there, values, 0.0)) / np.maximum(count, 1)
    return np.where(count > sums(np.ones_like(values)) / 2, means, np.nan)
