"""What a power cut must not take: files and names that the disk is asked to have written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from braggio.errors import OutputError


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder.

    Raises
    ------
    OutputError
        It has not taken them.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OutputError("not safely on the disk", path=path, errno=error.errno) from error


def sync_folders(folder: Path, made: Iterable[Path] = ()) -> None:
    """Wait until the disk has the names in a folder, and those of the folders that were made for it."""
    for place in dict.fromkeys([folder, *(each.parent for each in made)]):
        sync(place)


def forget(path: Path) -> None:
    """Ask the system to read a file from the disk next time; files on the disk already only, and it may decline."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
