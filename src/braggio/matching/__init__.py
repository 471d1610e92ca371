"""2-D template matching: maps of a search opened and judged, peaks picked, tables, stacks, merged statistics.

>>> import numpy as np
>>> import braggio
>>> scores = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
>>> scores[20, 30] = 12
>>> peaks = braggio.matching.pick(scores, n_correlations=1000)
>>> peaks.y.tolist(), peaks.x.tolist(), round(peaks.cutoff, 3)
([20], [30], 5.031)
"""

from braggio.lazy import lookup

_HOMES = {
    "Accumulator": "braggio.kernels.accumulate",
    "CheckReport": "braggio.matching.checks",
    "Histogram": "braggio.kernels.accumulate",
    "MatchResult": "braggio.matching.result",
    "MatchTable": "braggio.model.matches",
    "OpticsGroup": "braggio.model.matches",
    "Partial": "braggio.formats.match_partial",
    "Peaks": "braggio.matching.picking",
    "PickOptions": "braggio.matching.options",
    "SearchConfig": "braggio.model.matches",
    "StackReport": "braggio.matching.stack",
    "Statistics": "braggio.kernels.accumulate",
    "TableOptions": "braggio.matching.options",
    "TableReport": "braggio.matching.tabulate",
    "absolute_defocus": "braggio.matching.preferred",
    "box_corners": "braggio.matching.extraction",
    "box_offset": "braggio.matching.refined",
    "check": "braggio.matching.checks",
    "concatenate": "braggio.matching.table",
    "cutoff": "braggio.matching.cutoffs",
    "decode": "braggio.matching.statistics",
    "euler_angles": "braggio.matching.preferred",
    "extract": "braggio.matching.extraction",
    "match_table": "braggio.matching.table",
    "merge_partials": "braggio.matching.statistics",
    "open_result": "braggio.matching.result",
    "orientation_count": "braggio.matching.cutoffs",
    "peak_table": "braggio.matching.table",
    "pick": "braggio.matching.picking",
    "pixel_size": "braggio.matching.preferred",
    "read_partial": "braggio.formats.match_partial",
    "read_table": "braggio.formats.match_table",
    "refined_table": "braggio.matching.refined",
    "rotated": "braggio.matching.refined",
    "scaled_score": "braggio.matching.refined",
    "search_table": "braggio.matching.tabulate",
    "star_tables": "braggio.matching.relion",
    "write_maps": "braggio.matching.statistics",
    "write_partial": "braggio.formats.match_partial",
    "write_stack": "braggio.matching.stack",
    "write_star": "braggio.matching.relion",
    "write_table": "braggio.formats.match_table",
}

__all__ = [
    "Accumulator",
    "CheckReport",
    "Histogram",
    "MatchResult",
    "MatchTable",
    "OpticsGroup",
    "Partial",
    "Peaks",
    "PickOptions",
    "SearchConfig",
    "StackReport",
    "Statistics",
    "TableOptions",
    "TableReport",
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
    "search_table",
    "star_tables",
    "write_maps",
    "write_partial",
    "write_stack",
    "write_star",
    "write_table",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from braggio.formats.match_partial import Partial as Partial
    from braggio.formats.match_partial import read_partial as read_partial
    from braggio.formats.match_partial import write_partial as write_partial
    from braggio.formats.match_table import read_table as read_table
    from braggio.formats.match_table import write_table as write_table
    from braggio.kernels.accumulate import Accumulator as Accumulator
    from braggio.kernels.accumulate import Histogram as Histogram
    from braggio.kernels.accumulate import Statistics as Statistics
    from braggio.matching.checks import CheckReport as CheckReport
    from braggio.matching.checks import check as check
    from braggio.matching.cutoffs import cutoff as cutoff
    from braggio.matching.cutoffs import orientation_count as orientation_count
    from braggio.matching.extraction import box_corners as box_corners
    from braggio.matching.extraction import extract as extract
    from braggio.matching.options import PickOptions as PickOptions
    from braggio.matching.options import TableOptions as TableOptions
    from braggio.matching.picking import Peaks as Peaks
    from braggio.matching.picking import pick as pick
    from braggio.matching.preferred import absolute_defocus as absolute_defocus
    from braggio.matching.preferred import euler_angles as euler_angles
    from braggio.matching.preferred import pixel_size as pixel_size
    from braggio.matching.refined import box_offset as box_offset
    from braggio.matching.refined import refined_table as refined_table
    from braggio.matching.refined import rotated as rotated
    from braggio.matching.refined import scaled_score as scaled_score
    from braggio.matching.relion import star_tables as star_tables
    from braggio.matching.relion import write_star as write_star
    from braggio.matching.result import MatchResult as MatchResult
    from braggio.matching.result import open_result as open_result
    from braggio.matching.stack import StackReport as StackReport
    from braggio.matching.stack import write_stack as write_stack
    from braggio.matching.statistics import decode as decode
    from braggio.matching.statistics import merge_partials as merge_partials
    from braggio.matching.statistics import write_maps as write_maps
    from braggio.matching.table import concatenate as concatenate
    from braggio.matching.table import match_table as match_table
    from braggio.matching.table import peak_table as peak_table
    from braggio.matching.tabulate import TableReport as TableReport
    from braggio.matching.tabulate import search_table as search_table
    from braggio.model.matches import MatchTable as MatchTable
    from braggio.model.matches import OpticsGroup as OpticsGroup
    from braggio.model.matches import SearchConfig as SearchConfig

__getattr__, __dir__ = lookup(__name__, _HOMES, __all__)
