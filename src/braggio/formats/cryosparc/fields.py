"""What a field of a .cs file may be: numbers and texts of fixed size, nothing else."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, MetadataError, UnsafeError, UnsupportedError
from braggio.model.columns import Coded

File: TypeAlias = str | os.PathLike[str] | bytes
CsColumn: TypeAlias = NDArray[Any] | Coded
MAX_HEADER = 1 << 24  # bytes; 100 class3D groups make 20 kB
MAX_FIELDS = 1 << 16
_NUMBER = re.compile(r"[<>|=]?(?:[iu][1248]|f[248]|b1)")
_TEXT = re.compile(r"[<>|=]?[SU]\d{1,6}")


@dataclass(frozen=True)
class Field:
    """One field of the records."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Bytes in a record."""
        return self.dtype.itemsize * math.prod(self.shape)


def parse_field(entry: Any, offset: int) -> Field:
    """A field from its (name, dtype[, shape]); UnsafeError for objects."""
    entry = tuple(entry) if isinstance(entry, (tuple, list)) else ()
    if len(entry) not in (2, 3) or not all(isinstance(part, str) for part in entry[:2]):
        raise FormatError(field="descr", expected="(name, dtype[, shape])", found=str(entry)[:80])
    name, code = entry[:2]
    if "O" in code:
        raise UnsafeError("pickled objects are never loaded", field=name, expected="a number or text dtype", found=code)
    if not (_NUMBER.fullmatch(code) or _TEXT.fullmatch(code)):
        raise UnsupportedError(field=name, expected="a number or text dtype", found=code[:80])
    shape = entry[2] if len(entry) == 3 else ()
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if len(shape) > 4 or not all(type(n) is int and 0 < n < 1 << 20 for n in shape):
        raise FormatError(field=name, expected="a shape of at most 4 lengths", found=str(shape)[:80])
    dtype = np.dtype(code)
    if shape and not dtype.itemsize:
        raise UnsupportedError(field=name, expected="texts of at least 1 byte", found=code)
    return Field(name, dtype if dtype.itemsize else np.dtype("S0"), shape, offset)


def require_once(names: Sequence[str]) -> None:
    """FormatError for a field that stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise FormatError(field="descr", expected="every field once", found=f"{', '.join(twice[:5])} again")


def empty_column(field: Field) -> CsColumn:
    """The column of a table without rows."""
    if field.dtype.kind in "SU" and not field.shape:
        return Coded(np.zeros(0, np.int32), ())
    return np.empty((0, *field.shape), field.dtype.newbyteorder("="))


def choose(names: Sequence[str], fields: Sequence[str] | None) -> list[str]:
    """Those of `names` that are wanted; MetadataError for one that is not there."""
    for name in fields or ():
        if name not in names:
            raise MetadataError(field=name, expected="a field of the file", found=", ".join(names[:12]) or "none")
    return [name for name in names if fields is None or name in fields]


def native(name: str, values: NDArray[Any] | None) -> CsColumn:
    """A column in native byte order; one text a row is coded.

    Raises
    ------
    FormatError
        UCS-4 text with numbers that are no characters.
    """
    assert values is not None
    values = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "U":
        points = np.ascontiguousarray(values).reshape(-1).view(np.uint32)
        lone = (points >= 0xD800) & (points < 0xE000) & ~((points >= 0xDC80) & (points < 0xDD00))
        bad = points[lone | (points > sys.maxunicode)]  # 0xDC80.. stand for bytes that are not UTF-8
        if bad.size:
            raise FormatError(field=name, expected="characters", found=hex(int(bad[0])))
    if values.dtype.kind in "SU" and values.ndim == 1:
        texts = values.tolist()
        return Coded.of(
            [text.decode("utf-8", "surrogateescape") for text in texts] if values.dtype.kind == "S" else texts
        )
    return values
