"""What is known best of each particle: refined values where they are, and what follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import warn
from braggio.model.matches import MatchTable


def preferred(table: MatchTable, name: str) -> NDArray[Any]:
    """A column's refined values; the others where a refined one is missing or no number, with a warning.

    Examples
    --------
    >>> import warnings
    >>> table = MatchTable({"psi": np.array([1.0, 2.0]), "refined_psi": np.array([1.5, np.nan])})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     preferred(table, "psi").tolist()
    [1.5, 2.0]
    """
    refined = f"refined_{name}"
    if refined not in table:
        return table[name]
    values = table[refined]
    if values.dtype.kind != "f" or (good := np.isfinite(values)).all():
        return values
    warn(f"{refined}: {int((~good).sum())} of {len(values)} values are no numbers; {name} used there")
    return np.where(good, values, table[name])


def euler_angles(table: MatchTable) -> NDArray[np.float64]:
    """(n, 3): phi, theta, psi in degrees, refined where they are. RELION's rot, tilt and psi."""
    return np.stack([preferred(table, name).astype(np.float64) for name in ("phi", "theta", "psi")], axis=1)


def absolute_defocus(table: MatchTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(u, v) in angstrom: those of the micrograph plus the particle's own, refined where it is."""
    own = preferred(table, "relative_defocus").astype(np.float64)
    return table["defocus_u"] + own, table["defocus_v"] + own


def pixel_size(table: MatchTable) -> NDArray[np.float64]:
    """Per particle in angstrom, refined where it is."""
    return preferred(table, "pixel_size").astype(np.float64)
