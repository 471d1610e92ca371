"""A cutoff from the data: a generalised extreme value distribution fitted to the scores of a map.

The maximum over many correlations follows such a distribution whatever the correlations themselves do (Fisher and
Tippett, Math. Proc. Camb. Phil. Soc. 24 (1928) 180). The sample is drawn with a seed: the same map gives the same
cutoff.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError
from braggio.matching.options import HIGHEST, SAMPLE

_BINS = 4096
_EULER = 0.5772156649015329


def gev_cutoff(
    scores: NDArray[np.float32],
    false_positives: float = 1.0,
    *,
    seed: int = 0,
    sample: int = SAMPLE,
    highest: float = HIGHEST,
) -> tuple[float, dict[str, Any]]:
    """The score that so many pixels of noise exceed.

    Parameters
    ----------
    scores : ndarray (ny, nx)
    false_positives : float
        Expected in the whole map.
    seed : int
        Of the sample.
    sample : int
        Pixels at most; all are taken where there are no more.
    highest : float
        Scores above it are left out of the fit.

    Returns
    -------
    cutoff : float
    facts : dict
        shape (scipy's sign), location and scale of the fit, pixels used, seed.

    Raises
    ------
    MetadataError
        Fewer than 100 scores to fit, or all equal.

    Examples
    --------
    >>> noise = np.random.default_rng(1).gumbel(4.0, 0.4, (200, 200)).astype(np.float32)
    >>> found, facts = gev_cutoff(noise, 10)
    >>> 6.5 < found < 8.5, abs(facts["gev_location"] - 4.0) < 0.02
    (True, True)
    """
    values: NDArray[np.float64]
    if not 0 < false_positives < scores.size:
        raise MetadataError(field="false_positives", expected=f"above 0 and below {scores.size}", found=false_positives)
    flat = scores.reshape(-1)
    values = flat[np.isfinite(flat) & (flat <= highest)].astype(np.float64)
    if len(values) > sample:
        values = values[np.random.default_rng(seed).choice(len(values), sample, replace=False)]
    if len(values) < 100 or values.min() == values.max():
        raise MetadataError(
            field="scores",
            expected=f"at least 100 up to {highest:g}, not all the same",
            found=f"{len(values)}, all {values[0]:g}" if len(values) >= 100 else len(values),
        )
    shape, location, scale = fit_gev(values)
    probability = false_positives / scores.size
    facts = {
        "false_positives": false_positives,
        "gev_shape": shape,
        "gev_location": location,
        "gev_scale": scale,
        "gev_pixels": len(values),
        "seed": seed,
    }
    return upper_quantile(probability, shape, location, scale), facts


def upper_quantile(probability: float, shape: float, location: float, scale: float) -> float:
    """The value exceeded with that probability; `shape` in scipy's sign (Weibull above 0, Frechet below)."""
    reduced = -math.log1p(-probability)  # -log of the probability not to exceed
    if abs(shape) < 1e-9:
        return location - scale * math.log(reduced)
    return location + scale * -math.expm1(shape * math.log(reduced)) / shape


def fit_gev(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """(shape, location, scale) of the greatest likelihood.

    The values are counted in 4096 classes first; the likelihood of the classes' centres is that of the values to far
    below its own uncertainty, and costs the same for any number of them.
    """
    counts, edges = np.histogram(values, bins=_BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    used = counts > 0
    x, weight = centres[used], counts[used] / len(values)
    scale = float(values.std()) * math.sqrt(6) / math.pi  # of a Gumbel distribution with these moments
    start = np.array([0.0, float(values.mean()) - _EULER * scale, math.log(scale)])

    def cost(parameters: NDArray[np.float64]) -> float:
        shape, location, log_scale = parameters.tolist()
        reduced = (x - location) / math.exp(log_scale)
        if abs(shape) < 1e-9:
            log_t = -reduced
        else:
            inside = 1 - shape * reduced
            if inside.min() <= 0:
                return math.inf
            log_t = np.log(inside) / shape
        with np.errstate(over="ignore"):
            return float(weight @ (np.exp(log_t) - (1 - shape) * log_t) + log_scale)

    found = least(cost, start, np.array([0.05, 0.2 * scale, 0.1]))
    return float(found[0]), float(found[1]), math.exp(found[2])


def least(cost: Any, start: NDArray[np.float64], step: NDArray[np.float64], rounds: int = 4000) -> NDArray[np.float64]:
    """Where a function is least, by Nelder and Mead's simplex (Comput. J. 7 (1965) 308).

    Examples
    --------
    >>> least(lambda p: float(((p - 3) ** 2).sum()), np.zeros(2), np.ones(2)).round(6).tolist()
    [3.0, 3.0]
    """
    points = np.vstack([start, start + np.diag(step)])
    values = np.array([cost(point) for point in points])
    for _ in range(rounds):
        order = np.argsort(values, kind="stable")
        points, values = points[order], values[order]
        if values[-1] - values[0] <= 1e-14 * (1 + abs(values[0])) and np.ptp(points, axis=0).max() < 1e-9:
            break
        centre = points[:-1].mean(axis=0)
        towards = points[-1] - centre
        reflected = centre - towards
        value = cost(reflected)
        if value < values[0]:
            further = centre - 2 * towards
            far = cost(further)
            points[-1], values[-1] = (further, far) if far < value else (reflected, value)
        elif value < values[-2]:
            points[-1], values[-1] = reflected, value
        else:
            halfway = centre + (0.5 if value >= values[-1] else -0.5) * towards
            half = cost(halfway)
            if half < min(value, values[-1]):
                points[-1], values[-1] = halfway, half
            else:
                points[1:] = points[0] + 0.5 * (points[1:] - points[0])
                values[1:] = [cost(point) for point in points[1:]]
    return np.asarray(points[int(np.argmin(values))])
