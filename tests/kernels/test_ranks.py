"""Protects: ranks are scipy's, for every float32."""

import numpy as np
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from braggio.kernels.ranks import ranks


@given(arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32, allow_nan=False)))
def test_as_scipy(values):
    np.testing.assert_array_equal(ranks(values), scipy.stats.rankdata(values))


def test_many():
    values = np.random.default_rng(0).normal(size=200_000).astype(np.float32).round(3)
    np.testing.assert_array_equal(ranks(values), scipy.stats.rankdata(values))


def test_nan_last():
    assert ranks([np.nan, 1, -np.nan, np.inf]).tolist() == [3.5, 1, 3.5, 2]
