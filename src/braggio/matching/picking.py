"""Peaks of a search: which pixels hold a particle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.batch.cpus import cpu_count
from braggio.errors import FormatError, MetadataError, UnsupportedError, about
from braggio.kernels.arrays import as_float32
from braggio.kernels.peaks import pick_peaks
from braggio.matching.cutoffs import cutoff as gaussian_cutoff
from braggio.matching.options import DISTANCE, HIGHEST, RADIUS, SAMPLE, PickOptions
from braggio.matching.result import MatchResult
from braggio.options import options_checked

PVALUE_CUTOFF = 8.0  # -ln p


@dataclass(frozen=True, eq=False)
class Peaks:
    """Where particles are, from the highest score on.

    Attributes
    ----------
    y, x : int64 ndarray
        Map pixels: the top left corner of the template's box.
    score : float32 ndarray
        What was compared with the cutoff.
    cutoff : float
    provenance : dict
        Metric, radius, counts and all else that decided.
    """

    y: NDArray[np.int64]
    x: NDArray[np.int64]
    score: NDArray[np.float32]
    cutoff: float
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)


@options_checked
def pick(
    source: MatchResult | ArrayLike,
    *,
    metric: Literal["zscore", "mip", "pvalue", "gev"] = "zscore",
    cutoff: float | None = None,
    false_positives: float = 1.0,
    n_correlations: int | None = None,
    radius: float = RADIUS,
    border: int = 0,
    max_peaks: int | None = None,
    nan: Literal["error", "mean"] = "error",
    population: Literal["all pixels", "local maxima"] = "all pixels",
    quadrant: Literal[1, 3] = 1,
    distance: float = DISTANCE,
    seed: int = 0,
    sample: int = SAMPLE,
    highest: float = HIGHEST,
    mask: ArrayLike | None = None,
) -> Peaks:
    """Pick the peaks of a result, or of any map.

    Parameters
    ----------
    source : MatchResult or array-like (ny, nx)
        A map is taken as scores.
    metric : {'zscore', 'mip', 'pvalue', 'gev'}
        'zscore': the scaled MIP; 'mip': the MIP itself, for maps that are flat already; 'pvalue': ``-ln p`` of
        `pvalue_scores`, which needs both maps; 'gev': the scaled MIP with the cutoff of `gev_cutoff`.
    cutoff : float, optional
        In the metric's own scale. By default that of `matching.cutoff` for 'zscore' and 'mip', 8 for 'pvalue'.
    false_positives : float
        Expected in the whole map; for the default cutoff.
    n_correlations : int, optional
        For the default cutoff; by default the result's own.
    radius, border, max_peaks, mask
        See `braggio.kernels.peaks.pick_peaks`.
    nan : {'error', 'mean'}
        Pixels that are NaN or -inf: refuse them, or let them take the mean of the others.
    population, quadrant, distance
        Of `pvalue_scores`; for 'pvalue' only.
    seed, sample, highest
        Of `gev_cutoff`; for 'gev' only.

    Returns
    -------
    Peaks

    Raises
    ------
    FormatError
        NaN or -inf in the map, counted, with the first place.
    MetadataError
        The number of correlations is not known.
    OptionError
        An option is out of range, no choice, of another metric, or there is none of that name.

    Examples
    --------
    >>> scores = np.zeros((50, 60), np.float32); scores[10, 20] = 9
    >>> peaks = pick(scores, n_correlations=1000)
    >>> peaks.y.tolist(), peaks.x.tolist(), round(peaks.cutoff, 3)
    ([10], [20], 4.971)
    """
    options = PickOptions.picked(locals())
    scores, facts = _scores(source, options)
    if cutoff is None:
        cutoff, more = _default_cutoff(source, scores, options)
        facts |= more
    y, x = pick_peaks(
        scores,
        cutoff,
        radius=options.radius,
        border=border,
        max_peaks=max_peaks,
        mask=mask,
        threads=cpu_count(),
    )
    provenance = {
        "metric": metric,
        "cutoff": float(cutoff),
        "radius": options.radius,
        "border": border,
        "max_peaks": max_peaks,
        "masked_pixels": 0 if mask is None else int((~np.asarray(mask)).sum()),
        "n_pixels": scores.size,
        "peaks": len(y),
        **facts,
    }
    return Peaks(y, x, scores[y, x], float(cutoff), provenance)


def _scores(source: MatchResult | ArrayLike, options: PickOptions) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """The map to be picked from."""
    metric, nan = options.metric, options.nan
    if not isinstance(source, MatchResult):
        if metric == "pvalue":
            raise UnsupportedError(
                field="metric", expected="a MatchResult for pvalue, for it needs two maps", found="a map"
            )
        return _numbers(as_float32(source, "map"), "map", nan)
    if metric == "mip":
        return _numbers_of(source, "mip", nan)
    scaled, facts = _numbers_of(source, "scaled_mip", nan)
    if metric != "pvalue":
        return scaled, facts
    from braggio.matching.pvalue import pvalue_scores

    mip, more = _numbers_of(source, "mip", nan)
    scores, found = pvalue_scores(
        scaled, mip, population=options.population, quadrant=options.quadrant, distance=options.distance
    )
    return scores, facts | more | found


def _numbers_of(result: MatchResult, name: str, nan: str) -> tuple[NDArray[np.float32], dict[str, Any]]:
    with about(result.paths.get(name)):
        return _numbers(result[name], name, nan)


def _numbers(values: NDArray[np.float32], name: str, nan: str) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """A map without NaN and -inf."""
    if values.size == 0 or values.min() > -np.inf:  # NaN is the minimum of what holds it
        return values, {}
    bad = ~(values > -np.inf)
    count, first = int(bad.sum()), np.unravel_index(int(np.argmax(bad)), bad.shape)
    good = values[~bad & (values < np.inf)]
    if nan == "error" or not good.size:
        raise FormatError(
            field=name,
            expected="numbers",
            found=f"NaN or -inf in {count} of {bad.size} pixels, first in row {first[0]}, column {first[1]}",
        )
    filled = np.where(bad, np.float32(good.mean(dtype=np.float64)), values)
    return filled, {f"replaced_pixels_of_{name}": count}


def _default_cutoff(
    source: MatchResult | ArrayLike, scores: NDArray[np.float32], options: PickOptions
) -> tuple[float, dict[str, Any]]:
    if options.metric == "pvalue":
        return PVALUE_CUTOFF, {}
    false_positives, n_correlations = options.false_positives, options.n_correlations
    if options.metric == "gev":
        from braggio.matching.gev import gev_cutoff

        return gev_cutoff(scores, false_positives, seed=options.seed, sample=options.sample, highest=options.highest)
    if n_correlations is None:
        if not isinstance(source, MatchResult):
            raise MetadataError(field="n_correlations", expected="a number for a plain map, or cutoff=", found="none")
        n_correlations = source.n_correlations()
    facts = {"false_positives": false_positives, "n_correlations": n_correlations}
    return gaussian_cutoff(scores.size, n_correlations, false_positives), facts
