"""STAR files and pandas: the starfile package's ``read`` and ``write`` with its keywords."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import UnsupportedError
from braggio.formats.star.reading import File, read_tables, scan
from braggio.formats.star.table import StarTable
from braggio.formats.star.writing import Style, write_styled
from braggio.model.columns import Coded, Column, ImageNames

if TYPE_CHECKING:
    import pandas as pd

_MISSING = ("nan", "NaN", "<NA>")


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
    style = Style(precision, float_format, sep, na_rep, quote_character, quote_all_strings)
    write_styled(filename, {name: _as_table(block) for name, block in _as_blocks(data).items()}, style, overwrite)


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
    values = series.tolist()
    missing = series.isna().to_numpy()
    known = [value for value, gone in zip(values, missing, strict=True) if not gone]
    if known and all(isinstance(value, (int, float, np.number)) for value in known):
        if missing.any() or not all(isinstance(value, (int, np.integer)) for value in known):
            return np.array(
                [np.nan if gone else value for value, gone in zip(values, missing, strict=True)], np.float64
            )
        if all(-(2**63) <= value < 2**64 for value in known):
            return np.array(values, np.int64 if max(known) < 2**63 else np.uint64)
    return Coded.of(["<NA>" if gone else str(value) for value, gone in zip(values, missing, strict=True)])
