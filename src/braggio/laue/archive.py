"""What a part of a search has found, as an archive of arrays: written one at a time, read one at a time."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import part_name
from braggio.errors import FormatError, MetadataError, OutputError, numpy_errors

Write = Callable[[str, NDArray[Any]], None]


@contextmanager
def writing(path: Path) -> Iterator[Write]:
    """A function that adds an array to an .npz file, which gets its name at the end.

    Raises
    ------
    OutputError
        An array cannot be written.
    """
    half = Path(part_name(os.fspath(path)))
    try:
        with zipfile.ZipFile(half, "x") as archive:

            def write(name: str, array: NDArray[Any]) -> None:
                try:
                    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
                except OSError as error:
                    raise OutputError(path=path, errno=error.errno) from error

            yield write
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


class Archive:
    """Arrays of an .npz file, one at a time; a context.

    Raises
    ------
    MetadataError, FormatError
        The file is not there, or no archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except FileNotFoundError as error:
            raise MetadataError(
                "run the plan again", path=path, field="part", expected="a file", found="none"
            ) from error
        except zipfile.BadZipFile as error:
            raise FormatError(f"not what a part has found: {error}", path=path, field="part") from error
        self._names = self._archive.namelist()

    def names(self, prefix: str) -> list[str]:
        """What follows the prefix in the names that have it."""
        return [name.removeprefix(prefix).removesuffix(".npy") for name in self._names if name.startswith(prefix)]

    def __call__(self, name: str) -> NDArray[Any]:
        """An array.

        Raises
        ------
        FormatError
            It is not there, or damaged.
        """
        try:
            with self._archive.open(f"{name}.npy") as file:
                return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
        except numpy_errors() as error:
            raise FormatError(f"not what a part has found: {error}", path=self._path, field=name) from error

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self._archive.close()
