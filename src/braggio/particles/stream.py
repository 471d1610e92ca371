"""The images of a table, in batches of bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from braggio.errors import FormatError, MetadataError, about
from braggio.kernels.arrays import as_output
from braggio.kernels.images import prepare_images
from braggio.model.frames import FrameStack
from braggio.particles.checks import require_memory
from braggio.particles.stacks import MissingStackError, open_stack
from braggio.particles.table import Particles
from braggio.storage.frames import StoredFrames

OPEN_STACKS = 64  # file descriptors held at once
MAX_BATCH_BYTES = 1 << 32


class _Stacks:
    """Open stacks, the least recently used closed first."""

    def __init__(self, paths: list[Path], mode0: str) -> None:
        self.paths = paths
        self.mode0 = mode0
        self.open: OrderedDict[int, FrameStack] = OrderedDict()

    def __getitem__(self, stack: int) -> FrameStack:
        if stack in self.open:
            self.open.move_to_end(stack)
            return self.open[stack]
        if len(self.open) >= OPEN_STACKS:
            self.open.popitem(last=False)[1].close()
        self.open[stack] = open_stack(self.paths[stack])
        return self.open[stack]

    def read_into(self, stacks: NDArray[np.int32], indices: NDArray[np.int32], out: NDArray[Any]) -> None:
        """Fill `out`, of a dtype that holds the pixels, with one image a row; each stack is read front to back."""
        order = np.lexsort((indices, stacks))
        for places in np.split(order, np.flatnonzero(np.diff(stacks[order])) + 1):
            self._read_stack(int(stacks[places[0]]), indices[places].astype(np.int64), places, out)

    def _read_stack(self, stack: int, indices: NDArray[np.int64], places: NDArray[np.int64], out: NDArray[Any]) -> None:
        frames, path = self[stack], self.paths[stack]
        if indices[0] < 0 or indices[-1] >= frames.nframes:
            raise MetadataError(
                path=path, field="image index (0-based)", expected=f"below {frames.nframes}", found=int(indices[-1])
            )
        if frames.frame_shape != out.shape[1:]:
            raise FormatError(
                path=path,
                field="box",
                expected=f"{out.shape[1]} x {out.shape[2]}",
                found=f"{frames.frame_shape[0]} x {frames.frame_shape[1]}",
            )
        if isinstance(frames, StoredFrames) and frames.streams and frames.dtype == out.dtype:
            with about(path):
                frames.source.read_frames(frames.layout, indices, out, places)
            return
        for index, place in zip(indices.tolist(), places.tolist(), strict=True):
            image = frames.read(index)
            np.copyto(out[place], image.view(np.uint8) if self._unsigned(frames) else image, casting="unsafe")

    def _unsigned(self, frames: FrameStack) -> bool:
        return self.mode0 == "uint8" and frames.dtype == np.int8

    def close(self) -> None:
        for stack in self.open.values():
            stack.close()
        self.open.clear()


def images(
    table: Particles,
    *,
    batch: int = 256,
    order: str = "row",
    dtype: DTypeLike = "float32",
    normalize: str | None = None,
    bin: int = 1,
    bin_kind: str = "mean",
    sign: bool = False,
    missing: str = "error",
    mode0: str = "int8",
    out: NDArray[Any] | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    """The images of a table, a batch at a time.

    Parameters
    ----------
    table : Particles
        With image names.
    batch : int
        Images at once; the last batch may be shorter. Memory is that of one batch, raw and worked on.
    order : {'row', 'file'}
        'file' reads each stack once, front to back: faster from disk. Row numbers tell which image is which.
    dtype : {'float32', 'float16'}
        Of the images.
    normalize, bin, bin_kind : optional
        See `braggio.kernels.images.prepare_images`.
    sign : bool
        Multiply by the table's contrast sign (cryoSPARC's blob/sign).
    missing : {'error', 'drop'}
        What to do when a stack is not there; 'drop' leaves its rows out, and their numbers with them.
    mode0 : {'int8', 'uint8'}
        MRC mode 0: int8 in MRC2014, uint8 in older programs.
    out : ndarray, optional
        (batch, ny / bin, nx / bin) of `dtype`, C-contiguous: filled and given again in every batch, for callers who are
        done with one batch when they ask for the next. New memory for each batch costs more than reading it.

    Yields
    ------
    rows : int64 ndarray
        Row of the table of each image.
    images : ndarray
        (rows, ny / bin, nx / bin).

    Raises
    ------
    MetadataError
        No image names, an index past the end of a stack; MissingStackError (a FileNotFoundError) for stacks that are
        not there, before the first batch.
    FormatError
        A damaged stack, or images of another size than the first.
    """
    if table.stack_id is None or table.index is None:
        raise MetadataError(
            path=table.files[0], field="ImageName", expected="image names", found="a table without them"
        )
    for name, value, known in (
        ("order", order, ("row", "file")),
        ("missing", missing, ("error", "drop")),
        ("mode0", mode0, ("int8", "uint8")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be {' or '.join(known)}, not {value!r}")
    target = np.dtype(dtype)
    if target not in (np.dtype(np.float32), np.dtype(np.float16)):
        raise ValueError(f"dtype must be float32 or float16, not {target}")
    if batch < 1 or bin < 1:
        raise ValueError(f"batch and bin must be at least 1, not {batch} and {bin}")
    rows = _existing(table, missing)
    if order == "file":
        rows = rows[np.lexsort((table.index[rows], table.stack_id[rows]))]
    return _batches(
        table, rows, batch, target, {"bin": bin, "bin_kind": bin_kind, "normalize": normalize}, sign, mode0, out
    )


def _existing(table: Particles, missing: str) -> NDArray[np.int64]:
    assert table.stack_id is not None
    used = np.unique(table.stack_id)
    paths = table.resolve()
    absent = [int(stack) for stack in used if not paths[stack].exists()]
    if absent and missing == "error":
        listed = ", ".join(str(paths[stack]) for stack in absent[:10])
        raise MissingStackError(
            "pass missing='drop' to go on without them",
            path=table.files[0],
            field="stacks",
            expected=f"{len(used)} files",
            found=f"{len(absent)} missing: {listed}",
        )
    return np.flatnonzero(~np.isin(table.stack_id, absent))


def _batches(
    table: Particles,
    rows: NDArray[np.int64],
    batch: int,
    dtype: np.dtype[Any],
    work: dict[str, Any],
    sign: bool,
    mode0: str,
    out: NDArray[Any] | None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
    assert table.stack_id is not None and table.index is not None
    if not len(rows):
        return
    stacks = _Stacks(table.resolve(), mode0)
    signs = np.asarray(table["Sign"], np.float32) if sign and "Sign" in table else None
    try:
        first = stacks[int(table.stack_id[rows[0]])]
        stored = _stored(table, stacks, rows)
        require_memory(
            min(batch, len(rows)) * first.frame_shape[0] * first.frame_shape[1] * stored.itemsize, MAX_BATCH_BYTES
        )
        plain = stored == dtype and work["bin"] == 1 and work["normalize"] is None and signs is None
        shape = (min(batch, len(rows)), *first.frame_shape)
        if out is not None:
            _require_out(out, (shape[0], shape[1] // work["bin"], shape[2] // work["bin"]), dtype)
        raw = np.empty(0 if plain else shape, stored)
        for start in range(0, len(rows), batch):
            chosen = rows[start : start + batch]
            if plain:  # what is read is what the caller gets
                raw = np.empty(shape, stored) if out is None else out
            stacks.read_into(table.stack_id[chosen], table.index[chosen], raw[: len(chosen)])
            if plain:
                yield chosen, raw[: len(chosen)]
            else:
                done = _worked(raw[: len(chosen)], dtype, work, None if signs is None else signs[chosen], out)
                yield chosen, done
    finally:
        stacks.close()


def _stored(table: Particles, stacks: _Stacks, rows: NDArray[np.int64]) -> np.dtype[Any]:
    """The dtype of the raw batch: that of the stacks where it is one that the kernel takes, else float32."""
    assert table.stack_id is not None
    found = {stacks[int(stack)].dtype.name for stack in np.unique(table.stack_id[rows])[:OPEN_STACKS]}
    many = len(np.unique(table.stack_id[rows])) > OPEN_STACKS
    if many or len(found) != 1 or found & {"float16", "int8"}:
        return np.dtype(np.float32)
    return np.dtype(found.pop())


def _worked(
    raw: NDArray[Any],
    dtype: np.dtype[Any],
    work: dict[str, Any],
    signs: NDArray[np.float32] | None,
    out: NDArray[Any] | None,
) -> NDArray[Any]:
    target = None if out is None else out[: len(raw)]
    done, _ = prepare_images(raw, out=target if dtype == np.float32 else None, **work)
    if signs is not None:
        done *= signs[:, None, None]
    if dtype == np.float32:
        return done
    if target is None:
        return done.astype(dtype)
    np.copyto(target, done, casting="same_kind")
    return target


def _require_out(out: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    as_output(out[: shape[0]] if out.ndim == 3 else out, shape, dtype)
