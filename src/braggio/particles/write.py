"""Particle tables back to RELION star and cryoSPARC .cs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, about, warn
from braggio.formats.cryosparc import CsColumn, write_cs
from braggio.formats.star import StarTable, write_tables
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.particles import QUANTITIES
from braggio.particles.angles import euler_to_vector
from braggio.particles.labels import RELION, as_uint64, label_of, split_components
from braggio.particles.optics import GROUP
from braggio.particles.table import Particles


def optics_table(table: Particles) -> tuple[dict[str, Column], NDArray[np.int64], tuple[str, ...]]:
    """(optics table, group of each row, notes).

    Only groups that are used are kept, under their own numbers; when rows of one group differ in an optics column, the
    groups are renumbered from 1, in order of appearance.
    """
    names = [name for name in table.columns if _is_optics(table, name)]
    group = table.columns.get(GROUP)
    keys = [_codes(table.columns[name]) for name in names]
    if group is not None:
        keys.insert(0, _codes(group))
    if not keys:
        keys = [np.zeros(table.n, np.int64)]
    _, first, inverse = np.unique(np.stack(keys, axis=1), axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    notes: tuple[str, ...] = ()
    numbers = _group_numbers(group, first)
    if numbers is None:
        order = np.argsort(first, kind="stable")
        numbers = np.empty(len(first), np.int64)
        numbers[order] = np.arange(1, len(first) + 1)
        notes = (f"optics groups renumbered 1 to {len(first)}",) if group is not None else ()
    order = np.argsort(numbers, kind="stable")
    optics: dict[str, Column] = {GROUP: numbers[order]}
    optics |= {name: table.columns[name][first[order]] for name in names}
    if "OpticsGroupName" not in optics:
        optics["OpticsGroupName"] = Coded.of([f"opticsGroup{number}" for number in numbers[order].tolist()])
    return optics, numbers[inverse] if table.n else np.zeros(0, np.int64), notes


def _is_optics(table: Particles, name: str) -> bool:
    if name in table.from_optics:
        return True
    return name in QUANTITIES and QUANTITIES[name].optics and not table.from_optics


def _group_numbers(group: Column | None, first: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The groups' own numbers, when each stands for one row of the optics table."""
    if group is None or not isinstance(group, np.ndarray) or group.dtype.kind not in "iu":
        return None
    numbers = group[first].astype(np.int64)
    return numbers if len(np.unique(numbers)) == len(numbers) else None


def _codes(column: Column) -> NDArray[np.int64]:
    if isinstance(column, Coded):
        return column.pruned().codes.astype(np.int64)
    return np.unique(np.asarray(column), return_inverse=True)[1].reshape(-1).astype(np.int64)


def image_names(table: Particles, stacks: Sequence[str] | None = None) -> ImageNames | None:
    """RELION's image names of the rows, counting from 1."""
    if table.stack_id is None or table.index is None:
        return None
    texts = tuple(stacks) if stacks is not None else table.stacks
    return ImageNames(Coded(table.stack_id, texts), table.index + np.int32(1))


def write_particles_star(
    table: Particles, path: Any, *, precision: str = "relion", overwrite: bool = False, labels: str = "relion"
) -> None:
    """Write RELION 3.1 star: an optics table pruned to the groups in use, and the particles.

    Parameters
    ----------
    table : Particles
        Columns without a canonical name are written under their own label, cryoSPARC's fields as ``cs/<field>``.
    path : path-like
        Appears whole or not at all.
    precision : {'relion', 'exact'}
        See `braggio.formats.star.write_star`.
    overwrite : bool
        Replace an existing file.
    labels : {'relion', 'own'}
        'own' keeps labels that were not called ``rln`` in the file.

    Raises
    ------
    OutputError
        The file exists, or cannot be written.
    """
    optics, group, notes = optics_table(table)
    columns: dict[str, Any] = {}
    names = image_names(table)
    if names is not None:
        columns["rlnImageName"] = names
    for name, column in table.columns.items():
        if name in optics or name == GROUP:
            continue
        columns |= _star_columns(table, name, column, labels)
    columns["rlnOpticsGroup"] = group
    for note in notes:
        warn(f"{path}: {note}")
    tables = {
        "optics": StarTable({f"rln{name}": column for name, column in optics.items()}),
        "particles": StarTable(columns),
    }
    write_tables(path, tables, precision=precision, overwrite=overwrite)


def _star_columns(table: Particles, name: str, column: Column, labels: str) -> dict[str, Column]:
    own = {} if labels == "relion" and name in QUANTITIES else table.labels
    return split_components(label_of(name, own), column)


def write_particles_cs(table: Particles, path: Any, *, format: str = "npy", overwrite: bool = False) -> None:
    """Write cryoSPARC .cs: angles in radians, indices from 0, poses as rotation vectors, numbers as float32.

    Parameters
    ----------
    table : Particles
        A table without uids gets 1, 2, ... in row order; the contrast sign is -1 where the table has none (as cryoSPARC
        imports). Columns that cryoSPARC has no field for are kept as ``star/<label>``.
    path : path-like
        Appears whole or not at all.
    format : {'npy', 'csdat'}
        See `braggio.formats.cryosparc.write_cs`.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    MetadataError
        A column that .cs cannot hold.
    """
    with about(path):
        fields = cryosparc_fields(table)
    write_cs(path, fields, format=format, overwrite=overwrite)


def cryosparc_fields(table: Particles) -> dict[str, CsColumn]:
    """The table in cryoSPARC's fields and units."""
    left = dict(table.columns)
    fields: dict[str, CsColumn] = {"uid": as_uint64(left.pop("uid", np.arange(1, table.n + 1)), "uid")}
    if table.stack_id is not None and table.index is not None:
        fields["blob/path"] = Coded(table.stack_id, table.stacks).pruned()
        fields["blob/idx"] = table.index.astype(np.uint32)
    if "ImageSize" in left:
        width = np.asarray(left.pop("ImageSize"))
        fields["blob/shape"] = np.asarray(left.pop("blob/shape", np.stack([width, width], axis=1))).astype(np.uint32)
    _pose_fields(left, fields)
    _tilt_field(left, fields)
    for name in list(left):
        quantity = QUANTITIES.get(name)
        if quantity is None or quantity.cryosparc is None:
            continue
        if name == GROUP and isinstance(left[name], Coded):
            raise MetadataError(field=name, expected="numbers", found="texts")
        if name == GROUP and not _fits_uint32(left[name]):
            continue
        column = left.pop(name)
        if isinstance(column, Coded):
            fields[quantity.cryosparc] = column
            continue
        values = np.asarray(column)
        kind = np.uint32 if name == GROUP else np.float32
        fields[quantity.cryosparc] = (np.deg2rad(values) if quantity.cryosparc_scale == "rad" else values).astype(kind)
    if "Sign" not in table.columns and "blob/path" in fields:
        fields["blob/sign"] = np.full(table.n, -1.0, np.float32)
    if "location/center_x_frac" in left:
        left.pop("CoordinateX", None), left.pop("CoordinateY", None)
    for name, column in left.items():
        if isinstance(column, ImageNames):
            raise MetadataError(field=name, expected="numbers or texts", found="image names")
        if "/" in name:
            fields[name] = column if table.source == "cs" else _as_cryosparc(name, column)
        else:
            fields[RELION + label_of(name, table.labels)] = column
    return fields


def _as_cryosparc(name: str, column: CsColumn) -> CsColumn:
    """A field that has been in a star file, in the type that cryoSPARC's fields have."""
    if isinstance(column, Coded):
        past_int64 = column.texts and all(text.isdigit() for text in column.texts)
        return as_uint64(column, name) if past_int64 else column
    if column.dtype.kind == "S":
        return column
    if column.dtype.kind == "f":
        return column.astype(np.float32)
    if name.endswith(("uid", "_sig")):
        return as_uint64(column, name)
    small = column.size == 0 or (column.min() >= 0 and column.max() <= np.iinfo(np.uint32).max)
    return column.astype(np.uint32) if small else column


def _tilt_field(left: dict[str, Column], fields: dict[str, CsColumn]) -> None:
    """The beam tilt, which cryoSPARC gives as the length Cs sin(tilt)."""
    if all(name in left for name in ("BeamTiltX", "BeamTiltY", "SphericalAberration")):
        length = np.asarray(left["SphericalAberration"], np.float64) * 1e7
        tilts = [np.sin(np.asarray(left.pop(name), np.float64) * 1e-3) * length for name in ("BeamTiltX", "BeamTiltY")]
        fields["ctf/tilt_A"] = np.stack(tilts, axis=1).astype(np.float32)


def _pose_fields(left: dict[str, Column], fields: dict[str, CsColumn]) -> None:
    angles = ("AngleRot", "AngleTilt", "AnglePsi")
    if all(name in left for name in angles):
        kind = "alignments3D"
        fields[f"{kind}/pose"] = euler_to_vector(
            np.stack([np.asarray(left.pop(name), np.float64) for name in angles], axis=1)
        ).astype(np.float32)
    elif "AnglePsi" in left:
        kind = "alignments2D"
        fields[f"{kind}/pose"] = np.deg2rad(np.asarray(left.pop("AnglePsi"), np.float64)).astype(np.float32)
    else:
        return
    size = left.get(f"{kind}/psize_A", left.get("ImagePixelSize", np.ones(1)))
    if not isinstance(size, np.ndarray) or size.ndim > 1:
        raise MetadataError(field=f"{kind}/psize_A", expected="one number a row", found="texts or several")
    if "OriginXAngst" in left and "OriginYAngst" in left and (size > 0).all():
        left.pop(f"{kind}/psize_A", None)
        shift = np.stack([np.asarray(left.pop(f"Origin{axis}Angst"), np.float64) / size for axis in "XY"], axis=1)
        fields[f"{kind}/shift"] = shift.astype(np.float32)
        fields[f"{kind}/psize_A"] = np.broadcast_to(size, len(shift)).astype(np.float32)
    for name, field in (("RandomSubset", "split"), ("ClassNumber", "class")):
        if name in left and _fits_uint32(left[name], 1):  # RELION's picking has class 0 and -9999
            fields[f"{kind}/{field}"] = (np.asarray(left.pop(name)).astype(np.int64) - 1).astype(np.uint32)


def _fits_uint32(column: Column, first: int = 0) -> bool:
    """Integers from `first` on that cryoSPARC's numbers from 0 on can stand for."""
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "iu":
        return False
    return bool(np.all((column >= first) & (column <= np.iinfo(np.uint32).max + first)))
