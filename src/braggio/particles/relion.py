"""Star files as particle tables: canonical names, the optics join, pixel sizes, image names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import StarBlock
from braggio.batch.cpus import cpu_count
from braggio.errors import MetadataError, about, warn
from braggio.formats.star import StarTable, nearest, read_chosen
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.particles import DEFAULTS, REQUIRED
from braggio.model.relion import kind_of
from braggio.particles.labels import as_uint64, joined_components, label_of, name_of
from braggio.particles.optics import GROUP, join_optics, pixel_size
from braggio.particles.stacks import Places
from braggio.particles.table import Particles

_IMAGE = "ImageName"
_JOIN = (
    GROUP,
    "DetectorPixelSize",
    "Magnification",
    "MicrographPixelSize",
    "MicrographOriginalPixelSize",
    "OriginX",
    "OriginY",
)


def read_relion(path: Path, wanted: Sequence[str] | None, block: str | None, places: Places) -> Particles:
    """The particle table of a star file, joined with its optics; nothing is filled in yet."""
    known = {*(wanted or ()), *REQUIRED, *DEFAULTS, *_JOIN, _IMAGE, "ImagePixelSize", "ImageSize", "OpticsGroupName"}

    def read(*names: str) -> list[tuple[StarBlock, StarTable | None]]:
        def choose(each: StarBlock) -> list[str] | None:
            if each.name not in names:
                return None
            return [label for label in each.labels if wanted is None or name_of(label) in known]

        return read_chosen(path, choose, threads=cpu_count())

    found = read(block or "particles", "optics")
    with about(path):
        name = _particle_block([(each.name, each.loop) for each, _ in found], block)
        optics_name = "optics" if name != "optics" and any(each.name == "optics" for each, _ in found) else None
        labels = [label for each, _ in found if each.name in (name, optics_name) for label in each.labels]
    for each in wanted or ():
        if each not in {name_of(label) for label in labels}:
            raise MetadataError(path=path, field=each, expected="a column", found=nearest(each, labels))
    if name not in (block, "particles"):  # the only table, under another name, which the end of the file has shown
        found = read(name, "optics")
    tables = {each.name: table for each, table in found if table is not None}
    with about(path):
        particles, own = _bare(tables[name].columns)
        optics, own_optics = _bare(_as_rows(tables[optics_name])) if optics_name else ({}, {})
        joined = join_optics(particles, optics)
        columns = joined.columns
        image = columns.pop(_IMAGE, None)
        notes = list(joined.notes)
        _unify_pixels(columns, notes)
        stacks, stack_id, index = _split(image)
    for note in joined.notes:
        warn(f"{path}: {note}")
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


def _as_rows(table: StarTable) -> dict[str, Any]:
    """The columns of a table; a list of values, as a program may write one optics group, is its only row."""
    if table.loop:
        return table.columns
    return {
        label: Coded.of([value])
        if isinstance(value, str)
        else np.array([value], np.float64 if kind_of(label) == "real" else None)
        for label, value in table.columns.items()
    }


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
    for label, column in joined_components(columns).items():
        name = name_of(label)
        if name in found:
            raise MetadataError(field=name, expected="one column", found=f"{label} and {label_of(name, own)}")
        found[name] = as_uint64(column, label) if name == "uid" else column
        if label != label_of(name, {}):
            own[name] = label
    return found, own


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
    if "" in image.stacks.texts:
        rows = np.flatnonzero(image.stacks.codes == image.stacks.texts.index(""))
        raise MetadataError(
            f"no path after the '@' ({rows.size} such rows)",
            field=f"ImageName, row {int(rows[0])}",
            expected="<number from 1>@<path>",
            found=repr(image[int(rows[0])]),
        )
    return image.stacks.texts, image.stacks.codes, image.numbers - np.int32(1)
