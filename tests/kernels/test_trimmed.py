"""Trimmed statistics against sorting with Python integers, for every dtype."""

import numpy as np
import pytest

from braggio.kernels.trimmed import trimmed


def by_sorting(stack, n_removed):
    kept = np.sort(stack, axis=0)[: len(stack) - n_removed]
    exact = kept.astype(object if stack.dtype.kind != "f" else float)
    m, total, squares = len(kept), exact.sum(axis=0), (exact * exact).sum(axis=0)
    q25, q75 = np.percentile(kept.astype(float), [25, 75], axis=0)
    return (total / m).astype(float), (m * squares - total * total).astype(float), q75 - q25


def check(stack, n_removed, threads=1):
    found = trimmed(stack, n_removed, threads=threads)
    if stack.dtype in (np.int8, np.uint16):  # each further type is compiled for 10 s
        numba = trimmed(stack, n_removed, threads=threads, engine="numba")
        for name, ours, theirs in zip(found._fields, found, numba, strict=True):
            assert np.array_equal(ours, theirs), f"the engines differ in {name}"
    avg, spread, iqr = by_sorting(stack, n_removed)
    assert np.array_equal(found.max, stack.max(axis=0)) and np.array_equal(found.arg, stack.argmax(axis=0))
    if stack.dtype.kind != "f" and stack.dtype.itemsize <= 2:  # exact to the last bit
        assert np.array_equal(found.avg, avg) and np.array_equal(found.spread, spread)
    width = float(stack.max()) - float(stack.min()) if stack.dtype.itemsize == 8 else 0.0
    np.testing.assert_allclose(found.avg, avg, rtol=1e-14 if stack.dtype.kind != "f" else 1e-6, atol=1e-14 * width)
    np.testing.assert_allclose(found.spread, spread, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found.iqr, iqr, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", ">u2", "u4", ">i4", "i4", "u8", "i8", "f2", "f4", "f8"])
def test_every_dtype_and_size(dtype):
    rng = np.random.default_rng(0)
    for frames in (1, 2, 3, 4, 5, 7, 20, 53):
        for pixels in (1, 63, 64, 65, 200):
            if dtype[-2] == "f":
                stack = rng.normal(100, 10, (frames, pixels)).astype(dtype)
            else:
                info = np.iinfo(dtype)
                stack = rng.integers(
                    info.min, info.max, (frames, pixels), np.dtype(dtype).newbyteorder("="), True
                ).astype(dtype)
                stack[:, ::3] %= 50  # narrow ranges with many ties beside the widest
            for n_removed in {0, frames // 4, frames - 1}:
                check(stack, n_removed)


def test_spots_and_hot_pixels_beside_quiet_ones():
    """One lane of a tile may be wide: it must not change its neighbours."""
    rng = np.random.default_rng(1)
    stack = rng.poisson(30, (40, 300)).astype(np.uint32)
    stack[7, 10] = 4_000_000_000
    stack[:, 77] = rng.integers(0, 2**32, 40)
    stack[:, 78] = 5
    check(stack, 10)


def test_threads_do_not_matter():
    stack = np.random.default_rng(2).poisson(300, (30, 5000)).astype(np.uint16)
    one, three = trimmed(stack, 7), trimmed(stack, 7, threads=3)
    assert all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))
    check(stack, 7)


def test_more_frames_than_a_16_bit_counter():
    stack = np.random.default_rng(3).integers(0, 9, (40_000, 64)).astype(np.uint8)
    check(stack, 10_000)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="n_removed"):
        trimmed(np.zeros((3, 3), np.uint8), 3)
    with pytest.raises(ValueError, match="shape"):
        trimmed(np.zeros(3, np.uint8), 0)
    with pytest.raises(TypeError, match="stack: expected integers or reals"):
        trimmed(np.zeros((3, 3), complex), 0)


def test_the_numba_engine_refuses_what_it_cannot_do_exactly():
    with pytest.raises(TypeError, match="8 and 16 bits"):
        trimmed(np.zeros((2, 70), np.float32), engine="numba")
    with pytest.raises(ValueError, match="engine"):
        trimmed(np.zeros((2, 70), np.uint16), engine="abacus")
