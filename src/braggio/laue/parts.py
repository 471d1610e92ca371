"""A long stack in parts, for many processes: bands of rows for the background, then masks, then one file of all.

What a part has found stands in a staging folder beside the output until then. The file is that of `find_spots`, byte
for byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.batch.parts import Part
from braggio.batch.staging import Staging, digest
from braggio.batch.workers import streamed
from braggio.errors import FormatError, MetadataError, about
from braggio.formats.mccd_h5 import open_frames
from braggio.formats.spots_h5 import column_names, read_info
from braggio.laue.archive import Archive, writing
from braggio.laue.masks import Found
from braggio.laue.options import SpotOptions
from braggio.laue.provenance import identity
from braggio.laue.search import Search
from braggio.laue.stack import MIN_BAND, FileStack, FrameWindow, RowBand, available_memory, free_bytes
from braggio.laue.stats import PixelStats, stack_stats
from braggio.storage.hdf5 import ChunkedStack

_MAPS = ("avg", "std", "iqr", "max", "arg", "spread")


@dataclass(frozen=True)
class PartOptions:
    """What every step of a search is work.

    Attributes
    ----------
    output : Path
        The file that is made in the end.
    options : SpotOptions
    dataset, mask, memory, threads
        As of `find_spots`.
    overwrite, durable : bool
    """

    output: Path
    options: SpotOptions
    dataset: str | None = None
    mask: ArrayLike | None = None
    memory: int | None = None
    threads: int = 1
    overwrite: bool = False
    durable: bool = False


def part_counts(source: str | os.PathLike[str], frames: int, dataset: str | None = None) -> tuple[int, int]:
    """(bands of rows, blocks of masks) for parts of at most so many frames; bands are not smaller than a chunk.

    A dataset whose chunks are whole frames has one band: each further one would decode everything again.
    """
    with about(source), open_frames(source, dataset) as (chunked, _, _):
        blocks = -(-chunked.shape[0] // frames)
        return min(blocks, len(_bands(chunked))), blocks


def stats_part(source: str | os.PathLike[str], part: Part, work: PartOptions) -> list[Path]:
    """The background of a band of rows over all frames.

    Parameters
    ----------
    source : path
        As of `find_spots`.
    part : Part
    work : PartOptions

    Returns
    -------
    list of Path
        What it made; nothing when the output of this very search is there.

    Raises
    ------
    BraggioError
        As `find_spots` does; the work of other parts stays.
    """
    with _step(source, work) as (search, staging, chunked, _):
        if staging is None:
            return []
        bands = part.of(_bands(chunked))
        if not bands:
            raise MetadataError(field="part", expected=f"at most {len(_bands(chunked))} bands", found=part.count)
        rows = range(bands[0].start, bands[-1].stop)
        band = RowBand(chunked, rows)
        most = max(free_bytes(band, _memory(work)) // 2, MIN_BAND)
        stats = stack_stats(
            FileStack(band, work.threads), search.record, work.options, most, work.threads, first_row=rows.start
        )
        path = _path(staging, part, "stats")
        with writing(path) as write:
            for name in _MAPS:
                write(name, getattr(stats, name))
            write("kept", np.asarray(stats.kept))
        return [path]


def masks_part(source: str | os.PathLike[str], part: Part, work: PartOptions, *, bands: int) -> list[Path]:
    """The masks of a block of frames and their spots, after all `bands` of the background.

    Parameters, returns and errors are those of `stats_part`; a MetadataError also when a band is not there.
    """
    with _step(source, work) as (search, staging, chunked, _):
        if staging is None:
            return []
        groups = part.of(range(len(search.groups)))
        stack = _frames_of(search, chunked, groups, work)
        masks = search.masks(stack, search.background(_stats(search, staging, bands)), search.arrays, gzip=search.gzip)
        path = _path(staging, part, "masks")
        with writing(path) as write:
            for found in streamed(masks.find, groups, threads=work.threads, state=masks.scratch):
                for name, array in _arrays(found).items():
                    write(f"{found.index}/{name}", array)
        return [path]


def join_parts(source: str | os.PathLike[str], work: PartOptions, *, bands: int, blocks: int) -> tuple[str, ...]:
    """One file of what all parts have found.

    Returns
    -------
    tuple of str
        What a user should know; also when the output of this very search is there already.

    Raises
    ------
    BraggioError
        As `find_spots` does; a MetadataError when a part is not there.
    """
    with _step(source, work) as (search, staging, _, file):
        if staging is None:
            return read_info(work.output)[1]
        background = search.background(_stats(search, staging, bands))
        staging.path(work.output.name).unlink(missing_ok=True)
        writer = search.writer(staging.path(work.output.name), overwrite=True)
        report = search.conclude(background, _found(search, staging, blocks), writer, file=file, threads=work.threads)
        staging.publish([work.output.name])
        return report.warnings


@contextmanager
def _step(
    source: str | os.PathLike[str], work: PartOptions
) -> Iterator[tuple[Search, Staging | None, ChunkedStack, Any]]:
    """The search, its staging folder (None when all is done) and the open input."""
    name = os.fspath(source)
    with about(name), open_frames(name, work.dataset) as (chunked, record, file):
        search = Search(work.options, record, chunked.shape, mask=work.mask, name=name)
        known = identity(work.options, record, chunked.shape, name, search.excluded)
        if _made(work.output, known):
            yield search, None, chunked, file
            return
        staging = Staging(work.output.parent, work.output.name, digest(known), durable=work.durable)
        staging.begin([work.output.name], overwrite=work.overwrite, shared=True)
        with staging:
            yield search, staging, chunked, file


def _made(output: Path, known: dict[str, str]) -> bool:
    """Whether an output is that of this search."""
    try:
        info, _ = read_info(output)
    except (OSError, FormatError):
        return False
    return all(info.get(name) == value for name, value in known.items())


def _memory(work: PartOptions) -> int:
    return work.memory or available_memory() // 4


def _bands(chunked: ChunkedStack) -> Sequence[range]:
    """The smallest bands of rows that can be read without reading others."""
    height = chunked.shape[1]
    rows = 1 if chunked.chunks is None else chunked.chunks[1]
    return [range(start, min(start + rows, height)) for start in range(0, height, rows)]


def _frames_of(
    search: Search, chunked: ChunkedStack, groups: Sequence[int], work: PartOptions
) -> FrameWindow | FileStack:
    """The frames of some masks: in memory if they fit, so that deep chunks are decoded once."""
    members = np.concatenate([search.groups[group] for group in groups] or [np.zeros(0, np.int64)])
    window = range(int(members.min()), int(members.max()) + 1) if len(members) else range(0)
    size = len(window) * chunked.shape[1] * chunked.shape[2] * chunked.dtype.itemsize
    if size <= free_bytes(chunked, _memory(work)):
        return FrameWindow(chunked, window, work.threads)
    return FileStack(chunked, work.threads)


def _stats(search: Search, staging: Staging, bands: int) -> PixelStats:
    """The background of all bands."""
    pieces: dict[str, list[NDArray[Any]]] = {}
    for part in Part(1, bands).all():
        with Archive(_path(staging, part, "stats")) as read:
            for name in (*_MAPS, "kept"):
                pieces.setdefault(name, []).append(read(name))
    maps = {name: np.concatenate(pieces[name]) for name in _MAPS}
    if any(values.shape != search.shape[1:] for values in maps.values()):
        raise FormatError(field="part", expected=f"maps of {search.shape[1:]}", found=maps["avg"].shape)
    if search.options.method == "kruskal":
        return PixelStats(**maps, kept=np.concatenate(pieces["kept"]), n_removed=None)
    n_removed = search.options.n_removed(search.shape[0])
    return PixelStats(**maps, kept=search.shape[0] - n_removed, n_removed=n_removed)


def _arrays(found: Found) -> dict[str, NDArray[Any]]:
    """One mask as arrays; of a payload that is no array, its bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "numbers": np.array([found.count, found.saturated], np.int64),
        "dense": np.array(found.dense, np.int64),
        "frames": np.array([frame for frame, _ in found.rows], np.int64),
        "pixel_list": found.pixel_list,
    }
    for frame, columns in found.rows:
        arrays |= {f"{frame}/{name}": values for name, values in columns.items()}
    for name, index, payload in found.payloads:
        if payload is not None:
            data = np.frombuffer(payload, np.uint8) if isinstance(payload, bytes) else payload
            arrays[f"put/{name}/{index}"] = data
    return arrays


def _found(search: Search, staging: Staging, blocks: int) -> Iterator[Found]:
    """What the parts have noted, mask by mask."""
    for part in Part(1, blocks).all():
        with Archive(_path(staging, part, "masks")) as read:
            for group in part.of(range(len(search.groups))):
                yield _mask(search, read, group)


def _mask(search: Search, read: Archive, group: int) -> Found:
    """What `_arrays` was made of."""
    count, saturated = read(f"{group}/numbers").tolist()
    rows = [
        (frame, {name: read(f"{group}/{frame}/{name}") for name in column_names(search.extra)})
        for frame in read(f"{group}/frames").tolist()
    ]
    payloads = []
    for key in read.names(f"{group}/put/"):
        name, _, index = key.rpartition("/")
        data = read(f"{group}/put/{key}")
        payloads.append((name, int(index), data.tobytes() if search.gzip else data))
    return Found(
        index=group,
        payloads=payloads,
        count=count,
        pixel_list=read(f"{group}/pixel_list"),
        rows=rows,
        dense=read(f"{group}/dense").tolist(),
        saturated=saturated,
    )


def _path(staging: Staging, part: Part, step: str) -> Path:
    return staging.path(f"{part.note(step)}.npz")
