"""The contrast transfer function of each particle, along the radius.

Sign and phase as in RELION (``src/ctf.h``): CTF = scale sin(chi) exp(-B k^2 / 4) with

    chi = pi lambda dz k^2 - pi/2 Cs lambda^3 k^4 + phase shift + arcsin(Q)        [underfocus dz positive]

so that CTF(0) = Q, the amplitude contrast. k is in 1/A, lambda, dz and Cs in A.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import GeometryError
from braggio.model.beam import electron_wavelength
from braggio.particles.table import Particles

_CHUNK = 4096  # particles at once


def ctf_1d(table: Particles, frequency: ArrayLike) -> NDArray[np.float64]:
    """CTF of each particle over spatial frequency, at its mean defocus (astigmatism averaged out).

    Parameters
    ----------
    table : Particles
        The table.
    frequency : array-like
        1/A.

    Returns
    -------
    ndarray
        (n, frequencies).

    Raises
    ------
    GeometryError
        A voltage that is not positive, or an amplitude contrast outside -1..1.
    """
    k2 = np.square(np.asarray(frequency, np.float64))[None, :]
    values = {name: value[:, None] for name, value in table.ctf(radians=True).items()}
    for name, good in (
        ("Voltage", values["Voltage"] > 0),
        ("AmplitudeContrast", np.abs(values["AmplitudeContrast"]) <= 1),
    ):
        if not good.all():
            row = int(np.argmin(good))
            raise GeometryError(
                path=table.files[0],
                field=f"{name}, row {row}",
                expected="above 0 kV" if name == "Voltage" else "-1..1",
                found=values[name][row, 0],
            )
    voltages, rows = np.unique(values["Voltage"], return_inverse=True)
    length = np.array([electron_wavelength(voltage) for voltage in voltages.tolist()])[rows.reshape(-1)][:, None]
    defocus = (values["DefocusU"] + values["DefocusV"]) / 2
    aberration = values["SphericalAberration"] * 1e7
    chi = np.pi * length * defocus * k2 - np.pi / 2 * aberration * length**3 * k2**2
    chi += values["PhaseShift"] + np.arcsin(values["AmplitudeContrast"])
    return np.asarray(values["CtfScalefactor"] * np.sin(chi) * np.exp(-values["CtfBfactor"] * k2 / 4))


def mean_ctf(table: Particles, frequency: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(mean of CTF, mean of CTF^2) over all particles, in bounded memory."""
    frequency = np.asarray(frequency, np.float64)
    total, squares = np.zeros(len(frequency)), np.zeros(len(frequency))
    for start in range(0, table.n, _CHUNK):
        values = ctf_1d(table.select(slice(start, start + _CHUNK)), frequency)
        total += values.sum(axis=0)
        squares += np.square(values).sum(axis=0)
    return total / max(table.n, 1), squares / max(table.n, 1)
