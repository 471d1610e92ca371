"""The join of an optics table with the particles that refer to it, and the pixel size that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError
from braggio.model.columns import Coded, Column, ImageNames

GROUP = "OpticsGroup"

# RELION's ObservationModel, in this order; a RELION 3.0 file has the detector's pixel and the magnification instead.
PIXEL_SIZES = ("ImagePixelSize", "MicrographPixelSize", "MicrographOriginalPixelSize", "TomoTiltSeriesPixelSize")


@dataclass(frozen=True)
class Joined:
    """Particles with the columns of their optics group.

    Attributes
    ----------
    columns : dict
        Of the particles, then those that came from the optics table, per row.
    from_optics : tuple of str
        Which those are.
    notes : tuple of str
        What a user should know: groups applied to all, values that differ.
    """

    columns: dict[str, Column]
    from_optics: tuple[str, ...]
    notes: tuple[str, ...]


def join_optics(particles: Mapping[str, Column], optics: Mapping[str, Column] | None) -> Joined:
    """Each particle with its optics group's values; the order of the particles is kept, and theirs win.

    Raises
    ------
    MetadataError
        A group that the optics table lacks or has twice with different values, or no group column where there are
        several groups.
    """
    if not optics:
        return Joined(dict(particles), (), ())
    if len(next(iter(optics.values()))) == 0:
        rows = len(next(iter(particles.values()))) if particles else 0
        own = {} if rows else {name: column for name, column in optics.items() if name not in particles}
        return Joined({**particles, **own}, tuple(name for name in own if name != GROUP), ())
    optics, notes = _unique_groups(optics)
    place, more = _places(particles, optics)
    notes += more
    columns = dict(particles)
    from_optics = []
    for name, column in optics.items():
        if name == GROUP:
            continue
        joined = column[place]
        if name not in columns:
            columns[name] = joined
            from_optics.append(name)
        elif differ := count_differing(columns[name], joined):
            notes.append(
                f"{name}: the particles' value differs from their optics group's in {differ} rows; theirs is used"
            )
    if GROUP not in columns:
        columns[GROUP] = optics[GROUP][place] if GROUP in optics else np.ones(len(place), np.int64)
    return Joined(columns, tuple(from_optics), tuple(notes))


def _unique_groups(optics: Mapping[str, Column]) -> tuple[dict[str, Column], list[str]]:
    """The optics table with every group once."""
    if GROUP not in optics:
        return dict(optics), []
    keys = _keys(optics[GROUP], as_text=False)
    first: dict[Any, int] = {}
    for row, key in enumerate(keys):
        if key not in first:
            first[key] = row
            continue
        for name, column in optics.items():
            if count_differing(column[np.array([row])], column[np.array([first[key]])]):
                raise MetadataError(
                    field=f"optics group {key}",
                    expected="one row",
                    found=f"rows {first[key]} and {row}, which differ in {name}",
                )
    if len(first) == len(keys):
        return dict(optics), []
    kept = np.array(list(first.values()))
    return {name: column[kept] for name, column in optics.items()}, [
        f"{len(keys) - len(first)} optics rows stand twice; one of each is used"
    ]


def _places(particles: Mapping[str, Column], optics: Mapping[str, Column]) -> tuple[NDArray[np.int64], list[str]]:
    """Optics row of each particle."""
    rows = len(next(iter(particles.values()))) if particles else 0
    groups = len(next(iter(optics.values())))
    for table, where in ((particles, "particles"), (optics, "optics")):
        if GROUP not in table:
            if groups == 1:
                return np.zeros(rows, np.int64), [f"no {GROUP} in the {where}: the only optics group is applied to all"]
            raise MetadataError(
                field=GROUP, expected=f"the column in the {where}, for there are {groups} optics groups", found="none"
            )
    as_text = isinstance(particles[GROUP], Coded) or isinstance(optics[GROUP], Coded)
    known = {key: row for row, key in enumerate(_keys(optics[GROUP], as_text))}
    column = particles[GROUP]
    if isinstance(column, Coded):
        of_value = np.array([known.get(text, -1) for text in column.texts] or [-1], np.int64)
        place = of_value[column.codes]
    else:
        assert isinstance(column, np.ndarray)
        values, inverse = _distinct(column)
        of_value = np.array(
            [known.get(str(value) if as_text else value, -1) for value in values.tolist()] or [-1], np.int64
        )
        place = of_value[inverse]
    bad = np.flatnonzero(place < 0) if (of_value < 0).any() else place[:0]
    if bad.size:
        missing = sorted({str(column[int(row)]) for row in bad[:100_000]})
        raise MetadataError(
            field=GROUP,
            expected=f"one of the optics groups {', '.join(map(str, known))}",
            found=f"{', '.join(missing[:10])} in {bad.size} rows, row {int(bad[0])} first",
        )
    return np.asarray(place, np.int64), []


def _distinct(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Values, and the place of each row's among them; small integers, as groups are, without sorting the rows."""
    if column.dtype.kind in "iu" and column.size and int(column.max()) - int(column.min()) < 1 << 16:
        low = int(column.min())
        return np.arange(low, int(column.max()) + 1), (column - low).astype(np.intp, copy=False)
    return np.unique(column, return_inverse=True)


def _keys(column: Column, as_text: bool) -> list[Any]:
    values = list(column) if isinstance(column, Coded) else np.asarray(column).tolist()
    return [str(value) for value in values] if as_text else values


def count_differing(first: Column, second: Column) -> int:
    """Rows in which two columns differ; NaN equals NaN."""
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
        same = first == second
        if first.dtype.kind == "f" and second.dtype.kind == "f":
            same |= np.isnan(first) & np.isnan(second)
        return int((~same).sum())
    pairs = zip(_texts(first), _texts(second), strict=True)
    return sum(a != b for a, b in pairs)


def _texts(column: Column) -> list[str]:
    values = column.to_array() if isinstance(column, (Coded, ImageNames)) else column
    return [str(value) for value in values.tolist()]


def pixel_size(columns: Mapping[str, Column]) -> tuple[NDArray[np.float64] | None, str]:
    """Pixel size per row in angstrom, and where it comes from: RELION's precedence.

    RELION 3.0: 10^4 DetectorPixelSize [um] / Magnification.

    Examples
    --------
    >>> values, source = pixel_size({"DetectorPixelSize": np.array([5.0]), "Magnification": np.array([38168.0])})
    >>> round(float(values[0]), 6), source
    (1.309998, 'DetectorPixelSize / Magnification')
    """
    for name in PIXEL_SIZES:
        if name in columns:
            return np.asarray(columns[name], np.float64), name
    if "DetectorPixelSize" in columns and "Magnification" in columns:
        magnification = np.asarray(columns["Magnification"], np.float64)
        if not (magnification > 0).all():
            row = int(np.argmin(magnification > 0))
            raise MetadataError(field="Magnification", expected="above 0", found=f"{magnification[row]} in row {row}")
        return 1e4 * np.asarray(
            columns["DetectorPixelSize"], np.float64
        ) / magnification, "DetectorPixelSize / Magnification"
    return None, ""
