"""Header values: wavelengths, angles by frame number, beam centre conventions, dates."""

from __future__ import annotations

import datetime
import locale
import math
from typing import Any

import pytest

from braggio.errors import GeometryError, OptionError
from braggio.formats.smv import decimal
from braggio.microed import Geometry, electron_wavelength
from braggio.microed.geometry import unix_date

NOON = datetime.datetime(2020, 1, 2, 12, 0, 0)
CODATA = {
    60: 0.0486606,
    80: 0.0417572,
    100: 0.0370144,
    120: 0.0334922,
    160: 0.0285101,
    200: 0.02507934,
    300: 0.01968749,
}


@pytest.mark.parametrize(("voltage", "expected"), CODATA.items())
def test_wavelengths(voltage: float, expected: float) -> None:
    """The seven digits of the table; 200 kV is not pyami's 0.02501404."""
    assert electron_wavelength(voltage) == pytest.approx(expected, abs=6e-8)
    header = Geometry(voltage=voltage).header(1, 1, (4, 4), NOON)
    assert header["WAVELENGTH"] == electron_wavelength(voltage)


@pytest.mark.parametrize("bad", [0, -200, math.nan, math.inf])
@pytest.mark.parametrize("name", ["voltage", "wavelength", "distance", "pixel_size", "exposure_time", "gain"])
def test_numbers_that_must_be_positive(name: str, bad: float) -> None:
    with pytest.raises(GeometryError, match=name):
        Geometry(**{name: bad})  # type: ignore[arg-type]
    if name == "voltage":
        with pytest.raises(GeometryError, match="voltage"):
            electron_wavelength(bad)


@pytest.mark.parametrize("bad", [0, 0.0, -0.0, math.nan, math.inf])
def test_osc_range_is_never_0(bad: float) -> None:
    """dxtbx takes 0 for a reversed axis."""
    with pytest.raises(GeometryError, match="osc_range"):
        Geometry(osc_range=bad)


@pytest.mark.parametrize(
    "given",
    [
        {"osc_start": math.nan},
        {"two_theta": math.inf},
        {"beam_center": (1, math.nan)},
        {"beam_center": (1, 2, 3)},
        {"beam_center": (1,)},
        {"binning": (0, 1)},
        {"binning": (2,)},
        {"binning": (2, 2, 2)},
        {"beam_convention": "mosflm"},
        {"voltage": 200, "wavelength": 0.025},
        {"exposure_time": 1e306},
        {"beamline": "fake"},
        {"beamline": "Fake "},
        {"beamline": "TIMEPIX_SU"},
        {"beamline": "timepix_su"},
    ],
)
def test_values_that_cannot_be(given: dict[str, object]) -> None:
    with pytest.raises((GeometryError, OptionError)):
        Geometry(**given)  # type: ignore[arg-type]


def test_angles_go_by_frame_number() -> None:
    """A missing frame shifts nothing; `first_frame` says which number osc_start belongs to."""
    geometry = Geometry(osc_start=-30.0, osc_range=0.5)
    assert [geometry.angle(number, 3) for number in (3, 4, 7)] == [-30.0, -29.5, -28.0]
    assert Geometry(osc_start=-30.0, osc_range=0.5, first_frame=1).angle(3, 3) == -29.0
    assert Geometry(osc_start=10.0, osc_range=-0.25).angle(5, 1) == 9.0


@pytest.mark.parametrize(
    "given", [{"first_frame": 10**400}, {"osc_start": 1e308, "osc_range": 1e308}, {"osc_range": 1e308}], ids=str
)
def test_angles_that_no_float_holds(given: dict[str, Any]) -> None:
    with pytest.raises(GeometryError, match="angle of frame 7"):
        Geometry(**given).header(7, 1, (4, 4), NOON)


def test_a_scan_of_a_thousand_frames_reads_back() -> None:
    """Leginon's three decimals lose 0.28 degrees over 688 frames of 0.0844; ours lose nothing to speak of."""
    geometry = Geometry(osc_start=-42.17, osc_range=0.0844)
    for number in range(1, 1001):
        written = geometry.header(number, 1, (4, 4), NOON)
        start, step = float(decimal(written["OSC_START"])), float(decimal(written["OSC_RANGE"]))
        assert step == 0.0844
        assert start == pytest.approx(-42.17 + (number - 1) * 0.0844, abs=1e-9)
        assert written["PHI"] == written["OSC_START"]


def test_beam_centre_conventions() -> None:
    """dxtbx: X is slow and Y is fast, in mm; Leginon writes them the other way round."""
    dxtbx = Geometry(beam_center=(10, 20), pixel_size=0.5).header(1, 1, (100, 200), NOON)
    assert (dxtbx["BEAM_CENTER_X"], dxtbx["BEAM_CENTER_Y"]) == (10.0, 5.0)
    leginon = Geometry(beam_center=(10, 20), pixel_size=0.5, beam_convention="leginon").header(1, 1, (100, 200), NOON)
    assert (leginon["BEAM_CENTER_X"], leginon["BEAM_CENTER_Y"]) == (5.0, 10.0)
    middle = Geometry(pixel_size=0.5).header(1, 1, (100, 200), NOON)
    assert (middle["BEAM_CENTER_X"], middle["BEAM_CENTER_Y"]) == (25.0, 50.0)
    corner = Geometry(beam_center=(0, 0), pixel_size=0.5).header(1, 1, (100, 200), NOON)
    assert (corner["BEAM_CENTER_X"], corner["BEAM_CENTER_Y"]) == (0.0, 0.0)


def test_time_is_always_there() -> None:
    """dxtbx 3.12 reads it without asking: a KeyError ended dials.import."""
    assert Geometry().header(1, 1, (4, 4), NOON)["TIME"] == 1.0
    assert "ACC_TIME" not in Geometry().header(1, 1, (4, 4), NOON)
    given = Geometry(exposure_time=0.25).header(1, 1, (4, 4), NOON)
    assert (given["TIME"], given["ACC_TIME"]) == (0.25, 250)


def test_a_reversed_scan_rises_about_the_reversed_axis() -> None:
    """dxtbx reverses the axis where OSC_RANGE is negative, and takes OSC_START as an angle about it."""
    geometry = Geometry(osc_start=1.0, osc_range=-0.5)
    headers = [geometry.header(number, 1, (4, 4), NOON) for number in (1, 2, 3, 4)]
    assert [header["OSC_START"] for header in headers] == [-1.0, -0.5, 0.0, 0.5]
    assert [str(header["PHI"]) for header in headers] == ["-1.0", "-0.5", "0.0", "0.5"]  # no -0.0
    assert {header["OSC_RANGE"] for header in headers} == {-0.5}
    assert [geometry.angle(number, 1) for number in (1, 2, 3, 4)] == [1.0, 0.5, 0.0, -0.5]


def test_what_nobody_gave_is_listed() -> None:
    assert set(Geometry().defaulted) == {
        "WAVELENGTH",
        "DISTANCE",
        "PIXEL_SIZE",
        "OSC_START",
        "OSC_RANGE",
        "TIME",
        "BEAM_CENTER_X",
        "BEAM_CENTER_Y",
    }
    full = Geometry(
        wavelength=0.02,
        distance=900,
        pixel_size=0.03,
        osc_start=0,
        osc_range=1,
        beam_center=(1, 1),
        exposure_time=2,
    )
    assert full.defaulted == ()


def test_detector_serial_numbers_are_not_written() -> None:
    """Some integers there select detectors of synchrotrons in dxtbx."""
    assert "DETECTOR_SN" not in Geometry(beamline="CETAD_TUI").header(1, 1, (4, 4), NOON)


def test_a_date_that_has_no_utc() -> None:
    east = datetime.timezone(datetime.timedelta(hours=5))
    with pytest.raises(GeometryError, match="date"):
        unix_date(datetime.datetime(1, 1, 1, tzinfo=east))


def test_dates() -> None:
    """UTC as dxtbx reads it, in English, with two-digit days."""
    summer = datetime.timezone(datetime.timedelta(hours=2))
    assert unix_date(datetime.datetime(2007, 6, 6, 9, 43, 9)) == "Wed Jun 06 09:43:09 2007"
    assert unix_date(datetime.datetime(2007, 6, 6, 1, 43, 9, tzinfo=summer)) == "Tue Jun 05 23:43:09 2007"
    assert unix_date(datetime.datetime(2024, 11, 20, 0, 0, 0, 999999)) == "Wed Nov 20 00:00:00 2024"
    try:
        locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
    except locale.Error:
        return
    try:
        assert unix_date(datetime.datetime(2024, 12, 18)) == "Wed Dec 18 00:00:00 2024"
    finally:
        locale.setlocale(locale.LC_ALL, "C")


@pytest.mark.parametrize("voltage", [1e300, 5e-324])
def test_a_voltage_without_a_wavelength(voltage: float) -> None:
    """WAVELENGTH=0.0 would be written and believed."""
    with pytest.raises(GeometryError, match="voltage"):
        electron_wavelength(voltage)
