"""Laue: frames in HDF5 to a spot table, by the background of each pixel over all frames (lu_hdf2spots rebuilt).

>>> import numpy as np
>>> import braggio
>>> frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
>>> frames[7, 20:26, 30:36] += 200
>>> report = braggio.laue.find_spots(frames)
>>> report.n_spots, report.stats.n_removed
(1, 5)
"""

from braggio.lazy import lookup

_HOMES = {
    "ConversionReport": "braggio.laue.convert",
    "PixelStats": "braggio.laue.stats",
    "SpotOptions": "braggio.laue.options",
    "SpotReport": "braggio.laue.report",
    "default_output": "braggio.laue.spots",
    "find_spots": "braggio.laue.spots",
    "mccd_to_hdf5": "braggio.laue.convert",
    "pixel_stats": "braggio.laue.stats",
    "read_spots": "braggio.formats.spots_h5",
}

__all__ = [
    "ConversionReport",
    "PixelStats",
    "SpotOptions",
    "SpotReport",
    "default_output",
    "find_spots",
    "mccd_to_hdf5",
    "pixel_stats",
    "read_spots",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from braggio.formats.spots_h5 import read_spots as read_spots
    from braggio.laue.convert import ConversionReport as ConversionReport
    from braggio.laue.convert import mccd_to_hdf5 as mccd_to_hdf5
    from braggio.laue.options import SpotOptions as SpotOptions
    from braggio.laue.report import SpotReport as SpotReport
    from braggio.laue.spots import default_output as default_output
    from braggio.laue.spots import find_spots as find_spots
    from braggio.laue.stats import PixelStats as PixelStats
    from braggio.laue.stats import pixel_stats as pixel_stats

__getattr__, __dir__ = lookup(__name__, _HOMES, __all__)
