"""Labels in a star file of what RELION has no label for: cryoSPARC's fields, and where a restacked image came from.

A cryoSPARC field keeps its name behind ``cs/``; of a field of several numbers each is a column: ``cs/ctf/shift_A[0]``.
STAR allows any character but blanks in a label, and RELION carries labels along that it does not know. The other way
round, a column that cryoSPARC has no field for keeps its label behind ``star/``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError
from braggio.model.columns import Coded, Column
from braggio.model.relion import bare

CRYOSPARC, RELION = "cs/", "star/"
_OURS = {"uid": "cs/uid", "Sign": "cs/blob/sign", "SourceRow": "braggioSourceRow"}
_NAMES = {**{label: name for name, label in _OURS.items()}, "ucsfUid": "uid"}  # the latter is pyem's
_COMPONENT = re.compile(r"(cs/.+)\[(\d{1,4})\]")


def name_of(label: str) -> str:
    """Canonical name of a star label.

    Examples
    --------
    >>> name_of("rlnVoltage"), name_of("cs/ctf/type"), name_of("cs/uid"), name_of("_x")
    ('Voltage', 'ctf/type', 'uid', '_x')
    """
    return _NAMES.get(label) or (label.removeprefix(CRYOSPARC) if label.startswith(CRYOSPARC) else bare(label))


def label_of(name: str, own: Mapping[str, str]) -> str:
    """Star label of a column; `own` holds labels that are not called ``rln``.

    Examples
    --------
    >>> label_of("Voltage", {}), label_of("ctf/type", {}), label_of("score", {"score": "score"})
    ('rlnVoltage', 'cs/ctf/type', 'score')
    """
    if name in _OURS:
        return _OURS[name]
    return CRYOSPARC + name if "/" in name else own.get(name, f"rln{name}")


def split_components(label: str, column: Column) -> dict[str, Column]:
    """A column of several values a row as columns of one."""
    if not isinstance(column, np.ndarray) or column.ndim == 1:
        return {label: column}
    width = int(np.prod(column.shape[1:]))
    flat = column.reshape(len(column), width)
    if column.dtype.kind in "SU":
        texts = [[_text(value) for value in row] for row in flat.tolist()]
        return {f"{label}[{i}]": Coded.of([row[i] for row in texts]) for i in range(width)}
    return {f"{label}[{i}]": flat[:, i] for i in range(width)}


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def joined_components(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The other way round.

    Raises
    ------
    MetadataError
        Components that do not count from 0 without a gap.

    Examples
    --------
    >>> columns = {"cs/a/b[0]": np.array([1.0]), "cs/a/b[1]": np.array([2.0]), "x": np.array([3])}
    >>> {label: column.tolist() for label, column in joined_components(columns).items()}
    {'cs/a/b': [[1.0, 2.0]], 'x': [3]}
    """
    found: dict[str, Any] = {}
    parts: dict[str, dict[int, NDArray[Any]]] = {}
    for label, column in columns.items():
        match = _COMPONENT.fullmatch(label)
        if match is None:
            found[label] = column
            continue
        if isinstance(column, Coded):  # without rows nothing tells what it is
            column = np.array(_utf8(column), np.bytes_) if len(column) else np.zeros(0)
        parts.setdefault(match[1], {})[int(match[2])] = column
        found[match[1]] = None
    for label, places in parts.items():
        if sorted(places) != list(range(len(places))):
            raise MetadataError(field=label, expected=f"components 0 to {len(places) - 1}", found=sorted(places))
        if len({part.dtype.kind == "S" for part in places.values()}) > 1:  # some of the texts look like numbers
            raise MetadataError(field=label, expected="numbers or texts in all components", found="both")
        found[label] = np.stack([places[i] for i in range(len(places))], axis=1)
    return found


def _utf8(column: Coded) -> list[bytes]:
    return [text.encode("utf-8", "surrogateescape") for text in column]


def as_uint64(column: Column, name: str) -> NDArray[np.uint64]:
    """64-bit numbers, which a star file can only hold as text where they pass int64.

    Raises
    ------
    MetadataError
        Something else.
    """
    try:
        if isinstance(column, Coded):
            return np.array([int(text) for text in column.texts], np.uint64)[column.codes]
        values = np.asarray(column)
        if values.dtype.kind != "u" and values.size and (values.dtype.kind != "i" or values.min() < 0):
            raise ValueError(f"{values.dtype} values")
        return values.astype(np.uint64)
    except (ValueError, OverflowError, TypeError) as error:
        raise MetadataError(str(error), field=name, expected="integers of 64 bits, from 0") from None
