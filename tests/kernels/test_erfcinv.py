"""Protects: the cutoff is the published one to the last bit."""

import numpy as np
import pytest
import scipy.special

from braggio.kernels.erfcinv import erfcinv, normal_quantile, normal_quantiles


def test_bit_for_bit_scipys():
    rng = np.random.default_rng(0)
    y = np.concatenate([10 ** rng.uniform(-300, 0.3, 20000), rng.uniform(0, 2, 20000), [5e-324, 1.0, 2 - 1e-16]])
    y = y[y < 2]
    np.testing.assert_array_equal([erfcinv(float(value)) for value in y], scipy.special.erfcinv(y))


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.1, np.nan])
def test_ends(p):
    np.testing.assert_equal(normal_quantile(p), scipy.special.ndtri(p))
    np.testing.assert_equal(normal_quantiles([p])[0], scipy.special.ndtri(p))


def test_many_at_once():
    p = np.random.default_rng(1).random(10000)
    np.testing.assert_allclose(normal_quantiles(p), scipy.special.ndtri(p), rtol=1e-15)
