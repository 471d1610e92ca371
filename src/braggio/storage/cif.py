"""CIF text: data blocks of categories, as far as CBF headers need it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from braggio.errors import FormatError, MetadataError

_TOKEN = re.compile(
    r"""
      (?:^;(?P<field>(?:.|\n)*?)^;(?=\s|$))          # a text field between semicolons that begin lines
    | (?P<unclosed>^;)                             # said at once: looking for the end of each takes for ever
    | (?P<comment>\#[^\n]*)
    | '(?P<single>(?:[^'\n]|'(?!\s|$))*)'(?=\s|$)
    | "(?P<double>(?:[^"\n]|"(?!\s|$))*)"(?=\s|$)
    | (?P<bare>[^\s\#'"][^\s]*)
    | (?P<odd>\S)
    """,
    re.VERBOSE | re.MULTILINE,
)
_PLAIN = re.compile(r"[A-Za-z0-9+\-][^\s'\"#]*\Z")
_RESERVED = ("data_", "loop_", "save_", "global_", "stop_")
Value = str | None  # None for the bare . and ?


@dataclass
class Category:
    """A table: item names, in lower case, and rows of texts (None for ``.`` and ``?``)."""

    name: str
    items: list[str] = field(default_factory=list)
    rows: list[list[Value]] = field(default_factory=list)

    def column(self, item: str) -> list[Value]:
        """The values of an item; None in every row where the table lacks it."""
        if item not in self.items:
            return [None] * len(self.rows)
        index = self.items.index(item)
        return [row[index] for row in self.rows]

    def records(self, *items: str) -> Iterable[tuple[Value, ...]]:
        """The rows, of those items only."""
        return zip(*(self.column(item) for item in items), strict=True)


@dataclass
class Block:
    """A data block: its name, and its categories by name in lower case."""

    name: str
    categories: dict[str, Category] = field(default_factory=dict)

    def category(self, name: str) -> Category:
        """The category, empty where the block has none."""
        return self.categories.get(name, Category(name))

    def value(self, name: str, item: str) -> Value:
        """The item of a category's first row, or None."""
        rows = self.category(name).column(item)
        return rows[0] if rows else None


def parse(text: str) -> Block:
    r"""The first data block of a CIF text; line ends may be CRLF.

    Raises
    ------
    FormatError
        No data block, a loop with an incomplete row, or a value without a name.

    Examples
    --------
    >>> block = parse("data_a\nloop_\n_axis.id\n_axis.type\nX rotation\n'Y 2' .\n")
    >>> block.categories["axis"].rows
    [['X', 'rotation'], ['Y 2', None]]
    """
    tokens = _tokens(text.replace("\r\n", "\n").replace("\r", "\n"))
    block: Block | None = None
    seen: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, value, line = tokens[at]
        at += 1
        if kind == "keyword" and value.lower().startswith("data_"):
            if block is not None:
                break  # mini-CBF and CSPAD files have one
            block = Block(value[5:])
        elif block is None:
            raise FormatError(field=f"line {line}", expected="data_", found=value[:40])
        elif kind == "keyword" and value.lower() == "loop_":
            at = _loop(block, tokens, at, seen)
        elif kind == "name":
            if at == len(tokens) or tokens[at][0] not in ("value", "nothing"):
                raise FormatError(field=f"line {line}", expected=f"a value of {value}", found="none")
            _once([value], seen)
            _single(block, value, _stored(tokens[at]))
            at += 1
        elif kind != "keyword":
            raise FormatError(field=f"line {line}", expected="a name before a value", found=value[:40])
    if block is None:
        raise FormatError(field="CIF", expected="a data block", found="none")
    return block


Token = tuple[str, str, int]


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    line, counted = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", counted, match.start())
        counted = match.start()
        kind = match.lastgroup or ""
        value = match[kind]
        if kind == "comment":
            continue
        if kind in ("odd", "unclosed"):
            wanted = "a closed quote" if kind == "odd" else "a text field that ends"
            raise FormatError(field=f"line {line}", expected=wanted, found=text[match.start() :][:20])
        if kind != "bare":
            tokens.append(("value", value, line))
        elif value.startswith("_"):
            tokens.append(("name", value, line))
        elif value.lower().startswith(_RESERVED):
            tokens.append(("keyword", value, line))
        else:
            tokens.append(("nothing" if value in (".", "?") else "value", value, line))
    return tokens


def _stored(token: Token) -> Value:
    return None if token[0] == "nothing" else token[1]


def _split(name: str) -> tuple[str, str]:
    category, _, item = name[1:].lower().partition(".")
    return category, item


def _single(block: Block, name: str, value: Value) -> None:
    category, item = _split(name)
    table = block.categories.setdefault(category, Category(category, rows=[[]]))
    if len(table.rows) != 1:
        raise FormatError(field=name, expected="one value", found="a second")
    table.items.append(item)
    table.rows[0].append(value)


def _once(names: Iterable[str], seen: set[str]) -> None:
    for name in names:
        if name.lower() in seen:
            raise FormatError(field=name, expected="one value", found="a second")
        seen.add(name.lower())


def _loop(block: Block, tokens: Sequence[Token], at: int, seen: set[str]) -> int:
    names = []
    while at < len(tokens) and tokens[at][0] == "name":
        names.append(tokens[at][1])
        at += 1
    values: list[Value] = []
    start = at
    while at < len(tokens) and tokens[at][0] in ("value", "nothing"):
        values.append(_stored(tokens[at]))
        at += 1
    if not names or len(values) % len(names):
        line = tokens[min(start, len(tokens) - 1)][2]
        raise FormatError(
            field=f"line {line}", expected=f"rows of {len(names)} values in the loop", found=f"{len(values)} values"
        )
    category = _split(names[0])[0]
    if category in block.categories:
        raise FormatError(field=category, expected="one table", found="a second")
    _once(names, seen)
    rows = [values[i : i + len(names)] for i in range(0, len(values), len(names))]
    block.categories[category] = Category(category, [_split(name)[1] for name in names], rows)
    return at


def number(value: Value, name: str, default: float | None = None) -> float:
    """A value as a float, an uncertainty in brackets left out.

    Examples
    --------
    >>> number("0.10992", "axis"), number(None, "axis", 0.0), number("1.5(3)", "axis")
    (0.10992, 0.0, 1.5)
    """
    if value is None and default is not None:
        return default
    try:
        found = float((value or "").partition("(")[0])
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise MetadataError(field=name, expected="a finite number", found=repr(value))
    return found


def integer(value: Value, name: str) -> int:
    """A value as an integer of at most 9 digits.

    Examples
    --------
    >>> integer("185", "dimension")
    185
    """
    found = number(value, name)
    if not abs(found) < 1e9 or found != int(found):
        raise MetadataError(field=name, expected="an integer", found=repr(value))
    return int(found)


def block_name(name: str) -> str:
    """A name as a data block may have it: printable ASCII without blanks, anything else as ``_``.

    Examples
    --------
    >>> block_name("shot 1"), block_name("Å.2")
    ('shot1', '_.2')
    """
    return re.sub(r"[^!-~]", "_", "".join(name.split()))


def _quoted(value: object, name: str) -> str:
    if value is None:
        return "."
    if isinstance(value, float) and not math.isfinite(value):
        raise MetadataError(field=name, expected="a finite number", found=value)
    text = repr(float(value)) if isinstance(value, float) else str(value)
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # as it will be read
    if _PLAIN.match(text) and not text.lower().startswith(_RESERVED):
        return text
    if "\n" not in text and "'" not in text:
        return f"'{text}'"
    if "\n" not in text and '"' not in text:
        return f'"{text}"'
    if text.startswith(";") or "\n;" in text:
        raise MetadataError(field=name, expected="no semicolon that begins a line", found=text[:40])
    return f"\n;{text}\n;\n"


def table(category: str, items: Sequence[str], rows: Iterable[Sequence[object]], *, loop: bool = True) -> str:
    """The text of a category; None is written as ``.`` and floats so that they read back the same.

    Examples
    --------
    >>> print(table("diffrn", ["id"], [["DS1"]], loop=False))
    _diffrn.id DS1
    <BLANKLINE>
    >>> print(table("axis", ["id", "offset[1]"], [["X", 0.1], ["Y", None]]))
    loop_
    _axis.id
    _axis.offset[1]
     X 0.1
     Y .
    <BLANKLINE>
    """
    names = [f"_{category}.{item}" for item in items]
    if not loop:
        (row,) = rows
        return "".join(f"{name} {_quoted(value, name)}\n" for name, value in zip(names, row, strict=True))
    head = "loop_\n" + "".join(f"{name}\n" for name in names)
    return head + "".join(" " + " ".join(map(_quoted, row, names)) + "\n" for row in rows)
