"""Beam: wavelengths of electrons and photons.

Constants of CODATA 2018, in which h, c and e are exact.
"""

from __future__ import annotations

import math

from braggio.errors import GeometryError

PLANCK = 6.62607015e-34  # J s
LIGHT_SPEED = 299792458.0  # m/s
ELEMENTARY_CHARGE = 1.602176634e-19  # C
ELECTRON_MASS = 9.1093837015e-31  # kg
EV_ANGSTROM = PLANCK * LIGHT_SPEED / ELEMENTARY_CHARGE * 1e10  # h c / e: photon energy times wavelength


def electron_wavelength(voltage: float) -> float:
    """Relativistic de Broglie wavelength of electrons.

    ``h / sqrt(2 m e V (1 + e V / (2 m c^2)))``.

    Parameters
    ----------
    voltage : float
        Accelerating voltage in kV.

    Returns
    -------
    float
        In angstrom.

    Raises
    ------
    GeometryError
        The voltage is not a positive number, or beyond any that has a wavelength.

    Examples
    --------
    >>> round(electron_wavelength(200), 8), round(electron_wavelength(300), 8)
    (0.02507934, 0.01968749)
    """
    if not 0 < voltage < math.inf:
        raise GeometryError(field="voltage", expected="a positive number of kV", found=voltage)
    energy = ELEMENTARY_CHARGE * voltage * 1e3
    momentum = math.sqrt(2 * ELECTRON_MASS * energy * (1 + energy / (2 * ELECTRON_MASS * LIGHT_SPEED**2)))
    found = PLANCK / momentum * 1e10 if momentum > 0 else math.inf
    if not 0 < found < math.inf:
        raise GeometryError(field="voltage", expected="a positive accelerating voltage in kV", found=voltage)
    return found


def photon_wavelength(energy: float) -> float:
    """Wavelength of photons, ``h c / E``.

    Parameters
    ----------
    energy : float
        In eV.

    Returns
    -------
    float
        In angstrom.

    Raises
    ------
    GeometryError
        The energy is not a positive number.

    Examples
    --------
    >>> round(photon_wavelength(12398.419843), 9)
    1.0
    """
    if not 0 < energy < math.inf:
        raise GeometryError(field="energy", expected="a positive number of eV", found=energy)
    return EV_ANGSTROM / energy
