"""One batch of restacked images: its .mrcs, .star or .cs, and an .npz of known keys."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.batch.staging import Staging
from braggio.formats.mrc import write_mrc
from braggio.model.columns import Coded
from braggio.particles.grid import ImageGrid
from braggio.particles.options import BatchOptions
from braggio.particles.stream import images
from braggio.particles.table import Particles
from braggio.particles.write import write_particles_cs, write_particles_star
from braggio.storage.frames import ArrayFrames


@dataclass(frozen=True)
class Batch:
    """The rows of one batch."""

    table: Particles  # the rows of this batch alone
    stem: str
    start: int  # first row of the batch in its input
    whole: int  # rows of its input


def split_into_batches(tables: Sequence[Particles], options: BatchOptions) -> Iterator[Batch]:
    """Batches of at most `batch_size` rows, none of them with rows of two inputs."""
    number = 0
    for table in tables:
        for start in range(0, table.n, options.batch_size):
            part = table.select(slice(start, start + options.batch_size))
            yield Batch(part, f"{options.prefix}_{number:06d}", start, table.n)
            number += 1


def write_batch(batch: Batch, staging: Staging, before: ImageGrid, grid: ImageGrid, options: BatchOptions) -> int:
    """All files of one batch; how many images had no contrast."""
    work = {"normalize": options.normalize, "bin": options.downsample_factor, "bin_kind": options.downsample_type}
    _, pixels = next(images(batch.table, batch=batch.table.n, sign=options.sign, **work))  # type: ignore[arg-type]
    flat = int((~(np.ptp(pixels.reshape(len(pixels), -1), axis=1) > 0)).sum()) if options.normalize else 0
    stack = f"{batch.stem}.mrcs"
    write_mrc(str(staging.path(stack)), ArrayFrames(pixels), overwrite=True, pixel_size=grid.pixel_size)
    table = _restacked(batch.table, stack, before, grid)
    if options.metadata in ("star", "both"):
        write_particles_star(table, staging.path(f"{batch.stem}.star"), precision=options.precision, overwrite=True)
    if options.metadata in ("cs", "both"):
        write_particles_cs(table, staging.path(f"{batch.stem}.cs"), overwrite=True)
    _write_npz(staging.path(f"{batch.stem}.npz"), npz_content(batch.table, before, grid, batch.start, batch.whole))
    return flat


def _restacked(table: Particles, stack: str, before: ImageGrid, grid: ImageGrid) -> Particles:
    """The rows as they stand in the new stack."""
    assert table.stack_id is not None and table.index is not None
    columns = dict(table.columns)
    for old, new in (("OriginX", "OriginXAngst"), ("OriginY", "OriginYAngst")):  # pixels of the input, too
        if old in columns:
            columns.setdefault(new, np.asarray(columns.pop(old), np.float64) * before.pixel_size)
    columns["ImagePixelSize"] = np.full(table.n, grid.pixel_size)
    columns["ImageSize"] = np.full(table.n, grid.n_pixels, np.int64)
    columns["SourceRow"] = table.row
    columns["ImageOriginalName"] = Coded.of(
        [
            f"{index + 1:06d}@{table.stacks[stack_id]}"
            for index, stack_id in zip(table.index.tolist(), table.stack_id.tolist(), strict=True)
        ]
    )
    for old in ("DetectorPixelSize", "Magnification", "blob/shape"):  # they speak of the input's pixels
        columns.pop(old, None)
    optics = tuple(dict.fromkeys((*table.from_optics, *(("ImagePixelSize", "ImageSize") if table.from_optics else ()))))
    return replace(
        table,
        columns=columns,
        stacks=(stack,),
        stack_id=np.zeros(table.n, np.int32),
        index=np.arange(table.n, dtype=np.int32),
        from_optics=optics,
    )


def npz_content(
    table: Particles, before: ImageGrid, grid: ImageGrid, start: int, whole: int
) -> dict[str, NDArray[Any]]:
    """What the npz of a batch holds, under the seed project's keys; angles in radians.

    Its optional keys (``angleRotation`` ...) are left out rather than stored as pickled None.
    """
    assert table.stack_id is not None and table.index is not None
    ctf = table.ctf(radians=True)
    content: dict[str, Any] = {
        "n_pixels": grid.n_pixels,
        "pixel_size": grid.pixel_size,
        "precision": grid.precision,
        **grid.polar(),
        "defocusU": ctf["DefocusU"],
        "defocusV": ctf["DefocusV"],
        "defocusAngle": ctf["DefocusAngle"],
        "phaseShift": ctf["PhaseShift"],
        "sphericalAberration": ctf["SphericalAberration"],
        "voltage": ctf["Voltage"],
        "amplitudeContrast": ctf["AmplitudeContrast"],
        "ctfBfactor": ctf["CtfBfactor"],
        "ctfScalefactor": ctf["CtfScalefactor"],
        "ref_pixel_size": before.pixel_size,
        "files": np.array(table.stacks, str)[table.stack_id],
        "idxs": table.index.astype(np.int64),
        "row": table.row,
        "n_images": table.n,
        "stack_start": start,
        "stack_end": start + table.n,
        "n_input_rows": whole,
    }
    for key, name in (("angleRotation", "AngleRot"), ("angleTilt", "AngleTilt"), ("anglePsi", "AnglePsi")):
        if name in table:
            content[key] = np.deg2rad(np.asarray(table[name], np.float64))
    return {key: np.asarray(value) for key, value in content.items()}


def _write_npz(path: Path, content: dict[str, NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **content)  # type: ignore[arg-type]
    part = PartFile(str(path))
    part.write(buffer.getvalue(), 0)
    part.publish(overwrite=True)
