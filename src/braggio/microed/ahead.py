"""Frames that are written while they are scanned.

Once the offset of a series is certain, the reading that finds a frame's minimum can write its pixels too, so that it is
read once and not twice. The pedestal is known only when all frames are scanned: until then a file has a name of its own
and no header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from braggio._core import Scratch, write_clamped
from braggio.batch.staging import Staging
from braggio.kernels.stats import LOW_FRACTION
from braggio.microed.conversion import Conversion
from braggio.microed.scan import FrameRef, OpenFrame, extremes
from braggio.microed.write import POSITION_LIMIT, Pixels
from braggio.storage.frames import Stream


class Ahead:
    """The first pass of a conversion.

    Attributes
    ----------
    written : dict of FrameRef to Pixels
        The frames that are written, but for their headers.
    """

    def __init__(self, todo: Conversion, staging: Staging) -> None:
        self.written: dict[FrameRef, Pixels] = {}
        self._todo = todo
        self._staging = staging
        self._offset = todo.certain_offset()
        self._no_header = bytes(todo.task.header_bytes)

    def measure(self, group: Sequence[OpenFrame], streams: Sequence[Stream], scratch: Scratch) -> list[dict[str, Any]]:
        """Statistics of frames; a `Measure` for `scan_frames`."""
        if self._offset is None or any(map(self._finished, group)):
            found = extremes(group, streams, scratch)
            if self._offset is None:
                self._offset = self._todo.certain_offset(min(each["min"] for each in found))
            return found
        return self._write(self._offset, group, streams, scratch)

    def _finished(self, frame: OpenFrame) -> bool:
        """Say whether an earlier run of the same conversion has finished the file of a frame."""
        task = self._todo.task
        return self._staging.finished(task.name(frame.ref, ".img"), task.smv_bytes)

    def _write(
        self, offset: int, group: Sequence[OpenFrame], streams: Sequence[Stream], scratch: Scratch
    ) -> list[dict[str, Any]]:
        task = self._todo.task
        paths = [self._staging.path(task.name(frame.ref, ".pixels")) for frame in group]
        dates = [task.date(frame.stack, frame.ref) for frame in group]
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
