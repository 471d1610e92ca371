"""What a conversion did, as data and as the record beside its outputs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from braggio.errors import FormatError, about

SCHEMA = "braggio/1"


@dataclass(frozen=True)
class FrameReport:
    """One frame of a converted series.

    Attributes
    ----------
    number : int
        Frame number.
    input, index : str, int
        The file it came from, and its place there.
    output : str
        Name of the SMV file, beside the record.
    min, max, low_quantile : int or float
        Of the input pixels; `low_quantile` is the minimum, cosmic rays aside.
    osc_start : float
        Angle at the start of the frame as recorded, degrees; a reversed scan's header has it with the other sign.
    clipped_low, clipped_high : int
        Pixels lost at 0 and at 65535.
    low_positions, high_positions : tuple of (row, column)
        Of the first of them; as many as `position_limit` of the series.
    rounded : int
        Float pixels that were not integers, rounded half to even.
    header_crc32 : int
        Of the SMV header as it was written.
    """

    number: int
    input: str
    index: int
    output: str
    min: float
    max: float
    low_quantile: float
    osc_start: float
    clipped_low: int
    clipped_high: int
    low_positions: tuple[tuple[int, int], ...]
    high_positions: tuple[tuple[int, int], ...]
    rounded: int
    header_crc32: int


@dataclass(frozen=True)
class BlankReport:
    """A blank image in the place of a missing frame: every pixel is above the trusted range.

    Attributes
    ----------
    number : int
        Frame number.
    output : str
        Name of the SMV file, beside the record.
    osc_start : float
        Angle at its start, degrees.
    header_crc32 : int
        Of its header.
    """

    number: int
    output: str
    osc_start: float
    header_crc32: int


@dataclass(frozen=True)
class SeriesReport:
    """A converted series.

    Attributes
    ----------
    name : str
        Of the series.
    folder : str
        Of the outputs.
    policy : str
        See `zero_point`.
    offset, pedestal : int or float
        LEGINON_OFFSET and IMAGE_PEDESTAL: both are in every header.
    shape : tuple of int
        Rows and columns.
    dtype : str
        Of the input.
    flip : bool
        Rows reversed.
    header_bytes : int
        Of each SMV header.
    wavelength : float
        Angstrom, as written.
    distance, pixel_size : float
        mm, as written.
    beam_center : tuple of float
        (fast, slow) in pixels, whatever convention the header has.
    osc_range : float
        Angle per frame, degrees, as written: negative where the scan is reversed.
    two_theta : float
        Degrees.
    gaps : tuple of int
        Missing frame numbers.
    blanks : tuple of BlankReport
        Images written in the place of missing frames.
    defaulted : tuple of str
        Header keys that hold a default because nobody gave the value.
    date_source : str
        given, series (the times of a .ser file) or mtime (of each input).
    frames : tuple of FrameReport
    mrc : tuple of str
        Names of the MRC files, if any.
    mrc_mode : str
        Pixel type of the MRC files: int16, float32, ...; empty without them.
    warnings : tuple of str
    position_limit : int
        Most positions listed for a frame and side; the counts are exact.
    digest : str
        Names the task: inputs, sizes, times of change and parameters.
    """

    name: str
    folder: str
    policy: str
    offset: int
    pedestal: float
    shape: tuple[int, int]
    dtype: str
    flip: bool
    header_bytes: int
    wavelength: float
    distance: float
    pixel_size: float
    beam_center: tuple[float, float]
    osc_range: float
    two_theta: float
    gaps: tuple[int, ...]
    blanks: tuple[BlankReport, ...]
    defaulted: tuple[str, ...]
    date_source: str
    frames: tuple[FrameReport, ...]
    mrc: tuple[str, ...]
    mrc_mode: str
    warnings: tuple[str, ...]
    position_limit: int
    digest: str

    @property
    def outputs(self) -> list[Path]:
        """The SMV files, then the MRC files, then blank images."""
        names = [frame.output for frame in self.frames] + list(self.mrc) + [blank.output for blank in self.blanks]
        return [Path(self.folder) / name for name in names]

    @property
    def reversed(self) -> bool:
        """Whether the angles fall from frame to frame; the headers then speak of the reversed axis."""
        return self.osc_range < 0

    def header_angle(self, frame: FrameReport | BlankReport) -> float:
        """OSC_START of a frame."""
        return 0.0 - frame.osc_start if self.reversed else frame.osc_start

    @property
    def clipped_per_frame(self) -> list[tuple[int, int]]:
        """(low, high) counts of clipped pixels."""
        return [(frame.clipped_low, frame.clipped_high) for frame in self.frames]

    @property
    def record(self) -> Path:
        """The JSON file that says the series is whole."""
        return Path(self.folder) / record_name(self.name)

    def to_json(self) -> bytes:
        """The record: without the folder, so that it may be moved with its files."""
        values: dict[str, Any] = {"schema": SCHEMA, "kind": "smv series", **vars(self)}
        del values["folder"]
        values["blanks"] = list(map(vars, self.blanks))
        frames = values.pop("frames")  # last and one to a line: to be read by people, and encoded 5 times as fast
        head = json.dumps(values, indent=1).removesuffix("\n}")
        return (
            head + ',\n "frames": [\n  ' + ",\n  ".join(json.dumps(vars(frame)) for frame in frames) + "\n ]\n}\n"
        ).encode()


def record_name(name: str) -> str:
    """File name of the record of a series."""
    return f"{name}.braggio.json"


def read_record(path: str | Path) -> SeriesReport:
    """The report of an earlier conversion.

    Raises
    ------
    FormatError
        The file is not such a record.
    """
    path = Path(path)
    with about(path):
        try:
            values = json.loads(path.read_bytes())
            if values.pop("schema") != SCHEMA or values.pop("kind") != "smv series":
                raise FormatError(field="schema", expected=SCHEMA, found="another")
            values["frames"] = tuple(map(frame_report, values["frames"]))
            values["blanks"] = tuple(BlankReport(**blank) for blank in values["blanks"])
            for name in ("shape", "beam_center", "gaps", "defaulted", "mrc", "warnings"):
                values[name] = tuple(values[name])
            report = SeriesReport(folder=str(path.parent), **values)
            _check(report)
            return report
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"not the record of a series: {error}", field="record") from error


def _check(report: SeriesReport) -> None:
    """A record is a file like any other: its values are checked before anyone uses them."""
    images: list[FrameReport | BlankReport] = [*report.frames, *report.blanks]
    good = {
        "offset": isinstance(report.offset, int) and _is_number(report.offset),
        "pedestal": _is_number(report.pedestal),
        **{name: _is_number(getattr(report, name)) for name in ("wavelength", "distance", "pixel_size", "osc_range")},
        "two_theta": _is_number(report.two_theta),
        "beam_center": len(report.beam_center) == 2 and all(map(_is_number, report.beam_center)),
        "shape": len(report.shape) == 2 and all(isinstance(edge, int) and edge > 0 for edge in report.shape),
        "header_bytes": isinstance(report.header_bytes, int) and report.header_bytes >= 512,
        "frames": len(report.frames) > 0,
        "input": all(isinstance(frame.input, str) for frame in report.frames),
        "osc_start": all(_is_number(frame.osc_start) for frame in images),
        "output": all(
            name == os.path.basename(name) and name not in ("", ".", "..")
            for name in (*(frame.output for frame in images), *report.mrc)
        ),
    }
    for field, right in good.items():
        if not right:
            raise FormatError("not the record of a series", field=f"record, {field}", found="a value that cannot be")


def _is_number(value: object) -> bool:
    """One that a float can hold."""
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max


def frame_report(values: dict[str, Any]) -> FrameReport:
    """The report of a frame from its JSON object."""
    known = {field.name for field in fields(FrameReport)}
    positions = {
        name: tuple((int(row), int(column)) for row, column in values[name])
        for name in ("low_positions", "high_positions")
    }
    return FrameReport(**{key: value for key, value in values.items() if key in known} | positions)
