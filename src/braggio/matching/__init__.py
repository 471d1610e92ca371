"""2-D template matching: maps of a search opened and judged, peaks picked, tables, stacks, merged statistics.

>>> import numpy as np
>>> import braggio
>>> scores = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
>>> scores[20, 30] = 12
>>> peaks = braggio.matching.pick(scores, n_correlations=1000)
>>> peaks.y.tolist(), peaks.x.tolist(), round(peaks.cutoff, 3)
([20], [30], 5.03)
"""

from braggio.formats.match_table import read_table, write_table
from braggio.matching.cutoff import cutoff, orientation_count
from braggio.matching.pick import METRICS, Peaks, pick
from braggio.matching.result import MatchResult, open_result
from braggio.matching.table import concatenate, match_table, peak_table
from braggio.model.matches import MatchTable, OpticsGroup, SearchConfig

__all__ = [
    "METRICS",
    "MatchResult",
    "MatchTable",
    "OpticsGroup",
    "Peaks",
    "SearchConfig",
    "concatenate",
    "cutoff",
    "match_table",
    "open_result",
    "orientation_count",
    "peak_table",
    "pick",
    "read_table",
    "write_table",
]
