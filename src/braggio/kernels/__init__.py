"""Arrays in, arrays out: the compiled and Numba kernels, without files.

>>> import numpy as np
>>> from braggio.kernels import to_uint16
>>> pixels, counts = to_uint16(np.array([[-400, 0, 70000]], dtype=np.int32), offset=351)
>>> pixels.tolist(), counts.low, counts.high
([[0, 351, 65535]], 1, 1)
"""

from braggio.kernels.clamp import to_uint16
from braggio.kernels.label import LabelStats, label, label_stats
from braggio.kernels.mask import dilate, erode
from braggio.kernels.stats import FrameStats, frame_stats

__all__ = [
    "FrameStats",
    "LabelStats",
    "dilate",
    "erode",
    "frame_stats",
    "label",
    "label_stats",
    "to_uint16",
]
