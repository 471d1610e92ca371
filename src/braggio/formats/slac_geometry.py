"""SLAC geometry files (``0-end.data``): rows that place an object in its parent, in micrometres and degrees."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from braggio._core import PartFile
from braggio.errors import FormatError, about
from braggio.model.geometry import Matrix, frame
from braggio.storage.text import read_text

MOST_BYTES = 1 << 24
FIELDS = 13
_EXPLAINED = (
    ("PARENT", "name and version of the parent object"),
    ("PARENT_IND", "index of the parent object"),
    ("OBJECT", "name and version of the object"),
    ("OBJECT_IND", "index of the new object"),
    ("X0", "x-coordinate [um] of the object origin in the parent frame"),
    ("Y0", "y-coordinate [um] of the object origin in the parent frame"),
    ("Z0", "z-coordinate [um] of the object origin in the parent frame"),
    ("ROT_Z", "object design rotation angle [deg] around Z axis of the parent frame"),
    ("ROT_Y", "object design rotation angle [deg] around Y axis of the parent frame"),
    ("ROT_X", "object design rotation angle [deg] around X axis of the parent frame"),
    ("TILT_Z", "object tilt angle [deg] around Z axis of the parent frame"),
    ("TILT_Y", "object tilt angle [deg] around Y axis of the parent frame"),
    ("TILT_X", "object tilt angle [deg] around X axis of the parent frame"),
)


@dataclass(frozen=True)
class SlacRow:
    """An object in its parent.

    Attributes
    ----------
    parent, object : str
        Name and version, as QUAD:V1.
    parent_index, index : int
    shift : tuple of float
        X0, Y0, Z0 in micrometres.
    rot, tilt : tuple of float
        Design angles and deviations about z, y and x, in degrees.
    """

    parent: str
    parent_index: int
    object: str
    index: int
    shift: tuple[float, float, float]
    rot: tuple[float, float, float]
    tilt: tuple[float, float, float]

    @property
    def matrix(self) -> Matrix:
        """(4, 4), from the object to its parent, in mm: Rx Ry Rz and then the shift."""
        z, y, x = (math.radians(rot + tilt) for rot, tilt in zip(self.rot, self.tilt, strict=True))
        turn_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
        turn_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
        turn_z = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
        return frame(turn_x @ turn_y @ turn_z, [value / 1000 for value in self.shift])

    @classmethod
    def of(cls, parent: tuple[str, int], object: tuple[str, int], matrix: Matrix) -> SlacRow:
        """From a (4, 4) matrix in mm; the design angle is the nearest multiple of 90 degrees."""
        r = matrix[:3, :3]
        y = math.asin(max(-1.0, min(1.0, r[0, 2])))
        if abs(r[0, 2]) < 1 - 1e-12:
            x, z = math.atan2(-r[1, 2], r[2, 2]), math.atan2(-r[0, 1], r[0, 0])
        else:  # only the sum of the other two is there
            x, z = math.atan2(r[2, 1], r[1, 1]), 0.0
        angles = [math.degrees(angle) for angle in (z, y, x)]
        design = [90.0 * round(angle / 90) for angle in angles]
        tilt = [angle - rot for angle, rot in zip(angles, design, strict=True)]
        shift = [1000.0 * float(value) for value in matrix[:3, 3]]
        return cls(
            *parent,
            *object,
            (shift[0], shift[1], shift[2]),
            (design[0] % 360, design[1] % 360, design[2] % 360),
            (tilt[0], tilt[1], tilt[2]),
        )


@dataclass(frozen=True)
class SlacGeometry:
    """A SLAC geometry file.

    Attributes
    ----------
    rows : tuple of SlacRow
        In the order of the file.
    comments : tuple of str
        Without the leading ``#``.
    path : str or None
    """

    rows: tuple[SlacRow, ...]
    comments: tuple[str, ...] = ()
    path: str | None = None

    @cached_property
    def _families(self) -> dict[tuple[str, int], list[SlacRow]]:
        families: dict[tuple[str, int], list[SlacRow]] = {}
        for row in self.rows:
            families.setdefault((row.parent, row.parent_index), []).append(row)
        return families

    def children(self, name: str, index: int) -> list[SlacRow]:
        """The rows of a parent, in the order of the file."""
        return self._families.get((name, index), [])


def looks_like(head: bytes) -> bool:
    """Whether these first bytes are of a geometry file: comments, and rows of 13 fields."""
    if b"\0" in head:
        return False
    for line in head.splitlines()[:-1] or [head]:
        fields = line.split()
        if fields and not line.lstrip().startswith(b"#"):
            return len(fields) == FIELDS
    return head.lstrip().startswith(b"#") and not head.startswith(b"###CBF")


def read_slac_geometry(path: str | os.PathLike[str]) -> SlacGeometry:
    """Read a geometry file.

    Raises
    ------
    FormatError
        A row without 13 fields, or a field that is no number; the line is named.
    """
    name = os.fspath(path)
    return parse(read_text(name, most=MOST_BYTES, encoding="latin-1"), name)


def parse(text: str, path: str | None = None) -> SlacGeometry:
    r"""A geometry file's text.

    Examples
    --------
    >>> parse("# RAIL\nIP 0 RAIL 0 0 0 100 0 0 0 0 0 0\n").rows[0].shift
    (0.0, 0.0, 100.0)
    """
    rows, comments = [], []
    for number, line in enumerate(re.split(r"\r\n?|\n", text), 1):  # others are letters of UTF-8 comments
        if line.lstrip().startswith("#"):
            comments.append(line.lstrip()[1:].strip())
        elif line.strip():
            rows.append(_row(line.split(), number))
    if not rows:
        raise FormatError(path=path, field="geometry", expected="rows of 13 fields", found="none")
    placed = Counter((row.object, row.index, row.parent, row.parent_index) for row in rows)
    if len(placed) != len(rows):
        twice = placed.most_common(1)[0][0]
        raise FormatError(
            path=path, field="geometry", expected="each object once", found=f"{twice[0]} {twice[1]} twice"
        )
    return SlacGeometry(tuple(rows), tuple(comments), path)


def _row(fields: list[str], number: int) -> SlacRow:
    if len(fields) != FIELDS:
        raise FormatError(field=f"line {number}", expected=f"{FIELDS} fields", found=len(fields))
    try:
        indices = int(fields[1]), int(fields[3])
        values = [float(field) for field in fields[4:]]
    except ValueError:
        raise FormatError(field=f"line {number}", expected="numbers", found=" ".join(fields)) from None
    if not all(map(math.isfinite, values)):
        raise FormatError(field=f"line {number}", expected="finite numbers", found=" ".join(fields))
    x, y, z, *angles = values
    rot, tilt = (angles[0], angles[1], angles[2]), (angles[3], angles[4], angles[5])
    return SlacRow(fields[0], indices[0], fields[2], indices[1], (x, y, z), rot, tilt)


def text_of(rows: Iterable[SlacRow], comments: Iterable[str] = ()) -> str:
    """The text of a geometry file, shifts to 1 um and angles to 1e-5 degrees, in SLAC's own columns."""
    head = [*comments, *(f"{name:<10} - {meaning}" for name, meaning in _EXPLAINED)]
    lines = [f"# {line}" for line in head]
    return "\n".join([*lines, "", *(_line(row) for row in rows), ""])


def _line(row: SlacRow) -> str:
    x, y, z = (f"{round(value) + 0.0:8.0f}" for value in row.shift)
    rot = [f"{value:.3f}".rstrip("0").rstrip(".") for value in row.rot]
    tilt = " ".join(f"{round(value, 5) + 0.0:8.5f}" for value in row.tilt)
    return (
        f"{row.parent:<11} {row.parent_index:3d} {row.object:<11} {row.index:3d}  {x} {y} {z}"
        f"{rot[0]:>10}{rot[1]:>11}{rot[2]:>11}    {tilt}"
    )


def write_slac_geometry(
    path: str | os.PathLike[str],
    rows: Iterable[SlacRow],
    *,
    comments: Iterable[str] = (),
    overwrite: bool = False,
) -> None:
    """Write a geometry file, which appears whole or not at all."""
    target = os.fspath(path)
    with about(target), PartFile(target) as part:
        part.write(text_of(rows, comments).encode("latin-1"), 0)
        part.publish(overwrite=overwrite)
