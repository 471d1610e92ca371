"""CBF and imgCIF (.cbf): CIF text with binary sections; mini-CBF of Pilatus and Eiger detectors, and full headers.

Codecs: byte_offset, packed, packed_v2 (with the options flat and uncorrelated_sections) and none, stored as they are or
as base64. The header is cut out before it is parsed: pixels may look like text.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import PartFile, Source, decode_section, md5
from braggio.errors import DataWarning, FormatError, LimitError, TruncatedError, UnsupportedError, about
from braggio.formats import cif, pickled
from braggio.kernels.cbf import Codec, encode, most_values

MAGIC = b"\x0c\x1a\x04\xd5"
BOUNDARY = b"--CIF-BINARY-FORMAT-SECTION--"
PADDING = 4095  # zeros after a section, so that a reader may overrun it
MAX_TEXT = 1 << 24
CHUNK = 1 << 17
VERSION = b"###CBF: VERSION"
Verify = Literal["raise", "warn", "skip"]

_CONVERSIONS = {
    "x-cbf_byte_offset": "byte_offset",
    "x-cbf_packed": "packed",
    "x-cbf_packed_v2": "packed_v2",
    "x-cbf_none": "none",
}
_ELEMENT = re.compile(r"(signed|unsigned)\s+(\d+)-bit\s+(integer|real ieee)$")
_TYPE_NAMES = {"i": "signed {}-bit integer", "u": "unsigned {}-bit integer", "f": "signed {}-bit real IEEE"}
_CONVERSION_NAMES = {
    "byte_offset": "x-CBF_BYTE_OFFSET",
    "packed": "x-CBF_PACKED",
    "packed_v2": "x-CBF_PACKED_V2",
}


@dataclass(frozen=True)
class Section:
    """A binary section, not yet decoded.

    Attributes
    ----------
    id : int
        X-Binary-ID.
    codec : str
        byte_offset, packed, packed_v2 or none.
    dtype : numpy.dtype
        As stored, byte order included.
    shape : tuple of int
        1 to 3 axes, the fast one last.
    size : int
        Stored bytes.
    digest : bytes or None
        MD5 of the stored bytes that the file states.
    """

    id: int
    codec: Codec
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    size: int
    digest: bytes | None
    flat: bool = False
    uncorrelated: bool = False
    source: Source | None = field(default=None, repr=False)
    path: str | None = None

    def read(self, *, out: NDArray[Any] | None = None, verify: Verify = "raise") -> NDArray[Any]:
        """The pixels, in native byte order.

        Parameters
        ----------
        out : ndarray, optional
            C-contiguous array of the section's dtype and size to fill.
        verify : {"raise", "warn", "skip"}
            What to do about a wrong MD5; "skip" does not compute it.

        Raises
        ------
        FormatError
            Damaged: the MD5, a count or a code is wrong. TruncatedError when the bytes end too early.
        """
        if verify not in ("raise", "warn", "skip"):
            raise ValueError(f"verify must be raise, warn or skip, not {verify!r}")
        if out is None:
            out = np.empty(self.shape, self.dtype.newbyteorder("="))
        elif out.dtype != self.dtype.newbyteorder("=") or out.size != int(np.prod(self.shape)):
            raise ValueError(f"out must be {self.dtype.newbyteorder('=')} of {self.shape}, not {out.dtype} {out.shape}")
        assert self.source is not None
        check = verify != "skip" and self.digest is not None
        with about(self.path):
            found = decode_section(
                self.source,
                self.offset,
                self.size,
                self.codec,
                out.reshape(self.shape),
                flat=self.flat,
                uncorrelated=self.uncorrelated,
                digest=check,
            )
            if check and found != self.digest:
                error = FormatError(
                    f"section {self.id} is damaged",
                    field="Content-MD5",
                    expected=_text_digest(self.digest or b""),
                    found=_text_digest(found),
                )
                if verify == "raise":
                    raise error
                warnings.warn(str(error), DataWarning, stacklevel=2)
        if self.codec == "none" and not self.dtype.isnative:
            out.byteswap(inplace=True)
        return out


def _text_digest(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


@dataclass(frozen=True)
class Cbf:
    """A CBF file: its text, without the binary sections, and the sections.

    Attributes
    ----------
    text : str
        In place of each section stands the word ``binary:N``, N its number from 0.
    sections : tuple of Section
    path : str or None
    """

    text: str = field(repr=False)
    sections: tuple[Section, ...]
    path: str | None = None

    @cached_property
    def block(self) -> cif.Block:
        """The categories of the first data block."""
        with about(self.path):
            return cif.parse(self.text)

    @cached_property
    def mini_header(self) -> dict[str, str]:
        """Lines ``# Key value`` of _array_data.header_contents; empty in other files."""
        contents = self.block.value("array_data", "header_contents") or ""
        header: dict[str, str] = {}
        for line in contents.splitlines():
            key, _, value = line.removeprefix("#").strip().partition(" ")
            if line.startswith("#") and key:
                header.setdefault(key.rstrip(":"), value.removeprefix("=").strip())
        return header

    @property
    def is_mini(self) -> bool:
        """One image whose places and times are in lines of text, whatever else a template has put there."""
        return len(self.sections) == 1 and bool(self.mini_header)

    def section(self, array_id: str) -> Section:
        """The section of an _array_data.array_id.

        Raises
        ------
        FormatError
            There is none.
        """
        data = self.block.category("array_data")
        if len(self.sections) == 1 and "array_id" not in data.items:
            return self.sections[0]  # a mini-CBF with panels described for another reader
        for name, value in data.records("array_id", "data"):
            number = (value or "").removeprefix("binary:")
            if name == array_id and value != number and number.isdecimal() and int(number) < len(self.sections):
                return self.sections[int(number)]
        raise FormatError(path=self.path, field="_array_data.array_id", expected=array_id, found="no such section")


class _Text:
    """A source read from the front, a piece at a time."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.start = 0  # of the bytes held, in the file
        self.held = b""

    def find(self, word: bytes, start: int) -> int:
        """Where `word` stands at or after `start`; -1 for nowhere. Holds what lies between."""
        if start < self.start or start > self.start + len(self.held):
            self.start, self.held = start, b""
        searched = start
        while True:
            at = self.held.find(word, searched - self.start)
            if at >= 0:
                return self.start + at
            end = self.start + len(self.held)
            piece = self.source.read(end, CHUNK)
            if not piece:
                return -1
            if end - start > MAX_TEXT:
                raise LimitError(field="CBF text", expected=f"at most {MAX_TEXT} bytes", found="more", offset=start)
            searched = max(start, end - len(word) + 1)
            self.held += piece

    def bytes(self, start: int, stop: int) -> bytes:
        """The bytes between two places that `find` has passed."""
        if start >= self.start and stop <= self.start + len(self.held):
            return self.held[start - self.start : stop - self.start]
        return self.source.read(start, stop - start)


def open_cbf(file: str | os.PathLike[str] | bytes | IO[bytes], *, permissive: bool = False) -> Cbf:
    """Open a CBF file: text is read, pixels are not.

    Parameters
    ----------
    file : path, bytes or binary file object
        gz files are decompressed in memory.
    permissive : bool
        Accept a file that ends right after its last section, without the closing boundary, with a DataWarning.

    Raises
    ------
    FormatError
        No CBF, or a section that contradicts itself; TruncatedError when the file ends too early.
    UnsupportedError
        A codec, transfer encoding or element type that is not known.
    """
    source, path = pickled.opened(file)
    with about(path):
        return from_source(source, path, permissive=permissive)


def from_source(source: Source, path: str | None = None, *, permissive: bool = False) -> Cbf:
    """As `open_cbf`, of bytes already opened."""
    window = _Text(source)
    if not source.read(0, len(VERSION)).startswith((b"###CBF", b"data_", b"#")):
        raise FormatError(field="magic", expected="###CBF", found=repr(source.read(0, 8)), offset=0)
    pieces: list[bytes] = []
    sections: list[Section] = []
    at = 0
    while (mark := window.find(b"\n" + BOUNDARY, at)) >= 0:
        before = window.bytes(at, mark)
        field_start = before.rfind(b";")
        if field_start < 0 or before[field_start + 1 :].strip():
            raise FormatError(field="binary section", expected="a text field around it", found="none", offset=mark)
        pieces.append(before[:field_start] + b" binary:%d\n" % len(sections))
        section, at = _section(window, source, mark + 1 + len(BOUNDARY), permissive)
        sections.append(
            Section(**{**{name: getattr(section, name) for name in section.__dataclass_fields__}, "path": path})
        )
        if len(sections) > 4096:
            raise LimitError(field="binary sections", expected="at most 4096", found="more")
    rest = source.read(at, MAX_TEXT + 1)
    if len(rest) > MAX_TEXT:
        raise LimitError(field="CBF text", expected=f"at most {MAX_TEXT} bytes", found="more", offset=at)
    pieces.append(rest)
    return Cbf(b"".join(pieces).decode("latin-1"), tuple(sections), path)


def _section(window: _Text, source: Source, start: int, permissive: bool) -> tuple[Section, int]:
    """The section whose MIME header begins at `start`, and the byte after its text field."""
    blank = min(
        (end for end in (_after(window, b"\r\n\r\n", start), _after(window, b"\n\n", start)) if end >= 0), default=-1
    )
    if blank < 0 or blank - start > 1 << 16:
        raise TruncatedError(field="MIME header", expected="an empty line after it", found="none", offset=start)
    header = _mime(window.bytes(start, blank))
    size = _count(header, "x-binary-size", required=True)
    encoding = header.get("content-transfer-encoding", "binary").lower()
    if encoding == "binary":
        if source.read(blank, 4) != MAGIC:
            raise FormatError(
                field="binary section", expected="0C 1A 04 D5", found=repr(source.read(blank, 4)), offset=blank
            )
        offset = blank + 4
        if source.size - offset < size:
            raise TruncatedError(
                field="X-Binary-Size", expected=f"{size} bytes", found=f"{source.size - offset}", offset=offset
            )
        at = _closing(source, offset + size, _count(header, "x-binary-size-padding"), permissive)
        return _described(header, source, offset, size), at
    if encoding != "base64":
        raise UnsupportedError(field="Content-Transfer-Encoding", expected="BINARY or BASE64", found=encoding)
    end = window.find(b"\n" + BOUNDARY + b"--", max(start, blank - 1))
    if end < 0:
        raise TruncatedError(field="binary section", expected="its closing boundary", found="the end", offset=blank)
    try:
        data = base64.b64decode(window.bytes(blank, end).translate(None, b"\r\n \t"), validate=True)
    except binascii.Error as error:
        raise FormatError(f"base64: {error}", field="binary section", offset=blank) from error
    if len(data) != size:
        kind = TruncatedError if len(data) < size else FormatError
        raise kind(field="X-Binary-Size", expected=f"{size} bytes", found=len(data), offset=blank)
    return _described(header, Source.over(data), 0, size), _closing(source, end, 0, permissive)


def _after(window: _Text, word: bytes, start: int) -> int:
    """Behind `word`, looked for in the next 64 KiB."""
    held = window.bytes(start, min(start + (1 << 16), window.source.size))
    at = held.find(word)
    return -1 if at < 0 else start + at + len(word)


def _closing(source: Source, end: int, padding: int, permissive: bool) -> int:
    """The byte after the closing boundary and semicolon, which follow the pixels and their padding."""
    tail = source.read(end, min(padding, 1 << 20) + 256)
    found = re.match(rb"(?s)\0*\s*" + BOUNDARY + rb"--\s*?\r?\n;", tail) or re.match(
        rb"(?s).{%d}\s*" % min(padding, len(tail)) + BOUNDARY + rb"--\s*?\r?\n;", tail
    )
    if found is not None:
        return end + found.end()
    error = FormatError(
        field="binary section", expected="its closing boundary after X-Binary-Size bytes", found="none", offset=end
    )
    if not permissive or tail.strip(b"\0\r\n \t"):
        raise error
    warnings.warn(str(error), DataWarning, stacklevel=6)
    return source.size


def _mime(text: bytes) -> dict[str, str]:
    """Header fields in lower case; lines that begin with a blank go on."""
    lines = re.sub(rb"\r?\n[ \t]+", b" ", text).decode("latin-1").splitlines()
    header: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            header[name.strip().lower()] = value.strip()
    return header


def _count(header: Mapping[str, str], name: str, *, required: bool = False) -> int:
    """A number of a header; 0 where it is not there and need not be."""
    text = header.get(name)
    if text is None and not required:
        return 0
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise FormatError(field=name, expected="a number", found=repr(text))
    return int(text)


def _described(header: Mapping[str, str], source: Source, offset: int, size: int) -> Section:
    """The section that a MIME header describes, checked against its size."""
    codec, flat, uncorrelated = _conversion(header.get("content-type", ""))
    dtype = _dtype(header)
    shape = _shape(header, size // dtype.itemsize)
    count = 1
    for length in shape:
        count *= length
    stated = _count(header, "x-binary-number-of-elements")
    if stated and stated != count:
        raise FormatError(field="X-Binary-Number-of-Elements", expected=count, found=stated)
    smallest = {"none": count * dtype.itemsize, "byte_offset": count}.get(codec, 0)
    if count < 1 or smallest > size or count > most_values(size):
        raise TruncatedError(field="X-Binary-Size", expected=f"bytes of {count} values", found=size)
    return Section(
        id=_count(header, "x-binary-id"),
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
    lengths = [_count(header, f"x-binary-size-{axis}-dimension") for axis in ("fastest", "second", "third")]
    if "x-binary-size-fastest-dimension" not in header:
        return (_count(header, "x-binary-number-of-elements") or elements,)
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


def read_cbf(
    file: str | os.PathLike[str] | bytes | IO[bytes], *, verify: Verify = "raise", permissive: bool = False
) -> NDArray[Any]:
    """The pixels of a CBF file with one binary section, as of a Pilatus or Eiger detector.

    Raises
    ------
    UnsupportedError
        The file has several sections: see `braggio.formats.cspad_cbf`, or `open_cbf` for any.
    """
    opened = open_cbf(file, permissive=permissive)
    if len(opened.sections) != 1:
        raise UnsupportedError(path=opened.path, field="binary sections", expected="1", found=len(opened.sections))
    return opened.sections[0].read(verify=verify)


# ---- writing


def section_bytes(array: ArrayLike, *, id: int = 1, codec: Codec = "byte_offset", newline: bytes = b"\r\n") -> bytes:
    """The text field of a binary section, from its opening semicolon to the closing one."""
    values = np.asarray(array)
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
        f"Content-MD5: {_text_digest(md5(Source.over(data), 0, len(data)))}",
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
    data = text.replace("\n", newline.decode()).encode("latin-1")
    return data + b"".join(row.encode("ascii") + newline + section for row, section in sections)


def write_cbf(
    path: str | os.PathLike[str],
    array: ArrayLike,
    *,
    codec: Codec = "byte_offset",
    header: Mapping[str, object] | None = None,
    name: str = "image",
    overwrite: bool = False,
) -> None:
    """Write an image as mini-CBF.

    Parameters
    ----------
    path : path-like
        The file.
    array : array-like (slow, fast)
        Integers; with codec "packed" or "none" also reals.
    codec : {"byte_offset", "packed", "packed_v2", "none"}
    header : Mapping, optional
        Lines ``# Key value`` of the header, as ``{"Wavelength": "0.9795 A"}``.
    name : str
        Of the data block.
    overwrite : bool
        Replace an existing file.

    Examples
    --------
    >>> write_cbf("a.cbf", np.eye(3, dtype=np.int32), header={"Wavelength": "0.9795 A"})
    >>> read_cbf("a.cbf").tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    target = os.fspath(path)
    with about(target):
        lines = "".join(f"# {key} {value}\n" for key, value in (header or {}).items())
        if not (name + lines).isascii() or "\n;" in lines or any(c.isspace() for c in name):
            raise FormatError(field="header", expected="ASCII without a semicolon that begins a line", found=name)
        text = f"###CBF: VERSION 1.5\n# written by braggio\n\ndata_{name}\n\n"
        if lines:  # fabio does not read an empty text field
            text += '_array_data.header_convention "PILATUS_1.2"\n_array_data.header_contents\n;\n' + lines + ";\n\n"
        data = assembled(text, [("_array_data.data", section_bytes(np.asarray(array), codec=codec))])
        with PartFile(target) as part:
            part.write(data, 0)
            part.publish(overwrite=overwrite)
