"""How high a score must be, when so many correlations of noise were looked at."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from braggio.errors import MetadataError, UnsupportedError
from braggio.formats.match_results import number
from braggio.kernels.erfcinv import erfcinv
from braggio.model.matches import SearchConfig

# (largest phi, largest theta) of what a symmetry leaves to search; degrees.
_PLATONIC = {"T": (180.0, 54.7356), "O": (90.0, 54.7356), "I": (180.0, 31.7)}


def cutoff(n_pixels: int, n_correlations: int, false_positives: float = 1.0) -> float:
    """The z-score that so many false positives exceed, on average, in a map of noise.

    ``sqrt(2) erfcinv(2 false_positives / (n_pixels n_correlations))`` in float64, bit for bit that of Leopard-EM, after
    Rickgauer, Grigorieff and Denk, eLife 6 (2017) e25648.

    Parameters
    ----------
    n_pixels : int
        Pixels of the map.
    n_correlations : int
        Correlograms: orientations times defoci (times pixel sizes).
    false_positives : float
        Expected in the whole map.

    Raises
    ------
    MetadataError
        A count below 1, or more false positives than correlations.

    Examples
    --------
    >>> round(cutoff(3585 * 3585, 1_584_480 * 13), 3)
    7.775
    """
    for name, count in (("n_pixels", n_pixels), ("n_correlations", n_correlations)):
        if operator.index(count) < 1:
            raise MetadataError(field=name, expected="at least 1", found=count)
    correlations = n_pixels * n_correlations
    if not 0 < false_positives < correlations:
        raise MetadataError(
            field="false_positives", expected=f"above 0 and below {correlations} correlations", found=false_positives
        )
    return erfcinv(2.0 * false_positives / correlations) * math.sqrt(2.0)


def correlations_of(config: SearchConfig) -> tuple[int, str]:
    """(correlograms per pixel, where the number is from), of what a configuration says.

    `total_projections` where it was saved; else the product of its two counts; else what its search blocks make.

    Raises
    ------
    MetadataError
        None of them says it.
    """
    if config.total_projections:
        return config.total_projections, "total_projections"
    if config.total_orientations and config.total_defocus:
        return config.total_orientations * config.total_defocus, "total_orientations x total_defocus"
    if not config.orientation_search:
        raise MetadataError(
            "the configuration was not saved again after the search; pass the number of correlations",
            path=config.path or None,
            field="total_projections",
            expected="at least 1, or the search's blocks",
            found=0,
        )
    count = orientation_count(config.orientation_search) * len(defocus_values(config.defocus_search))
    return count, "orientation and defocus search of the configuration"


def orientation_count(search: Mapping[str, Any]) -> int:
    """Orientations of a uniform grid, as the search's configuration describes it.

    Examples
    --------
    >>> orientation_count({"psi_step": 1.5, "theta_step": 2.5, "symmetry": "C1"})
    1584480
    """
    method = search.get("base_grid_method") or "uniform"
    if method != "uniform":
        raise UnsupportedError(
            "pass the number of correlations", field="base_grid_method", expected="uniform", found=repr(method)
        )
    phi_most, theta_most = _symmetry(str(search.get("symmetry") or "C1"))
    psi_step, theta_step = number(search, "psi_step", 1.5), number(search, "theta_step", 2.5)
    if not (0.01 <= psi_step <= 360 and 0.01 <= theta_step <= 360):
        raise MetadataError(field="steps", expected="0.01 to 360 degrees", found=f"{psi_step} and {theta_step}")
    theta_low, theta_high = number(search, "theta_min", 0.0), number(search, "theta_max", theta_most)
    phi_low, phi_high = number(search, "phi_min", 0.0), number(search, "phi_max", phi_most)
    psi_span = number(search, "psi_max", 360.0) - number(search, "psi_min", 0.0)
    if not (0 <= theta_high - theta_low <= 360 and 0 <= phi_high - phi_low <= 360 and 0 <= psi_span <= 360):
        raise MetadataError(
            field="angles",
            expected="ranges of 0 to 360 degrees",
            found=f"{theta_high - theta_low}, {phi_high - phi_low}, {psi_span}",
        )
    # In radians, as the search does it: there rounding gives some rows of phi one orientation more.
    span = np.deg2rad(phi_high) - np.deg2rad(phi_low)
    thetas = np.deg2rad(np.arange(theta_low, theta_high + theta_step, theta_step))
    directions = len(thetas)
    if span > 0:
        steps = np.minimum(np.abs(np.deg2rad(theta_step) / (np.sin(thetas) + 1e-6)), span)
        directions = int(np.ceil(span / (span / np.round(span / steps))).sum())
    return directions * max(math.ceil(psi_span / psi_step), 1)


def _symmetry(name: str) -> tuple[float, float]:
    kind, order = name[:1].upper(), name[1:]
    if kind in ("C", "D") and order.isdecimal() and 1 <= int(order) <= 360:
        return 360.0 / int(order), 180.0 if kind == "C" else 90.0
    if kind in _PLATONIC and not order:
        return _PLATONIC[kind]
    raise MetadataError(field="symmetry", expected="Cn, Dn, T, O or I", found=repr(name))


def defocus_values(search: Mapping[str, Any]) -> list[float]:
    """Relative defoci of a search, in angstrom; 0 alone where it is off.

    Examples
    --------
    >>> defocus_values({"enabled": True, "defocus_min": -400.0, "defocus_max": 400.0, "defocus_step": 200.0})
    [-400.0, -200.0, 0.0, 200.0, 400.0]
    """
    if not search or search.get("enabled") is False:
        return [0.0]
    low, high, step = (number(search, f"defocus_{name}", default) for name, default in
                       (("min", -1000.0), ("max", 1000.0), ("step", 200.0)))  # fmt: skip
    if not (step > 0 and math.isfinite(high - low) and 0 <= (high - low) / step <= 1e6):
        raise MetadataError(field="defocus search", expected="min <= max and a step", found=f"{low}, {high}, {step}")
    values = np.arange(low, high + step, step, dtype=np.float64).astype(np.float32).tolist()
    if 0.0 not in values and not search.get("skip_enforce_zero"):
        values = sorted([*values, 0.0])
    return values
