"""Wavelength of a shot from what the accelerator reports, and where the detector stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from braggio.errors import GeometryError, MetadataError
from braggio.formats.xtc import EBeam
from braggio.model.beam import photon_wavelength

OVERRIDE_EV_ANGSTROM = 12398.4187  # h c / e as xtc_dump has it for override_energy; its files hold what comes of it
ELECTRON_MASS_MEV = 0.510998910
UNDULATOR_PERIOD = 3.0e8  # angstrom
UNDULATOR_K = 3.5
LEAST_ENERGY = 1.0  # eV, MeV: below it a beam is off, whatever its readout says

# Detector of an address: process variables of its distance, mm; the first that a file has is taken. None: there is no
# motor, and the distance is the offset alone.
MOTORS: dict[str, tuple[str, ...]] = {
    "CxiDs1": ("CXI:DS1:MMS:06.RBV", "CXI:DS1:MMS:06"),
    "CxiDs2": ("CXI:DS2:MMS:06.RBV", "CXI:DS2:MMS:06"),
    "CxiDsd": ("CXI:DS2:MMS:06.RBV", "CXI:DS2:MMS:06"),
    "XppGon": (),
    "XppEndstation": (),
    "MfxEndstation": (),
}


def wavelength(ebeam: EBeam | None) -> float | None:
    """Wavelength in angstrom, or None when the shot does not tell it.

    The photon energy (EBeamBld V6 and V7) where there is one, else the energy of the electrons at the end of the linac:
    gamma = E / 0.510998910 MeV, lambda = 3e8 A / (2 gamma^2) (1 + K^2 / 2) with K = 3.5, as cctbx.xfel computes it.

    Examples
    --------
    >>> round(wavelength(EBeam(7, 0, {"photon_energy": 7079.77687909})), 6)
    1.751244
    >>> round(wavelength(EBeam(3, 0, {"l3_energy": 13600.5})), 5)
    1.50871
    """
    if ebeam is None:
        return None
    energy = ebeam.good("photon_energy")
    if energy is not None and energy >= LEAST_ENERGY:
        return photon_wavelength(energy)
    energy = ebeam.good("l3_energy")
    if energy is None or energy < LEAST_ENERGY:
        return None
    gamma = energy / ELECTRON_MASS_MEV
    return UNDULATOR_PERIOD / (2 * gamma**2) * (1 + UNDULATOR_K**2 / 2)


def overridden(energy: float) -> float:
    """Wavelength of ``override_energy``, eV.

    Examples
    --------
    >>> round(overridden(7000), 6)
    1.771203
    """
    if not LEAST_ENERGY <= energy < math.inf:
        raise GeometryError(field="override_energy", expected=f"at least {LEAST_ENERGY:g} eV", found=energy)
    return OVERRIDE_EV_ANGSTROM / energy


def distance(address: str, epics: Mapping[str, Any], offset: float) -> float:
    """Distance in mm: what the detector's motor says, plus the offset.

    Parameters
    ----------
    address : str
        `CxiDs1-0|Cspad-0`; the part before the number names the motor.
    epics : mapping
        Values by name.
    offset : float
        ``detz_offset``, mm.

    Raises
    ------
    MetadataError
        No motor is known for the detector, or the file does not have its value.

    Examples
    --------
    >>> distance("CxiDs1-0|Cspad-0", {"CXI:DS1:MMS:06.RBV": -449.5}, 581)
    131.5
    """
    detector = address.split("-")[0]
    if detector not in MOTORS:
        raise MetadataError(
            "the distance cannot be known; pass it",
            field=address,
            expected=f"one of {', '.join(MOTORS)}",
            found=detector,
        )
    if not MOTORS[detector]:
        return float(offset)
    for name in MOTORS[detector]:
        value = epics.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value) + float(offset)
    raise MetadataError(
        "the distance cannot be known; pass it",
        field=address,
        expected=f"a number as EPICS {MOTORS[detector][0]}",
        found=epics.get(MOTORS[detector][0], "no value"),
    )
