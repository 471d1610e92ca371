"""Arrays as kernels take them: numbers of any integer or real dtype, outputs to fill, numbers of threads.

Every kernel takes its arguments through these functions, so that all of them take and refuse the same.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from braggio.errors import DtypeError, LimitError


def as_numbers(array: ArrayLike, name: str) -> NDArray[Any]:
    """An array of numbers in native byte order and C order.

    Parameters
    ----------
    array : array-like
        Any shape; integers of 8 to 64 bits, float16, float32 or float64. float16 becomes float32, which kernels are
        compiled for.
    name : str
        Of the argument, for errors.

    Raises
    ------
    DtypeError
        Another dtype; bool and complex among them.

    Examples
    --------
    >>> as_numbers([[1, 2]], "image").dtype.name, as_numbers(np.zeros(2, ">f2"), "image").dtype.name
    ('int64', 'float32')
    >>> as_numbers([True], "image")
    Traceback (most recent call last):
    ...
    braggio.errors.DtypeError: image: expected integers or reals of at most 64 bits, found bool
    """
    values: NDArray[Any] = np.asarray(array)
    kind = values.dtype
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise DtypeError(field=name, expected="integers or reals of at most 64 bits", found=kind)
    native = np.dtype(np.float32) if kind.kind == "f" and kind.itemsize == 2 else kind.newbyteorder("=")
    return np.ascontiguousarray(values, native).reshape(values.shape)  # which makes a 1-D array of a 0-D one


def as_pixels(array: ArrayLike, name: str) -> NDArray[Any]:
    """Pixels: `as_numbers`, with 64-bit integers narrowed to 32 bits, the most that kernels are compiled for.

    Raises
    ------
    DtypeError
        As of `as_numbers`.
    LimitError
        A 64-bit integer that does not fit, with its place.

    Examples
    --------
    >>> as_pixels([[1, -2]], "image").dtype.name, as_pixels([3_000_000_000], "image").dtype.name
    ('int32', 'uint32')
    """
    values = as_numbers(array, name)
    if values.dtype.kind == "f" or values.dtype.itemsize < 8:
        return values
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for narrow in (np.int32, np.uint32):
        limits = np.iinfo(narrow)
        if limits.min <= low and high <= limits.max:
            return values.astype(narrow)
    flat = int(values.argmax() if high > np.iinfo(np.uint32).max else values.argmin())
    place = tuple(int(each) for each in np.unravel_index(flat, values.shape))
    found = f"{values.reshape(-1)[flat]} at {place}"
    raise LimitError(field=name, expected="values of int32 or of uint32", found=found)


def as_float32(array: ArrayLike, name: str) -> NDArray[np.float32]:
    """Numbers rounded to float32; those beyond it become infinite.

    Raises
    ------
    DtypeError
        As of `as_numbers`; bools are 0 and 1.
    """
    values = np.asarray(array)
    with np.errstate(over="ignore"):
        return np.asarray(as_numbers(values.view(np.uint8) if values.dtype == bool else values, name), np.float32)


def as_output(out: NDArray[Any], shape: tuple[int, ...], dtype: DTypeLike, name: str = "out") -> NDArray[Any]:
    """An array to fill, as it is.

    Raises
    ------
    ValueError
        It is of another shape or dtype, not C-contiguous, or cannot be written.
    """
    kind = np.dtype(dtype)
    if out.shape != shape or out.dtype != kind or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(f"{name} must be writeable C-contiguous {kind} of shape {shape}, not {out.dtype} {out.shape}")
    return out


def as_threads(threads: int) -> int:
    """A number of threads.

    Raises
    ------
    ValueError
        It is no integer of at least 1.
    """
    try:
        count = 0 if isinstance(threads, bool) else operator.index(threads)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"threads must be at least 1, not {threads!r}")
    return count
