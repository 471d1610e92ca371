"""cryoSPARC fields as particle tables: canonical names and units, poses, positions, images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, about, warn
from braggio.formats.cryosparc import CsColumn, join_on_uid, read_cs
from braggio.formats.star import nearest
from braggio.model.columns import Coded, Column
from braggio.model.particles import BY_CRYOSPARC, CTF, DEFAULTS, QUANTITIES, REQUIRED
from braggio.particles.angles import vector_to_euler
from braggio.particles.labels import RELION, label_of, name_of
from braggio.particles.optics import GROUP
from braggio.particles.stacks import Places, undecorated
from braggio.particles.table import Particles


def read_cryosparc(paths: Sequence[Path], wanted: Sequence[str] | None, places: Places, how: str) -> Particles:
    """The table of a .cs file and its passthroughs; nothing is filled in yet."""
    tables = [read_cs(path) for path in paths]
    fields: dict[str, CsColumn] = tables[0]
    rows = np.arange(len(next(iter(fields.values()))) if fields else 0, dtype=np.int64)
    notes: list[str] = []
    if len(tables) > 1:
        fields, rows = join_on_uid(tables, how=how, names=[str(path) for path in paths])
        lost = len(next(iter(tables[0].values()))) - len(rows)
        if lost:
            notes.append(f"{lost} rows of {paths[0]} have no passthrough row and are left out")
    with about(paths[0]):
        columns, labels = canonical_fields(fields, notes)
        stacks, stack_id, index = _cs_images(fields)
        if wanted is not None:
            for name in wanted:
                if name not in columns:
                    raise MetadataError(field=name, expected="a column", found=nearest(name, list(columns)))
            kept = {*wanted, *REQUIRED, *DEFAULTS, GROUP, "ImagePixelSize", "ImageSize", "uid", "Sign"}
            columns = {name: column for name, column in columns.items() if name in kept}
    for note in notes:
        warn(f"{paths[0]}: {note}")
    optics = tuple(name for name in columns if name in QUANTITIES and QUANTITIES[name].optics)
    return Particles(
        columns,
        "cs",
        tuple(map(str, paths)),
        rows,
        stacks,
        stack_id,
        index,
        optics,
        notes=tuple(notes),
        places=places,
        labels=labels,
    )


def canonical_fields(fields: dict[str, CsColumn], notes: list[str]) -> tuple[dict[str, Column], dict[str, str]]:
    """CryoSPARC fields in canonical names and units, those without one under their own; and labels that are no rln."""
    left = dict(fields)
    columns: dict[str, Column] = {}
    for field, quantity in BY_CRYOSPARC.items():
        if field in left:
            column = left.pop(field)
            if quantity.name in (*CTF, "ImagePixelSize"):
                _numbers(field, column)
            elif quantity.name == "uid":
                _integers(field, column)
            elif isinstance(column, np.ndarray) and column.ndim > 1:
                raise MetadataError(field=field, expected="one value a row", found=_kind(column))
            columns[quantity.name] = np.rad2deg(_wide(column)) if quantity.cryosparc_scale == "rad" else _wide(column)
    for used in ("blob/path", "blob/idx"):
        left.pop(used, None)
    shape = left.pop("blob/shape", None)
    if isinstance(shape, np.ndarray) and shape.ndim == 2 and shape.shape[1] == 2:
        columns["ImageSize"] = shape[:, 1].astype(np.int64)
        if (shape[:, 0] != shape[:, 1]).any():
            notes.append(f"{int((shape[:, 0] != shape[:, 1]).sum())} images are not square: ImageSize is their width")
            left["blob/shape"] = shape
    _tilts(left, columns)
    _poses(left, columns, notes)
    _positions(left, columns)
    labels: dict[str, str] = {}
    for field, column in left.items():
        label = field.removeprefix(RELION)
        name = name_of(label) if label != field else field
        if name in columns:
            raise MetadataError(field=name, expected="one column", found=f"{field} and a field of cryoSPARC's")
        columns[name] = column
        if "/" not in name and label != label_of(name, {}):
            labels[name] = label
    return columns, labels


def _numbers(field: str, column: CsColumn, width: int = 0) -> NDArray[np.float64]:
    """A field of one number a row, or of `width` of them."""
    shape = (width,) if width else ()
    if isinstance(column, np.ndarray) and column.shape[1:] == shape and column.dtype.kind in "iuf":
        return column.astype(np.float64)
    raise MetadataError(field=field, expected=f"{width or 'one'} number{'s' * (width > 1)} a row", found=_kind(column))


def _integers(field: str, column: CsColumn) -> NDArray[Any]:
    if isinstance(column, np.ndarray) and column.ndim == 1 and column.dtype.kind in "iu":
        return column
    raise MetadataError(field=field, expected="one integer a row", found=_kind(column))


def _kind(column: CsColumn) -> str:
    if isinstance(column, Coded):
        return "texts"
    return f"{column.dtype} of shape {column.shape[1:]}" if column.ndim > 1 else str(column.dtype)


def _tilts(left: dict[str, CsColumn], columns: dict[str, Column]) -> None:
    """Beam tilt in mrad from the length Cs sin(tilt); kept as it is where Cs cannot tell."""
    tilt, aberration = left.get("ctf/tilt_A"), columns.get("SphericalAberration")
    if not isinstance(tilt, np.ndarray) or tilt.ndim != 2 or tilt.shape[1] != 2 or aberration is None:
        return
    length = np.asarray(aberration, np.float64)[:, None] * 1e7
    if not (np.abs(tilt) <= length).all() or not (length > 0).all():
        return
    columns["BeamTiltX"], columns["BeamTiltY"] = 1e3 * np.arcsin(tilt.astype(np.float64) / length).T
    del left["ctf/tilt_A"]


def _wide(column: CsColumn) -> Any:
    if isinstance(column, Coded) or column.dtype.kind not in "iuf":
        return column
    if column.dtype.kind == "f":
        return column.astype(np.float64)
    return column if column.dtype == np.uint64 else column.astype(np.int64)


def _poses(left: dict[str, CsColumn], columns: dict[str, Column], notes: list[str]) -> None:
    """Angles, origins, half set and class of the 3D alignments, else of the 2D ones."""
    kind = next((each for each in ("alignments3D", "alignments2D") if f"{each}/pose" in left), None)
    if kind is None:
        return
    others = sorted(
        {name.split("/")[0] for name in left if name.startswith("alignments") and not name.startswith(f"{kind}/")}
    )
    if others:
        notes.append(f"poses are those of {kind}; also there: {', '.join(others)}")
    field = f"{kind}/pose"
    pose = left.pop(field)
    if isinstance(pose, np.ndarray) and pose.shape[1:] == (1,):
        pose = pose[:, 0]
    if kind == "alignments3D" or (isinstance(pose, np.ndarray) and pose.shape[1:] == (3,)):
        angles = vector_to_euler(_numbers(field, pose, 3))
        columns["AngleRot"], columns["AngleTilt"], columns["AnglePsi"] = angles.T
    else:
        columns["AnglePsi"] = np.rad2deg(_numbers(field, pose))
    if f"{kind}/shift" in left and f"{kind}/psize_A" in left:
        size = _numbers(f"{kind}/psize_A", left[f"{kind}/psize_A"])
        if (size > 0).all():
            shift = _numbers(f"{kind}/shift", left.pop(f"{kind}/shift"), 2) * size[:, None]
            columns["OriginXAngst"], columns["OriginYAngst"] = shift.T
        else:
            bad = int((~(size > 0)).sum())
            notes.append(f"{kind}/shift stays in pixels: {kind}/psize_A is not above 0 in {bad} rows")
    for each, name in (("split", "RandomSubset"), ("class", "ClassNumber")):
        if f"{kind}/{each}" in left:
            number = _integers(f"{kind}/{each}", left.pop(f"{kind}/{each}"))
            columns[name] = number.astype(np.int64) + 1


def _positions(left: dict[str, CsColumn], columns: dict[str, Column]) -> None:
    """Pixel coordinates in the micrograph, origin top left: cryoSPARC counts y from the bottom."""
    wanted = ("location/center_x_frac", "location/center_y_frac", "location/micrograph_shape")
    if not all(name in left for name in wanted):
        return
    x, y, shape = (_numbers(name, left[name], width) for name, width in zip(wanted, (0, 0, 2), strict=True))
    columns["CoordinateX"], columns["CoordinateY"] = x * shape[:, 1], (1 - y) * shape[:, 0]


def _cs_images(
    fields: dict[str, CsColumn],
) -> tuple[tuple[str, ...], NDArray[np.int32] | None, NDArray[np.int32] | None]:
    path, place = fields.get("blob/path"), fields.get("blob/idx")
    if path is None and place is None:
        return (), None, None
    if path is None or place is None:
        raise MetadataError(
            field="blob/path, blob/idx", expected="both", found=f"only {'blob/idx' if path is None else 'blob/path'}"
        )
    if not isinstance(path, Coded):
        raise MetadataError(field="blob/path", expected="texts", found=_kind(path))
    place = _integers("blob/idx", place)
    if len(place) and int(place.max()) > np.iinfo(np.int32).max:
        row = int(np.argmax(place))
        raise MetadataError(field=f"blob/idx, row {row}", expected="below 2^31", found=int(place[row]))
    if len(place) and int(place.min()) < 0:
        row = int(np.argmin(place))
        raise MetadataError(field=f"blob/idx, row {row}", expected="at least 0", found=int(place[row]))
    clean = Coded(path.codes, tuple(undecorated(text) for text in path.texts)).pruned()
    return clean.texts, clean.codes, place.astype(np.int32)
