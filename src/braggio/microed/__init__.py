"""microED: series of TIA raw frames into SMV and MRC, with Leginon's offset and pedestal.

>>> import tempfile
>>> import braggio
>>> with tempfile.TemporaryDirectory() as folder:
...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200, distance=1500.0,
...         pixel_size=0.028, osc_start=-30.0, osc_range=0.5, beam_center=(64, 64))
>>> report.offset, report.pedestal, report.clipped_per_frame[2]
(2000, 1862, (1, 0))
"""

from braggio.microed.convert import convert_series
from braggio.microed.geometry import Geometry, wavelength
from braggio.microed.hints import dials_line, xds_lines
from braggio.microed.losses import losses
from braggio.microed.policy import POLICIES, ZeroPoint, zero_point
from braggio.microed.report import FrameReport, SeriesReport, record_name
from braggio.microed.scan import scan_series
from braggio.microed.series import Series, find_series
from braggio.microed.verify import FrameCheck, verify_series

__all__ = [
    "POLICIES",
    "FrameCheck",
    "FrameReport",
    "Geometry",
    "Series",
    "SeriesReport",
    "ZeroPoint",
    "convert_series",
    "dials_line",
    "find_series",
    "losses",
    "record_name",
    "scan_series",
    "verify_series",
    "wavelength",
    "xds_lines",
    "zero_point",
]
