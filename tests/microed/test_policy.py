"""LEGINON_OFFSET and IMAGE_PEDESTAL: the worked example, Leginon's rule written down again, the other policies."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio.errors import BraggioError, LimitError, UnsupportedError
from braggio.microed import POLICIES, zero_point
from braggio.microed.policy import certain_offset

minima = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=30)


def test_worked_example() -> None:
    zero = zero_point("leginon", (-10000, -145, -200))
    assert (zero.offset, zero.pedestal) == (2000, 1855)


def test_real_series() -> None:
    zero = zero_point("leginon", (-351, -323, -350, -314, -333))
    assert (zero.offset, zero.pedestal, zero.warnings) == (351, 37, ())


@given(minima)
def test_leginon(values: list[int]) -> None:
    """diffrtransfer: the least of the minima, not below -2000; the pedestal adds the greatest of them."""
    least = min(values)
    least = max(least, -2000)
    zero = zero_point("leginon", values)
    assert (zero.offset, zero.pedestal) == (-least, -least + max(values))


@given(minima)
def test_the_other_policies(values: list[int]) -> None:
    assert zero_point("median", values).offset == -min(values)
    assert zero_point("median", values).pedestal == -min(values) + statistics.median(values)
    assert (
        zero_point("zero", values).offset == zero_point("zero", values).pedestal == zero_point("leginon", values).offset
    )
    lossless = (
        zero_point("lossless", values, [max(values)] * len(values)) if max(values) - min(values) <= 65535 else None
    )
    if lossless:
        assert lossless.offset == -min(values)
        assert max(values) + lossless.offset <= 65535


def test_lossless_refuses_what_would_clip() -> None:
    assert zero_point("lossless", [-10], [65525]).offset == 10
    with pytest.raises(LimitError, match="65535"):
        zero_point("lossless", [-10], [65526])


def test_float_minima_are_rounded_down() -> None:
    """No pixel may fall below zero for a fraction."""
    assert zero_point("leginon", [-3.25, -1.5]).offset == 4
    assert zero_point("leginon", [-3.25, -1.5]).pedestal == pytest.approx(2.5)
    assert isinstance(zero_point("median", [-3.25]).offset, int)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("values", "warned"), [((5, 7), True), ((-3, -1), False), ((0, 3), True)])
def test_a_series_without_negative_pixels_is_warned_of(policy: str, values: tuple[int, ...], warned: bool) -> None:
    assert bool(zero_point(policy, values, [100]).warnings) is warned


def test_all_minima_below_the_cut_are_warned_of() -> None:
    zero = zero_point("leginon", (-10000, -5000))
    assert (zero.offset, zero.pedestal) == (2000, -3000)
    assert any("negative" in text for text in zero.warnings)


def test_warnings_are_true() -> None:
    """A pedestal below zero because the minima are positive has nothing to do with the cut at -2000."""
    assert not any("below -2000" in text for text in zero_point("zero", (5, 7)).warnings)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("first", [-2001, -2000, -1999, -1999.5, 3, float("-inf")])
def test_a_certain_offset_is_that_of_any_series_with_the_frame(policy: str, first: float) -> None:
    """And a policy without a cut never knows before the end."""
    certain = certain_offset(policy, first, max_offset=2000)
    assert (certain is not None) == (policy in ("leginon", "zero") and first <= -2000)
    if certain is not None and first > float("-inf"):
        for others in ([], [5], [-1999], [-50000, 7]):
            assert zero_point(policy, [*others, first]).offset == certain


def test_unknown_policies_are_listed() -> None:
    with pytest.raises(UnsupportedError, match="leginon or median or lossless or zero"):
        zero_point("linear", (1,))


@pytest.mark.parametrize("cut", [-1, 0.5, float("nan")])
def test_a_cut_that_cannot_be_is_refused(cut: float) -> None:
    """An offset is a whole number, and a cut below 0 would subtract from negative pixels."""
    with pytest.raises((BraggioError, ValueError, TypeError)):
        zero_point("leginon", (-5,), max_offset=cut)  # type: ignore[arg-type]
