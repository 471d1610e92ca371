"""Laue: frames in HDF5 to a spot table, by the background of each pixel over all frames (lu_hdf2spots rebuilt).

>>> import numpy as np
>>> import braggio
>>> frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
>>> frames[7, 20:26, 30:36] += 200
>>> report = braggio.laue.find_spots(frames)
>>> report.n_spots, report.stats.n_removed
(1, 5)
"""

from braggio.formats.spots_h5 import read_spots
from braggio.laue.convert import ConversionReport, mccd_to_hdf5
from braggio.laue.options import Options
from braggio.laue.report import SpotReport
from braggio.laue.spots import default_output, find_spots
from braggio.laue.stats import PixelStats, pixel_stats

__all__ = [
    "ConversionReport",
    "Options",
    "PixelStats",
    "SpotReport",
    "default_output",
    "find_spots",
    "mccd_to_hdf5",
    "pixel_stats",
    "read_spots",
]
