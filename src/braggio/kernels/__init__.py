"""Arrays in, arrays out: the compiled and Numba kernels, without files.

>>> import numpy as np
>>> from braggio.kernels import to_uint16
>>> pixels, counts = to_uint16(np.array([[-400, 0, 70000]], dtype=np.int32), offset=351)
>>> pixels.tolist(), counts.low, counts.high
([[0, 351, 65535]], 1, 1)
"""

from braggio.kernels.accumulate import Accumulator, Histogram, Statistics
from braggio.kernels.arrays import as_float32, as_numbers, as_output, as_pixels, as_threads
from braggio.kernels.boxes import copy_boxes
from braggio.kernels.cbf import decode, encode
from braggio.kernels.clamp import to_uint16
from braggio.kernels.images import prepare_images
from braggio.kernels.label import LabelStats, label, label_stats
from braggio.kernels.mask import dilate, erode
from braggio.kernels.peaks import pick_peaks
from braggio.kernels.ranks import ranks
from braggio.kernels.stats import FrameStats, frame_stats
from braggio.kernels.trimmed import PixelSums, trimmed
from braggio.lazy import lookup

__all__ = [
    "Accumulator",
    "FrameStats",
    "Histogram",
    "LabelStats",
    "PixelSums",
    "Statistics",
    "as_float32",
    "as_numbers",
    "as_output",
    "as_pixels",
    "as_threads",
    "copy_boxes",
    "decode",
    "dilate",
    "encode",
    "erode",
    "frame_stats",
    "kruskal",
    "label",
    "label_stats",
    "pick_peaks",
    "prepare_images",
    "ranks",
    "to_uint16",
    "trimmed",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from braggio.kernels.kruskal_numba import kruskal as kruskal

__getattr__, __dir__ = lookup(__name__, {"kruskal": "braggio.kernels.kruskal_numba"}, __all__)  # which imports Numba
