"""Particle tables of RELION and cryoSPARC, read into one vocabulary."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source
from braggio.errors import DataWarning, MetadataError, about
from braggio.formats.cryosparc import CsColumn, join_on_uid, read_cs
from braggio.formats.cryosparc import sniff as is_cs
from braggio.formats.star import nearest, read_tables, scan
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.particles import BY_CRYOSPARC, DEFAULTS, IGNORED_WITHOUT_INDEX, QUANTITIES, REQUIRED
from braggio.model.relion import bare
from braggio.particles.angles import vector_to_euler
from braggio.particles.optics import GROUP, join_optics, pixel_size
from braggio.particles.stacks import Places, undecorated
from braggio.particles.table import Particles

File: TypeAlias = str | os.PathLike[str]
_IMAGE = "ImageName"
_OURS = {"braggioUid": "uid", "braggioSign": "Sign", "braggioSourceRow": "SourceRow"}  # what RELION has no label for
_JOIN = (
    GROUP,
    "DetectorPixelSize",
    "Magnification",
    "MicrographPixelSize",
    "MicrographOriginalPixelSize",
    "OriginX",
    "OriginY",
)


def read(
    file: File | Sequence[File],
    *,
    columns: Sequence[str] | None = None,
    block: str | None = None,
    folder: File | None = None,
    base: File | None = None,
    allow_outside: bool = False,
    strict: bool = True,
    indexed: bool | None = None,
    how: str = "exact",
) -> Particles:
    r"""Read a particle table.

    Parameters
    ----------
    file : path-like, or a sequence of them
        A RELION (3.0, 3.1, 5) or generic .star, a .cs, a .cs followed by its passthroughs, or a cryoSPARC job folder
        ``J<n>`` (see `read_job`).
    columns : sequence of str, optional
        Canonical names to keep besides those of the CTF; all by default. Others are not parsed.
    block : str, optional
        Of a star file with several tables; ``particles``, or the only table besides ``optics`` and ``general``, by
        default.
    folder, base, allow_outside : optional
        How stack paths become files, see `Places`.
    strict : bool
        Missing required fields are an error; otherwise they are just not there.
    indexed : bool, optional
        Do rows name their images? By default, as the file does. False ignores the names, and angles and pixel size with
        them, as for generic files whose rows follow the images of one stack.
    how : {'exact', 'inner'}
        Of the uid join with the passthroughs.

    Returns
    -------
    Particles

    Raises
    ------
    FormatError
        The file is damaged.
    MetadataError
        Required fields, optics groups or uids are missing, double or contradictory; an image name that is not
        ``<number>@<path>``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.star")
    ...     labels = "ImageName DefocusU DefocusV DefocusAngle Voltage SphericalAberration".split()
    ...     head = "data_\nloop_\n" + "".join(f"_rln{label}\n" for label in labels)
    ...     _ = path.write_text(head + "000002@s.mrcs 9000 8000 30 300 2.7\n")
    ...     table = read(path)
    >>> table["DefocusU"].tolist(), table.stacks, table.index.tolist(), table.defaults["AmplitudeContrast"]
    ([9000.0], ('s.mrcs',), [1], 0.1)
    """
    files = [file] if isinstance(file, (str, os.PathLike)) else list(file)
    if not files:
        raise ValueError("file must name at least one file")
    paths = [Path(each) for each in files]
    if len(paths) == 1 and paths[0].is_dir():
        from braggio.particles.jobs import read_job

        return read_job(paths[0], columns=columns)
    places = Places(
        None if folder is None else os.fspath(folder), None if base is None else os.fspath(base), allow_outside
    )
    if is_cs(Source.open(str(paths[0])).read(0, 6)):
        table = _read_cs(paths, columns, places, how)
    elif len(paths) > 1:
        raise MetadataError(
            path=paths[0], field="file", expected="one star file, or .cs files", found=f"{len(paths)} files"
        )
    else:
        table = _read_star(paths[0], columns, block, places)
    with about(paths[0]):
        return _completed(table, strict, indexed)


# ---- star


def _read_star(path: Path, wanted: Sequence[str] | None, block: str | None, places: Places) -> Particles:
    blocks = scan(path)
    with about(path):
        name = _particle_block([(each.name, each.loop) for each in blocks], block)
        optics_name = (
            "optics" if name != "optics" and any(each.name == "optics" and each.loop for each in blocks) else None
        )
        labels = [label for each in blocks if each.name in (name, optics_name) for label in each.labels]
    names = [name] if optics_name is None else [name, optics_name]
    kept = None
    if wanted is not None:
        known = {*wanted, *REQUIRED, *DEFAULTS, *_JOIN, _IMAGE, "ImagePixelSize", "ImageSize", "OpticsGroupName"}
        for each in wanted:
            if each not in {bare(label) for label in labels}:
                raise MetadataError(path=path, field=each, expected="a column", found=nearest(each, labels))
        kept = [label for label in labels if bare(label) in known]
    tables = read_tables(path, blocks=names, columns=kept)
    with about(path):
        particles, own = _bare(tables[name].columns)
        optics, own_optics = _bare(tables[optics_name].columns) if optics_name else ({}, {})
        joined = join_optics(particles, optics)
        columns = joined.columns
        image = columns.pop(_IMAGE, None)
        notes = list(joined.notes)
        _unify_pixels(columns, notes)
        stacks, stack_id, index = _split(image)
    for note in joined.notes:
        warnings.warn(f"{path}: {note}", DataWarning, stacklevel=3)
    return Particles(
        columns=columns,
        source="star",
        files=(str(path),),
        row=np.arange(tables[name].rows, dtype=np.int64),
        stacks=stacks,
        stack_id=stack_id,
        index=index,
        from_optics=joined.from_optics,
        notes=tuple(notes),
        places=places,
        labels={**own, **own_optics},
    )


def _particle_block(blocks: Sequence[tuple[str, bool]], asked: str | None) -> str:
    loops = [name for name, loop in blocks if loop]
    if asked is not None:
        if asked not in loops:
            raise MetadataError(
                field="block",
                expected=f"a table data_{asked}",
                found=", ".join(f"data_{name}" for name in loops) or "none",
            )
        return asked
    if "particles" in loops:
        return "particles"
    others = [name for name in loops if name not in ("optics", "general")]
    if len(others) != 1:
        raise MetadataError(
            "pass block= to choose",
            field="block",
            expected="data_particles, or one table",
            found=", ".join(f"data_{name}" for name in others) or "none",
        )
    return others[0]


def _bare(columns: dict[str, Any]) -> tuple[dict[str, Column], dict[str, str]]:
    """Columns by canonical name, and the own label of those that were not called ``rln`` before."""
    found: dict[str, Column] = {}
    own: dict[str, str] = {}
    for label, column in columns.items():
        name = _OURS.get(label, bare(label))
        if name in found:
            raise MetadataError(field=name, expected="one column", found=f"{label} and {own.get(name, 'rln' + name)}")
        found[name] = _uids(column) if name == "uid" else column
        if label != f"rln{name}" and label not in _OURS:
            own[name] = label
    return found, own


def _uids(column: Column) -> Column:
    """64-bit numbers, which a star file can only hold as text."""
    if not isinstance(column, Coded):
        return np.asarray(column).astype(np.uint64)
    try:
        return np.array([int(text) for text in column.texts], np.uint64)[column.codes]
    except (ValueError, OverflowError) as error:
        raise MetadataError(str(error), field="braggioUid", expected="64-bit integers") from None


def _unify_pixels(columns: dict[str, Column], notes: list[str]) -> None:
    """ImagePixelSize by RELION's precedence; RELION 3.0's origins from pixels to angstrom."""
    size, source = pixel_size(columns)
    if size is None:
        return
    if source != "ImagePixelSize":
        columns["ImagePixelSize"] = size
        notes.append(f"ImagePixelSize from {source}")
    for axis in "XY":
        old, new = f"Origin{axis}", f"Origin{axis}Angst"
        if old in columns and new not in columns:
            columns[new] = np.asarray(columns.pop(old), np.float64) * size
            notes.append(f"{new} from {old} in pixels")


def _split(image: Column | None) -> tuple[tuple[str, ...], NDArray[np.int32] | None, NDArray[np.int32] | None]:
    """(stacks, stack of each row, 0-based index of each row) of RELION image names."""
    if image is None:
        return (), None, None
    assert isinstance(image, ImageNames)
    bad = np.flatnonzero(image.numbers < 1)
    if bad.size:
        row = int(bad[0])
        number = int(image.numbers[row])
        problem = ImageNames.PROBLEMS.get(number, "number 0: RELION counts from 1")
        name = image.stacks[row] if number < 0 else f"{number:06d}@{image.stacks[row]}"
        raise MetadataError(
            f"{problem} ({bad.size} such rows)",
            field=f"ImageName, row {row}",
            expected="<number from 1>@<path>",
            found=repr(name),
        )
    return image.stacks.texts, image.stacks.codes, image.numbers - np.int32(1)


# ---- cryoSPARC


def _read_cs(paths: Sequence[Path], wanted: Sequence[str] | None, places: Places, how: str) -> Particles:
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
        columns = canonical_fields(fields, notes)
        stacks, stack_id, index = _cs_images(fields)
        if wanted is not None:
            for name in wanted:
                if name not in columns:
                    raise MetadataError(field=name, expected="a column", found=nearest(name, list(columns)))
            kept = {*wanted, *REQUIRED, *DEFAULTS, GROUP, "ImagePixelSize", "ImageSize", "uid", "Sign"}
            columns = {name: column for name, column in columns.items() if name in kept}
    for note in notes:
        warnings.warn(f"{paths[0]}: {note}", DataWarning, stacklevel=3)
    optics = tuple(name for name in columns if name in QUANTITIES and QUANTITIES[name].optics)
    return Particles(
        columns, "cs", tuple(map(str, paths)), rows, stacks, stack_id, index, optics, notes=tuple(notes), places=places
    )


def canonical_fields(fields: dict[str, CsColumn], notes: list[str]) -> dict[str, Column]:
    """CryoSPARC fields in canonical names and units; those without a canonical name keep theirs."""
    left = dict(fields)
    columns: dict[str, Column] = {}
    for field, quantity in BY_CRYOSPARC.items():
        if field in left:
            column = left.pop(field)
            columns[quantity.name] = np.rad2deg(_wide(column)) if quantity.cryosparc_scale == "rad" else _wide(column)
    for used in ("blob/path", "blob/idx"):
        left.pop(used, None)
    shape = left.pop("blob/shape", None)
    if isinstance(shape, np.ndarray) and shape.ndim == 2 and shape.shape[1] == 2:
        columns["ImageSize"] = shape[:, 1].astype(np.int64)
        if (shape[:, 0] != shape[:, 1]).any():
            notes.append(f"{int((shape[:, 0] != shape[:, 1]).sum())} images are not square: ImageSize is their width")
            left["blob/shape"] = shape
    _poses(left, columns, notes)
    _positions(left, columns)
    return {**columns, **{name.removeprefix("star/"): column for name, column in left.items()}}


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
    pose = np.asarray(left.pop(f"{kind}/pose"), np.float64)
    if pose.ndim == 2 and pose.shape[1] == 3:
        columns["AngleRot"], columns["AngleTilt"], columns["AnglePsi"] = vector_to_euler(pose).T
    else:
        columns["AnglePsi"] = np.rad2deg(pose.reshape(len(pose), -1)[:, 0])
    if f"{kind}/shift" in left and f"{kind}/psize_A" in left:
        shift = (
            np.asarray(left.pop(f"{kind}/shift"), np.float64) * np.asarray(left[f"{kind}/psize_A"], np.float64)[:, None]
        )
        columns["OriginXAngst"], columns["OriginYAngst"] = shift.T
    for field, name in (("split", "RandomSubset"), ("class", "ClassNumber")):
        if f"{kind}/{field}" in left:
            columns[name] = np.asarray(left.pop(f"{kind}/{field}")).astype(np.int64) + 1


def _positions(left: dict[str, CsColumn], columns: dict[str, Column]) -> None:
    """Pixel coordinates in the micrograph, origin top left: cryoSPARC counts y from the bottom."""
    wanted = ("location/center_x_frac", "location/center_y_frac", "location/micrograph_shape")
    if not all(name in left for name in wanted):
        return
    x, y, shape = (np.asarray(left[name], np.float64) for name in wanted)
    columns["CoordinateX"], columns["CoordinateY"] = x * shape[:, 1], (1 - y) * shape[:, 0]


def _cs_images(
    fields: dict[str, CsColumn],
) -> tuple[tuple[str, ...], NDArray[np.int32] | None, NDArray[np.int32] | None]:
    path, place = fields.get("blob/path"), fields.get("blob/idx")
    if path is None and place is None:
        return (), None, None
    if not isinstance(path, Coded) or not isinstance(place, np.ndarray):
        raise MetadataError(
            field="blob/path, blob/idx", expected="both", found=f"only {'blob/idx' if path is None else 'blob/path'}"
        )
    if len(place) and int(place.max()) > np.iinfo(np.int32).max:
        row = int(np.argmax(place))
        raise MetadataError(field=f"blob/idx, row {row}", expected="below 2^31", found=int(place[row]))
    clean = Coded(path.codes, tuple(undecorated(text) for text in path.texts)).pruned()
    return clean.texts, clean.codes, place.astype(np.int32)


# ---- both


def _completed(table: Particles, strict: bool, indexed: bool | None) -> Particles:
    """Required fields demanded, defaults filled in and recorded, generic mode applied."""
    from dataclasses import replace

    columns = dict(table.columns)
    if indexed and table.stack_id is None:
        raise MetadataError(
            field="ImageName", expected="image names, or indexed=False", found=nearest("ImageName", list(columns))
        )
    if indexed is False or (indexed is None and table.stack_id is None and table.source == "star"):
        columns = {name: column for name, column in columns.items() if name not in IGNORED_WITHOUT_INDEX}
        table = replace(table, stacks=(), stack_id=None, index=None)
    missing = [name for name in REQUIRED if name not in columns]
    if missing and strict:
        raise MetadataError(
            f"{len(missing)} required fields missing: {', '.join(missing)}"
            if len(missing) > 1
            else "required field missing",
            field=missing[0] if table.source == "star" else f"{missing[0]} ({QUANTITIES[missing[0]].cryosparc})",
            expected="a column",
            found=nearest(missing[0], list(columns)),
        )
    defaults = {name: value for name, value in DEFAULTS.items() if name not in columns} if strict or not missing else {}
    for name, value in defaults.items():
        columns[name] = np.full(table.n, value)
    expected = [name for name in ("PhaseShift", "AmplitudeContrast") if name in defaults and table.source == "cs"]
    for name in expected:
        warnings.warn(
            f"{table.files[0]}: {QUANTITIES[name].cryosparc} is not there; {name} {defaults[name]} is used",
            DataWarning,
            stacklevel=4,
        )
    return replace(table, columns=columns, defaults=defaults)
