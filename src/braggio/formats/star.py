"""STAR tables (.star), as RELION and its relatives write them.

`read_tables` and `write_tables` work on numpy columns; `read_star` and `write_star` are the starfile package's ``read``
and ``write`` with its keywords, on pandas DataFrames. Columns are typed by RELION's label table, so a micrograph called
``0001`` stays a text; labels that RELION does not know are typed by their values.
"""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile, Source, StarBlock, read_star_rows, scan_star, write_star_rows
from braggio.errors import DataWarning, FormatError, MetadataError, UnsupportedError, about
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.relion import IMAGE_NAME, bare, kind_of

if TYPE_CHECKING:
    import pandas as pd

File: TypeAlias = str | os.PathLike[str] | bytes
_MISSING = ("nan", "NaN", "<NA>")
_DECIMALS = re.compile(r"%\.(\d{1,2})f")
_BLANK = re.compile(r"[ \t\v\f\r]")
_KEYWORD = re.compile(r"(?i)data_|loop_$")


@dataclass(frozen=True)
class StarTable:
    """One block of a STAR file.

    Attributes
    ----------
    columns : dict
        Label, without its underscore, to a column; of a list block, to a str, int or float.
    loop : bool
        A table (``loop_``); a list of values otherwise.
    integral : frozenset of str
        Labels of reals that the file writes as integers; starfile makes int64 of these.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    loop: bool = True
    integral: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Rows of a loop; 1 for a list."""
        return len(next(iter(self.columns.values()))) if self.loop and self.columns else int(not self.loop)


def _source(file: File) -> tuple[Source, str | None]:
    if isinstance(file, bytes):
        return Source.over(file), None
    path = os.fspath(file)
    return Source.open(path), path


def scan(file: File) -> list[StarBlock]:
    r"""The blocks of a file: ``name``, ``loop``, ``labels``, ``rows``, ``line``. Rows are counted, not read.

    Raises
    ------
    FormatError
        Not a STAR file, or one in which rows would be lost: naming the line.

    Examples
    --------
    >>> [(block.name, block.rows) for block in scan(b"data_a\nloop_\n_x\n1\n2\n")]
    [('a', 2)]
    """
    source, path = _source(file)
    with about(path):
        return scan_star(source)


def read_tables(
    file: File,
    *,
    blocks: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    as_text: Iterable[str] = (),
    split_images: bool = True,
) -> dict[str, StarTable]:
    r"""Read blocks into numpy columns.

    Parameters
    ----------
    file : path-like or bytes
        The file, or its content.
    blocks : sequence of str, optional
        Names without ``data_``; all by default. Rows of other blocks are not read.
    columns : sequence of str, optional
        Labels, with or without ``_`` and ``rln``; all by default. Other cells are skipped without parsing.
    as_text : iterable of str
        Labels to keep as text whatever they look like.
    split_images : bool
        Give ``rlnImageName`` as `ImageNames` rather than as one text a row.

    Returns
    -------
    dict of str to StarTable
        In the order of the file. Reals are float64, integers int64, texts `Coded`.

    Raises
    ------
    FormatError
        Malformed: short or long rows, a word where a number belongs, blocks or labels that stand twice. It names the
        line.
    MetadataError
        A block or column that is asked for is not there.

    Examples
    --------
    >>> tables = read_tables(b"data_a\nloop_\n_rlnVoltage\n_rlnMicrographName\n300 0001\n200 0001\n")
    >>> tables["a"].columns["rlnVoltage"].tolist(), list(tables["a"].columns["rlnMicrographName"])
    ([300.0, 200.0], ['0001', '0001'])
    """
    source, path = _source(file)
    with about(path):
        found = scan_star(source)
        chosen = _chosen_blocks(found, blocks)
        _require_columns(chosen, columns)
        text = {bare(label) for label in as_text}
        wanted = None if columns is None else {bare(label.removeprefix("_")) for label in columns}
        return {block.name: _read_block(source, block, wanted, text, split_images) for block in chosen}


def _chosen_blocks(found: Sequence[StarBlock], blocks: Sequence[str] | None) -> list[StarBlock]:
    if blocks is None:
        return list(found)
    names = [block.name for block in found]
    for name in blocks:
        if name not in names:
            raise MetadataError(
                field="block", expected=f"data_{name}", found=", ".join(f"data_{each}" for each in names)
            )
    return [block for block in found if block.name in blocks]


def _require_columns(blocks: Sequence[StarBlock], columns: Sequence[str] | None) -> None:
    labels = [label for block in blocks for label in block.labels]
    known = {bare(label) for label in labels}
    for label in columns or ():
        if bare(label.removeprefix("_")) not in known:
            raise MetadataError(field="column", expected=label, found=nearest(label, labels))


def nearest(label: str, labels: Sequence[str]) -> str:
    """The labels that are there, the most similar first: what an error shows instead of the one that is not."""
    close = difflib.get_close_matches(label, labels, n=1, cutoff=0.6)
    rest = [each for each in labels if each not in close]
    shown = ", ".join([*close, *rest][:12])
    return f"{shown}, ... ({len(labels)} in all)" if len(labels) > 12 else shown or "none"


def _read_block(
    source: Source, block: StarBlock, wanted: set[str] | None, text: set[str], split_images: bool
) -> StarTable:
    if not block.loop:
        items = {label: _value(label, value, quoted or bare(label) in text) for label, value, quoted in block.items}
        return StarTable(
            {label: value for label, value in items.items() if wanted is None or bare(label) in wanted}, loop=False
        )
    kinds = [_kinds(label, wanted, text, split_images) for label in block.labels]
    results = read_star_rows(source, block, kinds)
    if not block.terminated:
        warnings.warn(
            f"data_{block.name}: the file ends without a newline after row {block.rows}; it may have been cut",
            DataWarning,
            stacklevel=4,
        )
    found = {label: result for label, result in zip(block.labels, results, strict=True) if result is not None}
    integral = frozenset(label for label, result in found.items() if result[0] == "real" and result[2])
    return StarTable({label: _column(label, result) for label, result in found.items()}, integral=integral)


def _kinds(label: str, wanted: set[str] | None, text: set[str], split_images: bool) -> tuple[str, str]:
    """(kind to try first, kind it may become)."""
    known = kind_of(label)
    if wanted is not None and bare(label) not in wanted:
        return "skip", known if known in ("integer", "real") else "text"
    if bare(label) == bare(IMAGE_NAME) and split_images and bare(label) not in text:
        return "image", "image"
    if bare(label) in text or known == "text":
        return "text", "text"
    if known == "integer":  # pandas writes integers with missing values as 1.000000
        return "integer", "real"
    return ("real", "real") if known == "real" else ("guess", "text")


def _column(label: str, result: tuple[Any, ...]) -> Column:
    kind, values, *rest = result
    if kind == "text":
        return Coded(values, tuple(rest[0]))
    if kind == "image":
        return ImageNames(Coded(values, tuple(rest[0])), rest[1], rest[2])
    if (
        kind == "real"
        and kind_of(label) == "integer"
        and np.all(np.isfinite(values))
        and np.all(values == np.rint(values))
    ):
        return np.asarray(values.astype(np.int64))
    return np.asarray(values)


def _value(label: str, text: str, is_text: bool) -> str | int | float:
    """A value of a list block, as a number where it is one."""
    if is_text or kind_of(label) == "text":
        return text
    for number in (int, float):
        try:
            if "_" not in text:
                return number(text)
        except ValueError:
            continue
    if kind_of(label) in ("integer", "real"):
        raise FormatError(field=label, expected="a number", found=repr(text))
    return text


# ---- DataFrames


def read_star(
    filename: File,
    read_n_blocks: int | None = None,
    always_dict: bool = False,
    parse_as_string: Sequence[str] = (),
    *,
    columns: Sequence[str] | None = None,
    blocks: Sequence[str] | None = None,
    engine: str = "braggio",
) -> Any:
    r"""Read a STAR file into pandas, with the keywords of ``starfile.read``.

    Parameters
    ----------
    filename : path-like or bytes
        The file.
    read_n_blocks : int, optional
        Only the first blocks.
    always_dict : bool
        A dict even when there is one block.
    parse_as_string : sequence of str
        Labels to keep as text.
    columns, blocks : sequence of str, optional
        See `read_tables`.
    engine : {'braggio', 'starfile'}
        'starfile' calls that package.

    Returns
    -------
    DataFrame or dict, or a dict of them by block name
        A loop is a DataFrame, a list block a dict. Integer-looking number columns are int64, as in starfile.

    Raises
    ------
    FormatError, MetadataError
        See `read_tables`.

    Examples
    --------
    >>> read_star(b"data_a\nloop_\n_x\n_y\n1 2.5\n").to_dict("list")
    {'x': [1], 'y': [2.5]}
    """
    if engine == "starfile":
        return _starfile_read(filename, read_n_blocks, always_dict, parse_as_string, columns, blocks)
    if engine != "braggio":
        raise UnsupportedError(field="engine", expected="braggio or starfile", found=repr(engine))
    names = blocks
    if read_n_blocks is not None:
        names = [block.name for block in scan(filename)[:read_n_blocks] if blocks is None or block.name in blocks]
    tables = read_tables(filename, blocks=names, columns=columns, as_text=parse_as_string, split_images=False)
    frames = {name: to_dataframe(table, name) if table.loop else table.columns for name, table in tables.items()}
    return next(iter(frames.values())) if len(frames) == 1 and not always_dict else frames


def _starfile_read(
    filename: File,
    read_n_blocks: int | None,
    always_dict: bool,
    parse_as_string: Sequence[str],
    columns: Sequence[str] | None,
    blocks: Sequence[str] | None,
) -> Any:
    if columns is not None or blocks is not None or isinstance(filename, bytes):
        raise UnsupportedError(field="engine", expected="braggio for columns=, blocks= and bytes", found="'starfile'")
    import starfile

    return starfile.read(filename, read_n_blocks, always_dict, list(parse_as_string))


def to_dataframe(table: StarTable, name: str = "") -> pd.DataFrame:
    """A loop as a DataFrame, with its block name in ``attrs["name"]``."""
    import pandas as pd

    if table.rows == 0:
        frame = pd.DataFrame(np.zeros((0, len(table.columns))), columns=list(table.columns))
    else:
        frame = pd.DataFrame(
            {label: _series(column, label in table.integral) for label, column in table.columns.items()}
        )
    frame.attrs["name"] = name
    return frame


def _series(column: Column, integral: bool) -> Any:
    import pandas as pd

    if isinstance(column, ImageNames):
        return _text_series(column.to_array())
    if isinstance(column, Coded):
        texts = np.empty(len(column.texts), object)
        texts[:] = [np.nan if text in _MISSING else text for text in column.texts]
        return _text_series(texts[column.codes])
    if integral and np.all(np.abs(column) < 2.0**53):
        return pd.Series(column.astype(np.int64))
    return pd.Series(column)


def _text_series(values: NDArray[np.object_]) -> Any:
    import pandas as pd

    try:
        return pd.Series(values)
    except UnicodeEncodeError:  # bytes that are not UTF-8, which pandas' own text type cannot hold
        return pd.Series(values, dtype=object)


# ---- writing


def write_star(
    data: Any,
    filename: str | os.PathLike[str],
    float_format: str | None = None,
    sep: str | None = None,
    na_rep: str = "<NA>",
    quote_character: str = '"',
    quote_all_strings: bool = False,
    *,
    precision: str = "relion",
    overwrite: bool = True,
    engine: str = "braggio",
) -> None:
    """Write DataFrames and dicts to a STAR file, with the keywords of ``starfile.write``.

    Parameters
    ----------
    data : DataFrame, dict, or a dict or list of them
        A DataFrame becomes a loop, a dict of values a list block.
    filename : path-like
        Appears whole or not at all.
    float_format : str, optional
        A printf format for reals; by default `precision` decides.
    sep : str, optional
        One blank or tab between cells; by default RELION's padded columns.
    na_rep : str
        For missing values.
    quote_character : str
        Quotes around texts with blanks.
    quote_all_strings : bool
        Quotes around every text.
    precision : {'relion', 'exact'}
        'relion' rounds as RELION prints (6 decimals, or 7 digits with an exponent); 'exact' reads back to the same
        float64.
    overwrite : bool
        Replace an existing file.
    engine : {'braggio', 'starfile'}
        'starfile' calls that package.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or cannot be written.
    FormatError
        A text that STAR cannot hold.

    Examples
    --------
    >>> import pandas as pd, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.star")
    ...     write_star(pd.DataFrame({"rlnVoltage": [300.0]}), path)
    ...     print(float(read_star(path)["rlnVoltage"][0]))
    300.0
    """
    if engine == "starfile":
        import starfile

        starfile.write(
            data, os.fspath(filename), float_format or "%.6f", sep or "\t", na_rep, quote_character, quote_all_strings
        )
        return
    style = _Style(precision, float_format, sep, na_rep, quote_character, quote_all_strings)
    _write(filename, {name: _as_table(block) for name, block in _as_blocks(data).items()}, style, overwrite)


def write_tables(
    path: str | os.PathLike[str],
    tables: Mapping[str, StarTable],
    *,
    precision: str = "relion",
    overwrite: bool = False,
    version: int = 30001,
) -> None:
    """Write tables in RELION's layout; see `write_star` for `precision` and `overwrite`."""
    _write(path, tables, _Style(precision, version=version), overwrite)


@dataclass(frozen=True)
class _Style:
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
        if self.float_format is None or _DECIMALS.fullmatch(self.float_format):
            return None
        pattern = self.float_format
        return lambda value: self.na_rep if value != value else (pattern % value).strip()


def _as_blocks(data: Any) -> dict[str, Any]:
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return {str(data.attrs.get("name") or getattr(data, "name", "") or ""): data}
    if isinstance(data, (list, tuple)):
        return {str(index): block for index, block in enumerate(data)}
    if not isinstance(data, Mapping):
        raise TypeError(f"data must be a DataFrame, a dict or a list of them, not {type(data).__name__}")
    nested = any(isinstance(value, (Mapping, pd.DataFrame)) for value in data.values())
    return {str(name): block for name, block in data.items()} if nested else {"": data}


def _as_table(block: Any) -> StarTable:
    if isinstance(block, Mapping):
        return StarTable(dict(block), loop=False)
    return StarTable({str(label): _from_series(block[label]) for label in block.columns})


def _from_series(series: Any) -> Column:
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else None
    if kind in ("i", "u", "b"):
        return np.asarray(series.to_numpy())
    if kind == "f":
        return np.asarray(series.to_numpy(np.float64))
    return Coded.of(["<NA>" if value is None or value != value else str(value) for value in series.tolist()])


def _write(path: str | os.PathLike[str], tables: Mapping[str, StarTable], style: _Style, overwrite: bool) -> None:
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


def _write_rows(part: PartFile, offset: int, columns: list[tuple[Any, ...]], rows: int, style: _Style) -> int:
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


def _head(name: str, table: StarTable, style: _Style) -> bytes:
    lines = ["", f"# version {style.version}", "", f"data_{_word(name)}", ""]
    if table.loop:
        lines.append("loop_ ")
        lines += [f"_{_word(label)} #{number} " for number, label in enumerate(table.columns, 1)]
    else:
        width = max((len(label) for label in table.columns), default=0) + 1
        lines += [f"_{_word(label):{width}} {_item(value, style)}" for label, value in table.columns.items()]
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


def _word(text: str) -> str:
    if any(character.isspace() or character == "\0" for character in text) or text.startswith("#"):
        raise FormatError(field="name", expected="a block name or label without blanks", found=repr(text))
    return text


def _item(value: Any, style: _Style) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return (
            style.na_rep if number != number else (style.float_format % number if style.float_format else repr(number))
        )
    return quoted(str(value), style.quote, style.quote_all)


def _core_columns(table: StarTable, style: _Style) -> list[tuple[Any, ...]]:
    rows = table.rows
    for label, column in table.columns.items():
        if len(column) != rows:
            raise FormatError(field=label, expected=f"{rows} rows", found=len(column))
    return [_core_column(label, column, style) for label, column in table.columns.items()]


def _core_column(label: str, column: Column, style: _Style) -> tuple[Any, ...]:
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
        texts = tuple(quoted(text, style.quote, style.quote_all) for text in column.texts)
        return "text", np.ascontiguousarray(column.codes), [_encoded(label, text) for text in texts]
    values = np.asarray(column)
    if values.dtype.kind == "f":
        as_text = style.real_texts()
        if as_text is not None:
            return _core_column(label, Coded.of([as_text(value) for value in values.tolist()]), style)
        return "real", np.ascontiguousarray(values, np.float64)
    if values.dtype.kind in "iub":
        if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
            return _core_column(label, Coded.of([str(value) for value in values.tolist()]), style)
        return "integer", np.ascontiguousarray(values, np.int64)
    if values.dtype.kind in "US":
        return _core_column(label, Coded.of([str(value) for value in values.tolist()]), style)
    raise FormatError(field=label, expected="a column of numbers or texts", found=values.dtype)


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
