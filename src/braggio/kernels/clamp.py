"""Signed or float pixels plus an offset, clamped into uint16."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import ClampCounts
from braggio._core import clamp as _clamp

MAX_OFFSET = 1 << 31


def to_uint16(
    array: ArrayLike, offset: int = 0, *, out: NDArray[np.uint16] | None = None, threads: int = 1
) -> tuple[NDArray[np.uint16], ClampCounts]:
    """``clip(array + offset, 0, 65535)`` as uint16, with the losses counted.

    Parameters
    ----------
    array : array-like of (u)int8, (u)int16, (u)int32, float32 or float64
        Any shape. Float sums are formed in float64 and rounded half to even.
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
    TypeError
        A dtype that is not one of those above.
    ValueError
        NaN or infinity in the array; an `out` or `offset` that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> pixels, counts = to_uint16(np.array([0.5, 1.5, -1.0]), offset=0)
    >>> pixels.tolist(), counts.low, counts.rounded
    ([0, 2, 0], 1, 2)
    """
    pixels = np.asarray(array)
    if (
        pixels.dtype.kind not in "iuf"
        or pixels.dtype.itemsize > (8 if pixels.dtype.kind == "f" else 4)
        or pixels.dtype == "f2"
    ):
        raise TypeError(f"array must be an 8, 16 or 32-bit integer, float32 or float64, not {pixels.dtype}")
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("=")).reshape(pixels.shape)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        where = np.unravel_index(int(np.argmin(np.isfinite(pixels))), pixels.shape)
        raise ValueError(f"array must be finite, not {pixels[where]} at {tuple(int(i) for i in where)}")
    offset = operator.index(offset)
    if not -MAX_OFFSET <= offset <= MAX_OFFSET:
        raise ValueError(f"offset must be within 2^31 of 0, not {offset}")
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    if out is None:
        out = np.empty(pixels.shape, np.uint16)
    _check_out(out, pixels)
    return out, _clamp(pixels, out, offset, threads)


def _check_out(out: NDArray[Any], pixels: NDArray[Any]) -> None:
    if out.shape != pixels.shape or out.dtype != np.uint16 or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out must be writeable C-contiguous uint16 of shape {pixels.shape}, not {out.dtype} {out.shape}"
        )
    if np.may_share_memory(out, pixels):
        raise ValueError("out must not overlap array")
