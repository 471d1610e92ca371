"""Groups of frames that share a mask, laser states, exact thresholds and n_removed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braggio.formats.mccd_h5 import FrameRecord, laser_states
from braggio.laue.options import SpotOptions
from braggio.laue.sync import block_warnings, blocks, check_angles, pairs
from braggio.laue.threshold import threshold_map


def record(angle, laser=None, block_size=0):
    return FrameRecord(np.asarray(angle, float), None if laser is None else np.asarray(laser, bool), block_size)


def test_encoder_noise_does_not_split_a_block():
    rng = np.random.default_rng(0)
    angle = np.repeat([10.0, 350.0, 20.0], 4) + rng.uniform(-1e-4, 1e-4, 12)
    assert [group.tolist() for group in blocks(record(angle))] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert check_angles(record(angle), 3) == 3


def test_blocks_in_order_of_appearance_even_when_scattered():
    assert [group.tolist() for group in blocks(record([7, 1, 7, 1, 3]))] == [[0, 2], [1, 3], [4]]


def test_off_on_pairs_are_pairs_too():
    assert len(pairs(record([1, 1, 2, 2], [0, 1, 1, 0]))) == 2


def test_uneven_blocks_and_a_wrong_block_size_are_told():
    even = record([1, 1, 2, 2], block_size=4)
    assert "block_size is 4" in block_warnings(even, blocks(even))[0]
    uneven = record([1, 1, 2])
    assert "1, 2 frames" in block_warnings(uneven, blocks(uneven))[0]
    assert block_warnings(record([1, 1, 2, 2], block_size=2), blocks(record([1, 1, 2, 2]))) == []


def test_laser_states_of_every_spelling():
    assert laser_states([1, 0, np.nan], None).tolist() == [True, False, False]
    assert laser_states(["on", "OFF", "0", "False", "1"], None).tolist() == [True, False, False, False, True]
    assert laser_states(None, ["100ps", "-", "", "nan"]).tolist() == [True, False, False, False]
    assert laser_states(None, [0.0, np.nan, 1e-10]).tolist() == [True, False, True]  # a delay of zero is a delay
    assert laser_states(None, None) is None


@pytest.mark.parametrize(
    ("n", "frames", "removed"),
    [(25, 200, 50), (25, 3, 0), (0, 200, 50), (29, 100, 29), (0.1, 1000, 1), (99.9, 2, 1), (10, 1, 0)],
)
def test_n_removed_is_exact_decimal(n, frames, removed):
    """29 % of 100 is 29, though 100 * 0.29 is 28.999999999999996."""
    assert SpotOptions(n=n).n_removed(frames) == removed


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.sampled_from([3.0, 1.0, 0.0, -1.5, 0.1, 2.5, 1e6]))
def test_threshold_is_exact(values, cutoff):
    """value >= threshold exactly where m value - S >= cutoff sqrt(m Q - S^2), decided with fractions."""
    m, total, squares = len(values), sum(values), sum(v * v for v in values)
    spread = m * squares - total * total
    limits, reachable = threshold_map(np.array([total / m]), np.array([float(spread)]), m, cutoff, np.dtype(np.uint16))
    ratio = Fraction(cutoff)
    for value in range(120):
        left, right = m * value - total, ratio * ratio * spread
        passes = (left >= 0 and left * left >= right) if cutoff >= 0 else (left >= 0 or left * left <= right)
        assert (bool(reachable[0]) and value >= limits[0]) == passes, (value, limits)


def test_float_thresholds_are_the_next_float_up():
    avg, spread = np.array([0.1, 1e30]), np.array([0.0, 0.0])
    limits, _ = threshold_map(avg, spread, 1, 3.0, np.dtype(np.float32))
    assert float(limits[0]) >= 0.1 > float(np.nextafter(limits[0], np.float32(0)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("cutoff", [1e17, 1e300, 1e308])
def test_a_cutoff_beyond_all_values(cutoff: float, dtype: type) -> None:
    """Nothing passes, or everything; a pixel without spread is held against its average alone."""
    avg, spread = np.array([5.0, 7.0, 65535.0]), np.array([4.0, 0.0, 1e12])
    limits, reachable = threshold_map(avg, spread, 2, cutoff, np.dtype(dtype))
    within = dtype is np.float32 and cutoff < 1e38
    assert reachable.tolist() == [within, True, within]
    assert limits[1] == 7
    limits, reachable = threshold_map(avg[:2], spread[:2], 2, -cutoff, np.dtype(dtype))
    assert reachable.all()
    least = np.finfo(dtype).min if dtype is np.float32 else np.iinfo(dtype).min
    assert limits[0] == (np.float32(5 - cutoff) if within else least)
    assert limits[1] == 7
