"""Signed or float pixels plus an offset, clamped into uint16."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import ClampCounts
from braggio._core import clamp as _clamp
from braggio.kernels.arrays import as_output, as_pixels, as_threads

MAX_OFFSET = 1 << 31


def to_uint16(
    array: ArrayLike, offset: int = 0, *, out: NDArray[np.uint16] | None = None, threads: int = 1
) -> tuple[NDArray[np.uint16], ClampCounts]:
    """``clip(array + offset, 0, 65535)`` as uint16, with the losses counted.

    Parameters
    ----------
    array : array-like
        Any shape; dtypes as of `braggio.kernels.arrays.as_pixels`. Float sums are formed in float64 and rounded half to
        even.
    offset : int
        Added to every pixel; at most 2^31 in size.
    out : uint16 ndarray, optional
        C-contiguous, of the array's shape; it is filled and returned. It must not overlap `array`.
    threads : int
        At most this many; arrays under 8 MiB use one. The result does not depend on it.

    Returns
    -------
    pixels : uint16 ndarray
        Of the shape of `array`.
    counts : ClampCounts
        ``low`` and ``high``: pixels lost at 0 and at 65535; ``rounded``: float sums that were not integers.

    Raises
    ------
    DtypeError
        The array is not of integers or reals.
    ValueError
        NaN or infinity in the array; an `out` or `offset` that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> pixels, counts = to_uint16(np.array([0.5, 1.5, -1.0]), offset=0)
    >>> pixels.tolist(), counts.low, counts.rounded
    ([0, 2, 0], 1, 2)
    """
    pixels = as_pixels(array, "array")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        where = np.unravel_index(int(np.argmin(np.isfinite(pixels))), pixels.shape)
        raise ValueError(f"array must be finite, not {pixels[where]} at {tuple(int(i) for i in where)}")
    offset = operator.index(offset)
    if not -MAX_OFFSET <= offset <= MAX_OFFSET:
        raise ValueError(f"offset must be within 2^31 of 0, not {offset}")
    target = np.empty(pixels.shape, np.uint16) if out is None else as_output(out, pixels.shape, np.uint16)
    if np.may_share_memory(target, pixels):
        raise ValueError("out must not overlap array")
    return target, _clamp(pixels, target, offset, as_threads(threads))
