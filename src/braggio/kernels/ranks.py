"""Ranks of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import fill_ranks
from braggio.kernels.arrays import as_float32


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1 to n; equal values share the mean of theirs, as in ``scipy.stats.rankdata``.

    Parameters
    ----------
    values : array-like
        Rounded to float32; fewer than 2^32. NaN come last and share a rank.

    Returns
    -------
    float64 ndarray
        Of the same shape.

    Examples
    --------
    >>> ranks([3.0, 1.0, 3.0, -2.0]).tolist()
    [3.5, 2.0, 3.5, 1.0]
    """
    numbers = as_float32(values, "values")
    found = np.empty(numbers.shape, np.float64)
    fill_ranks(numbers, found)
    return found
