"""What the maps of a search say of themselves: which conventions they follow, and what is wrong with them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import BraggioError, GeometryError
from braggio.kernels.peaks import pick_peaks
from braggio.matching.cutoffs import correlations_of, cutoff
from braggio.matching.position import evidence, round_template, verdict
from braggio.matching.result import MatchResult, open_map, open_map_file
from braggio.model.matches import MAPS

MAX_SAMPLE = 1 << 18  # pixels that the conventions are judged on
AGREES = 1e-3  # median relative difference of a convention that fits
_RANGES = {"orientation_psi": (0.0, 360.0), "orientation_theta": (0.0, 180.0), "orientation_phi": (0.0, 360.0)}


@dataclass(frozen=True)
class CheckReport:
    """What `check` found.

    Attributes
    ----------
    shape : tuple of int
        Of the maps.
    spread : {'standard deviation', 'variance', 'unknown'}
        What ``correlation_variance`` holds: with which of them ``(mip - mean) / spread`` gives the scaled MIP.
    spread_errors : dict
        Median relative difference under either.
    mode : {'same', 'valid', 'unknown'}
        From the shapes of maps, micrograph and template.
    position : {'corner', 'centre', 'unknown'}
        What a map's pixel is of the template's box; from the mode, or from the micrograph, see `matching.position`.
    position_evidence : dict
        How clearly the micrograph shows either.
    n_correlations : int or None
    bad_pixels : dict
        Map name to counts of NaN, -inf and +inf, and the share of NaN and -inf.
    problems : tuple of str
        What makes the result unusable or doubtful; empty when all is well.
    notes : tuple of str
    """

    shape: tuple[int, int] | None
    spread: str = "unknown"
    spread_errors: dict[str, float] = field(default_factory=dict)
    mode: str = "unknown"
    position: str = "unknown"
    position_evidence: dict[str, float] = field(default_factory=dict)
    n_correlations: int | None = None
    bad_pixels: dict[str, dict[str, float]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Without problems."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    def __str__(self) -> str:
        size = "x".join(map(str, self.shape)) if self.shape else "no maps"
        lines = [
            f"{size}, {self.mode} mode, pixels are the {self.position} of the template,"
            f" correlation_variance holds the {self.spread}, {self.n_correlations or 'unknown'} correlations"
        ]
        return "\n".join(
            [*lines, *(f"problem: {text}" for text in self.problems), *(f"note: {text}" for text in self.notes)]
        )


def check(result: MatchResult) -> CheckReport:
    """Judge a result by its data.

    Returns
    -------
    CheckReport
        With the problems; files that cannot be read are among them, so nothing is raised for bad data.
    """
    problems: list[str] = []
    notes: list[str] = []
    shapes = _shapes(result, problems)
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {height} x {width}" for name, (height, width) in shapes.items())
        problems.append(f"maps: expected one shape, found {found}")
    missing = [name for name in MAPS if name not in result.paths]
    if missing:
        problems.append(f"maps: expected all eight, found none for {', '.join(missing)}")
    maps = {name: result[name] for name in shapes}
    bad = {name: _bad(name, values, problems) for name, values in maps.items()}
    one_shape = len(set(shapes.values())) == 1
    spread, errors = _spread(maps, problems) if one_shape else ("unknown", {})
    count = _count(result, problems, notes)
    mode = _mode(result, shapes, problems, notes) if one_shape else "unknown"
    position, shown = _position(result, maps, mode, count, notes)
    return CheckReport(
        shape=next(iter(shapes.values()), None),
        spread=spread,
        spread_errors=errors,
        mode=mode,
        position=position,
        position_evidence=shown,
        n_correlations=count,
        bad_pixels=bad,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _shapes(result: MatchResult, problems: list[str]) -> dict[str, tuple[int, int]]:
    found = {}
    for name in result.paths:
        try:
            with result._copy(correlations=None, crop=None) as fresh:
                found[name] = fresh._stack(name).frame_shape
        except (BraggioError, OSError) as error:
            text = str(error) if isinstance(error, BraggioError) else f"{result.paths[name]}: {error.strerror or error}"
            problems.append(f"{name}: {text}")
    return found


def _bad(name: str, values: NDArray[np.float32], problems: list[str]) -> dict[str, float]:
    """Counts of what is no number; angles outside their ranges are problems too."""
    nan = int(np.isnan(values).sum())
    low, high = int((values == -np.inf).sum()), int((values == np.inf).sum())
    share = (nan + low) / values.size
    if nan or low or high:
        first = np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)
        problems.append(f"{name}: {nan} NaN, {low} -inf, {high} +inf; first in row {first[0]}, column {first[1]}")
    if name in _RANGES:
        least, most = _RANGES[name]
        outside = int(((values < least) | (values > most)).sum())
        if outside:
            problems.append(f"{name}: expected {least:g} to {most:g} degrees, found {outside} pixels outside")
    if name in ("mip", "scaled_mip") and not (nan or low or high) and values.min() == values.max():
        problems.append(f"{name}: expected scores, found {values.flat[0]:g} everywhere")
    return {"nan": nan, "minus_inf": low, "plus_inf": high, "share": share}


def _spread(maps: dict[str, NDArray[np.float32]], problems: list[str]) -> tuple[str, dict[str, float]]:
    """Which reading of correlation_variance makes the scaled MIP."""
    names = ("mip", "scaled_mip", "correlation_average", "correlation_variance")
    if any(name not in maps for name in names):
        return "unknown", {}
    step = max(1, maps["mip"].size // MAX_SAMPLE)
    mip, scaled, mean, spread = (maps[name].reshape(-1)[::step].astype(np.float64) for name in names)
    good = np.isfinite(mip + scaled + mean + spread) & (spread > 0) & (scaled != 0)
    if not good.any():
        return "unknown", {}
    difference, scaled, spread = (mip - mean)[good], scaled[good], spread[good]
    errors = {
        "standard deviation": float(np.median(np.abs(difference / spread / scaled - 1))),
        "variance": float(np.median(np.abs(difference / np.sqrt(spread) / scaled - 1))),
    }
    best = min(errors, key=errors.__getitem__)
    if errors[best] > AGREES:
        problems.append(f"scaled_mip: expected (mip - mean) / spread, found a median difference of {errors[best]:.3g}")
        return "unknown", errors
    if max(errors.values()) <= AGREES:
        return "unknown", errors  # a spread of 1 is its own root
    return best, errors


def _count(result: MatchResult, problems: list[str], notes: list[str]) -> int | None:
    if result._correlations is not None:
        return result._correlations
    try:
        count, origin = correlations_of(result.config)
    except BraggioError as error:
        problems.append(str(error))
        return None
    if origin != "total_projections":
        notes.append(f"total_projections is 0: {count} taken from {origin}")
    return count


def _mode(result: MatchResult, shapes: dict[str, tuple[int, int]], problems: list[str], notes: list[str]) -> str:
    """From the shapes: (H, W), or (H - h + 1, W - w + 1)."""
    shape = next(iter(shapes.values()))
    try:
        height, width = result.micrograph_shape()
        h, w = result.template_shape()[1:]
    except GeometryError as error:
        problems.append(str(error))
        return "unknown"
    except (BraggioError, OSError) as error:
        text = str(error) if isinstance(error, BraggioError) else f"{error.filename}: {error.strerror}"
        notes.append(f"same or valid mode not determined: {os.path.basename(text) if len(text) > 200 else text}")
        return "unknown"
    if h > height or w > width:
        problems.append(f"template: expected at most the micrograph's {height} x {width}, found {h} x {w}")
        return "unknown"
    same, valid = [(height, width)], [(height - h + 1, width - w + 1)]
    if width % 2:  # an inverse transform that forgets the odd width gives one column less
        same.append((height, width - 1))
        valid.append((height - h + 1, width - w))
    if shape in same[1:] + valid[1:]:
        notes.append(f"the micrograph is {width} columns wide, an odd number, and the maps have lost the last column")
    for name, accepted in (("same", same), ("valid", valid)):
        if shape in accepted:
            return name if same[0] != valid[0] else "valid"
    problems.append(
        f"maps: expected {same[0][0]} x {same[0][1]} (same) or {valid[0][0]} x {valid[0][1]} (valid)"
        f" for a micrograph of {height} x {width} and a template of {h} x {w}, found {shape[0]} x {shape[1]}"
    )
    return "unknown"


def _position(
    result: MatchResult, maps: dict[str, NDArray[np.float32]], mode: str, count: int | None, notes: list[str]
) -> tuple[str, dict[str, float]]:
    """Of valid mode by definition; of same mode by what the micrograph shows at the peaks, else by convention."""
    if mode != "same" or count is None or "scaled_mip" not in maps:
        return ("corner" if mode == "valid" else "unknown"), {}
    assert result.template is not None and result.micrograph is not None  # the mode came from their shapes
    with open_map_file(result.template) as stack:
        template = round_template(stack)
    with open_map(result.micrograph) as stack:
        image = stack.read(0).astype(np.float32, copy=False)
    scores = maps["scaled_mip"]
    y, x = pick_peaks(scores, cutoff(scores.size, count), radius=max(5.0, template.shape[0] / 4))
    found = evidence(image, template, y, x)
    shown = verdict(found)
    if shown == "unknown":
        notes.append("corner by convention of the program: the micrograph does not show which")
        return "corner", found
    return shown, found
