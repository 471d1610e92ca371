"""Tables of template matching (.csv), of every generation of Leopard-EM: 11, 34, 36, 39, 48, 51 and 54 columns.

Written as pandas writes them (an index without a name first, float32 in its shortest form), without pandas.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.errors import FormatError, about
from braggio.model.columns import Coded
from braggio.model.matches import (
    CONSTRAINED_54,
    GENERATIONS,
    INTEGERS,
    MATCH_39,
    REFINED_51,
    TEXTS,
    MatchTable,
    empty_column,
)
from braggio.storage.text import read_text

MAX_BYTES = 1 << 31
_KNOWN = frozenset((*MATCH_39, *CONSTRAINED_54))
_WANTED = ("pos_x", "pos_y")
_NO_NUMBER = ("", "nan", "NaN", "NA", "N/A", "null", "None", "<NA>")  # of those that pandas reads as missing


def read_table(file: str | os.PathLike[str] | bytes, *, fill: bool = True) -> MatchTable:
    r"""Read a table.

    Parameters
    ----------
    file : path-like or bytes
        CSV in UTF-8; the index column without a name is dropped.
    fill : bool
        Bring tables of 34, 36 and 48 columns to 39 and 51: what they lack gets its default, and a note says so.

    Returns
    -------
    MatchTable
        Integer columns are int64, others float64, texts `Coded`; columns that are not known are texts or float64, as
        their values are. Tables without rows keep the types.

    Raises
    ------
    FormatError
        No such table, or a value of the wrong kind: naming line and column.

    Examples
    --------
    >>> table = read_table(b",pos_x,pos_y,mip\n0,3,4,7.5\n")
    >>> table["pos_x"].tolist(), table["mip"].tolist()
    ([3], [7.5])
    """
    path = None if isinstance(file, bytes) else os.fspath(file)
    with about(path):
        header, rows = _rows(_text(file))
        columns = {
            name: _column(name, [row[place] for row in rows])
            for place, name in enumerate(header)
            if name and not (place == 0 and name == "index")
        }
        table = MatchTable(columns)
        return filled(table) if fill else table


def _text(file: str | os.PathLike[str] | bytes) -> str:
    text = read_text(file, most=MAX_BYTES)
    if "\0" in text:
        raise FormatError(field="text", expected="CSV", found="NUL bytes", offset=text.index("\0"))
    return text


def _rows(text: str) -> tuple[list[str], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        rows = [_checked(row, header, reader.line_num) for row in reader if row]
    except csv.Error as error:
        raise FormatError(field=f"line {reader.line_num}", expected="CSV", found=str(error)) from error
    names = [name for name in header if name]
    if not set(_WANTED) <= set(names):
        raise FormatError(
            field="header", expected=f"columns {', '.join(_WANTED)}", found=", ".join(names[:60]) or "none"
        )
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise FormatError(field="header", expected="each column once", found=f"{double} twice")
    return header, rows


def _checked(row: list[str], header: Sequence[str], line: int) -> list[str]:
    if len(row) != len(header):
        raise FormatError(field=f"line {line}", expected=f"{len(header)} values", found=len(row))
    return row


def _column(name: str, values: list[str]) -> NDArray[Any] | Coded:
    if not values:
        return empty_column(name) if name in _KNOWN else np.zeros(0)
    if name in TEXTS:
        return Coded.of(values)
    if name in INTEGERS:
        return np.fromiter((_integer(name, row, value) for row, value in enumerate(values)), np.int64, len(values))
    try:
        return np.array([_real(value) for value in values], np.float64)
    except ValueError:
        if name not in _KNOWN:
            return Coded.of(values)
        row = next(row for row, value in enumerate(values) if not _is_real(value))
        raise FormatError(field=f"{name} in row {row}", expected="a number", found=repr(values[row])) from None


def _integer(name: str, row: int, value: str) -> int:
    """An integer; as pandas writes it in a column that once held a missing value, with .0, too."""
    try:
        number = int(value) if len(value) < 20 and value.lstrip("+-").isdecimal() else float(value)
        if int(number) == number and abs(number) < 1 << 62 and "_" not in value:
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise FormatError(field=f"{name} in row {row}", expected="an integer", found=repr(value))


def _real(value: str) -> float:
    if value in _NO_NUMBER:
        return np.nan
    if "_" in value:
        raise ValueError(value)
    return float(value)


def _is_real(value: str) -> bool:
    try:
        _real(value)
    except ValueError:
        return False
    return True


def filled(table: MatchTable) -> MatchTable:
    """A table of an earlier generation with the columns of the last one; others as they are.

    Examples
    --------
    >>> filled(MatchTable({name: empty_column(name) for name in GENERATIONS[34]})).notes[0][:60]
    '34 columns: particle_index, refined_pixel_size, even_zernike'
    """
    names = set(table.columns)
    target = {34: MATCH_39, 36: MATCH_39, 48: REFINED_51}.get(len(names))
    if target is None or set(GENERATIONS[len(names)]) != names:
        return table
    missing = [name for name in target if name not in names]
    defaults = {name: empty_column(name, table.n) for name in missing}
    if "particle_index" in defaults:
        defaults["particle_index"] = np.arange(table.n)
    if "refined_pixel_size" in defaults:
        defaults["refined_pixel_size"] = table["pixel_size"].copy()
    note = f"{len(names)} columns: {', '.join(missing)} filled with defaults"
    whole = table.with_columns(defaults).arranged(target)
    return MatchTable(whole.columns, (*table.notes, note))


# ---- writing


def write_table(path: str | os.PathLike[str], table: MatchTable, *, overwrite: bool = False) -> None:
    """Write a table as ``DataFrame.to_csv(path)`` does.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or cannot be written.
    """
    target = os.fspath(path)
    with about(target):
        part = PartFile(target)
        part.write(table_text(table).encode("utf-8", "surrogateescape"), 0)
        part.publish(overwrite=overwrite)


def table_text(table: MatchTable) -> str:
    r"""The text of a table.

    Examples
    --------
    >>> table_text(MatchTable({"mip": np.array([28.96487], np.float32)}))
    ',mip\n0,28.96487\n'
    """
    memory = io.StringIO(newline="")
    writer = csv.writer(memory, lineterminator="\n")
    writer.writerow(["", *table.columns])
    columns = [_texts(column) for column in table.columns.values()]
    writer.writerows(zip(map(str, range(table.n)), *columns, strict=True))
    return memory.getvalue()


def _texts(column: NDArray[Any] | Coded) -> list[str]:
    if isinstance(column, Coded):
        return list(column)
    found = column.astype(str)
    if column.dtype.kind == "f":
        found[np.isnan(column)] = ""
    return [str(text) for text in found.tolist()]
