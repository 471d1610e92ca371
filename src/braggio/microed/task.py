"""One conversion: which frames, how described, under which names."""

from __future__ import annotations

import datetime
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from braggio.errors import MetadataError
from braggio.formats.smv import header_text
from braggio.microed.geometry import Geometry
from braggio.microed.policy import ZeroPoint
from braggio.microed.scan import FrameRef, Frames
from braggio.microed.series import plain
from braggio.model.frames import FrameStack

UNKNOWN = ZeroPoint(0, 0)  # before the first pass


@dataclass(frozen=True)
class Task:
    """What both passes need to know.

    Attributes
    ----------
    frames : Frames
    geometry : Geometry
    policy : str
    mrc : bool
        Write MRC files too.
    header_bytes : int
        Of each SMV header.
    given_name : str
        Of the series, in the place of what its files are called; empty when nobody gave one.
    fill_gaps : bool
        Write a blank image for each frame number that is missing.
    zero : ZeroPoint
        Known after the first pass.
    stored : str
        Pixel type of the MRC files, known after the first pass.
    """

    frames: Frames
    geometry: Geometry
    policy: str
    mrc: bool
    header_bytes: int
    given_name: str = ""
    fill_gaps: bool = False
    zero: ZeroPoint = UNKNOWN
    stored: str = ""

    @property
    def series_name(self) -> str:
        """Of the series and of its record."""
        return self.given_name or self.frames.series.name

    @property
    def blanks(self) -> tuple[int, ...]:
        """Frame numbers that get a blank image."""
        return self.frames.gaps if self.fill_gaps else ()

    @property
    def smv_bytes(self) -> int:
        """Size of each SMV file."""
        return self.header_bytes + 2 * self.frames.shape[0] * self.frames.shape[1]

    def parameters(self) -> dict[str, Any]:
        """What makes this task another than the next: the outputs are a function of these and of the inputs."""
        return {
            "policy": self.policy,
            "mrc": self.mrc,
            "header_bytes": self.header_bytes,
            "name": self.given_name,
            "fill_gaps": self.fill_gaps,
            "geometry": asdict(self.geometry),
            "options": self.frames.options,
        }

    def inputs(self) -> list[tuple[str, int, int]]:
        """(path, size, mtime in ns) of each file, as they are now."""
        stats = [(path, os.stat(path)) for path in self.frames.series.files]
        return [(os.path.abspath(path), status.st_size, status.st_mtime_ns) for path, status in stats]

    def name(self, ref: FrameRef, suffix: str) -> str:
        """Output name of a frame: see `numbered_name`."""
        return self.numbered_name(ref.number, suffix)

    def numbered_name(self, number: int, suffix: str) -> str:
        """Output name: that of the input file, with all frame numbers padded to one length; XDS needs that."""
        prefix, digits = self._numbered
        return f"{prefix}{number:0{digits}d}{suffix}" if digits else prefix + suffix

    @cached_property
    def _numbered(self) -> tuple[str, int]:
        """What stands before the frame number, and digits of the longest, leading zeros included.

        0 digits where the name of a single frame ends in some already: dxtbx opens no image without.
        """
        series, refs = self.frames.series, self.frames.refs
        stems = [plain(path).stem for path in series.files]
        name = self.given_name or series.prefix
        if stems[0] != series.prefix:
            return f"{name}_" if self.given_name else name, max(map(len, stems)) - len(series.prefix)
        if len(refs) == 1 and name[-1].isdecimal():
            return name, 0
        return f"{name}_", max(3, len(str(refs[-1].number)))

    def names(self, suffix: str) -> list[str]:
        """`name` of every frame."""
        return [self.name(ref, suffix) for ref in self.frames.refs]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the files of each frame."""
        return (".img", ".mrc") if self.mrc else (".img",)

    def outputs(self) -> list[str]:
        """Every file but the record."""
        return [name for suffix in self.suffixes for name in self.names(suffix)] + self.blank_names()

    def blank_names(self) -> list[str]:
        """The blank images."""
        return [self.numbered_name(number, ".img") for number in self.blanks]

    def header(self, number: int, date: datetime.datetime) -> bytes:
        """The SMV header of frame `number`, taken at `date`."""
        values = self.geometry.header(number, self.frames.refs[0].number, self.frames.shape, date)
        values["IMAGE_PEDESTAL"] = float(self.zero.pedestal)
        values["LEGINON_OFFSET"] = float(self.zero.offset)
        return header_text(values, self.frames.shape, header_bytes=self.header_bytes)

    def date(self, stack: FrameStack, ref: FrameRef) -> datetime.datetime:
        """When a frame was taken, as given or as its file tells."""
        return self.geometry.date or frame_date(stack, ref)

    def check_headers(self) -> None:
        """Raise now what `header` would raise later: before any pixel is read."""
        for ref in (self.frames.refs[0], self.frames.refs[-1]):
            self.header(ref.number, datetime.datetime(2000, 12, 31))

    def date_source(self) -> str:
        """Where DATE comes from: given, series or mtime."""
        if self.geometry.date is not None:
            return "given"
        with self.frames.open(self.frames.refs[0]) as stack:
            return "series" if stack.header.get("time") else "mtime"


def frame_date(stack: FrameStack, ref: FrameRef) -> datetime.datetime:
    """When a frame was taken: from the series, else the time its file was last changed. Never now."""
    times = stack.header.get("time")
    seconds = times[ref.index] if times else int(os.stat(ref.path).st_mtime)
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MetadataError(
            "give the date", path=ref.path, field="time", expected="years 1 to 9999", found=f"{seconds} s"
        ) from error
