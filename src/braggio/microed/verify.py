"""An SMV series against the raw frames that it was made of."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio import formats
from braggio.batch.workers import Progress, in_order
from braggio.errors import BraggioError, FormatError, MetadataError, printable
from braggio.formats.smv import decimal
from braggio.kernels.clamp import to_uint16
from braggio.microed.policy import TOP
from braggio.microed.report import BlankReport, FrameReport, SeriesReport, read_record
from braggio.microed.write import BLANK
from braggio.model.frames import FrameStack
from braggio.storage.frames import StoredFrames


@dataclass(frozen=True)
class FrameCheck:
    """One SMV frame against its raw frame.

    Attributes
    ----------
    number : int
        Frame number.
    output, input : str
        The files compared; a blank image has no input.
    ok : bool
        Every pixel is the raw pixel plus the offset, clamped, and the header says so.
    problem : str
        What is wrong, in one line; empty when nothing is.
    differing : int
        Pixels that are not what they should be.
    low_positions, high_positions : ndarray of shape (n, 2)
        Rows and columns of every pixel that the clamp lost, at 0 and at 65535.
    """

    number: int
    output: str
    input: str
    ok: bool
    problem: str
    differing: int
    low_positions: NDArray[np.int64]
    high_positions: NDArray[np.int64]


def records(where: str | os.PathLike[str]) -> list[Path]:
    """The records in a folder, or the one that is named.

    Raises
    ------
    MetadataError
        There is none.
    """
    path = Path(where)
    # Not by glob, to which a folder that may not be read is an empty one.
    found = sorted(each for each in path.iterdir() if each.match("*.braggio.json")) if path.is_dir() else [path]
    if not found:
        raise MetadataError(
            "no record of a converted series here", path=path, field="record", expected="*.braggio.json"
        )
    return found


def verify_series(
    record: str | os.PathLike[str] | SeriesReport,
    *,
    raw: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[FrameCheck]:
    """Re-read a converted series against its raw files.

    Parameters
    ----------
    record : path-like or SeriesReport
        The record (``<series>.braggio.json``) beside the SMV files.
    raw : path-like, optional
        Folder of the raw files, where they have moved.
    progress : callable, optional
        Called with (frames done, frames).

    Returns
    -------
    list of FrameCheck
        One per frame, then one per blank image; one that cannot be read is not ok, and the others are still checked.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200)
    ...     checks = verify_series(report)
    >>> all(check.ok for check in checks), checks[2].low_positions.tolist()
    (True, [[71, 40]])
    """
    report = record if isinstance(record, SeriesReport) else read_record(Path(record))

    def work(frame: FrameReport, _: None) -> FrameCheck:
        return _check(report, frame, raw)

    checks = in_order(work, report.frames, threads=1, state=lambda: None, progress=progress)
    return checks + [_check_blank(report, blank) for blank in report.blanks]


def _check_blank(report: SeriesReport, blank: BlankReport) -> FrameCheck:
    """A blank image has no raw frame: every pixel must be `BLANK`."""
    output = Path(report.folder) / blank.output
    none = np.empty((0, 2), np.int64)
    differing = 0
    try:
        with formats.open(output) as stack:
            written, problem = stack.read(0), _header_problem(report, blank, stack)
        differing = int(np.count_nonzero(written != BLANK))
        problem = _pixel_problem(output, np.full_like(written, BLANK), written) if differing else problem
        if written.shape != report.shape:
            raise FormatError(path=output, field="shape", expected=report.shape, found=written.shape)
    except (BraggioError, OSError) as error:
        problem = printable(str(error))
    return FrameCheck(blank.number, str(output), "", not problem, problem, differing, none, none)


def _check(report: SeriesReport, frame: FrameReport, raw: str | os.PathLike[str] | None) -> FrameCheck:
    source = Path(frame.input) if raw is None else Path(raw) / Path(frame.input).name
    output = Path(report.folder) / frame.output
    none = np.empty((0, 2), np.int64)
    differing, low, high = 0, none, none
    options: dict[str, Any] = {"flip": True} if report.flip else {}
    try:
        with formats.open(source, permissive=True, **options) as stack:
            pixels = stack.read(frame.index)
        with formats.open(output) as stack:
            written, problem = stack.read(0), _header_problem(report, frame, stack)
        if pixels.shape != written.shape:
            raise FormatError(path=output, field="shape", expected=pixels.shape, found=written.shape)
        expected, _ = to_uint16(pixels, report.offset)
        differing = int(np.count_nonzero(expected != written))
        problem = _pixel_problem(output, expected, written) if differing else problem
        total = np.rint(pixels.astype(np.float64) + report.offset)
        low, high = np.argwhere(total < 0), np.argwhere(total > TOP)
    except (BraggioError, OSError, ValueError, TypeError, IndexError) as error:
        problem = printable(str(error) if isinstance(error, (BraggioError, OSError)) else f"{source}: {error}")
    return FrameCheck(frame.number, str(output), str(source), not problem, problem, differing, low, high)


def _pixel_problem(output: Path, expected: NDArray[Any], written: NDArray[Any]) -> str:
    places = np.argwhere(expected != written)
    row, column = places[0]
    return (
        f"{output}: pixel at row {row}, column {column}: expected {expected[row, column]},"
        f" found {written[row, column]} ({len(places)} differ)"
    )


def _header_problem(report: SeriesReport, frame: FrameReport | BlankReport, stack: FrameStack) -> str:
    """The values that the record knows by name, then all the others by their checksum."""
    known = {
        "LEGINON_OFFSET": report.offset,
        "IMAGE_PEDESTAL": report.pedestal,
        "OSC_START": report.header_angle(frame),
        "WAVELENGTH": report.wavelength,
    }
    for key, value in known.items():
        expected, found = float(decimal(float(value))), stack.header.get(key)
        if found != expected:
            return f"{stack.path}: {key}: expected {expected:.12g}, found {found}"
    assert isinstance(stack, StoredFrames)
    if zlib.crc32(stack.source.read(0, report.header_bytes)) != frame.header_crc32:
        return f"{stack.path}: header: changed since it was written"
    return ""
