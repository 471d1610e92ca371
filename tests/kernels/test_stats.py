"""frame_stats against exact arithmetic: integers as fractions, floats as numpy's float64, at every level."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from makers import pixels

from braggio.errors import BraggioError
from braggio.kernels import FrameStats, frame_stats
from braggio.kernels.stats import combined

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
FLOATS = ["float32", "float64"]
quick = settings(max_examples=60, deadline=None)


def root(value: Fraction) -> float:
    """The square root to 60 digits, then rounded once."""
    with localcontext() as context:
        context.prec = 60
        return float((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


def exact(array: np.ndarray) -> tuple[int, int, float, float]:
    values = [int(value) for value in array.ravel()]
    n, total = len(values), sum(values)
    variance = Fraction(n * sum(value * value for value in values) - total * total, n * n)
    return min(values), max(values), float(Fraction(total, n)), root(variance)


def check_integers(array: np.ndarray) -> None:
    stats = frame_stats(array)
    low, high, mean, std = exact(array)
    assert (stats.count, stats.min, stats.max, stats.mean) == (array.size, low, high, mean)
    assert stats.std == pytest.approx(std, rel=4e-16, abs=0)
    assert isinstance(stats.min, int)


@quick
@given(dtype=st.sampled_from(INTEGERS), data=st.data())
def test_integers_are_exact(dtype: str, data: st.DataObject) -> None:
    check_integers(data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=3, max_side=60))))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("fill", ["min", "max", "ends"])
def test_sums_do_not_overflow(dtype: str, fill: str, level: str) -> None:
    """A hundred thousand of the largest squares pass 64 bits."""
    limits = np.iinfo(dtype)
    array = np.full(100_003, limits.max if fill == "max" else limits.min, dtype)
    if fill == "ends":
        array[::2] = limits.max
    check_integers(array)


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 127, 2047, 2048, 2049, 4097, 65537, 262_145])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "float64"])
def test_every_remainder(size: int, dtype: str, level: str) -> None:
    """The extremes and the quantile at sizes around groups, chunks and blocks, with the least value first and last."""
    for place in (0, size // 2, size - 1):
        array = pixels((size,), "int8", size).astype(dtype)
        array[place] = array.min() - array.dtype.type(1) if dtype != "uint8" or array.min() > 0 else array.min()
        stats = frame_stats(array)
        assert stats.min == array.min()
        assert stats.max == array.max()
        assert stats.low_quantile == np.sort(array)[int(1e-4 * (size - 1))]


@quick
@given(dtype=st.sampled_from(FLOATS), data=st.data())
def test_floats(dtype: str, data: st.DataObject) -> None:
    """Minimum and maximum exactly; mean and std to float64 rounding."""
    limit = 1e6
    elements = st.floats(-limit, limit, width=32 if dtype == "float32" else 64)
    array = data.draw(hnp.arrays(dtype, st.integers(1, 500), elements=elements))
    stats = frame_stats(array)
    assert (stats.min, stats.max) == (array.min(), array.max())
    wide = array.astype("float64")
    assert stats.mean == pytest.approx(wide.mean(), rel=1e-9, abs=1e-9 * np.abs(wide).max())
    assert stats.std == pytest.approx(wide.std(), rel=1e-6, abs=1e-7 * np.abs(wide).max())


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_high_background_does_not_eat_the_spread(dtype: str, level: str) -> None:
    """Sums of squares of 1e6 +- 0.25 would lose it all in float32 and most of it in float64."""
    array = np.tile(np.array([1e6, 1e6 + 0.5], dtype), 20_000)
    stats = frame_stats(array)
    assert stats.mean == 1e6 + 0.25
    assert stats.std == pytest.approx(0.25, rel=1e-12)


@pytest.mark.parametrize("dtype", FLOATS)
def test_extremes_of_floats_of_every_size(dtype: str, level: str) -> None:
    """Denormals, zeros of both signs, the largest numbers."""
    info = np.finfo(dtype)
    array = np.array([0.0, -0.0, info.tiny / 4, -info.tiny / 4, info.max, info.min, 1.0, -1.0], dtype)
    for count in (8, 6, 4, 2):
        stats = frame_stats(array[:count])
        assert (stats.min, stats.max) == (array[:count].min(), array[:count].max())


@quick
@given(
    dtype=st.sampled_from([*INTEGERS, *FLOATS]),
    fraction=st.floats(0, 0.5),
    size=st.integers(1, 9000),
    seed=st.integers(0, 50),
)
def test_low_quantile_is_the_pixel_of_that_rank(dtype: str, fraction: float, size: int, seed: int) -> None:
    array = pixels((size,), dtype, seed)
    order = np.sort(array) if seed % 3 else np.sort(array)[::-1]
    given_ = array if seed % 2 else np.ascontiguousarray(order)
    assert frame_stats(given_, low_fraction=fraction).low_quantile == np.sort(array)[int(fraction * (size - 1))]


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_levels_give_the_same_bits(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from braggio._core import cpu_levels

    array = pixels((317, 211), dtype, 3)
    found = set()
    for level in cpu_levels():
        monkeypatch.setenv("BRAGGIO_CPU", level)
        found.add(frame_stats(array))
    assert len(found) == 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 2047, 2048, 4999])
def test_not_a_number_is_refused_with_its_place(dtype: str, bad: float, place: int, level: str) -> None:
    array = np.zeros(5000, dtype)
    array[place] = bad
    with pytest.raises(ValueError, match=f"index {place}"):
        frame_stats(array)


def test_any_memory_layout() -> None:
    array = pixels((6, 10), "int32")
    for given_ in (
        array.astype(">i4"),
        array[::2, ::3],
        array[::-1],
        array.T,
        np.asfortranarray(array),
        array[2, 3],
        array[np.newaxis],
    ):
        check_integers(given_)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0)])
def test_empty_arrays_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="empty"):
        frame_stats(np.zeros(shape, "int32"))


@pytest.mark.parametrize("dtype", ["complex64", "bool", "object", "U2"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises((BraggioError, TypeError)):
        frame_stats(np.zeros(3, dtype))


@pytest.mark.parametrize("fraction", [-0.1, 0.51, math.nan, 2])
def test_low_fraction_must_be_one(fraction: float) -> None:
    with pytest.raises(ValueError, match="low_fraction"):
        frame_stats(np.zeros(3, "int32"), low_fraction=fraction)


@quick
@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=6), dtype=st.sampled_from(["int16", "int32", "float64"])
)
def test_combined_is_the_whole(sizes: list[int], dtype: str) -> None:
    parts = [pixels((size,), dtype, i) for i, size in enumerate(sizes)]
    whole = np.concatenate(parts).astype("float64")
    found = combined(frame_stats(part) for part in parts)
    assert (found.count, found.min, found.max) == (whole.size, whole.min(), whole.max())
    assert found.mean == pytest.approx(whole.mean(), rel=1e-9, abs=1e-9 * np.abs(whole).max())
    assert found.std == pytest.approx(whole.std(), rel=1e-9, abs=1e-9 * np.abs(whole).max())


def test_combined_needs_moments() -> None:
    with pytest.raises(ValueError, match="cannot be combined"):
        combined([FrameStats(1, 0, 0, None, None, 0)])
