"""Bytes to frames and back: one file per format, one word each in the table below.

>>> import braggio
>>> with braggio.open(braggio.demo_files()[0]) as stack:
...     frame = stack.read(0)
>>> frame.shape
(128, 128)
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from inspect import signature
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import Source
from braggio.errors import DataWarning, FormatError, TruncatedError, UnknownOptionError, UnsupportedError, about
from braggio.model.frames import FrameStack
from braggio.storage.format import HEAD_BYTES, UNKNOWN_SIZE, Format
from braggio.storage.frames import ArrayFrames, StoredFrames
from braggio.storage.source import MAX_DECOMPRESSED, File, open_source

# Asked in this order: the strongest magic first, TIA raw (two bytes and a size) last.
_TABLE = ("mrc", "smv", "ser", "tia_raw")
_COMPRESSED_SUFFIXES = (".gz", ".bz2")

__all__ = ["ArrayFrames", "Format", "FrameStack", "formats", "info", "open", "read", "write"]


def _load(name: str) -> Format:
    return cast(Format, import_module(f"braggio.formats.{name}").FORMAT)


@cache
def _built_in() -> tuple[Format, ...]:
    return tuple(map(_load, _TABLE))


@cache  # looking through every installed distribution takes longer than opening a file
def _plugins() -> tuple[Format, ...]:
    from importlib.metadata import entry_points

    return tuple(entry.load() for entry in entry_points(group="braggio.formats"))


def formats() -> tuple[Format, ...]:
    """Every format, built in and from entry points of the group ``braggio.formats``."""
    return (*_built_in(), *_plugins())


def named(name: str) -> Format:
    """The format of that name.

    Raises
    ------
    UnsupportedError
        There is none.
    """
    known = {candidate.name: candidate for candidate in formats()}
    if name not in known:
        raise UnsupportedError(field="format", expected=" or ".join(known), found=repr(name))
    return known[name]


def uncompressed(path: str) -> str:
    """A file name without what its compression has put at the end.

    >>> uncompressed("a_001.bin.gz"), uncompressed("a_001.bin")
    ('a_001.bin', 'a_001.bin')
    """
    stem, ending = os.path.splitext(path)
    return stem if ending.lower() in _COMPRESSED_SUFFIXES else path


def by_suffix(path: str) -> Format | None:
    """The format that a file name promises, compression aside."""
    suffix = os.path.splitext(uncompressed(path).lower())[1]
    return next((candidate for candidate in formats() if suffix in candidate.suffixes), None)


def _by_content(source: Source) -> Format | None:
    head = source.read(0, HEAD_BYTES)
    return next((candidate for candidate in formats() if candidate.sniff(head, source.size)), None)


_KNOWN = {
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"###CBF": "CBF",
    b"PK\x03\x04": "zip",
    b"\x93NUMPY": "npy",
}


def _describe(source: Source) -> str:
    """What a file that is none of our formats seems to be; empty where nobody can tell."""
    head = source.read(0, HEAD_BYTES)
    if not head:
        return "an empty file"
    known = next((name for magic, name in _KNOWN.items() if head.startswith(magic)), "")
    if known:
        return f"{known} data"
    return "text" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head) else ""


def _extent(beginning: bytes) -> int | None:
    """How many bytes the header at the start of a file speaks of; None where it takes more to tell, as for .ser."""
    source = Source.over(beginning, size=MAX_DECOMPRESSED)
    for each in formats():
        try:
            if each.sniff(beginning[:HEAD_BYTES], UNKNOWN_SIZE):
                with warnings.catch_warnings(action="ignore", category=DataWarning):  # the end is not known yet
                    stack = each.open(source, None, permissive=True)
                return stack.layout.extent if isinstance(stack, StoredFrames) else 0
        except TruncatedError:
            return None
        except FormatError:
            continue
    return 0


def _choose(source: Source, path: str | None) -> Format:
    content = _by_content(source)
    promised = by_suffix(path) if path else None
    if content is not None and promised is not None and content.name != promised.name:
        raise FormatError(
            f"the content is {content.title}; pass format={content.name!r} to read it as that",
            field="format",
            expected=f"{promised.title} as the name says",
            found=content.title,
        )
    chosen = content or promised
    if chosen is None:
        head = source.read(0, min(4, source.size)).hex(" ")
        raise UnsupportedError(
            "not a format that braggio opens as frames",
            field="format",
            expected=" or ".join(candidate.title for candidate in formats()),
            found=_describe(source) or (f"first bytes {head}" if head else "an empty file"),
        )
    return chosen


def _nearest(name: str, chosen: Format) -> str:
    import difflib

    known = [each for each in signature(chosen.open).parameters if each not in ("source", "path")]
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def _check_options(chosen: Format, options: Mapping[str, Any]) -> None:
    for name in options:
        try:
            signature(chosen.open).bind(None, None, permissive=False, **{name: None})
        except TypeError:
            raise UnknownOptionError(
                f"not an option of {chosen.title} files{_nearest(name, chosen)}", field=name
            ) from None


def open(
    file: File,
    *,
    format: str | None = None,
    permissive: bool = False,
    **options: Any,
) -> FrameStack:
    """Open an image file as a stack of frames, lazily.

    Parameters
    ----------
    file : path, bytes or binary file object
        gz and bz2 files are decompressed in memory.
    format : str, optional
        Name of the format; by default content and suffix decide, and must not contradict each other.
    permissive : bool
        Accept what is odd but readable (trailing bytes, a missing MRC magic) with a DataWarning.
    **options
        Of the format, for example ``flip=True`` for TIA files.

    Returns
    -------
    FrameStack
        With ``shape``, ``dtype``, ``nframes``, ``header``, ``read(i, out=None)`` and ``frames()``.

    Raises
    ------
    FormatError
        Not a file of the format, or one that contradicts itself; TruncatedError when it ends too early.
    UnsupportedError
        One of a kind that is not handled, or an option that the format does not have.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import braggio
    >>> stack = braggio.open(braggio.demo_files()[0])
    >>> stack.nframes, stack.header["nx"]
    (1, 128)
    """
    source, path = open_source(file, _extent)
    with about(path):
        try:
            chosen = named(format) if format else _choose(source, path)
            _check_options(chosen, options)
            return chosen.open(source, path, permissive=permissive, **options)
        except FormatError as error:
            if not error.message and (seems := _describe(source)):
                error.message = f"the file looks like {seems}"
            raise


def read(file: File, *, frames: int | slice | None = None, **options: Any) -> NDArray[Any]:
    """Read frames into an array.

    Parameters
    ----------
    file : path, bytes or binary file object
        See `open`.
    frames : int or slice, optional
        Which frames; all by default.
    **options
        As for `open`.

    Returns
    -------
    ndarray
        (ny, nx) for a single image or one frame, else (n, ny, nx), in native byte order.

    Examples
    --------
    >>> import braggio
    >>> int(braggio.read(braggio.demo_files()[2]).min())
    -2874
    """
    with open(file, **options) as stack:
        if frames is None:
            return stack.to_array()
        if isinstance(frames, slice):
            chosen = range(stack.nframes)[frames]
            return (
                np.stack([stack.read(index) for index in chosen])
                if chosen
                else np.empty((0, *stack.frame_shape), stack.dtype)
            )
        return stack.read(frames)


def write(
    path: str | os.PathLike[str],
    data: FrameStack | ArrayLike,
    *,
    format: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> None:
    """Write frames to a file, which appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Its suffix names the format unless `format` does.
    data : FrameStack or array-like
        (ny, nx) or (n, ny, nx).
    format : str, optional
        Name of the format.
    overwrite : bool
        Replace an existing file.
    **options
        Of the format, for example ``header=`` for SMV and ``lossy=`` for MRC.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or it cannot be written.
    LimitError
        The format cannot hold the values exactly.
    """
    target = os.fspath(path)
    with about(target):
        if target.lower().endswith(_COMPRESSED_SUFFIXES):
            raise UnsupportedError(
                "compressed files are read, not written", field="format", found=os.path.splitext(target)[1]
            )
        chosen = named(format) if format else by_suffix(target)
        if chosen is None or chosen.write is None:
            writable = [candidate.name for candidate in formats() if candidate.write]
            raise UnsupportedError(
                field="format", expected=" or ".join(writable), found=repr(format or os.path.basename(target))
            )
        stack = data if isinstance(data, FrameStack) else ArrayFrames(np.asarray(data))
        chosen.write(target, stack, overwrite=overwrite, **options)


def info(file: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """What a file says of itself, without reading its pixels.

    Returns
    -------
    dict
        path, format, shape, nframes, frame_shape, dtype, header.

    Examples
    --------
    >>> import braggio
    >>> braggio.info(braggio.demo_files()[0])["dtype"]
    'int32'
    """
    with open(file, **options) as stack:
        return {
            "path": stack.path,
            "format": stack.format,
            "shape": stack.shape,
            "nframes": stack.nframes,
            "frame_shape": stack.frame_shape,
            "dtype": str(stack.dtype),
            "header": dict(stack.header),
        }
