"""One series conversion: its frames and options, the names and headers of its files, and its numbers once known."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from braggio import __version__
from braggio.batch.staging import Staging, digest
from braggio.errors import LimitError, MetadataError
from braggio.formats.mrc import mode_choices
from braggio.formats.smv import header_text
from braggio.kernels.stats import FrameStats
from braggio.microed.existing import earlier_report, require_inputs_apart, require_others_apart
from braggio.microed.options import LARGEST_OFFSET, SmvOptions
from braggio.microed.policy import ZeroPoint, certain_offset, zero_point
from braggio.microed.report import SeriesReport, record_name
from braggio.microed.scan import Files, FrameRef, Frames, series_frames
from braggio.microed.series import plain
from braggio.model.frames import FrameStack

UNKNOWN = ZeroPoint(0, 0)  # before the first pass
MOST_BLANKS = 100  # where fewer frames than that are there


@dataclass(frozen=True)
class Conversion:
    """One conversion of a series.

    Attributes
    ----------
    frames : Frames
    options : SmvOptions
    inputs : list of (path, size, mtime in ns)
        As they were found.
    staging : Staging
        Where the files are made.
    zero : ZeroPoint
        Known after the first pass.
    stored : str
        Pixel type of the MRC files, known after the first pass.
    """

    frames: Frames
    options: SmvOptions
    inputs: list[tuple[str, int, int]]
    staging: Staging
    zero: ZeroPoint = UNKNOWN
    stored: str = ""

    @classmethod
    def of(cls, files: Files, out: str | os.PathLike[str], options: SmvOptions, *, durable: bool = False) -> Conversion:
        """The conversion of some files into a folder, checked before any pixel is read."""
        frames = series_frames(files, permissive=options.permissive, flip=options.flip)
        inputs = inputs_now(frames)
        name = options.name or frames.series.name
        found = cls(frames, options, inputs, Staging(out, name, _digest(frames, options, inputs), durable=durable))
        found._check_headers()
        found._check_blanks()
        return found

    # ---- names

    @property
    def series_name(self) -> str:
        """Of the series and of its record."""
        return self.options.name or self.frames.series.name

    @property
    def record(self) -> str:
        """Name of the record."""
        return record_name(self.series_name)

    def name(self, number: int, suffix: str) -> str:
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
        name = self.options.name or series.prefix
        if stems[0] != series.prefix:
            return f"{name}_" if self.options.name else name, max(map(len, stems)) - len(series.prefix)
        if len(refs) == 1 and name[-1].isdecimal():
            return name, 0
        return f"{name}_", max(3, len(str(refs[-1].number)))

    def names(self, suffix: str) -> list[str]:
        """`name` of every frame."""
        return [self.name(ref.number, suffix) for ref in self.frames.refs]

    @property
    def blanks(self) -> tuple[int, ...]:
        """Frame numbers that get a blank image."""
        return self.frames.gaps if self.options.fill_gaps else ()

    def blank_names(self) -> list[str]:
        """Names of the blank images."""
        return [self.name(number, ".img") for number in self.blanks]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the files of each frame."""
        return (".img", ".mrc") if self.options.mrc else (".img",)

    def outputs(self) -> list[str]:
        """Every file but the record."""
        return [name for suffix in self.suffixes for name in self.names(suffix)] + self.blank_names()

    # ---- contents

    @property
    def smv_bytes(self) -> int:
        """Size of each SMV file."""
        return self.options.header_bytes + 2 * self.frames.shape[0] * self.frames.shape[1]

    def header(self, number: int, date: datetime.datetime) -> bytes:
        """The SMV header of frame `number`, taken at `date`."""
        values = self.options.header(number, self.frames.refs[0].number, self.frames.shape, date)
        values["IMAGE_PEDESTAL"] = float(self.zero.pedestal)
        values["LEGINON_OFFSET"] = float(self.zero.offset)
        return header_text(values, self.frames.shape, header_bytes=self.options.header_bytes)

    def date(self, stack: FrameStack, ref: FrameRef) -> datetime.datetime:
        """When a frame was taken, as given or as its file tells."""
        return self.options.date or frame_date(stack, ref)

    def date_source(self) -> str:
        """Where DATE comes from: given, series or mtime."""
        if self.options.date is not None:
            return "given"
        with self.frames.open(self.frames.refs[0]) as stack:
            return "series" if stack.header.get("time") else "mtime"

    def certain_offset(self, minimum: float = math.inf) -> int | None:
        """The offset, if that of a series with a frame of this minimum is certain before all frames are scanned."""
        if self.options.offset is not None:
            return self.options.offset
        return certain_offset(self.options.policy, minimum, max_offset=self.options.max_offset)

    def scanned(self, scanned: Sequence[FrameStats]) -> Conversion:
        """The conversion with the numbers that the minima and maxima of all frames decide."""
        return replace(self, zero=self._zero_point(scanned), stored=self._stored(scanned))

    def _zero_point(self, scanned: Sequence[FrameStats]) -> ZeroPoint:
        """The policy's zero point, with the numbers that were given in the place of its own."""
        given = self.options
        minima, maxima = [stats.min for stats in scanned], [stats.max for stats in scanned]
        zero = zero_point(given.policy, minima, maxima, max_offset=given.max_offset)
        if abs(zero.offset) > LARGEST_OFFSET and given.offset is None:
            raise LimitError("give an offset", field="offset", expected="at most 2^30", found=zero.offset)
        if given.offset is not None:
            zero = replace(zero, offset=given.offset, pedestal=zero.pedestal + given.offset - zero.offset)
        return zero if given.pedestal is None else replace(zero, pedestal=given.pedestal)

    def _stored(self, scanned: Sequence[FrameStats]) -> str:
        """One MRC pixel type for the whole series, so that its files can be stacked; empty without MRC."""
        if not self.options.mrc:
            return ""
        low, high = min(stats.min for stats in scanned), max(stats.max for stats in scanned)
        for stored, exact in mode_choices(self.frames.dtype, lossy=False):
            if exact is None or (exact[0] <= low and high <= exact[1]):
                return stored
        raise LimitError(
            "SMV can still be written",
            field="mrc",
            expected="values of at most 2^24 in magnitude",
            found=f"{low}..{high}",
        )

    # ---- begin

    def earlier(self) -> SeriesReport | None:
        """The report of this very conversion, if all of it is there already."""
        report = earlier_report(self)
        if report is not None:
            self.staging.sweep()  # the run that made it may have been killed just before it did
            if self.staging.durable:
                self.staging.sync([*self.outputs(), self.record])
        return report

    def begin(self, *, overwrite: bool, shared: bool = False) -> Staging:
        """Refuse what cannot be written; the staging folder, to be used as a context."""
        require_inputs_apart(self)
        if overwrite:
            require_others_apart(self)
        self.staging.begin([*self.outputs(), self.record], overwrite=overwrite, shared=shared)
        return self.staging

    def require_same_inputs(self) -> None:
        """The two passes, and those who know the offset, must speak of the same files."""
        for before, now in zip(self.inputs, inputs_now(self.frames), strict=True):
            if before != now:
                raise MetadataError(
                    "changed while its series was converted; convert it again",
                    path=before[0],
                    field="size and time",
                    expected=f"{before[1]} bytes, {before[2]} ns",
                    found=f"{now[1]} bytes, {now[2]} ns",
                )

    def _check_headers(self) -> None:
        """Raise now what `header` would raise later: before any pixel is read."""
        for ref in (self.frames.refs[0], self.frames.refs[-1]):
            self.header(ref.number, datetime.datetime(2000, 12, 31))

    def _check_blanks(self) -> None:
        """Blank images take as much of the disk as others: a gap in the thousands is a mistake of the numbers."""
        most = max(MOST_BLANKS, len(self.frames.refs))
        if len(self.blanks) > most:
            raise LimitError(
                "more frames are missing than there are",
                path=self.frames.series.files[0],
                field="fill_gaps",
                expected=f"at most {most} missing frames",
                found=len(self.blanks),
            )


def inputs_now(frames: Frames) -> list[tuple[str, int, int]]:
    """(path, size, mtime in ns) of each file, as they are now."""
    stats = [(path, os.stat(path)) for path in frames.series.files]
    return [(os.path.abspath(path), status.st_size, status.st_mtime_ns) for path, status in stats]


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


def _digest(frames: Frames, options: SmvOptions, inputs: list[tuple[str, int, int]]) -> str:
    """A name for this very conversion: its outputs are a function of these values and of the inputs."""
    own = ("policy", "mrc", "header_bytes", "fill_gaps", "offset", "pedestal", "max_offset", "saturation")
    return digest(
        {
            **{name: getattr(options, name) for name in own},
            "name": options.name or "",
            "geometry": options.geometry,
            "options": frames.options,
            "inputs": inputs,
            "version": __version__,
        }
    )
