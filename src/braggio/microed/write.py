"""The second pass: every frame shifted, clamped and written into the staging folder."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence

from braggio._core import (
    Clipped,
    FrameLayout,
    PartFile,
    Scratch,
    Sink,
    Source,
    clipped,
    transcode,
)
from braggio.batch.staging import Staging
from braggio.batch.workers import Progress, in_order
from braggio.errors import LimitError, about
from braggio.formats.mrc import write_mrc
from braggio.formats.stored import ArrayFrames, streamed
from braggio.kernels.stats import FrameStats
from braggio.microed.report import FrameReport
from braggio.microed.scan import FrameRef
from braggio.microed.task import Task, frame_date
from braggio.model.frames import FrameStack

POSITION_LIMIT = 1000  # positions listed per frame and side; the counts are exact
ANGSTROM_PER_MM = 1e7


def write_frames(
    task: Task, scanned: Sequence[FrameStats], staging: Staging, *, threads: int, progress: Progress | None
) -> list[FrameReport]:
    """Write every frame; what an earlier run of the same task has finished is not written again."""

    def work(item: tuple[FrameRef, FrameStats], scratch: Scratch) -> FrameReport:
        ref, stats = item
        with about(ref.path), task.frames.open(ref) as stack:
            if task.mrc:
                _write_mrc(task, ref, stack, staging)
            return _write_smv(task, ref, stats, stack, staging, scratch)

    items = list(zip(task.frames.refs, scanned, strict=True))
    return in_order(work, items, threads=threads, state=Scratch, progress=progress)


def _write_mrc(task: Task, ref: FrameRef, stack: FrameStack, staging: Staging) -> None:
    path = staging.path(task.name(ref, ".mrc"))
    if path.exists():
        return
    frame = stack if stack.nframes == 1 else ArrayFrames(stack.read(ref.index))
    size = task.geometry.pixel_size
    pixel_size = None if size is None else size * ANGSTROM_PER_MM
    write_mrc(str(path), frame, overwrite=True, stored=task.stored, pixel_size=pixel_size)


def _write_smv(
    task: Task, ref: FrameRef, stats: FrameStats, stack: FrameStack, staging: Staging, scratch: Scratch
) -> FrameReport:
    name = task.name(ref, ".img")
    source, layout, index = streamed(stack, ref.index)
    # Float frames are always written: the count of rounded pixels comes from writing them.
    finished = staging.finished(name, task.smv_bytes) and not layout.dtype.startswith("float")
    header = task.header(ref, frame_date(stack, ref))
    if finished:
        offset = task.zero.offset
        lost = clipped(source, layout, index, offset=offset, positions=POSITION_LIMIT, scratch=scratch)
    else:
        lost = _clamp_into(str(staging.path(name)), header, task, (source, layout, index), scratch)
    if task.policy == "lossless" and (lost.low or lost.high or lost.rounded):
        raise LimitError(
            field=f"frame {ref.number}",
            expected="pixels that keep their value",
            found=f"{lost.low} clipped at 0, {lost.high} at 65535, {lost.rounded} rounded",
        )
    return FrameReport(
        number=ref.number,
        input=os.path.abspath(ref.path),
        index=ref.index,
        output=name,
        min=stats.min,
        max=stats.max,
        low_quantile=stats.low_quantile,
        osc_start=task.geometry.angle(ref.number, task.frames.refs[0].number),
        clipped_low=lost.low,
        clipped_high=lost.high,
        low_positions=_positions(lost.low_positions.tolist(), layout.width),
        high_positions=_positions(lost.high_positions.tolist(), layout.width),
        rounded=lost.rounded,
        header_crc32=zlib.crc32(header),
    )


Streamed = tuple[Source, FrameLayout, int]


def _clamp_into(path: str, header: bytes, task: Task, frame: Streamed, scratch: Scratch) -> Clipped:
    source, layout, index = frame
    with PartFile(path) as part:
        part.reserve(task.smv_bytes)
        part.write(header, 0)
        sink = Sink(part, position=len(header), dtype="uint16", clamp_offset=task.zero.offset)
        _, lost, _ = transcode(source, layout, index, [sink], positions=POSITION_LIMIT, scratch=scratch)
        part.publish(overwrite=True)
    return lost


def _positions(flat: Sequence[int], width: int) -> tuple[tuple[int, int], ...]:
    return tuple(divmod(index, width) for index in flat)
