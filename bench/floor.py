"""The floor of a conversion: its read and write calls without its arithmetic (floor.cpp, compiled when first used)."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path


class Floor:
    """The calls of reading files of one frame each, with a header of `first` bytes."""

    def __init__(self, folder: Path, first: int) -> None:
        self.folder = folder
        self.first = first

    @cached_property
    def _calls(self) -> ctypes.CDLL:
        library = self.folder / "floor.so"
        source = Path(__file__).with_name("floor.cpp")
        compiler = os.environ.get("CXX", "c++").split()
        options = ["-std=c++20", "-O2", "-shared", "-fPIC", "-pthread"]
        subprocess.run([*compiler, *options, source, "-o", library], check=True)
        calls = ctypes.CDLL(str(library))
        calls.read_files.restype = calls.convert_files.restype = ctypes.c_bool
        return calls

    def read(self, files: Sequence[Path], threads: int = 1) -> None:
        """Every file read once, in blocks, into a buffer that is used again."""
        if not self._calls.read_files(len(files), _names(files), ctypes.c_long(self.first), threads):
            raise OSError("a read failed")

    def convert(
        self, files: Sequence[Path], outputs: Sequence[Path], header: int, itemsizes: tuple[int, int], threads: int = 1
    ) -> None:
        """Every file read once and as many pixels of another size written, after `header` bytes, and renamed."""
        parts = [path.with_name(f".{path.name}.part") for path in outputs]
        sizes = [ctypes.c_long(size) for size in (self.first, header, *itemsizes)]
        if not self._calls.convert_files(len(files), _names(files), _names(parts), _names(outputs), *sizes, threads):
            raise OSError("a read or write failed")


def _names(paths: Sequence[Path]) -> ctypes.Array:
    return (ctypes.c_char_p * len(paths))(*map(os.fsencode, paths))
