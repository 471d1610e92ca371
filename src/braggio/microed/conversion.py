"""What a conversion of a series is: its task, what was given for it, where it goes, and what comes of its passes."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from braggio import __version__
from braggio.batch.staging import Staging, digest
from braggio.errors import BraggioError, DataWarning, LimitError, MetadataError, OutputError
from braggio.formats.mrc import mode_choices
from braggio.kernels.stats import FrameStats
from braggio.microed.geometry import DEFAULT_DISTANCE, DEFAULT_OSC_RANGE, DEFAULT_PIXEL_SIZE, Geometry
from braggio.microed.policy import MAX_OFFSET, ZeroPoint, certain_offset, zero_point
from braggio.microed.report import BlankReport, FrameReport, SeriesReport, read_record, record_name
from braggio.microed.scan import Files, series_frames
from braggio.microed.task import Task
from braggio.microed.write import BLANK, POSITION_LIMIT, write_blanks

MUCH_CLIPPED = 1e-4  # of the pixels: worth a warning
LARGEST_OFFSET = 1 << 30
MOST_BLANKS = 100  # where fewer frames than that are there
SATURATION_SHARE = 0.25  # an offset of this part of the detector's range is worth a warning


@dataclass(frozen=True)
class Conversion:
    """One conversion.

    Attributes
    ----------
    task : Task
    given : dict
        offset, pedestal, max_offset and saturation, as given.
    staging : Staging
        Where the files are made.
    inputs : list of (path, size, mtime in ns)
        As they were found.
    """

    task: Task
    given: dict[str, Any]
    staging: Staging
    inputs: list[tuple[str, int, int]]

    @property
    def record(self) -> str:
        """Name of the record."""
        return record_name(self.task.series_name)

    def earlier(self) -> SeriesReport | None:
        """The report of this very conversion, if all of it is there already."""
        earlier = _earlier(self.staging, self.task)
        if earlier is not None:
            self.staging.sweep()  # the run that made it may have been killed just before it did
            if self.staging.durable:
                self.staging.sync([*self.task.outputs(), self.record])
        return earlier

    def begin(self, *, overwrite: bool, shared: bool = False) -> Staging:
        """Refuse what cannot be written; the staging folder, to be used as a context."""
        _check_inputs_safe(self.task, self.staging)
        if overwrite:
            self._check_others_safe()
        self.staging.begin([*self.task.outputs(), self.record], overwrite=overwrite, shared=shared)
        return self.staging

    def certain_offset(self, minimum: float = math.inf) -> int | None:
        """The offset, if that of a series with a frame of this minimum is certain before all frames are scanned."""
        if self.given["offset"] is not None:
            return int(self.given["offset"])
        return certain_offset(self.task.policy, minimum, max_offset=self.given["max_offset"])

    def _check_others_safe(self) -> None:
        """No output may replace one of another series: of ``x_1.ser`` and ``x_1.bin`` both are ``x_1.img``."""
        name, target = self.task.series_name, self.staging.target
        ours = {output for output in self.task.outputs() if os.path.lexists(target / output)}
        for record in sorted(target.glob(f"*{record_name('')}")) if ours else ():
            other = record.name.removesuffix(record_name(""))
            # Outputs begin with the name of their series, unless it has none; that spares reading most records.
            if other == name or not (other.startswith(name) or name.startswith(other) or "series" in (other, name)):
                continue
            if taken := ours & _outputs_of(record):
                raise OutputError(f"is of the series in {record}; choose another folder", path=target / min(taken))

    def scanned(self, scanned: Sequence[FrameStats]) -> Task:
        """The task of the second pass, which the minima of all frames decide."""
        return replace(
            self.task, zero=_zero(self.task.policy, scanned, **self.given), stored=_common_mode(self.task, scanned)
        )

    def publish(self, task: Task, reports: Sequence[FrameReport]) -> SeriesReport:
        """Give the files of all frames their names, and then the record its own."""
        self._require_same_inputs()
        report = self._report(task, reports, write_blanks(task, self.staging))
        replaced = self._replaced()
        self.staging.publish(task.outputs(), self.record, report.to_json(), replaced=replaced)
        texts = list(report.warnings)
        if replaced:
            texts.append(f"{len(replaced)} file(s) of the series that this one replaces removed: {_some(replaced)}")
        for text in texts:
            warnings.warn(f"{report.name}: {text}", DataWarning, stacklevel=3)
        return report

    def _require_same_inputs(self) -> None:
        """The two passes, and those who know the offset, must speak of the same files."""
        for before, now in zip(self.inputs, self.task.inputs(), strict=True):
            if before != now:
                raise MetadataError(
                    "changed while its series was converted; convert it again",
                    path=before[0],
                    field="size and time",
                    expected=f"{before[1]} bytes, {before[2]} ns",
                    found=f"{now[1]} bytes, {now[2]} ns",
                )

    def _replaced(self) -> list[str]:
        """What the record of the series that is being replaced names and this one will not, inputs aside."""
        try:
            old = read_record(self.staging.target / self.record)
        except (BraggioError, OSError):
            return []
        ours = {*self.task.outputs(), self.record}
        inputs = _identities(self.task)
        there = [path for path in old.outputs if path.name not in ours and path.is_file()]
        return [path.name for path in there if _identity(path) not in inputs]

    def _report(self, task: Task, reports: Sequence[FrameReport], blanks: Sequence[BlankReport]) -> SeriesReport:
        frames, geometry = task.frames, task.geometry
        return SeriesReport(
            name=task.series_name,
            folder=os.fspath(self.staging.target),
            policy=task.policy,
            offset=task.zero.offset,
            pedestal=task.zero.pedestal,
            shape=frames.shape,
            dtype=frames.dtype,
            flip=bool(frames.options.get("flip")),
            header_bytes=task.header_bytes,
            wavelength=geometry.electron_wavelength,
            distance=float(geometry.distance or DEFAULT_DISTANCE),
            pixel_size=float(geometry.pixel_size or DEFAULT_PIXEL_SIZE),
            beam_center=geometry.center(frames.shape),
            osc_range=float(geometry.osc_range or DEFAULT_OSC_RANGE),
            two_theta=float(geometry.two_theta),
            gaps=frames.gaps,
            blanks=tuple(blanks),
            defaulted=geometry.defaulted,
            date_source=task.date_source(),
            frames=tuple(reports),
            mrc=tuple(task.names(".mrc")) if task.mrc else (),
            mrc_mode=task.stored,
            warnings=(*_warnings(task, reports, self.given["saturation"]), *self._path_warnings(task)),
            position_limit=POSITION_LIMIT,
            digest=self.staging.digest,
        )

    def _path_warnings(self, task: Task) -> list[str]:
        """Characters that the programs which read the images next take for their own."""
        found, path = [], os.path.join(os.path.abspath(self.staging.target), task.numbered_name(1, ".img"))
        if " " in os.path.basename(path):
            found.append("XDS reads no file names with spaces; give the series another name")
        if "#" in path:
            found.append("DIALS takes # in a path for a digit of the frame number; give another name or folder")
        if "=" in path and len(task.frames.gaps) > len(task.blanks):
            found.append("DIALS takes a file with = in its path for a parameter; give another name or folder")
        return found


def conversion(
    files: Files,
    outdir: str | os.PathLike[str],
    *,
    policy: str = "leginon",
    offset: int | None = None,
    pedestal: float | None = None,
    max_offset: int = MAX_OFFSET,
    mrc: bool = False,
    flip: bool = False,
    permissive: bool = False,
    durable: bool = False,
    header_bytes: int = 512,
    saturation: float | None = None,
    name: str | None = None,
    fill_gaps: bool = False,
    **geometry: Any,
) -> Conversion:
    """The conversion that `convert_series` is asked for with these arguments."""
    frames = series_frames(files, permissive=permissive, **({"flip": True} if flip else {}))
    if name is not None:
        _require_file_name(name)
    task = Task(frames, Geometry(**geometry), policy, mrc, header_bytes, name or "", fill_gaps)
    task.check_headers()
    _check_blanks(task)
    given: dict[str, Any] = {"offset": offset, "pedestal": pedestal, "max_offset": max_offset, "saturation": saturation}
    _check_given(**given)
    inputs = task.inputs()
    task_digest = digest({**task.parameters(), "inputs": inputs, **given, "version": __version__})
    return Conversion(task, given, Staging(outdir, task.series_name, task_digest, durable=durable), inputs)


def _check_given(offset: int | None, pedestal: float | None, max_offset: int, saturation: float | None) -> None:
    for name, whole in (("offset", offset), ("max_offset", max_offset)):
        if whole is not None and (not isinstance(whole, int) or abs(whole) > LARGEST_OFFSET):
            raise LimitError(field=name, expected="an integer within 2^30 of 0", found=repr(whole))
    if pedestal is not None and not math.isfinite(pedestal):
        raise LimitError(field="pedestal", expected="a finite number", found=pedestal)
    if saturation is not None and not 0 < saturation < math.inf:
        raise LimitError(field="saturation", expected="a positive number of counts", found=saturation)


def _require_file_name(name: str) -> None:
    if (
        not name
        or name in (".", "..")
        or name.startswith(".")
        or not set(name).isdisjoint("/\0")
        or not name.isprintable()
    ):
        raise MetadataError(field="name", expected="a file name without / that does not begin with .", found=repr(name))


def _check_blanks(task: Task) -> None:
    """Blank images take as much of the disk as others: a gap in the thousands is a mistake of the numbers."""
    most = max(MOST_BLANKS, len(task.frames.refs))
    if len(task.blanks) > most:
        raise LimitError(
            "more frames are missing than there are",
            path=task.frames.series.files[0],
            field="fill_gaps",
            expected=f"at most {most} missing frames",
            found=len(task.blanks),
        )


def _check_inputs_safe(task: Task, staging: Staging) -> None:
    """No output may have the name of an input: SMV and MRC files are inputs too."""
    inputs = _identities(task)
    for name in task.outputs():
        path = os.path.join(staging.target, name)
        with suppress(FileNotFoundError, NotADirectoryError):  # what does not exist is no input
            if _identity(path) in inputs:
                raise OutputError("is an input; choose another folder", path=path)


def _outputs_of(record: Path) -> set[str]:
    try:
        return {path.name for path in read_record(record).outputs}
    except (BraggioError, OSError):
        return set()


def _identities(task: Task) -> set[tuple[int, int]]:
    """The inputs, whatever their names."""
    return set(map(_identity, task.frames.series.files))


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _earlier(staging: Staging, task: Task) -> SeriesReport | None:
    """The report of this very task, if all of it is there already."""
    try:
        report = read_record(staging.target / record_name(task.series_name))
    except (BraggioError, OSError):
        return None
    whole = all((staging.target / name).is_file() for name in task.outputs())
    images = [*task.names(".img"), *task.blank_names()]
    sizes = all((staging.target / name).stat().st_size == task.smv_bytes for name in images if whole)
    return report if whole and sizes and report.digest == staging.digest else None


def _zero(
    policy: str,
    scanned: Sequence[FrameStats],
    *,
    offset: int | None,
    pedestal: float | None,
    max_offset: int,
    saturation: float | None,
) -> ZeroPoint:
    """The policy's zero point, with the numbers that were given in the place of its own."""
    minima, maxima = [stats.min for stats in scanned], [stats.max for stats in scanned]
    zero = zero_point(policy, minima, maxima, max_offset=max_offset)
    if abs(zero.offset) > LARGEST_OFFSET and offset is None:
        raise LimitError("give an offset", field="offset", expected="at most 2^30", found=zero.offset)
    if offset is not None:
        zero = replace(zero, offset=offset, pedestal=zero.pedestal + offset - zero.offset)
    return zero if pedestal is None else replace(zero, pedestal=pedestal)


def _common_mode(task: Task, scanned: Sequence[FrameStats]) -> str:
    """One MRC pixel type for the whole series, so that its files can be stacked; empty without MRC."""
    if not task.mrc:
        return ""
    low, high = min(stats.min for stats in scanned), max(stats.max for stats in scanned)
    for stored, exact in mode_choices(task.frames.dtype, lossy=False):
        if exact is None or (exact[0] <= low and high <= exact[1]):
            return stored
    raise LimitError(
        "SMV can still be written", field="mrc", expected="values of at most 2^24 in size", found=f"{low}..{high}"
    )


def _warnings(task: Task, reports: Sequence[FrameReport], saturation: float | None) -> tuple[str, ...]:
    found = list(task.zero.warnings)
    if gaps := task.frames.gaps:
        found.append(f"{len(gaps)} frame number(s) missing: {_some(gaps)}; the angles of the others are not shifted")
    if blanks := task.blanks:
        found.append(f"{len(blanks)} blank image(s) written, every pixel {BLANK}: frame(s) {_some(blanks)}")
    found += task.geometry.notes
    if defaulted := task.geometry.defaulted:
        found.append(f"header values nobody gave, filled with defaults: {', '.join(defaulted)}")
    pixels = task.frames.shape[0] * task.frames.shape[1]
    much = [report.number for report in reports if report.clipped_low + report.clipped_high > MUCH_CLIPPED * pixels]
    if much:
        found.append(f"more than {MUCH_CLIPPED:.2%} of the pixels clipped in frame(s) {_some(much)}")
    offset = task.zero.offset
    if saturation is not None and offset >= SATURATION_SHARE * saturation:
        found.append(f"the offset {offset} takes {offset / saturation:.0%} of the range up to {saturation:g}")
    return tuple(found)


def _some(items: Sequence[object], most: int = 8) -> str:
    text = ", ".join(map(str, items[:most]))
    return text if len(items) <= most else f"{text}, ... ({len(items)} in all)"
