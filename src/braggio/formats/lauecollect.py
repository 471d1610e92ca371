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
        No column line, no rows, or a row of another length; no `file` column.
    """
    name = os.fspath(path)
    if os.path.getsize(name) > MAX_BYTES:
        raise LimitError(path=name, field="log", expected=f"at most {MAX_BYTES} bytes", found=os.path.getsize(name))
    with open(name, encoding="latin-1") as stream:
        lines = stream.read().splitlines()
    heads = [line for line in lines if line.startswith("#")]
    rows = [
        (number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")
    ]
    if not heads or "\t" not in heads[-1]:
        raise FormatError(path=name, field="log", expected="a '#' line of tab-separated column names", found="none")
    if not rows:
        raise FormatError(path=name, field="log", expected="one line per image", found="none")
    titles = [title.strip().split("[")[0] for title in heads[-1].lstrip("#").split("\t")]
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


def _column(texts: list[str]) -> NDArray[Any]:
    try:
        return np.array([float(text) for text in texts])
    except ValueError:
        return np.array(texts, dtype=object)
