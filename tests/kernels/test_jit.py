"""Protects: ranges of pixels given to threads make up the whole, in whole lanes, and their errors come out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio.kernels.jit import LANES, in_ranges


@given(pixels=st.integers(0, 200_000), threads=st.integers(1, 9))
def test_ranges_make_up_the_whole(pixels, threads):
    seen = []
    in_ranges(lambda start, stop: seen.append((start, stop)), pixels, threads)
    seen.sort()
    assert [start for start, _ in seen] == [0, *(stop for _, stop in seen[:-1])] and seen[-1][1] == pixels
    assert len(seen) <= threads and all(start % LANES == 0 for start, _ in seen)
    assert len(seen) == 1 or all(stop - start >= LANES for start, stop in seen)


def test_an_error_in_a_thread_is_raised():
    def fail(start: int, stop: int) -> None:
        if start:
            raise ArithmeticError(f"from {start}")

    with pytest.raises(ArithmeticError, match="from"):
        in_ranges(fail, 100_000, 3)
