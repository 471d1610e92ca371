"""CBF codecs: bytes to array and back, exact for every value and safe on any bytes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from braggio._core import Source, decode_section, encode_section
from braggio.errors import TruncatedError, UnsupportedError

Codec = Literal["none", "byte_offset", "packed", "packed_v2"]
CODECS = ("none", "byte_offset", "packed", "packed_v2")


def decode(
    data: bytes | bytearray | memoryview,
    codec: Codec,
    *,
    shape: int | tuple[int, ...] | None = None,
    dtype: DTypeLike = np.int32,
    out: NDArray[Any] | None = None,
    flat: bool = False,
    uncorrelated: bool = False,
) -> NDArray[Any]:
    r"""The array that a CBF section holds.

    Parameters
    ----------
    data : bytes-like
        The stored bytes, those counted by X-Binary-Size.
    codec : {"none", "byte_offset", "packed", "packed_v2"}
    shape : int or tuple of int, optional
        At most three axes, the fast one last. Either this or `out`.
    dtype : dtype-like
        Integer of 8 to 64 bits, signed or not; packed sections also hold float32 and float64.
    out : ndarray, optional
        C-contiguous array to fill; its shape and dtype count.
    flat, uncorrelated : bool
        Options of packed sections.

    Returns
    -------
    ndarray
        `out`, or a new array.

    Raises
    ------
    TruncatedError
        The bytes end before the last value.
    FormatError
        The stated count is another one.

    Examples
    --------
    >>> decode(b"\x01\x01\xfe", "byte_offset", shape=3).tolist()
    [1, 2, 0]
    """
    if out is None:
        if shape is None:
            raise ValueError("either shape or out must be given")
        out = _allocated(shape, np.dtype(dtype), len(data))
    _require(out, codec)
    decode_section(Source.over(data), 0, len(data), codec, out, flat=flat, uncorrelated=uncorrelated)
    return out


def _allocated(shape: int | tuple[int, ...], dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    """No more than the bytes could ever hold: 128 values in the 6 bits of a packed chunk."""
    axes = (shape,) if isinstance(shape, int) else shape
    count = 1
    for length in axes:
        if length < 0:
            raise ValueError(f"shape must not be negative: {axes}")
        count *= length
    if count > most_values(size):
        raise TruncatedError(field="section", expected=f"bytes of {count} values", found=f"{size} bytes")
    return np.empty(axes, dtype)


def most_values(size: int) -> int:
    """How many values a section of `size` bytes can hold, by any codec."""
    return max(0, size) * 171


def _require(array: NDArray[Any], codec: str) -> None:
    if codec not in CODECS:
        raise ValueError(f"codec must be one of {', '.join(CODECS)}, not {codec!r}")
    kinds = "iuf" if codec != "byte_offset" else "iu"
    narrowest = 4 if array.dtype.kind == "f" else 1
    if array.dtype.kind not in kinds or not narrowest <= array.dtype.itemsize <= 8 or not array.dtype.isnative:
        held = "integers" if kinds == "iu" else "integers, and reals of 32 and 64 bits"
        raise UnsupportedError(f"{codec} holds {held}, not {array.dtype}", field="codec")
    if not 1 <= array.ndim <= 3:
        raise ValueError(f"a section has 1 to 3 axes, not {array.ndim}")


def encode(array: ArrayLike, codec: Codec = "byte_offset") -> bytes:
    r"""The CBF section of an array.

    Parameters
    ----------
    array : array-like
        1 to 3 axes, the fast one last; integers of 8 to 64 bits, for all codecs but byte_offset also reals.
    codec : {"none", "byte_offset", "packed", "packed_v2"}

    Returns
    -------
    bytes

    Examples
    --------
    >>> encode(np.array([1, 2, 0], np.int32))
    b'\x01\x01\xfe'
    """
    values = np.asarray(array)
    native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    _require(native, codec)
    return encode_section(native, codec)
