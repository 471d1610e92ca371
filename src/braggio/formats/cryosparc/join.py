"""Passthroughs: what a job passes on from earlier jobs, joined on ``uid``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, warn
from braggio.formats.cryosparc.fields import CsColumn
from braggio.model.columns import Coded


def join_on_uid(
    tables: Sequence[Mapping[str, CsColumn]], *, how: str = "exact", names: Sequence[str] = ()
) -> tuple[dict[str, CsColumn], NDArray[np.int64]]:
    """Fields of several tables, by ``uid``, in the row order of the first.

    Parameters
    ----------
    tables : sequence of dict
        As `read_cs` gives them: the primary file, then its passthroughs.
    how : {'exact', 'inner'}
        'exact': every table holds the same uids, else an error; 'inner': rows whose uid is in all of them.
    names : sequence of str
        Of the files, for errors.

    Returns
    -------
    columns : dict
        A field that several tables have comes from the first of them; where values differ there is a DataWarning.
    rows : int64 ndarray
        Row of the first table that each row came from.

    Raises
    ------
    MetadataError
        A table without uid, a uid twice, or unmatched uids.

    Examples
    --------
    >>> import numpy as np
    >>> first = {"uid": np.array([3, 1], np.uint64), "a": np.array([30, 10])}
    >>> second = {"uid": np.array([1, 3], np.uint64), "b": np.array([1.5, 3.5])}
    >>> join_on_uid([first, second])[0]["b"].tolist()
    [3.5, 1.5]
    """
    if how not in ("exact", "inner"):
        raise ValueError(f"how must be 'exact' or 'inner', not {how!r}")
    labels = [*names, *(f"table {number}" for number in range(len(names) + 1, len(tables) + 1))]
    uids = [_uids(table, label) for table, label in zip(tables, labels, strict=False)]
    kept = np.arange(len(uids[0]), dtype=np.int64)
    for uid, label in zip(uids[1:], labels[1:], strict=True):
        inside = np.isin(uids[0], uid)
        if how == "exact" and (not inside.all() or len(uid) != len(uids[0])):
            missing, extra = int((~inside).sum()), int((~np.isin(uid, uids[0])).sum())
            raise MetadataError(
                "pass how='inner' to keep the common ones",
                path=label,
                field="uid",
                expected=f"the {len(uids[0])} uids of {labels[0]}",
                found=f"{missing} of them missing, {extra} others",
            )
        kept = kept[inside[kept]]
    columns = {name: column[kept] for name, column in tables[0].items()}
    for table, uid, label in zip(tables[1:], uids[1:], labels[1:], strict=True):
        order = np.argsort(uid, kind="stable")
        place = order[np.searchsorted(uid[order], uids[0][kept])]
        for name, column in table.items():
            if name not in columns:
                columns[name] = column[place]
            elif name != "uid":
                _warn_differing(name, columns[name], column[place], label)
    return columns, kept


def _uids(table: Mapping[str, CsColumn], label: str) -> NDArray[Any]:
    uid = table.get("uid")
    if uid is None:
        raise MetadataError(path=label, field="uid", expected="a uid for every row", found="no such field")
    if not isinstance(uid, np.ndarray) or uid.ndim > 1 or uid.dtype.kind not in "iu" or (uid < 0).any():
        found = "texts" if isinstance(uid, Coded) else f"{uid.dtype} of shape {uid.shape}"
        raise MetadataError(path=label, field="uid", expected="one integer a row, from 0", found=found)
    uid = uid.astype(np.uint64)  # numpy compares int64 with uint64 as float64, to which uids near 2^63 are the same
    values, counts = np.unique(uid, return_counts=True)
    if len(values) < len(uid):
        raise MetadataError(
            path=label,
            field="uid",
            expected="every uid once",
            found=f"{int((counts > 1).sum())} more than once, {values[counts > 1][0]} first",
        )
    return uid


def _warn_differing(name: str, first: CsColumn, later: CsColumn, label: str) -> None:
    if isinstance(first, Coded) or isinstance(later, Coded):
        differ = sum(a != b for a, b in zip(list(first), list(later), strict=True))
    elif first.shape != later.shape:
        differ = len(first)
    else:
        differ = int((first != later).reshape(len(first), -1).any(axis=1).sum()) if len(first) else 0
    if differ:
        warn(f"{label}: {name} differs in {differ} rows from the earlier file, which is used")
