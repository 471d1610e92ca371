"""Protects: statistics are those of the definition; shards, batches, order, threads and levels change not one bit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio._core import cpu_levels
from braggio.errors import LimitError
from braggio.kernels.accumulate import Accumulator


def correlograms(count, shape, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return (rng.normal(0.1, 1, (count, *shape)) * scale).astype(np.float32)


def accumulated(values, order=None, batches=(), **options):
    """In that order, in batches of those sizes."""
    found = Accumulator(values.shape[1:], **options)
    order = np.arange(len(values)) if order is None else order
    at = 0
    for size in (*batches, len(values)):
        part = order[at : at + size]
        found.update(values[part], part)
        at += size
    return found


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 8), (5, 9), (17, 31)])
def test_as_defined(level, shape):
    values = correlograms(50, shape)
    found = accumulated(values).finish()
    wide = values.astype(np.float64)
    mean, deviation = wide.mean(0), wide.std(0)
    np.testing.assert_array_equal(found.mip, values.max(0))
    np.testing.assert_array_equal(found.index, values.argmax(0))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.deviation, deviation, rtol=1e-6)
    np.testing.assert_allclose(found.scaled_mip, (values.max(0) - mean) / deviation, rtol=1e-6)
    assert found.count == 50


def test_sums_are_exact():
    """Against rational numbers, over fifteen decades."""
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(300, 1, 4)) * 10.0 ** rng.integers(-10, 5, (300, 1, 4))).astype(np.float32)
    arrays = accumulated(values).arrays()
    for pixel in range(4):
        total = sum(Fraction(float(v)) for v in values[:, 0, pixel])
        squares = sum(Fraction(float(v)) ** 2 for v in values[:, 0, pixel])
        high, low = int(arrays["sum_high"][0, pixel]), int(arrays["sum_low"][0, pixel])
        # 300 values, each rounded by at most half a unit
        assert abs(Fraction(high, 1 << 20) + Fraction(low, 1 << 71) - total) <= Fraction(150, 1 << 71)
        high, low = int(arrays["square_high"][0, pixel]), int(arrays["square_low"][0, pixel])
        assert abs(Fraction(high, 1 << 16) + Fraction(low, 1 << 67) - squares) <= Fraction(150, 1 << 67)


@given(
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    scale=st.sampled_from([1e-6, 1.0, 1000.0]),
    levels=st.integers(1, 3),
)
def test_shards_in_any_order_equal_the_whole(seed, cuts, scale, levels):
    values = np.round(correlograms(40, (3, 5), seed, 2.0)).astype(np.float32) * np.float32(scale)  # many ties
    whole = accumulated(values, bins=20, limits=(-5, 5))
    order = np.random.default_rng(seed).permutation(40)
    shards = [Accumulator((3, 5), bins=20, limits=(-5, 5)) for _ in range(levels)]
    for number, part in enumerate(np.split(order, sorted(cuts))):
        shards[number % levels].update(values[part], part)
    merged = shards[0]
    for shard in shards[1:]:
        merged.merge(shard)
    assert merged == whole
    first, second = whole.finish(), merged.finish()
    for name in ("mip", "index", "mean", "deviation", "scaled_mip"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_levels_and_threads_agree(monkeypatch):
    from braggio._core import cpu_levels

    values = correlograms(3, (1500, 1501))
    found = []
    for level in cpu_levels():
        for threads in (1, 3):
            monkeypatch.setenv("BRAGGIO_CPU", level)
            each = Accumulator(values.shape[1:], bins=16)
            each.update(values, threads=threads)
            found.append(each)
    assert all(each == found[0] for each in found[1:])


def test_more_correlograms_than_one_batch_holds():
    values = correlograms(5000, (1, 3))
    assert accumulated(values) == accumulated(values, batches=[7, 4096])


def test_equal_values_keep_the_smallest_index():
    found = Accumulator((1, 1))
    found.update(np.ones((1, 1, 1), np.float32), [7])
    found.update(np.ones((3, 1, 1), np.float32), [9, 3, 5])
    assert found.finish().index.tolist() == [[3]]


@pytest.mark.parametrize("level", cpu_levels())
def test_zeros_of_either_sign_leave_the_same_bytes(monkeypatch, level):
    monkeypatch.setenv("BRAGGIO_CPU", level)
    maps = np.zeros((2, 1, 20), np.float32)
    maps[1] = -0.0
    found = []
    for order in ((0, 1), (1, 0)):
        accumulator = Accumulator((1, 20))
        for k in order:
            accumulator.update(maps[k], [k])
        found.append({name: each.tobytes() for name, each in accumulator.arrays().items()})
    assert found[0] == found[1]


def test_no_spread_scales_to_nothing():
    found = Accumulator((1, 2))
    found.update(np.full((5, 1, 2), 0.1, np.float32))
    statistics = found.finish()
    assert statistics.deviation.max() < 1e-6 and np.isfinite(statistics.scaled_mip).all()
    zero = Accumulator((1, 2))
    zero.update(np.zeros((5, 1, 2), np.float32))
    assert zero.finish().scaled_mip.tolist() == [[0.0, 0.0]]


def test_histogram_and_survival():
    values = correlograms(30, (11, 13))
    found = accumulated(values, bins=40, limits=(-2.0, 2.0)).histogram()
    wide = values.astype(np.float64)
    assert found.below == (wide < -2).sum() and found.above == (wide >= 2).sum()
    np.testing.assert_array_equal(found.counts, np.histogram(wide[wide < 2], bins=found.edges)[0])
    assert found.total == values.size
    np.testing.assert_array_equal(found.survival(), [(wide >= edge).sum() for edge in found.edges])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 131073.0])
@pytest.mark.parametrize("count", [10, 5000])
def test_a_bad_value_is_named_and_nothing_changes(bad, count):
    found = Accumulator((3, 5))
    found.update(correlograms(4, (3, 5)))
    before = {name: array.copy() for name, array in found.arrays().items()}
    values = correlograms(count, (3, 5))
    values[count - 2, 1, 4] = bad
    with pytest.raises(LimitError, match="row 1, column 4"):
        found.update(values)
    assert found.count == 4
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(array, before[name])


def test_sums_that_may_overflow_are_refused():
    found = Accumulator((1, 1))
    values = np.full((4096, 1, 1), 131072.0, np.float32)
    found.update(values)
    with pytest.raises(LimitError, match="2\\^46"):
        found.update(values)


def test_refusals():
    found = Accumulator((2, 3))
    with pytest.raises(ValueError, match="no correlogram"):
        found.finish()
    for bad in (np.zeros((1, 3, 2), np.float32), np.zeros((1, 2, 3), complex)):
        with pytest.raises(ValueError, match="correlograms"):
            found.update(bad)
    values = np.zeros((2, 2, 3), np.float32)
    for indices in ([0], [0, -1], [0.5, 1]):
        with pytest.raises(ValueError, match="indices"):
            found.update(values, indices)
    with pytest.raises(ValueError, match="shape"):
        found.merge(Accumulator((3, 2)))
    with pytest.raises(ValueError, match="bins"):
        found.merge(Accumulator((2, 3), bins=4))
    with pytest.raises(ValueError, match="itself"):
        found.merge(found)


def test_arrays_outlive_the_accumulator():
    arrays = Accumulator((2, 3)).arrays()
    assert arrays["index"].tolist() == [[-1] * 3] * 2
