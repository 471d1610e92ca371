"""Scores from two maps: how unlikely a pixel is in the z-score and the MIP together.

After the p-value of K. Zhang and others for 2-D template matching: both maps become normal quantiles of their
ranks, the ellipse of their second moments is made round, and what counts is the distance from the centre within the
quadrant where both are high.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, UnsupportedError
from braggio.kernels.erfcinv import normal_quantiles
from braggio.kernels.peaks import pick_peaks
from braggio.kernels.ranks import ranks
from braggio.matching.options import DISTANCE

POPULATIONS = ("all pixels", "local maxima")
BORDER = 35  # of local maxima, pixels
_BLOCK = 1 << 14  # pixels at once: what is worked out on the way stays in the cache


def pvalue_scores(
    scaled_mip: NDArray[np.float32],
    mip: NDArray[np.float32],
    *,
    population: str = "all pixels",
    quadrant: int = 1,
    distance: float = DISTANCE,
    border: int = BORDER,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """``-ln p`` of every pixel, 0 where the pixel is not in question.

    Parameters
    ----------
    scaled_mip, mip : float32 ndarray (ny, nx)
    population : {'all pixels', 'local maxima'}
        What the ranks are formed among. Local maxima are those of the scaled MIP at least `distance` apart and `border`
        from the edges.
    quadrant : {1, 3}
        1: both quantiles above 0; 3: at least one.
    distance, border
        For local maxima.

    Returns
    -------
    scores : float32 ndarray (ny, nx)
    facts : dict
        population, quadrant, the ellipse's axes and angle.

    Raises
    ------
    MetadataError
        Fewer than 10 pixels in the population, or all the same in both maps.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z, mip = rng.normal(size=(2, 50, 50)).astype(np.float32)
    >>> z[5, 7], mip[5, 7] = 20, 30
    >>> scores, _ = pvalue_scores(z, mip)
    >>> [int(i) for i in np.unravel_index(scores.argmax(), scores.shape)]
    [5, 7]
    """
    if population not in POPULATIONS:
        raise UnsupportedError(field="population", expected=" or ".join(POPULATIONS), found=repr(population))
    if quadrant not in (1, 3):
        raise UnsupportedError(field="quadrant", expected="1 or 3", found=quadrant)
    if scaled_mip.shape != mip.shape:
        raise MetadataError(field="mip", expected=f"shape {scaled_mip.shape}", found=mip.shape)
    where = _population(scaled_mip, population, distance, border)
    count = scaled_mip.size if where is None else len(where)
    if count < 10:
        raise MetadataError(field="population", expected="at least 10 pixels", found=count)
    first, second = (
        _quantiles(values.reshape(-1) if where is None else values.reshape(-1)[where]) for values in (scaled_mip, mip)
    )
    found, facts = _minus_log_p(first, second, quadrant)
    scores = np.zeros(scaled_mip.size, np.float32)
    scores[slice(None) if where is None else where] = found
    return scores.reshape(scaled_mip.shape), {"population": population, "quadrant": quadrant, "pixels": count, **facts}


def _population(scores: NDArray[np.float32], population: str, distance: float, border: int) -> NDArray[np.int64] | None:
    if population == "all pixels":
        return None
    y, x = pick_peaks(scores, -np.inf, radius=distance, border=border)
    return np.sort(y * scores.shape[1] + x)


def _quantiles(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Normal quantiles of (rank - 1/2) / n; float64, so that the highest of 2^24 and more is still finite."""
    places = ranks(values)
    places -= 0.5
    places /= len(values)
    return normal_quantiles(places)


def _minus_log_p(
    first: NDArray[np.float64], second: NDArray[np.float64], quadrant: int
) -> tuple[NDArray[np.float32], dict[str, float]]:
    n = len(first)
    moments = np.array([[first @ first, first @ second], [first @ second, second @ second]]) / n
    squares, axes = np.linalg.eigh(moments)
    a, b = math.sqrt(max(squares[1], 0.0)), math.sqrt(max(squares[0], 1e-12))  # major, minor
    if not a > 0:
        raise MetadataError(field="population", expected="scores that differ", found="the same everywhere")
    angle = math.atan2(axes[1, 1], axes[0, 1])
    # The angle that the quadrant has once the ellipse is a circle; a quarter turn when it is one already.
    width = math.atan2(1.0, 0.5 * math.sin(2 * angle) * (b / a - a / b))
    found = np.zeros(n, np.float32)
    for at in range(0, n, _BLOCK):
        u, v = first[at : at + _BLOCK], second[at : at + _BLOCK]
        major = (u * math.cos(angle) + v * math.sin(angle)) / a
        minor = (v * math.cos(angle) - u * math.sin(angle)) / b
        inside = (u > 0) & (v > 0) if quadrant == 1 else (u > 0) | (v > 0)
        minus_log_p = (major**2 + minor**2) / 2 - math.log(width / (2 * math.pi))
        found[at : at + _BLOCK] = np.where(inside, np.maximum(minus_log_p, 0.0), 0.0)
    return found, {"major": a, "minor": b, "angle": math.degrees(angle)}
