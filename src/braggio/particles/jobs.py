"""Tables whose rows follow the images of stacks in order: generic star files and cryoSPARC job folders."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from braggio.errors import MetadataError, warn
from braggio.particles.reading import File, read_files
from braggio.particles.stacks import Places, StackInfo, stack_info
from braggio.particles.table import Particles

_JOB = re.compile(r"J\d+")
# The preferred kind first.
_KINDS = (("restack", "restacked"), ("downsample", "downsample"))


def pair(star: File, stack: File, *, block: str | None = None) -> Particles:
    """A generic table and the stack whose images its rows describe, in order.

    Image names, angles and pixel size in the table are ignored, as for the seed project's paired files.

    Raises
    ------
    MetadataError
        The numbers of rows and images differ.
    """
    table = read_files([Path(star)], block=block, places=Places(), indexed=False)
    info = stack_info(Path(stack))
    if info.images != table.n:
        raise MetadataError(
            path=os.fspath(star),
            field="rows",
            expected=f"{info.images}, the images of {os.fspath(stack)}",
            found=table.n,
        )
    return _over(table, [info])


def read_job(folder: File, *, columns: Sequence[str] | None = None, strict: bool = True) -> Particles:
    """The particles of a cryoSPARC job folder ``J<n>``: its passthrough, and the batches it restacked or downsampled.

    Parameters
    ----------
    folder : path-like
        With ``J<n>_passthrough_particles.cs`` and ``restack/batch_000000_restacked.mrc`` ... or, failing those,
        ``downsample/batch_000000_downsample.mrc`` ...
    columns, strict : optional
        See `read`.

    Returns
    -------
    Particles
        Row i is image i of the batches one after the other. ImagePixelSize is that of the batches' headers where they
        have one.

    Raises
    ------
    MetadataError
        No batches, a gap in their numbers with later ones present, or other than one row per image.
    """
    path = Path(folder)
    name = path.resolve().name
    if not _JOB.fullmatch(name):
        raise MetadataError(path=path, field="folder", expected="a cryoSPARC job J<n>", found=name)
    batches = _batches(path)
    passthrough = path / f"{name}_passthrough_particles.cs"
    table = read_files([passthrough], columns=columns, places=Places(), strict=strict)
    infos = [stack_info(each) for each in batches]
    images = sum(info.images for info in infos)
    if images != table.n:
        raise MetadataError(
            path=table.files[0], field="rows", expected=f"{images}, the images of {len(batches)} batches", found=table.n
        )
    return _with_header_pixels(_over(table, infos), infos)


def _batches(folder: Path) -> list[Path]:
    for kind, ending in _KINDS:
        pattern = re.compile(rf"batch_(\d{{6}})_{ending}\.mrcs?")
        found: dict[int, Path] = {}
        for path in sorted((folder / kind).glob("batch_*")):
            if match := pattern.fullmatch(path.name):
                other = found.setdefault(int(match[1]), path)
                if other != path:
                    raise MetadataError(
                        path=folder / kind,
                        field="batches",
                        expected="one file for each number",
                        found=f"{other.name} and {path.name}",
                    )
        if not found:
            continue
        missing = sorted(set(range(max(found))) - set(found))
        if missing:
            raise MetadataError(
                path=folder / kind,
                field="batches",
                expected=f"0 to {max(found)}",
                found=f"{len(missing)} missing, {missing[0]} first",
            )
        return [found[number] for number in range(len(found))]
    raise MetadataError(
        path=folder,
        field="batches",
        expected=" or ".join(f"{kind}/batch_000000_{ending}.mrc" for kind, ending in _KINDS),
        found="none",
    )


def _over(table: Particles, infos: Sequence[StackInfo]) -> Particles:
    counts = [info.images for info in infos]
    return replace(
        table,
        stacks=tuple(str(info.path) for info in infos),
        stack_id=np.repeat(np.arange(len(infos), dtype=np.int32), counts),
        index=np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
        places=Places(allow_outside=True),  # the caller named these files
    )


def _with_header_pixels(table: Particles, infos: Sequence[StackInfo]) -> Particles:
    sizes = {info.pixel_size for info in infos if info.pixel_size not in (0.0, 1.0)}
    if len(sizes) != 1:
        return table
    size = sizes.pop()
    columns = dict(table.columns)
    old = columns.get("ImagePixelSize")
    notes = table.notes
    if old is not None and not np.allclose(np.asarray(old), size, rtol=1e-3):
        note = f"ImagePixelSize {size:.6g} from the batches' headers, not {np.asarray(old)[0]:.6g} from the passthrough"
        warn(f"{table.files[0]}: {note}")
        notes = (*notes, note)
    columns["ImagePixelSize"] = np.full(table.n, size)
    columns.pop("ImageSize", None)
    return replace(table, columns=columns, notes=notes)
