"""microED: series of TIA raw frames into SMV and MRC, with Leginon's offset and pedestal.

>>> import tempfile
>>> import braggio
>>> with tempfile.TemporaryDirectory() as folder:
...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200, distance=1500.0,
...         pixel_size=0.028, osc_start=-30.0, osc_range=0.5, beam_center=(64, 64))
>>> report.offset, report.pedestal, report.clipped_per_frame[2]
(2000, 1862, (1, 0))
"""

from braggio.lazy import lookup

_HOMES = {
    "FrameCheck": "braggio.microed.verify",
    "FrameReport": "braggio.microed.report",
    "Geometry": "braggio.microed.geometry",
    "POLICIES": "braggio.microed.policy",
    "Series": "braggio.microed.series",
    "SeriesReport": "braggio.microed.report",
    "SmvOptions": "braggio.microed.options",
    "ZeroPoint": "braggio.microed.policy",
    "convert_series": "braggio.microed.convert",
    "dials_line": "braggio.microed.hints",
    "electron_wavelength": "braggio.model.beam",
    "find_series": "braggio.microed.series",
    "losses": "braggio.microed.recovery",
    "record_name": "braggio.microed.report",
    "scan_series": "braggio.microed.scan",
    "verify_series": "braggio.microed.verify",
    "xds_lines": "braggio.microed.hints",
    "zero_point": "braggio.microed.policy",
}

__all__ = [
    "POLICIES",
    "FrameCheck",
    "FrameReport",
    "Geometry",
    "Series",
    "SeriesReport",
    "SmvOptions",
    "ZeroPoint",
    "convert_series",
    "dials_line",
    "electron_wavelength",
    "find_series",
    "losses",
    "record_name",
    "scan_series",
    "verify_series",
    "xds_lines",
    "zero_point",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from braggio.microed.convert import convert_series as convert_series
    from braggio.microed.geometry import Geometry as Geometry
    from braggio.microed.hints import dials_line as dials_line
    from braggio.microed.hints import xds_lines as xds_lines
    from braggio.microed.options import SmvOptions as SmvOptions
    from braggio.microed.policy import POLICIES as POLICIES
    from braggio.microed.policy import ZeroPoint as ZeroPoint
    from braggio.microed.policy import zero_point as zero_point
    from braggio.microed.recovery import losses as losses
    from braggio.microed.report import FrameReport as FrameReport
    from braggio.microed.report import SeriesReport as SeriesReport
    from braggio.microed.report import record_name as record_name
    from braggio.microed.scan import scan_series as scan_series
    from braggio.microed.series import Series as Series
    from braggio.microed.series import find_series as find_series
    from braggio.microed.verify import FrameCheck as FrameCheck
    from braggio.microed.verify import verify_series as verify_series
    from braggio.model.beam import electron_wavelength as electron_wavelength

__getattr__, __dir__ = lookup(__name__, _HOMES, __all__)
