"""Sources: the bytes of a file, decompressed where they are compressed with gzip or bzip2.

A small compressed file can grow to any size. So its beginning is looked at first, and no more is decompressed than a
file with that beginning can have.
"""

from __future__ import annotations

import bz2
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeAlias

from braggio._core import Source
from braggio.errors import BraggioError, FormatError, LimitError, TruncatedError, about

File: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes]
# How many bytes a file has whose beginning is this; None (or TruncatedError) where that takes more of it to tell, and
# any other FormatError where it is no such file.
Extent: TypeAlias = Callable[[bytes], int | None]

PEEK_BYTES = 1 << 20  # of a compressed file, to look at first
PEEK_GROWTH = 4  # times as much, where that was not enough
MAX_DECOMPRESSED = 1 << 34
# Where the beginning does not tell: the densest gzip stream expands 1032 times; small files may grow more.
MAX_EXPANSION = 1100
MIN_EXPANDED = 1 << 24
_OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}


def open_stored(file: File) -> tuple[Source, str | None]:
    """The bytes of a file as they are stored, and its path if it has one.

    Parameters
    ----------
    file : path, bytes or binary file object

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if isinstance(file, (str, os.PathLike)):
        path = os.fspath(file)
        with about(path):
            return Source.open(path), path
    if isinstance(file, (bytes, bytearray, memoryview)):
        return Source.over(file), None
    name = getattr(file, "name", None)
    return Source.over(file.read()), name if isinstance(name, str) else None


def open_source(file: File, extent: Extent) -> tuple[Source, str | None]:
    """The bytes of a file, decompressed (see `inflate`), and its path if it has one.

    Raises
    ------
    FormatError
        It is compressed and damaged, or `extent` says that it is no such file.
    LimitError
        It is compressed and has more bytes than any honest file.
    """
    source, path = open_stored(file)
    with about(path):
        return inflate(source, extent), path


def inflate(source: Source, extent: Extent) -> Source:
    """A source over the decompressed bytes of a gzip or bzip2 file; other sources as they are.

    Parameters
    ----------
    source : Source
    extent : callable
        ``extent(beginning)``: how many bytes a file has that begins so. One more is decompressed, which shows that
        there is more. None or a TruncatedError asks for a longer beginning.

    Examples
    --------
    >>> inflate(Source.over(gzip.compress(b"abc")), lambda beginning: 2).size
    3
    """
    stream = _decompressor(source)
    if stream is None:
        return source
    most = min(MAX_DECOMPRESSED, max(MIN_EXPANDED, MAX_EXPANSION * source.size))
    data = bytearray()
    with _damage_named(), stream:
        known: int | None = None
        wanted = PEEK_BYTES
        while known is None and _read_up_to(stream, data, min(wanted, most + 1)) and len(data) <= most:
            known = _known(extent, data)
            wanted *= PEEK_GROWTH
        if known is not None:
            _read_up_to(stream, data, min(known, most) + 1)
    if len(data) > most:
        raise LimitError(field="decompressed size", expected=f"at most {most} bytes", found="more")
    return Source.over(data)


def read_head(file: File, count: int) -> bytes:
    """The first `count` bytes of a file, decompressed.

    Examples
    --------
    >>> read_head(bz2.compress(b"###CBF: VERSION 1.5"), 6)
    b'###CBF'
    """
    source, path = open_stored(file)
    with about(path):
        stream = _decompressor(source)
        if stream is None:
            return source.read(0, count)
        with _damage_named(), stream:
            return bytes(stream.read(count))


def _known(extent: Extent, data: bytearray) -> int | None:
    try:
        return extent(bytes(data))
    except TruncatedError:
        return None


def _read_up_to(stream: IO[bytes], data: bytearray, size: int) -> bool:
    """Read on until there are `size` bytes in `data`; False where the stream ends before."""
    while len(data) < size:
        piece = stream.read(min(size - len(data), PEEK_BYTES))
        if not piece:
            return False
        data += piece
    return True


def _decompressor(source: Source) -> IO[bytes] | None:
    head = source.read(0, 4)
    opener = next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)
    return None if opener is None else opener(io.BufferedReader(_Stream(source)))


@contextmanager
def _damage_named() -> Iterator[None]:
    """What the decompressors raise becomes an error of ours."""
    try:
        yield
    except BraggioError:
        raise
    except EOFError as error:
        raise TruncatedError(f"damaged compressed file: {error}") from error
    except (OSError, zlib.error) as error:
        raise FormatError(f"damaged compressed file: {error}") from error


class _Stream(io.RawIOBase):
    """A source as a file object, for the decompressors."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._source.read(self._position, len(buffer))
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
