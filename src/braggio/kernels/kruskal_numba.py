"""Background of each pixel from the blocks that a Kruskal-Wallis test cannot tell apart, in Numba.

The values of a pixel are sorted once. Each test is then one pass over the sorted values of the blocks still in, which
gives the rank sums and the ties (Kruskal and Wallis, J. Am. Stat. Assoc. 47 (1952) 583, with their correction for
ties). The critical value depends on the number of blocks only, so it is a table. Import this module only where it is
called.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.kernels.arrays import as_pixels, as_threads
from braggio.kernels.jit import in_ranges, jit
from braggio.kernels.trimmed import PixelSums

COUNTED = 1024  # value ranges below this are sorted by counting: 1 us against 5 for 200 values (bench_laue)


def kruskal(
    stack: ArrayLike,
    groups: Sequence[NDArray[np.int64]],
    alpha: float = 0.05,
    *,
    out: PixelSums | None = None,
    kept: NDArray[np.int32] | None = None,
    threads: int = 1,
) -> tuple[PixelSums, NDArray[np.int32]]:
    """Statistics of each column of `stack` over the blocks that pass as background.

    Repeat: the Kruskal-Wallis test over the values of the remaining blocks; if p >= alpha, or all values are equal,
    or only max(2, ceil(k / 2)) of the k blocks remain, stop; else drop the block of the largest mean rank, the first
    on ties. A spot only raises intensity, hence one side only.

    Parameters
    ----------
    stack : array-like of shape (frames, pixels)
        Dtypes as of `braggio.kernels.arrays.as_pixels`; no NaN.
    groups : sequence of int ndarray
        Frames of each block; together every frame once.
    alpha : float
        Significance level.
    out, kept
        Filled and returned.
    threads : int
        The result does not depend on it.

    Returns
    -------
    sums : PixelSums
        Over all values of the blocks that are left, `max` and `arg` over all frames; fields as of `trimmed`.
    kept : int32 ndarray (pixels,)
        Values that are left.

    Raises
    ------
    DtypeError
        Another dtype.
    ValueError
        Groups that are not a partition of the frames.

    Examples
    --------
    >>> import numpy as np
    >>> stack = np.array([[9], [11], [10], [12], [90], [95], [9], [12]], dtype=np.uint16)
    >>> sums, kept = kruskal(stack, np.arange(8).reshape(4, 2), alpha=0.5)
    >>> sums.avg.tolist(), kept.tolist(), sums.max.tolist()
    ([10.5], [6], [95])
    """
    values = as_pixels(stack, "stack")
    if values.ndim != 2:
        raise ValueError(f"stack must have shape (frames, pixels), not {values.shape}")
    threads = as_threads(threads)
    frames, pixels = values.shape
    if frames == 0 or not np.array_equal(
        np.sort(np.concatenate([np.asarray(group) for group in groups])), np.arange(frames)
    ):
        raise ValueError(f"groups must hold each of the {frames} frames once")
    block = np.empty(frames, np.int32)
    for index, group in enumerate(groups):
        block[group] = index
    sums = PixelSums.empty(pixels, values.dtype) if out is None else out
    counts = np.empty(pixels, np.int32) if kept is None else kept
    limits = critical_values(alpha, len(groups))
    kernel = _float_pixels if values.dtype.kind == "f" else _integer_pixels
    in_ranges(
        lambda start, stop: kernel(values, start, stop, block, len(groups), limits, counts, *sums), pixels, threads
    )
    return sums, counts


def critical_values(alpha: float, blocks: int) -> NDArray[np.float64]:
    """table[k] = the H above which p < alpha, for k blocks.

    >>> critical_values(0.05, 3).round(4).tolist()
    [0.0, 0.0, 3.8415, 5.9915]
    """
    return np.array([0.0, 0.0] + [chi2_isf(alpha, k - 1) for k in range(2, blocks + 1)])


def chi2_isf(alpha: float, freedom: int) -> float:
    """The value that a chi-squared variable exceeds with probability `alpha`, by bisection."""
    low, high = 0.0, 1.0
    while _chi2_sf(high, freedom) > alpha:
        low, high = high, 2 * high
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return high
        low, high = (middle, high) if _chi2_sf(middle, freedom) > alpha else (low, middle)


def _chi2_sf(x: float, freedom: int) -> float:
    """Upper regularized incomplete gamma Q(freedom / 2, x / 2): its finite sum for whole and half-odd arguments."""
    half = x / 2
    if freedom % 2:
        total, term = (
            math.erfc(math.sqrt(half)),
            math.exp(0.5 * math.log(half) - half - math.lgamma(1.5)) if half > 0 else 0.0,
        )
        order = 1.5
    else:
        total, term = 0.0, math.exp(-half)
        order = 1.0
    while order <= freedom / 2:
        total += term
        term *= half / order
        order += 1.0
    return total


@jit
def _integer_pixels(stack, start, stop, block, blocks, limits, kept, avg, spread, iqr, top, arg):  # type: ignore[no-untyped-def]
    frames = stack.shape[0]
    tile = np.empty((64, frames), stack.dtype)
    short = np.empty(frames, np.uint32)
    long = np.empty(frames, np.uint64)
    starts = np.empty(COUNTED + 1, np.int32)
    values = np.empty(frames, np.int64)
    owners = np.empty(frames, np.int32)
    members = np.empty(blocks, np.int64)
    ranks = np.empty(blocks, np.int64)
    for first in range(start, stop, 64):
        width = min(64, stop - first)
        for t in range(frames):
            row = stack[t, first : first + width]
            for i in range(width):
                tile[i, t] = row[i]
        for i in range(width):
            column = tile[i]
            p = first + i
            low = column[0]
            at = 0
            for t in range(1, frames):
                if column[t] > column[at]:
                    at = t
                low = min(low, column[t])
            top[p] = column[at]
            arg[p] = at
            if np.int64(column[at]) - np.int64(low) < COUNTED:
                _counting_sort(column, low, np.int64(column[at]) - np.int64(low) + 1, starts, block, values, owners)
            elif np.int64(column[at]) - np.int64(low) < 65536 and frames <= 65536:
                for t in range(frames):
                    short[t] = (np.uint32(np.int64(column[t]) - np.int64(low)) << np.uint32(16)) | np.uint32(t)
                short.sort()
                for t in range(frames):
                    values[t] = short[t] >> np.uint32(16)
                    owners[t] = block[short[t] & np.uint32(65535)]
            else:
                for t in range(frames):
                    long[t] = (np.uint64(np.int64(column[t]) - np.int64(low)) << np.uint64(31)) | np.uint64(t)
                long.sort()
                for t in range(frames):
                    values[t] = np.int64(long[t] >> np.uint64(31))
                    owners[t] = block[np.int64(long[t] & np.uint64(0x7FFFFFFF))]
            count = _reject(values, owners, members, ranks, limits)
            kept[p] = count
            mean, spread[p], iqr[p] = _moments(values, count)
            if np.float64(count) * np.float64(values[count - 1]) < 2147483648.0:  # count * sum(v**2) fits 64 bits
                total = np.int64(0)
                squares = np.int64(0)
                for t in range(count):
                    total += values[t]
                    squares += values[t] * values[t]
                avg[p] = np.float64(np.int64(low) * count + total) / count
                spread[p] = np.float64(count * squares - total * total)
            else:
                avg[p] = np.float64(low) + mean


@jit
def _counting_sort(column, low, levels, starts, block, values, owners):  # type: ignore[no-untyped-def]
    """Values above `low`, of which there are `levels`, and the blocks they are of, in order."""
    starts[: levels + 1] = 0
    for t in range(column.size):
        starts[np.int64(column[t]) - np.int64(low) + 1] += 1
    for level in range(levels):
        starts[level + 1] += starts[level]
    for t in range(column.size):
        value = np.int64(column[t]) - np.int64(low)
        place = starts[value]
        starts[value] += 1
        values[place] = value
        owners[place] = block[t]


@jit
def _float_pixels(stack, start, stop, block, blocks, limits, kept, avg, spread, iqr, top, arg):  # type: ignore[no-untyped-def]
    frames = stack.shape[0]
    column = np.empty(frames, stack.dtype)
    values = np.empty(frames, np.float64)  # differences of float32 would be rounded to float32
    owners = np.empty(frames, np.int32)
    members = np.empty(blocks, np.int64)
    ranks = np.empty(blocks, np.int64)
    for p in range(start, stop):
        at = 0
        for t in range(frames):
            column[t] = stack[t, p]
            if column[t] > column[at]:
                at = t
        top[p] = column[at]
        arg[p] = at
        order = np.argsort(column)
        for t in range(frames):
            values[t] = column[order[t]]
            owners[t] = block[order[t]]
        count = _reject(values, owners, members, ranks, limits)
        kept[p] = count
        avg[p], spread[p], iqr[p] = _moments(values, count)


@jit
def _reject(values, owners, members, ranks, limits):  # type: ignore[no-untyped-def]
    """Drop blocks until the test passes; the values of the rest move to the front, in order. How many they are."""
    count = values.size
    members[:] = 0
    for t in range(count):
        members[owners[t]] += 1
    left = members.size
    fewest = max(2, (left + 1) // 2)
    while left > fewest:
        ties = _rank_sums(values[:count], owners[:count], ranks)
        n = np.float64(count)
        if ties >= n * n * n - n:
            break
        total = 0.0
        worst = -1
        for g in range(members.size):
            if members[g] == 0:
                continue
            total += (0.5 * ranks[g]) ** 2 / members[g]
            if worst < 0 or ranks[g] * members[worst] > ranks[worst] * members[g]:
                worst = g
        h = (12.0 / (n * (n + 1.0)) * total - 3.0 * (n + 1.0)) / (1.0 - ties / (n * n * n - n))
        if h <= limits[left]:
            break
        rest = 0
        for t in range(count):
            if owners[t] != worst:
                values[rest] = values[t]
                owners[rest] = owners[t]
                rest += 1
        count = rest
        members[worst] = 0
        left -= 1
    return count


@jit
def _rank_sums(values, owners, ranks):  # type: ignore[no-untyped-def]
    """ranks[g] = twice the rank sum of block g, which is whole; returns the sum of t**3 - t over the ties."""
    ranks[:] = 0
    ties = 0.0
    t = 0
    while t < values.size:
        end = t + 1
        while end < values.size and values[end] == values[t]:
            end += 1
        twice = t + 1 + end
        for i in range(t, end):
            ranks[owners[i]] += twice
        same = np.float64(end - t)
        ties += same * same * same - same
        t = end
    return ties


@jit
def _moments(values, count):  # type: ignore[no-untyped-def]
    """Mean, count**2 * variance and IQR of the first `count` sorted values, in float64."""
    total = 0.0
    for t in range(count):
        total += np.float64(values[t] - values[0])
    shift = total / count
    spread = 0.0
    for t in range(count):
        spread += (np.float64(values[t] - values[0]) - shift) ** 2
    iqr = 0.0
    for k in range(2):
        rank = (0.25 + 0.5 * k) * (count - 1)
        at = int(rank)
        below = np.float64(values[at] - values[0])
        step = np.float64(values[min(at + 1, count - 1)] - values[0]) - below
        iqr += (2 * k - 1) * (below + step * (rank - at))
    return np.float64(values[0]) + shift, spread * count, iqr
