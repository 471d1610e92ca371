"""Beam, detector and scan of a series, and how an SMV header says them."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from braggio.errors import BraggioError, GeometryError
from braggio.model.beam import electron_wavelength
from braggio.options import Options, option

# What Leginon's writer puts where nobody told it; each use is reported.
DEFAULT_VOLTAGE = 200.0  # kV
DEFAULT_DISTANCE = 1000.0  # mm
DEFAULT_PIXEL_SIZE = 0.028  # mm
DEFAULT_OSC_RANGE = 1.0  # degrees
DEFAULT_EXPOSURE_TIME = 1.0  # s; dxtbx up to 3.12 opens no ADSC image without TIME

# BEAMLINE values for which dxtbx takes a class of another detector, with another beam centre and no pedestal.
FOREIGN_BEAMLINES = ("fake", "timepix_su")


def _beam(default: Any, help: str, **about: Any) -> Any:
    return option(default, help, group="beam, detector, scan", **about)


@dataclass(frozen=True, kw_only=True)
class Geometry(Options):
    """Beam, detector and scan of one series; what is None is unknown.

    Attributes
    ----------
    voltage : float
        Accelerating voltage in kV; give this or `wavelength`.
    wavelength : float
        Angstrom.
    distance : float
        Sample to detector, mm.
    pixel_size : float
        Of a pixel of the frame as it is stored, so after binning, mm.
    osc_start : float
        Angle at the start of frame `first_frame`, degrees.
    osc_range : float
        Angle per frame, degrees; never 0. Negative when the angles fall from frame to frame: see `header_angle`.
    first_frame : int
        The frame number that `osc_start` belongs to; by default the lowest of the series.
    exposure_time : float
        Seconds per frame; TIME.
    gain : float
        ADU per electron.
    two_theta : float
        Detector swing in degrees, right-handed about the rotation axis (+x of dxtbx). dxtbx ignores TWOTHETA:
        `dials_line` tells DIALS where the detector is.
    beamline : str
        For BEAMLINE. dxtbx picks a detector class by it: CETAD_TUI is one, and the names of classes that read other
        keys (fake, TIMEPIX_SU) are refused.
    beam_center : tuple of float
        (fast, slow) in pixels from the corner of the first pixel.
    beam_convention : {'dxtbx', 'leginon'}
        How the header says it: dxtbx and DIALS read BEAM_CENTER_X as the slow and BEAM_CENTER_Y as the fast coordinate,
        Leginon writes them the other way round.
    binning : tuple of int
        For BIN, for example (2, 2).
    date : datetime
        Of the acquisition. Without a time zone it is taken as UTC, as dxtbx reads it.
    """

    error: ClassVar[type[BraggioError]] = GeometryError

    voltage: float | None = _beam(None, "accelerating voltage, gives the wavelength", unit="kV", above=0)
    wavelength: float | None = _beam(None, "wavelength", unit="angstrom", above=0)
    distance: float | None = _beam(None, "sample to detector", unit="mm", above=0)
    pixel_size: float | None = _beam(None, "size of a pixel as stored (after binning)", unit="mm", above=0)
    osc_start: float | None = _beam(None, "angle at the start of the first frame", unit="degrees")
    osc_range: float | None = _beam(
        None, "angle per frame, negative where the angles fall", unit="degrees", nonzero=True
    )
    first_frame: int | None = _beam(None, "frame number that --osc-start belongs to (default: the lowest)")
    exposure_time: float | None = _beam(
        None, "exposure per frame (default 1, reported: DIALS needs one)", unit="s", above=0, below=1e300
    )
    gain: float | None = _beam(None, "gain", unit="ADU/e", above=0)
    two_theta: float = _beam(0.0, "detector swing about the rotation axis", unit="degrees")
    beamline: str | None = _beam(
        None, "BEAMLINE; dxtbx picks a detector class by it, for example CETAD_TUI", metavar="NAME"
    )
    beam_center: tuple[float, float] | None = _beam(
        None, "beam centre", unit="pixels", flags=("--beam-center-px",), metavar=("FAST", "SLOW")
    )
    beam_convention: Literal["dxtbx", "leginon"] = _beam("dxtbx", "which of BEAM_CENTER_X, _Y is the fast axis")
    binning: tuple[int, int] = _beam((1, 1), "BIN", at_least=1, metavar="2x2")
    date: datetime.datetime | None = _beam(
        None, "time of the acquisition, UTC (default: time of the file)", metavar="ISO"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.voltage is not None and self.wavelength is not None:
            raise GeometryError(field="wavelength", expected="a voltage or a wavelength", found="both")
        if self.beamline is not None and self.beamline.strip().lower() in FOREIGN_BEAMLINES:
            raise GeometryError(
                "dxtbx would read the header as that of another detector",
                field="beamline",
                expected=f"another name than {' and '.join(FOREIGN_BEAMLINES)}",
                found=repr(self.beamline),
            )

    @property
    def electron_wavelength(self) -> float:
        """As it is written, angstrom."""
        return float(self.wavelength or electron_wavelength(self.voltage or DEFAULT_VOLTAGE))

    @property
    def defaulted(self) -> tuple[str, ...]:
        """Header keys that will hold Leginon's defaults because nobody gave the value."""
        missing = {
            "WAVELENGTH": self.voltage is None and self.wavelength is None,
            "DISTANCE": self.distance is None,
            "PIXEL_SIZE": self.pixel_size is None,
            "OSC_START": self.osc_start is None,
            "OSC_RANGE": self.osc_range is None,
            "TIME": self.exposure_time is None,
            "BEAM_CENTER_X": self.beam_center is None,
            "BEAM_CENTER_Y": self.beam_center is None,
        }
        return tuple(key for key, gone in missing.items() if gone)

    @property
    def notes(self) -> tuple[str, ...]:
        """What DIALS takes otherwise than the header says it, a line each."""
        found = []
        if self.two_theta:
            found.append(
                f"DIALS ignores TWOTHETA ({self.two_theta:g} degrees); the printed line gives it the swung detector"
            )
        if self.beamline is not None and "CETAD" in self.beamline and self.gain is None:
            found.append("for CETAD in BEAMLINE dxtbx assumes a gain of 26; give the gain")
        return tuple(found)

    def angle(self, number: int, first: int) -> float:
        """Angle at the start of frame `number`; `first` is the lowest number of the series. Gaps shift nothing."""
        origin = first if self.first_frame is None else self.first_frame
        step = DEFAULT_OSC_RANGE if self.osc_range is None else self.osc_range
        try:
            angle = (self.osc_start or 0.0) + (number - origin) * step
        except OverflowError:  # an integer beyond all floats
            angle = math.inf
        if not math.isfinite(angle):
            raise GeometryError(
                "too large", field=f"angle of frame {number}", expected="finite degrees", found=f"{step} a frame"
            )
        return angle

    @property
    def reversed(self) -> bool:
        """Whether the angles fall from frame to frame."""
        return self.osc_range is not None and self.osc_range < 0

    def header_angle(self, number: int, first: int) -> float:
        """OSC_START of a frame: its angle about the axis that the scan turns about, so that it rises.

        dxtbx takes a negative OSC_RANGE as a reversed axis and a positive width. About that axis the angles are those
        of `angle` with the other sign; written without it, each frame becomes a scan of its own.
        """
        angle = self.angle(number, first)
        return 0.0 - angle if self.reversed else angle  # not -angle, which makes -0.0 of 0.0

    def center(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Beam centre as written, (fast, slow) in pixels: that of the frame where nobody gave one."""
        rows, columns = shape
        return self.beam_center or (columns / 2, rows / 2)

    def header(self, number: int, first: int, shape: tuple[int, int], date: datetime.datetime) -> dict[str, Any]:
        """SMV header values of one frame.

        Parameters
        ----------
        number, first : int
            The frame's number, and the lowest of the series.
        shape : tuple of int
            Rows and columns.
        date : datetime
            Of the frame, where `self.date` is None.
        """
        pixel = float(self.pixel_size or DEFAULT_PIXEL_SIZE)
        fast, slow = self.center(shape)
        x, y = (slow, fast) if self.beam_convention == "dxtbx" else (fast, slow)
        angle = float(self.header_angle(number, first))
        values: dict[str, Any] = {
            "PIXEL_SIZE": pixel,
            "BIN": tuple(self.binning),
            "BIN_TYPE": "HW",
            "ADC": "fast",
            "CREV": 1,
            "DATE": unix_date(self.date or date),
            "DISTANCE": float(self.distance or DEFAULT_DISTANCE),
            "TWOTHETA": float(self.two_theta),
            "PHI": angle,
            "OSC_START": angle,
            "OSC_RANGE": float(DEFAULT_OSC_RANGE if self.osc_range is None else self.osc_range),
            "WAVELENGTH": self.electron_wavelength,
            "BEAM_CENTER_X": float(x * pixel),
            "BEAM_CENTER_Y": float(y * pixel),
        }
        if self.beamline is not None:
            values["BEAMLINE"] = self.beamline
        values["TIME"] = float(DEFAULT_EXPOSURE_TIME if self.exposure_time is None else self.exposure_time)
        if self.exposure_time is not None:
            values["ACC_TIME"] = round(self.exposure_time * 1000)
        if self.gain is not None:
            values["GAIN"] = float(self.gain)
        return values


def unix_date(date: datetime.datetime) -> str:
    """As SMV writes it, in UTC and in English whatever the locale.

    Examples
    --------
    >>> unix_date(datetime.datetime(2007, 6, 6, 9, 43, 9))
    'Wed Jun 06 09:43:09 2007'
    """
    if date.tzinfo is not None:
        try:
            date = date.astimezone(datetime.UTC)
        except OverflowError as error:
            raise GeometryError(field="date", expected="years 1 to 9999 in UTC", found=date.isoformat()) from error
    return date.ctime().replace("  ", " 0")
