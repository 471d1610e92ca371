"""Options of picking peaks, and of the table that is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from braggio.errors import OptionError
from braggio.options import Options, option

RADIUS = 5.0  # pixels
DISTANCE = 10.0  # of local maxima, pixels
SAMPLE = 1_000_000  # pixels of the fit
HIGHEST = 8.5  # above this a score is a particle, not noise


def _picking(default: Any, help: str, **about: Any) -> Any:
    return option(default, help, group="picking", **about)


@dataclass(frozen=True, kw_only=True)
class PickOptions(Options):
    """Options of `pick`, which describes them."""

    metric: Literal["zscore", "mip", "pvalue", "gev"] = _picking("zscore", "scores that peaks are picked from")
    cutoff: float | None = _picking(
        None, "least score, on the metric's scale (default: from --false-positives; 8 for pvalue)"
    )
    false_positives: float = _picking(1.0, "false positives expected in a whole map, for the default cutoff", above=0)
    n_correlations: int | None = _picking(
        None, "correlograms per pixel, for the default cutoff (default: the search's own)", at_least=1
    )
    radius: float = _picking(
        RADIUS, "exclusion radius: lower maxima nearer than this are dropped", unit="pixels", at_least=0
    )
    border: int = _picking(0, "rows and columns at each edge without peaks", unit="pixels", at_least=0)
    max_peaks: int | None = _picking(None, "keep at most the N highest peaks", at_least=0)
    nan: Literal["error", "mean"] = _picking("error", "what to do with NaN or -inf pixels")
    population: Literal["all pixels", "local maxima"] = _picking(
        "all pixels", "pvalue: pixels that ranks are formed among"
    )
    quadrant: Literal[1, 3] = _picking(1, "pvalue: 1: both quantiles above 0; 3: at least one")
    distance: float = _picking(DISTANCE, "pvalue: least distance of local maxima", unit="pixels", at_least=0)
    seed: int = _picking(0, "gev: seed of the sample", at_least=0)
    sample: int = _picking(SAMPLE, "gev: pixels of the fit, at most", at_least=1)
    highest: float = _picking(HIGHEST, "gev: scores above it are left out of the fit")

    def __post_init__(self) -> None:
        super().__post_init__()
        for metric, names in _OF_ONE_METRIC.items():
            for name in names:
                if metric != self.metric and getattr(self, name) != getattr(type(self), name):
                    raise OptionError(field=name, expected=f"metric {metric} with it", found=self.metric)


# Options that say something of one metric only.
_OF_ONE_METRIC = {"pvalue": ("population", "quadrant", "distance"), "gev": ("seed", "sample", "highest")}


def _table(default: Any, help: str, **about: Any) -> Any:
    return option(default, help, group="table", **about)


@dataclass(frozen=True, kw_only=True)
class TableOptions(PickOptions):
    """Options of `search_table`: those of `pick`, of `open_result` and of `match_table`."""

    base: str | None = option(
        None, "folder where relative paths start (default: the configuration's)", metavar="DIR", path=True
    )
    micrograph: str | None = option(None, "micrograph instead of the configuration's", metavar="MRC", path=True)
    template: str | None = option(None, "template instead of the configuration's", metavar="MRC", path=True)
    mask: str | None = _picking(None, "map whose pixels above 0 may hold peaks", metavar="MRC", path=True)
    valid: bool = _picking(False, "crop maps of same mode to those of valid mode first")
    correlations: int | None = option(None, "correlograms per pixel (default: the search's own)", at_least=1)
    width: Literal[39, 36, 34, 11] = _table(39, "columns of the table: its generation")
    half_template_shift: bool = _table(True, "leave pos_x_img, pos_y_img at the template's corner")
    exclude: tuple[str, ...] = _table((), "columns to leave out", metavar=("COLUMN",))
