"""Wavelengths: one formula for electrons and one for photons, of CODATA 2018."""

from __future__ import annotations

import math

import pytest

import braggio
from braggio.errors import GeometryError
from braggio.model.beam import EV_ANGSTROM, electron_wavelength, photon_wavelength


@pytest.mark.parametrize(
    ("voltage", "expected"),
    # From the specification: 60 to 300 kV.
    [(60, 0.0486606), (80, 0.0417572), (100, 0.0370144), (120, 0.0334922), (160, 0.0285101), (200, 0.02507934)],
)
def test_electrons(voltage: float, expected: float) -> None:
    assert electron_wavelength(voltage) == pytest.approx(expected, abs=6e-8)


def test_electrons_are_slow_at_low_voltages_and_photons_at_high_ones() -> None:
    """The limits of the formula: sqrt(150.41 V / U), and h c / (e U)."""
    assert electron_wavelength(1e-6) == pytest.approx(math.sqrt(150.4120 / 1e-3), rel=1e-5)
    assert electron_wavelength(1e9) == pytest.approx(EV_ANGSTROM / 1e12, rel=1e-5)


def test_photons() -> None:
    assert EV_ANGSTROM == 12398.419843320025
    assert photon_wavelength(9500) * 9500 == pytest.approx(EV_ANGSTROM)


@pytest.mark.parametrize("bad", [0, -5, math.nan, math.inf])
def test_what_has_no_wavelength(bad: float) -> None:
    with pytest.raises(GeometryError, match="voltage: expected a positive number of kV"):
        electron_wavelength(bad)
    with pytest.raises(GeometryError, match="energy: expected a positive number of eV"):
        photon_wavelength(bad)


def test_all_systems_use_it() -> None:
    assert braggio.microed.electron_wavelength is braggio.particles.electron_wavelength is electron_wavelength
