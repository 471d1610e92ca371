"""A series of signed frames into SMV (and MRC): two streaming passes, all files or none."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from braggio import __version__
from braggio.batch.staging import Staging, digest
from braggio.batch.workers import Progress
from braggio.errors import BraggioError, DataWarning, LimitError, OutputError
from braggio.formats.mrc import mode_choices
from braggio.kernels.stats import LOW_FRACTION, FrameStats
from braggio.microed.geometry import Geometry
from braggio.microed.policy import MAX_OFFSET, ZeroPoint, zero_point
from braggio.microed.report import FrameReport, SeriesReport, read_record, record_name
from braggio.microed.scan import Files, scan_frames, series_frames
from braggio.microed.task import Task
from braggio.microed.write import POSITION_LIMIT, write_frames

MUCH_CLIPPED = 1e-4  # of the pixels: worth a warning
LARGEST_OFFSET = 1 << 30
SATURATION_SHARE = 0.25  # an offset of this part of the detector's range is worth a warning


def convert_series(
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
    overwrite: bool = False,
    durable: bool = False,
    header_bytes: int = 512,
    saturation: float | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    **geometry: Any,
) -> SeriesReport:
    """Convert one series into SMV files with Leginon's offset and pedestal.

    The first pass finds the minima, from which `policy` makes LEGINON_OFFSET and IMAGE_PEDESTAL; the second adds the
    offset, clamps to 0..65535 and writes. All files of the series appear together, and a record of them last; an
    interrupted run is continued by the same call. Inputs are never touched, and memory stays below a few blocks of 256
    KiB per thread.

    Parameters
    ----------
    files : Series, path-like or sequence of path-like
        One series: see `find_series`.
    outdir : path-like
        Folder of the outputs; made when missing.
    policy : {'leginon', 'median', 'lossless', 'zero'}
        See `zero_point`.
    offset, pedestal : optional
        Given numbers instead of the policy's.
    max_offset : int
        The cut of the leginon and zero policies.
    mrc : bool
        Also write each frame as MRC, exactly (int16 when the whole series fits, else float32).
    flip : bool
        Reverse the order of the rows; recorded.
    permissive : bool
        Accept bytes after the frames.
    overwrite : bool
        Replace outputs of another run.
    durable : bool
        Wait until the disk has every output before it gets its name, and all names: a power cut takes nothing then.
    header_bytes : int
        Size of the SMV header; many readers assume 512.
    saturation : float, optional
        Highest trustworthy count of the detector, for the trusted range printed for DIALS.
    threads : int
        Frames at once; the bytes written do not depend on it.
    progress : callable, optional
        Called with (frames done, frames) over both passes.
    **geometry
        Fields of `Geometry`: voltage, distance, pixel_size, osc_start, osc_range, beam_center, ...

    Returns
    -------
    SeriesReport

    Raises
    ------
    FormatError, MetadataError, GeometryError, LimitError
        The inputs or parameters are not fit; nothing is left behind.
    OutputError
        The outputs exist, or cannot be written.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = convert_series(braggio.demo_files(), folder, voltage=200)
    ...     print(report.offset, report.pedestal, [path.name for path in report.outputs][:2])
    2000 1862 ['demo_001.img', 'demo_002.img']
    """
    frames = series_frames(files, permissive=permissive, **({"flip": True} if flip else {}))
    task = Task(frames, Geometry(**geometry), policy, mrc=mrc, header_bytes=header_bytes)
    task.check_headers()
    given: dict[str, Any] = {"offset": offset, "pedestal": pedestal, "max_offset": max_offset, "saturation": saturation}
    _check_given(**given)
    task_digest = digest({**task.parameters(), **given, "version": __version__})
    staging = Staging(outdir, frames.series.name, task_digest, durable=durable)
    if earlier := _earlier(staging, task):
        staging.sweep()  # the run that made it may have been killed just before it did
        if durable:
            staging.sync([*task.outputs(), record_name(frames.series.name)])
        return earlier
    _check_inputs_safe(task, staging)
    staging.begin([*task.outputs(), record_name(frames.series.name)], overwrite=overwrite)
    with staging:
        report = _convert(task, staging, given, threads, progress)
        staging.publish(task.outputs(), record_name(report.name), report.to_json())
    for text in report.warnings:
        warnings.warn(f"{report.name}: {text}", DataWarning, stacklevel=2)
    return report


def _convert(
    task: Task, staging: Staging, given: dict[str, Any], threads: int, progress: Progress | None
) -> SeriesReport:
    """Both passes; the outputs are then staged."""
    frames = task.frames
    count = len(frames.refs)

    def advance(start: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(start + done, 2 * count)

    scanned = scan_frames(frames, moments=False, low_fraction=LOW_FRACTION, threads=threads, progress=advance(0))
    task = replace(task, zero=_zero(task.policy, scanned, **given), stored=_common_mode(task, scanned))
    reports = write_frames(task, scanned, staging, threads=threads, progress=advance(count))
    return SeriesReport(
        name=frames.series.name,
        folder=os.fspath(staging.target),
        policy=task.policy,
        offset=task.zero.offset,
        pedestal=task.zero.pedestal,
        shape=frames.shape,
        dtype=frames.dtype,
        flip=bool(frames.options.get("flip")),
        header_bytes=task.header_bytes,
        wavelength=task.geometry.electron_wavelength,
        gaps=frames.gaps,
        defaulted=task.geometry.defaulted,
        date_source=task.date_source(),
        frames=tuple(reports),
        mrc=tuple(task.names(".mrc")) if task.mrc else (),
        mrc_mode=task.stored,
        warnings=_warnings(task, reports, given["saturation"]),
        position_limit=POSITION_LIMIT,
        digest=staging.digest,
    )


def _check_given(offset: int | None, pedestal: float | None, max_offset: int, saturation: float | None) -> None:
    for name, whole in (("offset", offset), ("max_offset", max_offset)):
        if whole is not None and (not isinstance(whole, int) or abs(whole) > LARGEST_OFFSET):
            raise LimitError(field=name, expected="an integer within 2^30 of 0", found=repr(whole))
    for name, number in (("pedestal", pedestal), ("saturation", saturation)):
        if number is not None and not math.isfinite(number):
            raise LimitError(field=name, expected="a finite number", found=number)


def _check_inputs_safe(task: Task, staging: Staging) -> None:
    """No output may have the name of an input: SMV and MRC files are inputs too."""
    inputs = {(status.st_dev, status.st_ino) for status in map(os.stat, task.frames.series.files)}
    for name in task.outputs():
        path = staging.target / name
        with suppress(FileNotFoundError, NotADirectoryError):  # what does not exist is no input
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in inputs:
                raise OutputError("is an input; choose another folder", path=path)


def _earlier(staging: Staging, task: Task) -> SeriesReport | None:
    """The report of this very task, if all of it is there already."""
    try:
        report = read_record(staging.target / record_name(task.frames.series.name))
    except (BraggioError, OSError):
        return None
    whole = all((staging.target / name).is_file() for name in task.outputs())
    sizes = all((staging.target / name).stat().st_size == task.smv_bytes for name in task.names(".img") if whole)
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


def _some(numbers: Sequence[int], most: int = 8) -> str:
    text = ", ".join(map(str, numbers[:most]))
    return text if len(numbers) <= most else f"{text}, ... ({len(numbers)} in all)"
