"""2-D template matching: maps of a search opened and judged, peaks picked, tables, stacks, merged statistics.

>>> import numpy as np
>>> import braggio
>>> scores = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
>>> scores[20, 30] = 12
>>> peaks = braggio.matching.pick(scores, n_correlations=1000)
>>> peaks.y.tolist(), peaks.x.tolist(), round(peaks.cutoff, 3)
([20], [30], 5.031)
"""

from braggio.formats.match_partial import Partial, read_partial, write_partial
from braggio.formats.match_table import read_table, write_table
from braggio.kernels.accumulate import Accumulator, Histogram, Statistics
from braggio.matching.check import CheckReport, check
from braggio.matching.cutoff import cutoff, orientation_count
from braggio.matching.extract import box_corners, extract
from braggio.matching.pick import METRICS, Peaks, pick
from braggio.matching.preferred import absolute_defocus, euler_angles, pixel_size
from braggio.matching.refined import box_offset, refined_table, rotated, scaled_score
from braggio.matching.relion import star_tables, write_star
from braggio.matching.result import MatchResult, open_result
from braggio.matching.stack import StackReport, write_stack
from braggio.matching.statistics import decode, merge_partials, write_maps
from braggio.matching.table import concatenate, match_table, peak_table
from braggio.model.matches import MatchTable, OpticsGroup, SearchConfig

__all__ = [
    "METRICS",
    "Accumulator",
    "CheckReport",
    "Histogram",
    "MatchResult",
    "MatchTable",
    "OpticsGroup",
    "Partial",
    "Peaks",
    "SearchConfig",
    "StackReport",
    "Statistics",
    "absolute_defocus",
    "box_corners",
    "box_offset",
    "check",
    "concatenate",
    "cutoff",
    "decode",
    "euler_angles",
    "extract",
    "match_table",
    "merge_partials",
    "open_result",
    "orientation_count",
    "peak_table",
    "pick",
    "pixel_size",
    "read_partial",
    "read_table",
    "refined_table",
    "rotated",
    "scaled_score",
    "star_tables",
    "write_maps",
    "write_partial",
    "write_stack",
    "write_star",
    "write_table",
]
