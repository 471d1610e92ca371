"""Statistics of many correlograms per pixel: the best value, whose it was, and exact sums."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import Accumulator as _Accumulator
from braggio.kernels.arrays import as_float32, as_threads

BATCH = 4096  # correlograms in one call of the core


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often correlations fell between equally spaced limits.

    Attributes
    ----------
    edges : float64 ndarray (bins + 1,)
    counts : int64 ndarray (bins,)
    below, above : int
        Values outside.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    below: int
    above: int

    @property
    def total(self) -> int:
        """Values in all."""
        return int(self.counts.sum()) + self.below + self.above

    def survival(self) -> NDArray[np.float64]:
        """Values at or above each bin's lower limit, and above the last: (bins + 1,) numbers, not shares."""
        from_above = np.cumsum(self.counts[::-1])[::-1]
        return np.append(from_above, 0).astype(np.float64) + self.above


@dataclass(frozen=True, eq=False)
class Statistics:
    """Maps of an `Accumulator`, each (ny, nx).

    Attributes
    ----------
    mip : float32 ndarray
        The largest correlation.
    index : int64 ndarray
        Which correlogram it was.
    mean, deviation : float32 ndarray
        Of all correlations of a pixel.
    scaled_mip : float32 ndarray
        ``(mip - mean) / deviation``, 0 where the deviation is 0.
    count : int
        Correlograms.
    """

    mip: NDArray[np.float32]
    index: NDArray[np.int64]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    scaled_mip: NDArray[np.float32]
    count: int


class Accumulator:
    """Correlograms in any order and in any shards; the results are the same to the bit.

    Sums are exact integers of 128 bits (values are rounded to 2^-71, squares to 2^-67). Of equal best values the one of
    the smallest index stays.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of a correlogram.
    bins : int
        Of a histogram of all correlations; none by default. cisTEM's has 512 from -12.5 to 22.5.
    limits : tuple of float
        Of the histogram.

    Examples
    --------
    >>> all_in_one, first, second = (Accumulator((1, 3)) for _ in range(3))
    >>> maps = np.float32([[[1, 5, 2]], [[3, 4, 2]], [[2, 0, 2]]])
    >>> all_in_one.update(maps)
    >>> second.update(maps[2:], start=2); first.update(maps[:2]); second.merge(first)
    >>> found = second.finish()
    >>> found.mip.tolist(), found.index.tolist(), found.mean.tolist(), found.count
    ([[3.0, 5.0, 2.0]], [[1, 0, 0]], [[2.0, 3.0, 2.0]], 3)
    >>> second == all_in_one
    True
    """

    def __init__(self, shape: tuple[int, int], *, bins: int = 0, limits: tuple[float, float] = (-12.5, 22.5)) -> None:
        self.shape = (operator.index(shape[0]), operator.index(shape[1]))
        if min(self.shape) < 1:
            raise ValueError(f"shape must be at least (1, 1), not {self.shape}")
        if not 0 <= bins <= 1 << 20:
            raise ValueError(f"bins must be from 0 to 2^20, not {bins}")
        if not np.isfinite(limits).all() or not limits[0] < limits[1]:
            raise ValueError(f"limits must be two rising numbers, not {limits}")
        self.bins, self.limits = int(bins), (float(limits[0]), float(limits[1]))
        self._core = _Accumulator(*self.shape, bins=self.bins, low=self.limits[0], high=self.limits[1])

    @property
    def count(self) -> int:
        """Correlograms so far."""
        return self._core.count

    def update(
        self, correlograms: ArrayLike, indices: ArrayLike | None = None, *, start: int | None = None, threads: int = 1
    ) -> None:
        """Add correlograms.

        Parameters
        ----------
        correlograms : array-like (n, ny, nx) or (ny, nx)
            Rounded to float32; magnitudes of at most 2^17.
        indices : array-like of int (n,), optional
            Their places in the search, at least 0: orientation + orientations * (defocus + defoci * pixel size).
        start : int, optional
            In the place of `indices`: they count from here on; by default from the number of correlograms so far.
        threads : int
            At most this many; the results do not depend on it.

        Raises
        ------
        LimitError
            A value that is no number or too large, naming its place; nothing has been added then.
        """
        values = as_float32(correlograms, "correlograms")
        if values.ndim == 2:
            values = values[None]
        if values.ndim != 3 or values.shape[1:] != self.shape:
            expected = f"(n, {self.shape[0]}, {self.shape[1]})"
            raise ValueError(f"correlograms must be of shape {expected}, not {values.shape}")
        if indices is not None and start is not None:
            raise ValueError("pass indices or start, not both")
        first = self.count if start is None else operator.index(start)
        places = np.arange(first, first + len(values)) if indices is None else np.asarray(indices)
        if places.shape != (len(values),) or (len(places) and (places.dtype.kind not in "iu" or int(places.min()) < 0)):
            raise ValueError(f"indices must be {len(values)} integers of at least 0, not {places.dtype} {places.shape}")
        threads = as_threads(threads)
        places = np.ascontiguousarray(places, np.int64)
        if len(values) > BATCH:
            self._core.check(values)
        for at in range(0, len(values), BATCH):
            self._core.update(values[at : at + BATCH], places[at : at + BATCH], threads)

    def merge(self, other: Accumulator) -> None:
        """Add what another accumulator has seen.

        Raises
        ------
        ValueError
            Another shape or histogram.
        """
        if other is self:
            raise ValueError("an accumulator cannot be merged with itself")
        mine, theirs = ((each.shape, each.bins, each.limits if each.bins else None) for each in (self, other))
        if mine != theirs:
            raise ValueError(f"other must be of shape, bins and limits {mine}, not {theirs}")
        self._core.merge(other._core)

    def finish(self, *, threads: int = 1) -> Statistics:
        """The maps of all correlograms so far; more may be added afterwards.

        Raises
        ------
        ValueError
            No correlogram has been added.
        """
        if not self.count:
            raise ValueError("no correlogram has been added")
        mean, deviation, scaled = self._core.finish(as_threads(threads))
        arrays = self.arrays()
        return Statistics(arrays["best"].copy(), arrays["index"].copy(), mean, deviation, scaled, self.count)

    def histogram(self) -> Histogram:
        """The histogram of all correlations.

        Raises
        ------
        ValueError
            The accumulator was made without bins.
        """
        if not self.bins:
            raise ValueError("the accumulator has no histogram; pass bins=")
        counts = self.arrays()["histogram"].copy()
        return Histogram(np.linspace(*self.limits, self.bins + 1), counts[1:-1], int(counts[0]), int(counts[-1]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state itself: best, index, sums and the histogram, not copied."""
        return self._core.arrays()

    def restore(self, count: int) -> None:
        """Take `count` correlograms for what has been written into `arrays`.

        Raises
        ------
        FormatError
            The arrays hold what no correlograms make.
        """
        self._core.restore(operator.index(count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Accumulator):
            return NotImplemented
        same = (self.shape, self.bins, self.limits, self.count) == (other.shape, other.bins, other.limits, other.count)
        mine, theirs = self.arrays(), other.arrays()
        return same and all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]
