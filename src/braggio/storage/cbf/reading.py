"""CBF files read: the text without the binary sections, and where these are."""

from __future__ import annotations

import base64
import binascii
import os
import re
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

from braggio._core import Source
from braggio.errors import DataWarning, FormatError, LimitError, TruncatedError, UnsupportedError, about, warn
from braggio.storage import cif
from braggio.storage.cbf.mime import described, header_fields, header_number
from braggio.storage.cbf.section import BOUNDARY, MAGIC, Section
from braggio.storage.source import File, open_source, read_head

MAX_TEXT = 1 << 24
CHUNK = 1 << 17
VERSION = b"###CBF: VERSION"


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


def is_cbf(path: str | os.PathLike[str]) -> bool:
    """Whether a file, compressed or not, begins as CBF files do."""
    return read_head(path, 6) == VERSION[:6]


def open_cbf(file: File, *, permissive: bool = False) -> Cbf:
    """Open a CBF file: text is read, pixels are not.

    Parameters
    ----------
    file : path, bytes or binary file object
        gz and bz2 files are decompressed in memory.
    permissive : bool
        Accept a file that ends right after its last section, without the closing boundary, with a DataWarning.

    Raises
    ------
    FormatError
        No CBF, or a section that contradicts itself; TruncatedError when the file ends too early.
    UnsupportedError
        A codec, transfer encoding or element type that is not known.
    """

    def extent(beginning: bytes) -> None:
        """Refuse what is no CBF; its last text says nothing of where it ends."""
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            from_source(Source.over(beginning), permissive=permissive)

    source, path = open_source(file, extent)
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
        sections.append(replace(section, path=path))
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
    header = header_fields(window.bytes(start, blank))
    size = header_number(header, "x-binary-size", required=True)
    encoding = header.get("content-transfer-encoding", "binary").lower()
    if encoding == "binary":
        magic = source.read(blank, 4)
        if magic != MAGIC:
            kind = TruncatedError if len(magic) < 4 else FormatError
            raise kind(field="binary section", expected="0C 1A 04 D5", found=repr(magic), offset=blank)
        offset = blank + 4
        if source.size - offset < size:
            raise TruncatedError(
                field="X-Binary-Size", expected=f"{size} bytes", found=f"{source.size - offset}", offset=offset
            )
        at = _closing(source, offset + size, header_number(header, "x-binary-size-padding"), permissive)
        return described(header, source, offset, size), at
    if encoding != "base64":
        raise UnsupportedError(field="Content-Transfer-Encoding", expected="BINARY or BASE64", found=encoding)
    end = window.find(b"\n" + BOUNDARY + b"--", max(start, blank - 1))
    if end < 0:
        raise TruncatedError(field="binary section", expected="its closing boundary", found="the end", offset=blank)
    data = Source.over(_base64(window.bytes(blank, end), size, blank))
    return described(header, data, 0, size), _closing(source, end, 0, permissive)


def _base64(text: bytes, size: int, offset: int) -> bytes:
    """The `size` bytes of a section that stands as text at `offset`."""
    try:
        data = base64.b64decode(text.translate(None, b"\r\n \t"), validate=True)
    except binascii.Error as error:
        raise FormatError(f"base64: {error}", field="binary section", offset=offset) from error
    if len(data) != size:
        kind = TruncatedError if len(data) < size else FormatError
        raise kind(field="X-Binary-Size", expected=f"{size} bytes", found=len(data), offset=offset)
    return data


def _after(window: _Text, word: bytes, start: int) -> int:
    """Behind `word`, looked for in the next 64 KiB."""
    held = window.bytes(start, min(start + (1 << 16), window.source.size))
    at = held.find(word)
    return -1 if at < 0 else start + at + len(word)


def _closing(source: Source, end: int, padding: int, permissive: bool) -> int:
    """The byte after the closing boundary and semicolon, which follow the pixels and their padding."""
    wanted = min(padding, 1 << 20) + 256
    tail = source.read(end, wanted)
    found = re.match(rb"(?s)\0*\s*" + BOUNDARY + rb"--\s*?\r?\n;", tail) or re.match(
        rb"(?s).{%d}\s*" % min(padding, len(tail)) + BOUNDARY + rb"--\s*?\r?\n;", tail
    )
    if found is not None:
        return end + found.end()
    kind = TruncatedError if len(tail) < wanted else FormatError
    error = kind(
        field="binary section", expected="its closing boundary after X-Binary-Size bytes", found="none", offset=end
    )
    if not permissive or tail.strip(b"\0\r\n \t"):
        raise error
    warn(str(error))
    return source.size
