"""CBF files written: text, and arrays as binary sections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from braggio._core import PartFile, Source, md5
from braggio.errors import FormatError, UnsupportedError
from braggio.kernels.cbf import Codec, encode
from braggio.storage.cbf.section import BOUNDARY, MAGIC, digest_text

PADDING = 4095  # zeros after a section, so that a reader may overrun it
_TYPE_NAMES = {"i": "signed {}-bit integer", "u": "unsigned {}-bit integer", "f": "signed {}-bit real IEEE"}
_CONVERSION_NAMES = {
    "byte_offset": "x-CBF_BYTE_OFFSET",
    "packed": "x-CBF_PACKED",
    "packed_v2": "x-CBF_PACKED_V2",
}


def section_bytes(array: ArrayLike, *, id: int = 1, codec: Codec = "byte_offset", newline: bytes = b"\r\n") -> bytes:
    """The text field of a binary section, from its opening semicolon to the closing one."""
    values = np.asarray(array)
    if not values.size:
        raise UnsupportedError(field="pixels", expected="at least one", found=values.shape)
    data = encode(values, codec)
    name = _TYPE_NAMES[values.dtype.kind].format(8 * values.dtype.itemsize)
    conversion = [] if codec == "none" else [f'     conversions="{_CONVERSION_NAMES[codec]}"']
    axes = ("Fastest", "Second", "Third")
    lines = [
        ";",
        BOUNDARY.decode(),
        "Content-Type: application/octet-stream" + (";" if conversion else ""),
        *conversion,
        "Content-Transfer-Encoding: BINARY",
        f"X-Binary-Size: {len(data)}",
        f"X-Binary-ID: {id}",
        f'X-Binary-Element-Type: "{name}"',
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN",
        f"Content-MD5: {digest_text(md5(Source.over(data), 0, len(data)))}",
        f"X-Binary-Number-of-Elements: {values.size}",
        *(f"X-Binary-Size-{axis}-Dimension: {n}" for axis, n in zip(axes, reversed(values.shape), strict=False)),
        f"X-Binary-Size-Padding: {PADDING}",
        "",
        "",
    ]
    head = newline.join(line.encode("ascii") for line in lines)
    return b"".join((head, MAGIC, data, bytes(PADDING), newline, BOUNDARY + b"--", newline, b";", newline))


def assembled(text: str, sections: Sequence[tuple[str, bytes]], *, newline: bytes = b"\r\n") -> bytes:
    """A file: the text, and then each (row, section) of its last loop."""
    try:
        data = text.replace("\n", newline.decode()).encode("latin-1")
    except UnicodeEncodeError as error:
        raise FormatError(
            field="CBF text", expected="Latin-1", found=repr(error.object[error.start : error.end][:20])
        ) from None
    return data + b"".join(row.encode("ascii") + newline + section for row, section in sections)


def write_assembled(path: str, text: str, sections: Sequence[tuple[str, bytes]] = (), *, overwrite: bool) -> None:
    """Write `assembled` to a file, which appears whole or not at all."""
    data = assembled(text, sections)
    with PartFile(path) as part:
        part.write(data, 0)
        part.publish(overwrite=overwrite)
