"""LCLS-I event streams without psana: runs merged by clock, calibrated, dumped into files, as xtc_dump did.

>>> import braggio
>>> run = braggio.xtc.open_run("e157-r0054-s00-c00.xtc")  # doctest: +SKIP
>>> for event in run.events():  # doctest: +SKIP
...     print(event.timestamp, event.wavelength, event.image("cspad").mean())
"""

from braggio.xtc.beam import distance, wavelength
from braggio.xtc.calibration import LOW_GAIN_FACTOR, Calibration, find_calibration, read_pedestals
from braggio.xtc.dump import DumpOptions, DumpReport, dump_run
from braggio.xtc.files import find_files, parse_name
from braggio.xtc.index import Index, IndexedRun
from braggio.xtc.info import RunInfo, run_info
from braggio.xtc.run import Event, Problems, Run, open_run
from braggio.xtc.state import State

__all__ = [
    "LOW_GAIN_FACTOR",
    "Calibration",
    "DumpOptions",
    "DumpReport",
    "Event",
    "Index",
    "IndexedRun",
    "Problems",
    "Run",
    "RunInfo",
    "State",
    "distance",
    "dump_run",
    "find_calibration",
    "find_files",
    "open_run",
    "parse_name",
    "read_pedestals",
    "run_info",
    "wavelength",
]
