"""Format records: name, suffixes, a look at the first bytes, and how to open and write such a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from braggio.model.frames import FrameStack

HEAD_BYTES = 1024  # what `sniff` is shown: the longest fixed header
UNKNOWN_SIZE = -1  # of a file that is still compressed


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name : str
        Identifier, as in ``format="mrc"``.
    title : str
        Display name.
    suffixes : tuple of str
        File name endings, with the dot, lower case.
    sniff : callable
        ``sniff(head, size)``: do these first bytes of a file of `size` bytes (or UNKNOWN_SIZE) look like it?
    open : callable
        ``open(source, path, **options)`` gives a FrameStack, or raises a BraggioError.
    write : callable or None
        ``write(path, stack, *, overwrite, **options)``.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes, int], bool]
    open: Callable[..., FrameStack]
    write: Callable[..., Any] | None = None
