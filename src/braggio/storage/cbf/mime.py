"""The MIME header of a binary section, and the section that it describes."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from braggio._core import Source
from braggio.errors import FormatError, TruncatedError, UnsupportedError
from braggio.kernels.cbf import Codec, most_values
from braggio.storage.cbf.section import Section

_CONVERSIONS = {
    "x-cbf_byte_offset": "byte_offset",
    "x-cbf_packed": "packed",
    "x-cbf_packed_v2": "packed_v2",
    "x-cbf_none": "none",
}
_ELEMENT = re.compile(r"(signed|unsigned)\s+(\d+)-bit\s+(integer|real ieee)$")


def header_fields(text: bytes) -> dict[str, str]:
    """Header fields in lower case; lines that begin with a blank go on."""
    lines = re.sub(rb"\r?\n[ \t]+", b" ", text).decode("latin-1").splitlines()
    header: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            header[name.strip().lower()] = value.strip()
    return header


def header_number(header: Mapping[str, str], name: str, *, required: bool = False) -> int:
    """A number of a header; 0 where it is not there and need not be."""
    text = header.get(name)
    if text is None and not required:
        return 0
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FormatError(field=name, expected="a number", found=repr(text))
    return int(text)


def described(header: Mapping[str, str], source: Source, offset: int, size: int) -> Section:
    """The section that a MIME header describes, checked against its size."""
    codec, flat, uncorrelated = _conversion(header.get("content-type", ""))
    dtype = _dtype(header)
    shape = _shape(header, size // dtype.itemsize)
    count = 1
    for length in shape:
        count *= length
    stated = header_number(header, "x-binary-number-of-elements")
    if stated and stated != count:
        raise FormatError(field="X-Binary-Number-of-Elements", expected=count, found=stated)
    smallest = {"none": count * dtype.itemsize, "byte_offset": count}.get(codec, 0)
    if count < 1 or smallest > size or count > most_values(size):
        raise TruncatedError(field="X-Binary-Size", expected=f"bytes of {count} values", found=size)
    return Section(
        id=header_number(header, "x-binary-id"),
        codec=codec,
        dtype=dtype,
        shape=shape,
        offset=offset,
        size=size,
        digest=_digest(header.get("content-md5")),
        flat=flat,
        uncorrelated=uncorrelated,
        source=source,
    )


def _conversion(content_type: str) -> tuple[Codec, bool, bool]:
    found = re.search(r'conversions\s*=\s*"?([A-Za-z0-9_\-]+)', content_type)
    codec: Any = _CONVERSIONS.get(found[1].lower()) if found else "none"
    if codec is None:
        raise UnsupportedError(field="conversions", expected=" or ".join(_CONVERSIONS), found=found[1] if found else "")
    options = content_type.lower()
    return codec, '"flat"' in options, "uncorrelated" in options


def _dtype(header: Mapping[str, str]) -> np.dtype[Any]:
    text = header.get("x-binary-element-type", '"unsigned 32-bit integer"').strip().strip('"').lower()
    found = _ELEMENT.match(" ".join(text.split()))
    bits = int(found[2]) if found else 0
    if found is None or bits not in (8, 16, 32, 64) or (found[3] != "integer" and bits < 32):
        raise UnsupportedError(field="X-Binary-Element-Type", expected="integers or reals of 8 to 64 bits", found=text)
    order = header.get("x-binary-element-byte-order", "LITTLE_ENDIAN").strip('"').upper()
    if order not in ("LITTLE_ENDIAN", "BIG_ENDIAN"):
        raise UnsupportedError(field="X-Binary-Element-Byte-Order", expected="LITTLE_ENDIAN or BIG_ENDIAN", found=order)
    kind = "f" if found[3] != "integer" else "i" if found[1] == "signed" else "u"
    return np.dtype(f"{'>' if order == 'BIG_ENDIAN' else '<'}{kind}{bits // 8}")


def _shape(header: Mapping[str, str], elements: int) -> tuple[int, ...]:
    lengths = [header_number(header, f"x-binary-size-{axis}-dimension") for axis in ("fastest", "second", "third")]
    if "x-binary-size-fastest-dimension" not in header:
        return (header_number(header, "x-binary-number-of-elements") or elements,)
    while len(lengths) > 1 and lengths[-1] == 0:
        lengths.pop()
    if 0 in lengths:
        raise FormatError(field="X-Binary-Size-*-Dimension", expected="at least 1", found=0)
    return tuple(reversed(lengths))


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text.strip('"') + "==")
    except ValueError:
        digest = b""
    if len(digest) != 16:
        raise FormatError(field="Content-MD5", expected="16 bytes in base64", found=repr(text))
    return digest
