"""Frames shifted, clamped and written into the staging folder of their series.

Once the offset of a series is certain, the reading that finds a frame's minimum also writes its pixels, so that it is
read once and not twice. The pedestal is known only when all frames are scanned: until then such a file has a name of
its own and no header.
"""

from __future__ import annotations

import datetime
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

from braggio._core import Clipped, Scratch, clipped, write_clamped
from braggio.batch.workers import Progress, in_groups, in_order, prepared
from braggio.errors import LimitError, OutputError, about
from braggio.formats.mrc import known_pixel_size, write_mrc
from braggio.kernels.stats import LOW_FRACTION, FrameStats
from braggio.microed.conversion import Conversion
from braggio.microed.policy import TOP
from braggio.microed.report import BlankReport, FrameReport
from braggio.microed.scan import FrameRef, OpenFrame, extremes, together
from braggio.storage.frames import ArrayFrames, Stream

POSITION_LIMIT = 1000  # positions listed per frame and side; the counts are exact
ANGSTROM_PER_MM = 1e7
# Of every pixel of a blank image: above the range that each class of dxtbx trusts; 0 is within that of some.
BLANK = TOP


@dataclass(frozen=True)
class Pixels:
    """A file that lacks only its header: where it is, when its frame was taken, and what the clamp has lost."""

    path: Path
    date: datetime.datetime
    lost: Clipped


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


class FirstPass:
    """Frames written while they are scanned.

    Attributes
    ----------
    written : dict of FrameRef to Pixels
        The frames that are written, but for their headers.
    """

    def __init__(self, conversion: Conversion) -> None:
        self.written: dict[FrameRef, Pixels] = {}
        self._conversion = conversion
        self._offset = conversion.certain_offset()
        self._no_header = bytes(conversion.options.header_bytes)

    def measure(self, group: Sequence[OpenFrame], streams: Sequence[Stream], scratch: Scratch) -> list[dict[str, Any]]:
        """Statistics of frames; a `Measure` for `scan_frames`."""
        if self._offset is None or any(map(self._finished, group)):
            found = extremes(group, streams, scratch)
            if self._offset is None:
                self._offset = self._conversion.certain_offset(min(each["min"] for each in found))
            return found
        return self._write(self._offset, group, streams, scratch)

    def _finished(self, frame: OpenFrame) -> bool:
        """Say whether an earlier run of the same conversion has finished the file of a frame."""
        conversion = self._conversion
        return conversion.staging.finished(conversion.name(frame.ref.number, ".img"), conversion.smv_bytes)

    def _write(
        self, offset: int, group: Sequence[OpenFrame], streams: Sequence[Stream], scratch: Scratch
    ) -> list[dict[str, Any]]:
        conversion = self._conversion
        paths = [conversion.staging.path(conversion.name(frame.ref.number, ".pixels")) for frame in group]
        dates = [conversion.date(frame.stack, frame.ref) for frame in group]
        written = write_clamped(
            streams,
            list(map(str, paths)),
            [self._no_header] * len(group),
            offset=offset,
            positions=POSITION_LIMIT,
            low_fraction=LOW_FRACTION,
            scratch=scratch,
        )
        for frame, path, date, (lost, _) in zip(group, paths, dates, written, strict=True):
            self.written[frame.ref] = Pixels(path, date, lost)
        return [found for _, found in written]


def write_frames(
    conversion: Conversion,
    scanned: Sequence[FrameStats],
    *,
    refs: Sequence[FrameRef] | None = None,
    ahead: Mapping[FrameRef, Pixels] | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[FrameReport]:
    """Write some frames or all; what an earlier run of the same task has finished is not written again.

    Those in `ahead` are written but for their headers.
    """
    refs = conversion.frames.refs if refs is None else refs
    ahead = ahead or {}
    left = [ref for ref in refs if ref not in ahead]

    def prepare(ref: FrameRef) -> _Ready:
        frame = conversion.frames.open(ref)
        name = conversion.name(ref.number, ".img")
        header = conversion.header(ref.number, conversion.date(frame.stack, ref))
        return _Ready(frame, name, header, conversion.staging.finished(name, conversion.smv_bytes))

    def work(group: list[_Ready], scratch: Scratch) -> list[_Written]:
        with together([ready.frame for ready in group]) as streams:
            if conversion.options.mrc:
                for ready in group:
                    _write_mrc(conversion, ready.frame)
            lost = _write_smv(conversion, group, streams, scratch)
        return [
            _written(conversion, ready.frame.ref, ready.name, ready.header, each)
            for ready, each in zip(group, lost, strict=True)
        ]

    def finish(ref: FrameRef, _: Scratch) -> _Written:
        if conversion.options.mrc:
            with (frame := conversion.frames.open(ref)):
                _write_mrc(conversion, frame)
        name, header = conversion.name(ref.number, ".img"), conversion.header(ref.number, ahead[ref].date)
        _add_header(ahead[ref].path, header, conversion.staging.path(name))
        return _written(conversion, ref, name, header, ahead[ref].lost)

    groups = prepared(prepare, left, threads=threads, alone=lambda ready: ready.frame.takes_memory)
    written = in_groups(work, groups, threads=threads, state=Scratch, progress=progress, total=len(left))
    later = None if progress is None else lambda done, total: progress(len(left) + done, len(left) + total)
    written += in_order(finish, [ref for ref in refs if ref in ahead], threads=threads, state=Scratch, progress=later)
    written.sort(key=lambda each: each.ref.number)
    return [_report(conversion, each, stats) for each, stats in zip(written, scanned, strict=True)]


def write_blanks(conversion: Conversion) -> list[BlankReport]:
    """Write an image of `BLANK` for each missing frame that is to be filled, dated like the frame before it."""
    before = iter(conversion.frames.refs)
    ref, following = next(before), next(before, None)
    reports = []
    for number in conversion.blanks:
        while following is not None and following.number < number:
            ref, following = following, next(before, None)
        with conversion.frames.open(ref) as stack:
            header = conversion.header(number, conversion.date(stack, ref))
        name = conversion.name(number, ".img")
        _write_blank(conversion.staging.path(name), header, conversion.smv_bytes)
        angle = conversion.options.angle(number, conversion.frames.refs[0].number)
        reports.append(BlankReport(number, name, angle, zlib.crc32(header)))
    return reports


def _write_blank(path: Path, header: bytes, size: int) -> None:
    block = BLANK.to_bytes(2, "little") * (1 << 19)
    try:
        with open(path, "wb") as file:
            file.write(header)
            for start in range(len(header), size, len(block)):
                file.write(block[: size - start])
    except OSError as error:
        raise OutputError(path=path, errno=error.errno) from error


def _write_mrc(conversion: Conversion, frame: OpenFrame) -> None:
    path = conversion.staging.path(conversion.name(frame.ref.number, ".mrc"))
    if path.exists():
        return
    with about(frame.ref.path):
        stack = frame.stack if frame.stack.nframes == 1 else ArrayFrames(frame.stack.read(frame.ref.index))
        size = conversion.options.pixel_size
        pixel_size = known_pixel_size(frame.stack) if size is None else size * ANGSTROM_PER_MM
        write_mrc(str(path), stack, overwrite=True, stored=conversion.stored, pixel_size=pixel_size)


def _write_smv(
    conversion: Conversion, group: Sequence[_Ready], streams: Sequence[Stream], scratch: Scratch
) -> list[Clipped]:
    offset = conversion.zero.offset
    # Float frames are always written: the count of rounded pixels comes from writing them.
    missing = [
        not ready.finished or layout.dtype.startswith("float")
        for ready, (_, layout, _) in zip(group, streams, strict=True)
    ]
    names = [ready.name for ready in compress(group, missing)]
    written = iter(
        lost
        for lost, _ in write_clamped(
            list(compress(streams, missing)),
            [os.path.join(conversion.staging.folder, name) for name in names],
            [ready.header for ready in compress(group, missing)],
            offset=offset,
            positions=POSITION_LIMIT,
            scratch=scratch,
        )
    )
    return [
        next(written) if each else clipped(*stream, offset=offset, positions=POSITION_LIMIT, scratch=scratch)
        for each, stream in zip(missing, streams, strict=True)
    ]


def _add_header(pixels: Path, header: bytes, path: Path) -> None:
    """The header of a file of pixels, in the place kept for it, and then its name."""
    try:
        with open(pixels, "r+b", buffering=0) as file:
            file.write(header)
        os.replace(pixels, path)
    except OSError as error:
        raise OutputError(path=path, errno=error.errno) from error


def _written(conversion: Conversion, ref: FrameRef, name: str, header: bytes, lost: Clipped) -> _Written:
    if conversion.options.policy == "lossless":
        _require_kept(ref, lost)
    return _Written(ref, name, zlib.crc32(header), lost)


def _require_kept(ref: FrameRef, lost: Clipped) -> None:
    if lost.low or lost.high or lost.rounded:
        raise LimitError(
            path=ref.path,
            field=f"frame {ref.number}",
            expected="pixels that keep their value",
            found=f"{lost.low} clipped at 0, {lost.high} at 65535, {lost.rounded} rounded",
        )


def _report(conversion: Conversion, written: _Written, stats: FrameStats) -> FrameReport:
    ref, lost = written.ref, written.lost
    width = conversion.frames.shape[1]
    return FrameReport(
        number=ref.number,
        input=os.path.abspath(ref.path),
        index=ref.index,
        output=written.name,
        min=stats.min,
        max=stats.max,
        low_quantile=stats.low_quantile,
        osc_start=conversion.options.angle(ref.number, conversion.frames.refs[0].number),
        clipped_low=lost.low,
        clipped_high=lost.high,
        low_positions=_positions(lost.low_positions.tolist(), width),
        high_positions=_positions(lost.high_positions.tolist(), width),
        rounded=lost.rounded,
        header_crc32=written.header_crc32,
    )


def _positions(flat: Sequence[int], width: int) -> tuple[tuple[int, int], ...]:
    return tuple(divmod(index, width) for index in flat)
