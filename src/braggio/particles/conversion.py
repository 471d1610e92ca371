"""Particle images restacked in batches with their metadata, checked before anything is written."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from braggio import __version__
from braggio.batch.staging import Staging, digest
from braggio.batch.workers import in_order
from braggio.errors import MetadataError, OutputError, warn
from braggio.options import options_checked
from braggio.particles.batches import Batch, split_into_batches, write_batch
from braggio.particles.checks import check
from braggio.particles.grid import ImageGrid
from braggio.particles.jobs import pair, read_job
from braggio.particles.options import BatchOptions
from braggio.particles.reading import File
from braggio.particles.stacks import stack_info
from braggio.particles.table import Particles

RECORD = "particles.braggio.json"
Progress: TypeAlias = Any  # callable (images done, images)


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
    inputs : tuple of str
        Tables and stacks that were read.
    task : str
        Digest of inputs and options.
    """

    folder: str
    images: int
    grid: ImageGrid
    batches: tuple[dict[str, Any], ...]
    outputs: tuple[str, ...]
    flat: int
    defaults: dict[str, float]
    notes: tuple[str, ...]
    inputs: tuple[str, ...]
    task: str

    def to_json(self) -> bytes:
        """The record that is written beside the outputs."""
        return (
            json.dumps({"schema": "braggio/1", "version": __version__, **asdict(self)}, indent=1, default=str).encode()
            + b"\n"
        )


@options_checked
def convert(
    table: Particles,
    out: File,
    *,
    batch_size: int = 1024,
    downsample_factor: int = 1,
    downsample_type: Literal["mean", "max"] = "mean",
    normalize: Literal["max", "std", "background"] | None = "max",
    pixel_size: float | None = None,
    metadata: Literal["star", "cs", "both"] = "star",
    sign: bool = False,
    prefix: str = "particles",
    precision: Literal["exact", "relion"] = "exact",
    descriptor: ImageGrid | None = None,
    overwrite: bool = False,
    durable: bool = False,
    dry_run: bool = False,
    threads: int = 1,
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
    durable : bool
        Wait until the disk has every output before it gets its name, and all names.
    dry_run : bool
        Check everything, write nothing, and give the report of what would be written.
    threads : int
        Batches at once, each in memory; the outputs are the same for any number.
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
    how = _How(overwrite, durable, dry_run, threads, progress)
    return _run([table], out, BatchOptions.picked(locals()), descriptor, how)


@options_checked
def convert_job(
    folder: File,
    out: File,
    *,
    batch_size: int = 1024,
    downsample_factor: int = 1,
    downsample_type: Literal["mean", "max"] = "mean",
    normalize: Literal["max", "std", "background"] | None = "max",
    pixel_size: float | None = None,
    metadata: Literal["star", "cs", "both"] = "star",
    sign: bool = False,
    prefix: str = "particles",
    precision: Literal["exact", "relion"] = "exact",
    overwrite: bool = False,
    durable: bool = False,
    dry_run: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> ConvertReport:
    """`convert` of a cryoSPARC job folder ``J<n>``; see `read_job`."""
    how = _How(overwrite, durable, dry_run, threads, progress)
    return _run([read_job(folder)], out, BatchOptions.picked(locals()), None, how)


@options_checked
def convert_paired(
    stars: Sequence[File],
    stacks: Sequence[File],
    out: File,
    *,
    batch_size: int = 1024,
    downsample_factor: int = 1,
    downsample_type: Literal["mean", "max"] = "mean",
    normalize: Literal["max", "std", "background"] | None = "max",
    pixel_size: float | None = None,
    metadata: Literal["star", "cs", "both"] = "star",
    sign: bool = False,
    prefix: str = "particles",
    precision: Literal["exact", "relion"] = "exact",
    descriptor: ImageGrid | None = None,
    overwrite: bool = False,
    durable: bool = False,
    dry_run: bool = False,
    threads: int = 1,
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
    how = _How(overwrite, durable, dry_run, threads, progress)
    return _run(tables, out, BatchOptions.picked(locals()), descriptor, how)


@options_checked
def restack(
    table: Particles,
    out: File,
    *,
    batch_size: int = 1024,
    downsample_factor: int = 1,
    downsample_type: Literal["mean", "max"] = "mean",
    normalize: Literal["max", "std", "background"] | None = None,
    pixel_size: float | None = None,
    metadata: Literal["star", "cs", "both"] = "star",
    sign: bool = False,
    prefix: str = "particles",
    precision: Literal["exact", "relion"] = "exact",
    overwrite: bool = False,
    durable: bool = False,
    dry_run: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> ConvertReport:
    """`convert` with the pixel values as they are, unless asked otherwise."""
    how = _How(overwrite, durable, dry_run, threads, progress)
    return _run([table], out, BatchOptions.picked(locals()), None, how)


# ---- how it is done


@dataclass(frozen=True)
class _How:
    """What does not change the outputs."""

    overwrite: bool
    durable: bool
    dry_run: bool
    threads: int
    progress: Progress | None


def _run(
    tables: Sequence[Particles],
    out: File,
    options: BatchOptions,
    descriptor: ImageGrid | None,
    how: _How,
) -> ConvertReport:
    grids = [_input_grid(table, descriptor, options.pixel_size) for table in tables]
    different = [grid for grid in grids if grid != grids[0]]
    if different:
        raise MetadataError(field="grid", expected=f"one for all inputs: {grids[0]}", found=str(different[0]))
    grid = grids[0].binned(options.downsample_factor)
    batches = list(split_into_batches(tables, options))
    report = _plan(tables, out, options, grid, batches)
    _keep_inputs(report)
    if how.dry_run:
        return report
    with Staging(out, options.prefix, report.task, durable=how.durable) as staging:
        staging.begin([*report.outputs, RECORD], overwrite=how.overwrite)
        done = [0, 0]  # batches, images

        def advance(number: int, _: int) -> None:
            done[1] += sum(batch.table.n for batch in batches[done[0] : number])
            done[0] = number
            if how.progress is not None:
                how.progress(done[1], report.images)

        flat = in_order(
            lambda batch, _: write_batch(batch, staging, grids[0], grid, options),
            batches,
            threads=how.threads,
            state=lambda: None,
            progress=advance,
        )
        report = replace(report, flat=sum(flat))
        staging.publish(report.outputs, RECORD, report.to_json())
    if report.flat:
        warn(f"{out}: {report.flat} images without contrast or with NaN could not be scaled")
    return report


def _plan(
    tables: Sequence[Particles], out: File, options: BatchOptions, grid: ImageGrid, batches: Sequence[Batch]
) -> ConvertReport:
    chosen = {name: value for name, value in asdict(options).items() if name != "pixel_size"}  # which is in the grid
    task = {"files": [table.files for table in tables], "options": chosen, "grid": asdict(grid)}
    return ConvertReport(
        folder=os.fspath(out),
        images=sum(table.n for table in tables),
        grid=grid,
        batches=tuple(
            {"stem": b.stem, "first_row": b.start, "images": b.table.n, "input": b.table.files[0]} for b in batches
        ),
        outputs=tuple(batch.stem + suffix for batch in batches for suffix in options.suffixes()),
        flat=0,
        defaults={name: value for table in tables for name, value in table.defaults.items()},
        notes=tuple(note for table in tables for note in table.notes),
        inputs=tuple(sorted({*(file for table in tables for file in table.files), *_stack_files(tables)})),
        task=digest(task),
    )


def _keep_inputs(report: ConvertReport) -> None:
    """Refuse outputs that would take the place of what they are made from, also when asked to overwrite."""
    inputs = {os.path.realpath(file) for file in report.inputs}
    for name in report.outputs:
        path = os.path.join(report.folder, name)
        if os.path.realpath(path) in inputs:
            raise OutputError("is an input of this conversion; choose another folder or prefix", path=path)


def _stack_files(tables: Sequence[Particles]) -> set[str]:
    files = set()
    for table in tables:
        paths = table.resolve()
        files |= {str(paths[int(stack)]) for stack in np.unique(np.asarray(table.stack_id))}
    return files


def is_current(report: ConvertReport) -> bool:
    """Say whether the folder of a report holds just these outputs, made after their inputs last changed."""
    folder = Path(report.folder)
    try:
        record = json.loads((folder / RECORD).read_bytes())
        made = (folder / RECORD).stat().st_mtime_ns
        inputs = [Path(file).stat().st_mtime_ns for file in report.inputs]
    except (OSError, ValueError):
        return False
    whole = all((folder / name).is_file() for name in report.outputs)
    return whole and isinstance(record, dict) and record.get("task") == report.task and max(inputs) <= made


def _input_grid(table: Particles, descriptor: ImageGrid | None, pixel_size: float | None) -> ImageGrid:
    """The grid of the input images, agreed between descriptor, table and headers."""
    if table.n == 0:
        raise MetadataError(path=table.files[0], field="rows", expected="at least one", found="none")
    checked = (
        replace(table, columns={name: column for name, column in table.columns.items() if name != "ImagePixelSize"})
        if pixel_size is not None
        else table
    )
    report = check(checked)
    assert report.shape is not None
    height, width = report.shape
    if height != width:
        raise MetadataError(path=table.files[0], field="box", expected="square images", found=f"{height} x {width}")
    if pixel_size is not None:
        size = pixel_size
    elif descriptor is not None and "ImagePixelSize" not in table:
        size = descriptor.pixel_size
    else:
        size = _table_pixel_size(table)
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
