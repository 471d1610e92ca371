"""The second pass: every frame shifted, clamped and written into the staging folder."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from braggio._core import Clipped, Scratch, clipped, write_clamped
from braggio.batch.staging import Staging
from braggio.batch.workers import Progress, in_groups, prepared
from braggio.errors import LimitError, about
from braggio.formats.mrc import known_pixel_size, write_mrc
from braggio.formats.stored import ArrayFrames, Stream
from braggio.kernels.stats import FrameStats
from braggio.microed.report import FrameReport
from braggio.microed.scan import FrameRef, OpenFrame, together
from braggio.microed.task import Task, frame_date

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
        header = task.header(ref, task.geometry.date or frame_date(frame.stack, ref))
        return _Ready(frame, name, header, staging.finished(name, task.smv_bytes))

    def work(group: list[_Ready], scratch: Scratch) -> list[_Written]:
        with together([ready.frame for ready in group]) as streams:
            if task.mrc:
                for ready in group:
                    _write_mrc(task, ready.frame, staging)
            lost = _write_smv(task, group, streams, staging, scratch)
        written = [_written(ready, each) for ready, each in zip(group, lost, strict=True)]
        if task.policy == "lossless":
            for one in written:
                _require_kept(one)
        return written

    groups = prepared(prepare, refs, threads=threads, alone=lambda ready: ready.frame.takes_memory)
    written = in_groups(work, groups, threads=threads, state=Scratch, progress=progress, total=len(refs))
    return [_report(task, each, stats) for each, stats in zip(written, scanned, strict=True)]


def _write_mrc(task: Task, frame: OpenFrame, staging: Staging) -> None:
    path = staging.path(task.name(frame.ref, ".mrc"))
    if path.exists():
        return
    with about(frame.ref.path):
        stack = frame.stack if frame.stack.nframes == 1 else ArrayFrames(frame.stack.read(frame.ref.index))
        size = task.geometry.pixel_size
        pixel_size = known_pixel_size(frame.stack) if size is None else size * ANGSTROM_PER_MM
        write_mrc(str(path), stack, overwrite=True, stored=task.stored, pixel_size=pixel_size)


def _write_smv(
    task: Task, group: Sequence[_Ready], streams: Sequence[Stream], staging: Staging, scratch: Scratch
) -> list[Clipped]:
    # Float frames are always written: the count of rounded pixels comes from writing them.
    missing = [
        not ready.finished or layout.dtype.startswith("float")
        for ready, (_, layout, _) in zip(group, streams, strict=True)
    ]
    names = [ready.name for ready in compress(group, missing)]
    written = iter(
        write_clamped(
            list(compress(streams, missing)),
            [os.path.join(staging.folder, name) for name in names],
            [ready.header for ready in compress(group, missing)],
            offset=task.zero.offset,
            positions=POSITION_LIMIT,
            scratch=scratch,
        )
    )
    return [
        next(written) if each else clipped(*stream, offset=task.zero.offset, positions=POSITION_LIMIT, scratch=scratch)
        for each, stream in zip(missing, streams, strict=True)
    ]


def _written(ready: _Ready, lost: Clipped) -> _Written:
    return _Written(ready.frame.ref, ready.name, zlib.crc32(ready.header), lost)


def _require_kept(written: _Written) -> None:
    lost = written.lost
    if lost.low or lost.high or lost.rounded:
        raise LimitError(
            path=written.ref.path,
            field=f"frame {written.ref.number}",
            expected="pixels that keep their value",
            found=f"{lost.low} clipped at 0, {lost.high} at 65535, {lost.rounded} rounded",
        )


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


def _positions(flat: Sequence[int], width: int) -> tuple[tuple[int, int], ...]:
    return tuple(divmod(index, width) for index in flat)
