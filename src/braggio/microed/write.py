"""The second pass: every frame shifted, clamped and written into the staging folder."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

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
from braggio.batch.workers import Progress, ahead, in_order
from braggio.errors import LimitError
from braggio.formats.mrc import write_mrc
from braggio.formats.stored import ArrayFrames, streamed
from braggio.kernels.stats import FrameStats
from braggio.microed.report import FrameReport
from braggio.microed.scan import FrameRef, OpenFrame
from braggio.microed.task import Task, frame_date
from braggio.model.frames import FrameStack

POSITION_LIMIT = 1000  # positions listed per frame and side; the counts are exact
ANGSTROM_PER_MM = 1e7


@dataclass(frozen=True)
class _Ready:
    """All that can be known of a frame before its pixels are read."""

    frame: OpenFrame
    name: str
    header: bytes
    finished: bool


@dataclass(frozen=True)
class _Written:
    """What is left of a frame once its file is closed."""

    ref: FrameRef
    name: str
    header_crc32: int
    lost: Clipped


def write_frames(
    task: Task,
    scanned: Sequence[FrameStats],
    staging: Staging,
    *,
    refs: Sequence[FrameRef] | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[FrameReport]:
    """Write some frames or all; what an earlier run of the same task has finished is not written again."""
    refs = task.frames.refs if refs is None else refs

    def prepare(ref: FrameRef) -> _Ready:
        frame = task.frames.open(ref)
        name = task.name(ref, ".img")
        header = task.header(ref, frame_date(frame.stack, ref))
        return _Ready(frame, name, header, staging.finished(name, task.smv_bytes))

    def work(ready: _Ready, scratch: Scratch) -> _Written:
        with ready.frame as stack:
            if task.mrc:
                _write_mrc(task, ready.frame.ref, stack, staging)
            lost = _write_smv(task, ready, stack, staging, scratch)
        return _Written(ready.frame.ref, ready.name, zlib.crc32(ready.header), lost)

    ready = ahead(prepare, refs, large=lambda each: each.frame.holds_pixels)
    written = in_order(work, ready, threads=threads, state=Scratch, progress=progress, total=len(scanned))
    return [_report(task, each, stats) for each, stats in zip(written, scanned, strict=True)]


def _write_mrc(task: Task, ref: FrameRef, stack: FrameStack, staging: Staging) -> None:
    path = staging.path(task.name(ref, ".mrc"))
    if path.exists():
        return
    frame = stack if stack.nframes == 1 else ArrayFrames(stack.read(ref.index))
    size = task.geometry.pixel_size
    pixel_size = None if size is None else size * ANGSTROM_PER_MM
    write_mrc(str(path), frame, overwrite=True, stored=task.stored, pixel_size=pixel_size)


def _write_smv(task: Task, ready: _Ready, stack: FrameStack, staging: Staging, scratch: Scratch) -> Clipped:
    ref = ready.frame.ref
    source, layout, index = streamed(stack, ref.index)
    # Float frames are always written: the count of rounded pixels comes from writing them.
    if ready.finished and not layout.dtype.startswith("float"):
        lost = clipped(source, layout, index, offset=task.zero.offset, positions=POSITION_LIMIT, scratch=scratch)
    else:
        path = os.fspath(staging.path(ready.name))
        lost = _clamp_into(path, ready.header, task, (source, layout, index), scratch)
    if task.policy == "lossless" and (lost.low or lost.high or lost.rounded):
        raise LimitError(
            field=f"frame {ref.number}",
            expected="pixels that keep their value",
            found=f"{lost.low} clipped at 0, {lost.high} at 65535, {lost.rounded} rounded",
        )
    return lost


def _report(task: Task, written: _Written, stats: FrameStats) -> FrameReport:
    ref, lost = written.ref, written.lost
    width = task.frames.shape[1]
    return FrameReport(
        number=ref.number,
        input=os.path.abspath(ref.path),
        index=ref.index,
        output=written.name,
        min=stats.min,
        max=stats.max,
        low_quantile=stats.low_quantile,
        osc_start=task.geometry.angle(ref.number, task.frames.refs[0].number),
        clipped_low=lost.low,
        clipped_high=lost.high,
        low_positions=_positions(lost.low_positions.tolist(), width),
        high_positions=_positions(lost.high_positions.tolist(), width),
        rounded=lost.rounded,
        header_crc32=written.header_crc32,
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
