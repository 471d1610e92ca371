"""Particle images restacked in batches with their metadata: .mrcs, .star or .cs, and an .npz of known keys."""

from __future__ import annotations

import io
import json
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from braggio import __version__
from braggio._core import PartFile
from braggio.batch.staging import Staging, digest
from braggio.errors import DataWarning, GeometryError, LimitError, MetadataError
from braggio.formats.mrc import write_mrc
from braggio.formats.stored import ArrayFrames
from braggio.model.columns import Coded
from braggio.particles.check import check
from braggio.particles.images import images
from braggio.particles.jobs import pair, read_job
from braggio.particles.read import File, read
from braggio.particles.stacks import stack_info
from braggio.particles.table import Particles

FORMATS = ("star", "cs", "both")
RECORD = "particles.braggio.json"
Progress: TypeAlias = Any  # callable (images done, images)


@dataclass(frozen=True)
class ImageGrid:
    """The image descriptor: a square Cartesian grid, and the polar grid that the seed project derives from it.

    Attributes
    ----------
    n_pixels : int
        Edge of the images.
    pixel_size : float
        Angstrom.
    resolution_factor : float
        Of the polar grid; 1 keeps the full resolution.
    precision : str
        'single' or 'double', for the record.
    """

    n_pixels: int
    pixel_size: float
    resolution_factor: float = 1.0
    precision: str = "single"

    def __post_init__(self) -> None:
        if self.n_pixels < 1:
            raise GeometryError(field="n_pixels", expected="at least 1", found=self.n_pixels)
        if not (math.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise GeometryError(field="pixel_size", expected="above 0 A", found=self.pixel_size)
        if not (math.isfinite(self.resolution_factor) and self.resolution_factor > 0):
            raise GeometryError(field="resolution_factor", expected="above 0", found=self.resolution_factor)

    def polar(self) -> dict[str, Any]:
        """radius_max, dist_radii, n_inplanes and viewing_distance as the seed project's ImageDescriptor has them."""
        return {
            "radius_max": self.resolution_factor * self.n_pixels * 0.25,
            "dist_radii": 0.25,
            "n_inplanes": 2 * self.n_pixels,
            "viewing_distance": 1 / (4 * math.pi * self.resolution_factor),
        }

    def binned(self, factor: int) -> ImageGrid:
        """The grid of the images binned by `factor`.

        Examples
        --------
        >>> ImageGrid(256, 1.1).binned(2)
        ImageGrid(n_pixels=128, pixel_size=2.2, resolution_factor=1.0, precision='single')
        """
        if factor < 1 or self.n_pixels % factor:
            raise LimitError(field="downsample_factor", expected=f"a factor of {self.n_pixels}", found=factor)
        return replace(self, n_pixels=self.n_pixels // factor, pixel_size=self.pixel_size * factor)


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion wrote.

    Attributes
    ----------
    folder : str
        Where.
    images : int
        How many.
    grid : ImageGrid
        Of the images written.
    batches : tuple of dict
        ``stem``, ``first_row``, ``images``, ``input`` of each.
    outputs : tuple of str
        Names of all files.
    flat : int
        Images without contrast, or with NaN, which could not be scaled.
    defaults : dict
        Columns that the input did not have, and the value that was used.
    notes : tuple of str
        From reading.
    """

    folder: str
    images: int
    grid: ImageGrid
    batches: tuple[dict[str, Any], ...]
    outputs: tuple[str, ...]
    flat: int
    defaults: dict[str, float]
    notes: tuple[str, ...]

    def to_json(self) -> bytes:
        """The record that is written beside the outputs."""
        return (
            json.dumps({"schema": "braggio/1", "version": __version__, **asdict(self)}, indent=1, default=str).encode()
            + b"\n"
        )


def convert(
    table: Particles,
    out: File,
    *,
    batch_size: int = 1024,
    downsample_factor: int = 1,
    downsample_type: str = "mean",
    normalize: str | None = "max",
    descriptor: ImageGrid | None = None,
    pixel_size: float | None = None,
    metadata: str = "star",
    sign: bool = False,
    prefix: str = "particles",
    precision: str = "exact",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ConvertReport:
    """Restack the images of a table into batches.

    Every header is checked before anything is written, and all files appear together. Batch k is
    ``<prefix>_00000k.mrcs`` with ``.star`` or ``.cs`` and ``.npz``; in them, ImageOriginalName and SourceRow
    (``files``, ``idxs`` and ``row`` in the npz) say where each image came from.

    Parameters
    ----------
    table : Particles
        With image names.
    out : path-like
        Folder; made when missing.
    batch_size : int
        Images in a batch; the last one may have fewer.
    downsample_factor, downsample_type : int, {'mean', 'max'}
        Bin by this factor of the box; pixel size and grid are updated.
    normalize : {'max', 'std', 'background'}, optional
        See `braggio.kernels.images.prepare_images`. 'max' is what the seed project stores; None leaves the values.
    descriptor : ImageGrid, optional
        The grid of the input images. It must agree with the stacks; by default it is taken from them.
    pixel_size : float, optional
        Angstrom; by default the table's, which must be one, else that of the stack headers.
    metadata : {'star', 'cs', 'both'}
        Beside each stack.
    sign : bool
        Multiply by the table's contrast sign.
    prefix : str
        Of the names.
    precision : {'exact', 'relion'}
        Of the star files.
    overwrite : bool
        Replace outputs of another run.
    progress : callable, optional
        Called with (images done, images).

    Returns
    -------
    ConvertReport

    Raises
    ------
    MetadataError
        Rows and stacks do not agree, or there are several pixel sizes.
    OutputError
        An output exists, or cannot be written; nothing is left behind.
    """
    options = _Options(batch_size, downsample_factor, downsample_type, normalize, metadata, sign, prefix, precision)
    return _run([table], out, options, descriptor, pixel_size, overwrite, progress)


def convert_indexed(
    file: File | Sequence[File], out: File, *, reading: dict[str, Any] | None = None, **options: Any
) -> ConvertReport:
    """`convert` of an indexed .star or .cs; `reading` holds options of `read` (folder, base, columns, ...)."""
    return convert(read(file, **(reading or {})), out, **options)


def convert_job(folder: File, out: File, **options: Any) -> ConvertReport:
    """`convert` of a cryoSPARC job folder ``J<n>``; see `read_job`."""
    return convert(read_job(folder), out, **options)


def convert_paired(
    stars: Sequence[File],
    stacks: Sequence[File],
    out: File,
    *,
    batch_size: int = 1024,
    downsample_factor: int = 1,
    downsample_type: str = "mean",
    normalize: str | None = "max",
    descriptor: ImageGrid | None = None,
    pixel_size: float | None = None,
    metadata: str = "star",
    prefix: str = "particles",
    precision: str = "exact",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ConvertReport:
    """Restack generic star files and their stacks, pair by pair; a batch never holds images of two inputs.

    Parameters
    ----------
    stars, stacks : sequence of path-like
        Of equal length; row i of a star describes image i of its stack. All counts are checked before anything is
        written.
    out, ... : optional
        See `convert`.

    Raises
    ------
    MetadataError
        Lists or counts of different length.
    """
    if len(stars) != len(stacks) or not stars:
        raise MetadataError(
            field="inputs",
            expected="as many stacks as star files, at least one",
            found=f"{len(stars)} and {len(stacks)}",
        )
    tables = [pair(star, stack) for star, stack in zip(stars, stacks, strict=True)]
    options = _Options(batch_size, downsample_factor, downsample_type, normalize, metadata, False, prefix, precision)
    return _run(tables, out, options, descriptor, pixel_size, overwrite, progress)


def restack(table: Particles, out: File, **options: Any) -> ConvertReport:
    """`convert` with the pixel values as they are, unless asked otherwise."""
    return convert(table, out, **{"normalize": None, **options})


# ---- how it is done


@dataclass(frozen=True)
class _Options:
    batch_size: int
    downsample_factor: int
    downsample_type: str
    normalize: str | None
    metadata: str
    sign: bool
    prefix: str
    precision: str

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        if self.metadata not in FORMATS:
            raise ValueError(f"metadata must be star, cs or both, not {self.metadata!r}")
        if self.downsample_type not in ("mean", "max"):
            raise ValueError(f"downsample_type must be mean or max, not {self.downsample_type!r}")
        if not self.prefix or os.sep in self.prefix or self.prefix.startswith("."):
            raise ValueError(f"prefix must be a file name, not {self.prefix!r}")

    def suffixes(self) -> tuple[str, ...]:
        tables = {"star": (".star",), "cs": (".cs",), "both": (".star", ".cs")}[self.metadata]
        return (".mrcs", *tables, ".npz")


@dataclass(frozen=True)
class _Batch:
    table: Particles  # the rows of this batch alone
    stem: str
    start: int  # first row of the batch in its input
    whole: int  # rows of its input


def _run(
    tables: Sequence[Particles],
    out: File,
    options: _Options,
    descriptor: ImageGrid | None,
    pixel_size: float | None,
    overwrite: bool,
    progress: Progress | None,
) -> ConvertReport:
    grids = [_input_grid(table, descriptor, pixel_size) for table in tables]
    different = [grid for grid in grids if grid != grids[0]]
    if different:
        raise MetadataError(field="grid", expected=f"one for all inputs: {grids[0]}", found=str(different[0]))
    grid = grids[0].binned(options.downsample_factor)
    batches = list(_split(tables, options))
    outputs = [batch.stem + suffix for batch in batches for suffix in options.suffixes()]
    with Staging(
        out,
        options.prefix,
        digest({"files": [table.files for table in tables], "options": asdict(options), "grid": asdict(grid)}),
    ) as staging:
        staging.begin([*outputs, RECORD], overwrite=overwrite)
        done, total, flat = 0, sum(table.n for table in tables), 0
        for batch in batches:
            flat += _write_batch(batch, staging, grids[0], grid, options)
            done += batch.table.n
            if progress is not None:
                progress(done, total)
        report = ConvertReport(
            folder=os.fspath(out),
            images=total,
            grid=grid,
            batches=tuple(
                {"stem": b.stem, "first_row": b.start, "images": b.table.n, "input": b.table.files[0]} for b in batches
            ),
            outputs=tuple(outputs),
            flat=flat,
            defaults=tables[0].defaults,
            notes=tuple(note for table in tables for note in table.notes),
        )
        staging.publish(outputs, RECORD, report.to_json())
    if flat:
        warnings.warn(
            f"{out}: {flat} images without contrast or with NaN could not be scaled", DataWarning, stacklevel=3
        )
    return report


def _input_grid(table: Particles, descriptor: ImageGrid | None, pixel_size: float | None) -> ImageGrid:
    """The grid of the input images, agreed between descriptor, table and headers."""
    if table.n == 0:
        raise MetadataError(path=table.files[0], field="rows", expected="at least one", found="none")
    checked = (
        replace(table, columns={name: column for name, column in table.columns.items() if name != "ImagePixelSize"})
        if pixel_size
        else table
    )
    report = check(checked)
    assert report.shape is not None
    height, width = report.shape
    if height != width:
        raise MetadataError(path=table.files[0], field="box", expected="square images", found=f"{height} x {width}")
    size = (
        pixel_size
        or (descriptor.pixel_size if descriptor and "ImagePixelSize" not in table else None)
        or _table_pixel_size(table)
    )
    if descriptor is None:
        return ImageGrid(width, size)
    if descriptor.n_pixels != width:
        raise MetadataError(
            path=table.files[0],
            field="descriptor",
            expected=f"n_pixels {width}, the box of the stacks",
            found=descriptor.n_pixels,
        )
    if abs(descriptor.pixel_size - size) > 1e-3 * size:
        raise MetadataError(
            path=table.files[0], field="descriptor", expected=f"pixel_size {size:.6g}", found=descriptor.pixel_size
        )
    return descriptor


def _table_pixel_size(table: Particles) -> float:
    if "ImagePixelSize" in table:
        return float(table.unique("ImagePixelSize"))
    used = np.unique(np.asarray(table.stack_id))
    paths = table.resolve()
    sizes = sorted({stack_info(paths[int(stack)]).pixel_size for stack in used} - {0.0})
    if len(sizes) != 1:
        raise MetadataError(
            "pass pixel_size=",
            path=table.files[0],
            field="ImagePixelSize",
            expected="a column, or one pixel size in the headers",
            found=", ".join(map(str, sizes)) or "none",
        )
    return sizes[0]


def _split(tables: Sequence[Particles], options: _Options) -> Iterator[_Batch]:
    number = 0
    for table in tables:
        for start in range(0, table.n, options.batch_size):
            part = table.select(slice(start, start + options.batch_size))
            yield _Batch(part, f"{options.prefix}_{number:06d}", start, table.n)
            number += 1


def _write_batch(batch: _Batch, staging: Staging, before: ImageGrid, grid: ImageGrid, options: _Options) -> int:
    """All files of one batch; how many images had no contrast."""
    work = {"normalize": options.normalize, "bin": options.downsample_factor, "bin_kind": options.downsample_type}
    _, pixels = next(images(batch.table, batch=batch.table.n, sign=options.sign, **work))  # type: ignore[arg-type]
    flat = int((~(np.ptp(pixels.reshape(len(pixels), -1), axis=1) > 0)).sum()) if options.normalize else 0
    stack = f"{batch.stem}.mrcs"
    write_mrc(str(staging.path(stack)), ArrayFrames(pixels), overwrite=True, pixel_size=grid.pixel_size)
    table = _restacked(batch.table, stack, grid)
    if options.metadata in ("star", "both"):
        table.to_star(staging.path(f"{batch.stem}.star"), precision=options.precision, overwrite=True)
    if options.metadata in ("cs", "both"):
        table.to_cs(staging.path(f"{batch.stem}.cs"), overwrite=True)
    _write_npz(staging.path(f"{batch.stem}.npz"), npz_content(batch.table, before, grid, batch.start, batch.whole))
    return flat


def _restacked(table: Particles, stack: str, grid: ImageGrid) -> Particles:
    """The rows as they stand in the new stack."""
    assert table.stack_id is not None and table.index is not None
    columns = dict(table.columns)
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
