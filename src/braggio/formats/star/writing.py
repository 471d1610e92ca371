"""Numpy columns into STAR files: RELION's layout, or loss-free."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from braggio._core import PartFile, write_star_rows
from braggio.errors import FormatError, UnsupportedError, about
from braggio.formats.star.table import StarTable
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.relion import kind_of

_DECIMALS = re.compile(r"%\.(\d{1,2})f")
_BLANK = re.compile(r"[ \t\v\f\r]")
_NUMBER = re.compile(r"(?i)[+-]?(\d+\.?\d*|\.\d+|inf|nan)(e[+-]?\d+)?")
_KEYWORD = re.compile(r"(?i)data_|loop_$")


@dataclass(frozen=True)
class Style:
    """How cells are written."""

    precision: str = "relion"
    float_format: str | None = None
    sep: str | None = None
    na_rep: str = "<NA>"
    quote: str = '"'
    quote_all: bool = False
    version: int = 30001

    def __post_init__(self) -> None:
        if self.precision not in ("relion", "exact"):
            raise UnsupportedError(field="precision", expected="relion or exact", found=repr(self.precision))
        if self.sep not in (None, " ", "\t"):
            raise UnsupportedError(field="sep", expected="a blank or a tab", found=repr(self.sep))
        if self.quote not in ('"', "'"):
            raise UnsupportedError(field="quote_character", expected="\" or '", found=repr(self.quote))

    @property
    def reals(self) -> tuple[str, int]:
        """(style, decimals) of the core; any other printf format goes through `real_texts`."""
        match = _DECIMALS.fullmatch(self.float_format or "")
        if match and int(match[1]) <= 30:
            return "decimals", int(match[1])
        return self.precision, 6

    def real_texts(self) -> Callable[[float], str] | None:
        """What prints a real in a format that the core does not know."""
        if self.float_format is None or _DECIMALS.fullmatch(self.float_format):
            return None
        pattern = self.float_format
        return lambda value: self.na_rep if value != value else (pattern % value).strip()


def write_tables(
    path: str | os.PathLike[str],
    tables: Mapping[str, StarTable],
    *,
    precision: str = "relion",
    overwrite: bool = False,
    version: int = 30001,
) -> None:
    """Write tables in RELION's layout; see `write_star` for `precision` and `overwrite`."""
    write_styled(path, tables, Style(precision, version=version), overwrite)


def write_styled(path: str | os.PathLike[str], tables: Mapping[str, StarTable], style: Style, overwrite: bool) -> None:
    """All tables into one file, which appears whole or not at all."""
    target = os.fspath(path)
    with about(target):
        encoded = [(name, table, _core_columns(table, style) if table.loop else []) for name, table in tables.items()]
        part = PartFile(target)
        offset = 0
        for name, table, columns in encoded:
            head = _head(name, table, style)
            part.write(head, offset)
            offset += len(head)
            if table.loop:
                offset = _write_rows(part, offset, columns, table.rows, style)
            part.write(b" \n", offset)
            offset += 2
        part.publish(overwrite=overwrite)


def _write_rows(part: PartFile, offset: int, columns: list[tuple[Any, ...]], rows: int, style: Style) -> int:
    name, decimals = style.reals
    return write_star_rows(
        part,
        offset,
        columns,
        rows,
        style=name,
        decimals=decimals,
        padded=style.sep is None,
        separator=style.sep or " ",
        missing=style.na_rep,
    )


def _head(name: str, table: StarTable, style: Style) -> bytes:
    lines = ["", f"# version {style.version}", "", f"data_{_word(name)}", ""]
    if table.loop:
        lines.append("loop_ ")
        lines += [f"_{_word(label)} #{number} " for number, label in enumerate(table.columns, 1)]
    else:
        width = max((len(label) for label in table.columns), default=0) + 1
        lines += [f"_{_word(label):{width}} {_item(label, value, style)}" for label, value in table.columns.items()]
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


def _word(text: str) -> str:
    if any(character.isspace() or character == "\0" for character in text) or text.startswith("#"):
        raise FormatError(field="name", expected="a block name or label without blanks", found=repr(text))
    return text


def _item(label: str, value: Any, style: Style) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return (
            style.na_rep if number != number else (style.float_format % number if style.float_format else repr(number))
        )
    text = str(value)
    return quoted(text, style.quote, style.quote_all or (kind_of(label) is None and bool(_NUMBER.fullmatch(text))))


def _core_columns(table: StarTable, style: Style) -> list[tuple[Any, ...]]:
    rows = table.rows
    for label, column in table.columns.items():
        if len(column) != rows:
            raise FormatError(field=label, expected=f"{rows} rows", found=len(column))
    return [_core_column(label, column, style) for label, column in table.columns.items()]


def _core_column(label: str, column: Column, style: Style) -> tuple[Any, ...]:
    if isinstance(column, ImageNames):
        texts = column.stacks.texts
        if (column.numbers < 0).any() or any(_needs_quotes(text) for text in texts):
            return _core_column(label, Coded.of(list(column.to_array())), style)
        return (
            "image",
            column.stacks.codes,
            [_encoded(label, text) for text in texts],
            np.ascontiguousarray(column.numbers),
        )
    if isinstance(column, Coded):
        # Under a label that nobody knows, texts that look like numbers would come back as numbers.
        every = style.quote_all or (kind_of(label) is None and any(_NUMBER.fullmatch(text) for text in column.texts))
        texts = tuple(quoted(text, style.quote, every) for text in column.texts)
        return "text", np.ascontiguousarray(column.codes), [_encoded(label, text) for text in texts]
    values = np.asarray(column)
    if values.dtype.kind == "f":
        as_text = style.real_texts()
        if as_text is not None:
            return _unquoted(label, [as_text(value) for value in values.tolist()])
        return "real", np.ascontiguousarray(values, np.float64)
    if values.dtype.kind in "iub":
        if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
            return _unquoted(label, [str(value) for value in values.tolist()])
        return "integer", np.ascontiguousarray(values, np.int64)
    if values.dtype.kind in "US":
        return _core_column(label, Coded.of([str(value) for value in values.tolist()]), style)
    raise FormatError(field=label, expected="a column of numbers or texts", found=values.dtype)


def _unquoted(label: str, texts: list[str]) -> tuple[Any, ...]:
    """Numbers that the core does not print, as texts."""
    column = Coded.of(texts)
    return "text", np.ascontiguousarray(column.codes), [_encoded(label, text) for text in column.texts]


def _encoded(label: str, text: str) -> bytes:
    if "\n" in text or "\r" in text or "\0" in text:
        raise FormatError(field=label, expected="a text without line breaks and NUL", found=repr(text))
    return text.encode("utf-8", "surrogateescape")


def _needs_quotes(text: str) -> bool:
    return not text or text[0] in "\"'#_" or bool(_BLANK.search(text)) or bool(_KEYWORD.match(text))


def quoted(text: str, quote: str = '"', always: bool = False) -> str:
    r"""The text as one STAR token: as it is where it can be, else in quotes that it does not close itself.

    Examples
    --------
    >>> quoted("it's"), quoted("two words"), quoted('say "a" b')
    ("it's", '"two words"', '\'say "a" b\'')
    """
    if not always and not _needs_quotes(text):
        return text
    for mark in (quote, "'" if quote == '"' else '"'):
        if not re.search(f"{mark}(?=[ \t\v\f\r]|$)", text) and "\a" not in text:
            return f"{mark}{text}{mark}"
    return quote + re.sub(f"([\a{quote}])", "\a\\1", text) + quote  # RELION's escape
