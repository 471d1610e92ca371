"""Before the work: is there an image for every row, and do headers agree with the table? No pixel is read."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import BraggioError, LimitError, MetadataError, warn
from braggio.model.particles import CTF
from braggio.particles.stacks import MissingStackError, StackInfo, stack_info
from braggio.particles.table import Particles

PIXEL_SIZE_TOLERANCE = 1e-3  # relative: headers round, and stars have six decimals
SHOWN = 10
_ABOVE_ZERO = ("Voltage", "ImagePixelSize")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes
    ----------
    kind : str
        'missing', 'unreadable', 'index', 'box', 'dtype', 'pixel size' or 'value'.
    stack : str
        Path as written; for a value, its column.
    text : str
        What was expected and what was found.
    rows : int
        Rows of the table that it concerns.
    first_row : int
        The first of them.
    """

    kind: str
    stack: str
    text: str
    rows: int
    first_row: int


@dataclass(frozen=True)
class CheckReport:
    """The outcome of `check`.

    Attributes
    ----------
    particles, stacks : int
        How many were looked at.
    problems : tuple of Problem
        All of them, in order of the first row that each concerns.
    shape : tuple of int or None
        (ny, nx) that all stacks have.
    pixel_size : float or None
        Angstrom, of the table, when it is one for all rows.
    oddities : tuple of str
        Of stacks that can be read all the same, as bytes after the last image; `check` warns of them.
    """

    particles: int
    stacks: int
    problems: tuple[Problem, ...]
    shape: tuple[int, int] | None
    pixel_size: float | None
    oddities: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    @property
    def counts(self) -> dict[str, int]:
        """Problems of each kind."""
        return dict(Counter(problem.kind for problem in self.problems))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok, "counts": self.counts}

    def __str__(self) -> str:
        if self.ok:
            return f"{self.particles} particles in {self.stacks} stacks: ok"
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        listed = [
            f"{problem.stack}: {problem.text} ({problem.rows} rows, row {problem.first_row} first)"
            for problem in self.problems[:SHOWN]
        ]
        more = [f"and {len(self.problems) - SHOWN} more"] if len(self.problems) > SHOWN else []
        return "; ".join([f"{self.particles} particles in {self.stacks} stacks: {counts}", *listed, *more])


class CheckError(MetadataError):
    """`check` found problems; ``report`` lists them all."""

    report: CheckReport


class _MissingCheckError(CheckError, MissingStackError):
    """All that is wrong is that stacks are not there."""


def check(table: Particles, *, raise_: bool = True) -> CheckReport:
    """Compare every row with the header of its stack, each of which is read once, and look for values that are none.

    Parameters
    ----------
    table : Particles
        With image names.
    raise_ : bool
        Raise when anything is wrong; otherwise the report says so.

    Returns
    -------
    CheckReport

    Raises
    ------
    MetadataError
        The table names no images; CheckError, which carries the report, when anything is wrong (also a
        FileNotFoundError when all that is wrong is that stacks are not there).
    """
    if table.stack_id is None or table.index is None:
        raise MetadataError(
            path=table.files[0], field="ImageName", expected="image names", found="a table without them"
        )
    problems: list[Problem] = []
    infos: list[StackInfo | None] = []
    used = np.bincount(table.stack_id, minlength=len(table.stacks))
    order = np.argsort(table.stack_id, kind="stable")
    rows_of = np.split(order, np.cumsum(used)[:-1]) if len(used) else []
    for name, path, rows in zip(table.stacks, table.resolve(), rows_of, strict=True):
        infos.append(_header(name, path, rows, problems) if len(rows) else None)
    expected = _expected(infos, rows_of)
    for name, info, rows in zip(table.stacks, infos, rows_of, strict=True):
        if info is not None:
            problems += _disagreements(table, name, info, rows, expected)
    problems += _bad_values(table)
    problems.sort(key=lambda problem: problem.first_row)
    known = [info for info in infos if info is not None]
    report = CheckReport(
        table.n,
        int((used > 0).sum()),
        tuple(problems),
        expected[0] if known else None,
        _one_pixel_size(table),
        tuple(f"{info.path}: {oddity}" for info in known for oddity in info.oddities),
    )
    if report.oddities:
        more = f" (and {len(report.oddities) - 1} more)" if len(report.oddities) > 1 else ""
        warn(f"{report.oddities[0]}{more}")
    if raise_ and problems:
        kind = _MissingCheckError if set(report.counts) == {"missing"} else CheckError
        error = kind(str(report), path=table.files[0])
        error.report = report
        raise error
    return report


def _header(name: str, path: os.PathLike[str], rows: NDArray[np.int64], problems: list[Problem]) -> StackInfo | None:
    from pathlib import Path

    try:
        return stack_info(Path(path))
    except FileNotFoundError:
        problems.append(Problem("missing", name, f"no file {os.fspath(path)}", len(rows), int(rows[0])))
    except (BraggioError, OSError) as error:
        problems.append(Problem("unreadable", name, str(error), len(rows), int(rows[0])))
    return None


def _expected(infos: list[StackInfo | None], rows_of: list[NDArray[np.int64]]) -> tuple[tuple[int, int], str]:
    """Shape and dtype of most rows: what the others are compared with."""
    shapes: Counter[tuple[int, int]] = Counter()
    dtypes: Counter[str] = Counter()
    for info, rows in zip(infos, rows_of, strict=True):
        if info is not None:
            shapes[info.shape] += len(rows)
            dtypes[info.dtype] += len(rows)
    return (shapes.most_common(1)[0][0], dtypes.most_common(1)[0][0]) if shapes else ((0, 0), "")


def _disagreements(
    table: Particles, name: str, info: StackInfo, rows: NDArray[np.int64], expected: tuple[tuple[int, int], str]
) -> list[Problem]:
    found = []
    assert table.index is not None
    outside = rows[(table.index[rows] >= info.images) | (table.index[rows] < 0)]
    if len(outside):
        worst = int(table.index[outside].max())
        text = f"index {worst} (0-based) of a stack of {info.images} images"
        found.append(Problem("index", name, text, len(outside), int(outside[0])))
    if info.shape != expected[0]:
        text = f"images of {info.shape[0]} x {info.shape[1]}, where most have {expected[0][0]} x {expected[0][1]}"
        found.append(Problem("box", name, text, len(rows), int(rows[0])))
    if info.dtype != expected[1]:
        found.append(
            Problem("dtype", name, f"{info.dtype} pixels, where most are {expected[1]}", len(rows), int(rows[0]))
        )
    if "ImageSize" in table:
        size = np.asarray(table["ImageSize"], np.int64)[rows]
        wrong = rows[size != info.shape[1]]
        if len(wrong):
            text = f"images {info.shape[1]} pixels wide, where the table says {int(size[size != info.shape[1]][0])}"
            found.append(Problem("box", name, text, len(wrong), int(wrong[0])))
    return found + _pixel_size_problem(table, name, info, rows)


def _pixel_size_problem(table: Particles, name: str, info: StackInfo, rows: NDArray[np.int64]) -> list[Problem]:
    """Headers of 0 (not set) and exactly 1 (what many programs write for 'not set') say nothing."""
    if "ImagePixelSize" not in table or info.pixel_size <= 0 or info.pixel_size == 1.0:
        return []
    size = np.asarray(table["ImagePixelSize"], np.float64)[rows]
    wrong = np.abs(size - info.pixel_size) > PIXEL_SIZE_TOLERANCE * info.pixel_size
    if not wrong.any():
        return []
    text = f"{info.pixel_size:.6g} A per pixel in the header, where the table says {size[wrong][0]:.6g}"
    return [Problem("pixel size", name, text, int(wrong.sum()), int(rows[wrong][0]))]


def _bad_values(table: Particles) -> list[Problem]:
    """What no transfer function and no grid can be made of."""
    found = []
    for name in (*CTF, "ImagePixelSize"):
        if name not in table:
            continue
        values = np.asarray(table[name], np.float64)
        good, expected = np.isfinite(values), "a finite number"
        if name in _ABOVE_ZERO:
            good, expected = good & (values > 0), "a finite number above 0"
        if not good.all():
            first = int(np.argmin(good))
            text = f"expected {expected}, found {values[first]}"
            found.append(Problem("value", name, text, int((~good).sum()), first))
    return found


def _one_pixel_size(table: Particles) -> float | None:
    if "ImagePixelSize" not in table or table.n == 0:
        return None
    values = np.unique(np.asarray(table["ImagePixelSize"], np.float64))
    return float(values[0]) if len(values) == 1 and np.isfinite(values[0]) else None


def require_memory(bytes_: int, limit: int) -> None:
    """Refuse a batch that would not fit."""
    if bytes_ > limit:
        raise LimitError(
            field="batch", expected=f"at most {limit} bytes at once", found=f"{bytes_} bytes; use a smaller batch"
        )
