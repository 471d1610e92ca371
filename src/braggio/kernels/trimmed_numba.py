"""The Numba engine of the trimmed statistics, for integers of 8 and 16 bits: the core's numbers, bit for bit.

Sixty-four neighbouring pixels are worked on side by side, as the lanes of vector registers. Each lane is reduced to
16-bit keys above its own minimum; the three order statistics that are needed come from a bitwise descent (how many
keys lie below a candidate decides one bit), and the sums from keys clamped at the largest one kept. Nothing is sorted.
Import this module only where it is called.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.kernels.jit import LANES, in_ranges, jit

KEY_ZERO = -32768  # keys are signed: SSE2 and AVX2 compare signed words only
KEY_TOP = 32767


def fill(values: NDArray[Any], n_removed: int, found: tuple[NDArray[Any], ...], threads: int) -> None:
    """Fill `found` (avg, spread, iqr, max, arg) from integers of 8 or 16 bits, (frames, pixels), at least 64 pixels."""
    frames, pixels = values.shape
    counter = np.zeros(1, np.int16 if frames <= KEY_TOP else np.int32)
    in_ranges(lambda start, stop: _lanes(values, start, stop, n_removed, counter, *found), pixels, threads)


@jit
def _lanes(stack, start, stop, n_removed, counter, avg, spread, iqr, top, arg):  # type: ignore[no-untyped-def]
    """Integers, in tiles of 64 pixels; the last tile of a range overlaps the one before."""
    frames = stack.shape[0]
    kept = frames - n_removed
    keys = np.empty((frames, LANES), np.int16)
    low = np.empty(LANES, stack.dtype)
    high = np.empty(LANES, stack.dtype)
    at = np.empty(LANES, counter.dtype)
    ranks = np.array([kept - 1, (kept - 1) // 4, 3 * (kept - 1) // 4])
    found = np.empty((3, LANES), np.int16)
    tries = np.empty((3, LANES), np.int16)
    counts = np.empty((3, LANES), counter.dtype)
    not_above = np.empty((3, LANES), counter.dtype)
    quartiles = np.empty((2, LANES), np.float64)
    sums = np.empty(LANES, np.uint32)
    squares = np.empty(LANES, np.uint32)
    wide_squares = np.empty(LANES, np.uint64)
    fraction1 = 0.25 * (kept - 1) - ranks[1]
    fraction3 = 0.75 * (kept - 1) - ranks[2]
    p = start
    while p < stop:
        first = min(p, stop - LANES)
        _extremes(stack, first, low, high, at)
        _load_keys(stack, first, low, keys)
        bits = _key_bits(keys, low, high, kept, counts[0])
        _descend(keys, bits, ranks, found, tries, counts, not_above)
        _neighbours(keys, found, tries)
        for i in range(LANES):
            a, b = np.float64(found[1, i]), np.float64(found[1, i] if not_above[1, i] > ranks[1] + 1 else tries[1, i])
            c, d = np.float64(found[2, i]), np.float64(found[2, i] if not_above[2, i] > ranks[2] + 1 else tries[2, i])
            quartiles[0, i] = a + (b - a) * fraction1 if fraction1 > 0.0 else a
            quartiles[1, i] = c + (d - c) * fraction3 if fraction3 > 0.0 else c
        _sum_keys(keys, found[0], bits, sums, squares, wide_squares)
        for i in range(LANES):
            q = first + i
            top[q] = high[i]
            arg[q] = at[i]
            above = np.uint64(np.int64(found[0, i]) - KEY_ZERO)
            s = np.uint64(sums[i]) - np.uint64(n_removed) * above
            s2 = wide_squares[i] - np.uint64(n_removed) * above * above
            avg[q] = _mean(low[i], s, kept)
            spread[q] = np.float64(np.uint64(kept) * s2 - s * s)
            iqr[q] = quartiles[1, i] - quartiles[0, i]
        p += LANES


@jit
def _extremes(stack, first, low, high, at):  # type: ignore[no-untyped-def]
    """Least and greatest value of each lane, and the first frame that has the greatest."""
    low[:] = stack[0, first : first + LANES]
    high[:] = low
    at[:] = 0
    for t in range(1, stack.shape[0]):
        row = stack[t, first : first + LANES]
        for i in range(LANES):
            v = row[i]
            more = v > high[i]
            at[i] = t if more else at[i]
            high[i] = v if more else high[i]
            low[i] = min(v, low[i])


@jit
def _load_keys(stack, first, low, keys):  # type: ignore[no-untyped-def]
    """Keys = value - low + KEY_ZERO, modulo 2**16."""
    for t in range(stack.shape[0]):
        row = stack[t, first : first + LANES]
        for i in range(LANES):
            keys[t, i] = np.int16(np.int16(row[i]) - np.int16(low[i]) + KEY_ZERO)


@jit
def _key_bits(keys, low, high, kept, counts):  # type: ignore[no-untyped-def]
    """Bits that the kept keys of every lane need: spots and hot pixels, which are cut off, do not count."""
    frames = keys.shape[0]
    whole = frames - frames % 4
    most = np.uint64(0)
    for i in range(LANES):
        most = max(most, np.uint64(np.int64(high[i]) - np.int64(low[i])))
    bits = 0
    while (1 << bits) <= np.int64(most):
        bits += 1
    too_few = -1
    while bits - too_few > 1:  # bisection: enough keys lie below 2**bits, not below 2**too_few
        middle = (bits + too_few) // 2
        limit = np.int16((1 << middle) + KEY_ZERO)
        for i in range(LANES):
            counts[i] = 0
        for t in range(0, whole, 4):
            a, b, c, d = keys[t], keys[t + 1], keys[t + 2], keys[t + 3]
            for i in range(LANES):
                counts[i] += (
                    np.int16(a[i] < limit) + np.int16(b[i] < limit) + np.int16(c[i] < limit) + np.int16(d[i] < limit)
                )
        for t in range(whole, frames):
            for i in range(LANES):
                counts[i] += np.int16(keys[t, i] < limit)
        if counts.min() < kept:
            too_few = middle
        else:
            bits = middle
    return bits


@jit
def _descend(keys, bits, ranks, found, tries, counts, not_above):  # type: ignore[no-untyped-def]
    """found[k] = the key of rank ranks[k]: the largest key with no more than that many below it.

    The last try that is refused is found[k] + 1, so its count is how many keys are not above found[k]. Without one, all
    the keys that are kept are.
    """
    frames = keys.shape[0]
    found[:] = KEY_ZERO
    not_above[:] = ranks[0] + 1
    for bit in range(bits - 1, -1, -1):
        for k in range(3):
            for i in range(LANES):
                tries[k, i] = np.int16(np.int32(found[k, i]) + (1 << bit))
                counts[k, i] = 0
        a, b, c = tries[0], tries[1], tries[2]
        na, nb, nc = counts[0], counts[1], counts[2]
        whole = frames - frames % 4
        for t in range(0, whole, 4):  # four frames per pass over the counters
            for i in range(LANES):
                v, w, x, y = keys[t, i], keys[t + 1, i], keys[t + 2, i], keys[t + 3, i]
                na[i] += np.int16(v < a[i]) + np.int16(w < a[i]) + np.int16(x < a[i]) + np.int16(y < a[i])
                nb[i] += np.int16(v < b[i]) + np.int16(w < b[i]) + np.int16(x < b[i]) + np.int16(y < b[i])
                nc[i] += np.int16(v < c[i]) + np.int16(w < c[i]) + np.int16(x < c[i]) + np.int16(y < c[i])
        for t in range(whole, frames):
            for i in range(LANES):
                v = keys[t, i]
                na[i] += np.int16(v < a[i])
                nb[i] += np.int16(v < b[i])
                nc[i] += np.int16(v < c[i])
        for k in range(3):
            for i in range(LANES):
                if counts[k, i] <= ranks[k]:
                    found[k, i] = tries[k, i]
                else:
                    not_above[k, i] = counts[k, i]


@jit
def _neighbours(keys, found, above):  # type: ignore[no-untyped-def]
    """For the quartiles: the least key above found[k]."""
    for k in range(1, 3):
        for i in range(LANES):
            above[k, i] = KEY_TOP
    f1, f2, a1, a2 = found[1], found[2], above[1], above[2]
    for t in range(keys.shape[0]):
        for i in range(LANES):
            v = keys[t, i]
            a1[i] = min(a1[i], v if v > f1[i] else np.int16(KEY_TOP))
            a2[i] = min(a2[i], v if v > f2[i] else np.int16(KEY_TOP))


@jit
def _sum_keys(keys, top, bits, sums, squares, wide_squares):  # type: ignore[no-untyped-def]
    """Sums of min(key, top) and of its square, keys counted from 0; the squares in 32 bits where they fit."""
    frames = keys.shape[0]
    for i in range(LANES):
        sums[i] = 0
        squares[i] = 0
        wide_squares[i] = 0
    if (np.int64(frames) << np.int64(2 * bits)) < (np.int64(1) << np.int64(32)):
        for t in range(frames):
            for i in range(LANES):
                v = np.uint32(np.int32(min(keys[t, i], top[i])) - np.int32(KEY_ZERO))
                sums[i] += v
                squares[i] += v * v
        for i in range(LANES):
            wide_squares[i] = squares[i]
    else:
        for t in range(frames):
            for i in range(LANES):
                v = np.uint32(np.int32(min(keys[t, i], top[i])) - np.int32(KEY_ZERO))
                sums[i] += v
                wide_squares[i] += np.uint64(v) * np.uint64(v)


@jit
def _mean(low, total, kept):  # type: ignore[no-untyped-def]
    """Low + total / kept, from one division of integers where those are exact in float64."""
    shift = np.float64(low) * kept
    if abs(shift) < 4503599627370496.0:
        return (shift + np.float64(total)) / kept
    return np.float64(low) + np.float64(total) / kept
