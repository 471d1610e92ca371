"""Lauecollect's log: comment lines with ``#``, the last of them the column names; then one line per image."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, LimitError

MAX_BYTES = 1 << 28
# Angles are under several names in the logs of different years.
ANGLES = ("angle", "phi")


def read_log(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The columns of a Lauecollect log.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to ndarray
        In the order of the log. ``angle[deg]`` comes as ``angle``; columns of numbers as float64, others as text.

    Raises
    ------
    FormatError
        No column line, no rows, or a row of another length; no `file` column, or two columns of one name.
    """
    name = os.fspath(path)
    if os.path.getsize(name) > MAX_BYTES:
        raise LimitError(path=name, field="log", expected=f"at most {MAX_BYTES} bytes", found=os.path.getsize(name))
    with open(name, "rb") as stream:
        data = stream.read()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # Not splitlines(): to it some characters of comments are ends of lines too.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    heads = [line for line in lines if line.startswith("#")]
    rows = [
        (number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]
    if not heads or "\t" not in heads[-1]:
        raise FormatError(path=name, field="log", expected="a '#' line of tab-separated column names", found="none")
    if not rows:
        raise FormatError(path=name, field="log", expected="one line per image", found="none")
    titles = _titles(heads[-1].lstrip("#").split("\t"))
    if len(set(titles)) < len(titles):
        raise FormatError(path=name, field="columns", expected="different names", found=", ".join(titles))
    for number, row in rows:
        if len(row) != len(titles):
            # An empty comment at the end of a line is often left out together with its tab.
            if len(row) == len(titles) - 1:
                row.append("")
                continue
            raise FormatError(path=name, field=f"line {number}", expected=f"{len(titles)} columns", found=len(row))
    columns = {title: _column([row[i].strip() for _, row in rows]) for i, title in enumerate(titles)}
    if "file" not in columns:
        raise FormatError(path=name, field="columns", expected="a column 'file'", found=", ".join(titles))
    return columns


def _titles(texts: list[str]) -> list[str]:
    """Without their units, unless that makes one of two."""
    titles: list[str] = []
    for title in map(str.strip, texts):
        short = title.split("[")[0]
        titles.append(title if short in titles else short)
    return titles


def _column(texts: list[str]) -> NDArray[Any]:
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return np.array(texts, dtype=object)
    return np.array(texts, dtype=object) if any("_" in text for text in texts) else numbers  # float("1_0") is 10
