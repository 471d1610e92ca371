"""STAR files into numpy columns, typed by RELION's label table."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from braggio._core import StarBlock, read_star
from braggio.errors import FormatError, MetadataError, about, warn
from braggio.formats.star.table import StarTable
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.relion import IMAGE_NAME, bare, kind_of
from braggio.storage.source import open_stored

File: TypeAlias = str | os.PathLike[str] | bytes


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
    source, path = open_stored(file)
    with about(path):
        return [block for block, _ in read_star(source, lambda block: None)]


def read_tables(
    file: File,
    *,
    blocks: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    as_text: Iterable[str] = (),
    split_images: bool = True,
    threads: int = 1,
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
    threads : int
        Share the rows of a large block among so many; the columns do not depend on it.

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
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    wanted = None if columns is None else {bare(label.removeprefix("_")) for label in columns}

    def choose(block: StarBlock) -> Collection[str] | None:
        if blocks is not None and block.name not in blocks:
            return None
        return [label for label in block.labels if wanted is None or bare(label) in wanted]

    found = _read(file, choose, as_text, split_images, threads)
    with about(None if isinstance(file, bytes) else os.fspath(file)):
        _require_columns(_chosen_blocks([block for block, _ in found], blocks), columns)
    _warn_of_cuts(found)
    return {block.name: table for block, table in found if table is not None}


def read_chosen(
    file: File,
    choose: Callable[[StarBlock], Collection[str] | None],
    *,
    as_text: Iterable[str] = (),
    split_images: bool = True,
    threads: int = 1,
) -> list[tuple[StarBlock, StarTable | None]]:
    r"""Read a file once, asking on the way what is wanted of each block.

    Parameters
    ----------
    file : path-like or bytes
        The file, or its content.
    choose : callable
        The labels wanted of a block, or None for nothing. It is asked before rows are counted, and may be asked again.
    as_text, split_images, threads
        See `read_tables`.

    Returns
    -------
    list of (StarBlock, StarTable or None)
        Every block of the file in order, and its table where it was chosen.

    Raises
    ------
    FormatError
        See `read_tables`.

    Examples
    --------
    >>> found = read_chosen(b"data_a\nloop_\n_x\n_y\n1 2\n\ndata_b\n_z 3\n", lambda block: "x" if block.loop else None)
    >>> [(block.name, block.rows, None if table is None else list(table.columns)) for block, table in found]
    [('a', 1, ['x']), ('b', 0, None)]
    """
    found = _read(file, choose, as_text, split_images, threads)
    _warn_of_cuts(found)
    return found


def _read(
    file: File,
    choose: Callable[[StarBlock], Collection[str] | None],
    as_text: Iterable[str],
    split_images: bool,
    threads: int,
) -> list[tuple[StarBlock, StarTable | None]]:
    source, path = open_stored(file)
    text = {bare(label) for label in as_text}

    def kinds(block: StarBlock) -> list[tuple[str, str]] | None:
        wanted = choose(block)
        if wanted is None:
            return None
        return [_kinds(label, label in wanted, bare(label) in text, split_images) for label in block.labels]

    with about(path):
        found = read_star(source, kinds, threads)
        return [(block, _table(block, choose(block), text, columns)) for block, columns in found]


def _warn_of_cuts(found: Sequence[tuple[StarBlock, StarTable | None]]) -> None:
    for block, table in found:
        if table is not None and not block.terminated:
            warn(f"data_{block.name}: the file ends without a newline after row {block.rows}; it may have been cut")


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


def _table(
    block: StarBlock, wanted: Collection[str] | None, text: set[str], columns: list[tuple[Any, ...] | None] | None
) -> StarTable | None:
    if wanted is None:
        return None
    if columns is None:
        items = {label: _value(label, value, quoted or bare(label) in text) for label, value, quoted in block.items}
        return StarTable({label: value for label, value in items.items() if label in wanted}, loop=False)
    found = {label: column for label, column in zip(block.labels, columns, strict=True) if column is not None}
    integral = frozenset(label for label, column in found.items() if column[0] == "real" and column[2])
    return StarTable({label: _column(label, column) for label, column in found.items()}, integral=integral)


def _kinds(label: str, wanted: bool, as_text: bool, split_images: bool) -> tuple[str, str]:
    """(kind to try first, kind it may become)."""
    known = kind_of(label)
    if not wanted:
        return "skip", known if known in ("integer", "real") else "text"
    if bare(label) == bare(IMAGE_NAME) and split_images and not as_text:
        return "image", "image"
    if as_text or known == "text":
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
        and np.all(np.abs(values) <= 2.0**53)
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
