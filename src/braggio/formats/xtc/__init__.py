"""LCLS-I XTC: the event streams of the Linac Coherent Light Source before LCLS-II.

A file is a row of datagrams (transitions and events); each holds a tree of contributions, one per source, with a damage
word, a type and a version. `XtcFile` reads them, `types.decode` makes records of payloads. LCLS-II's XTC2 is another
format and is refused.
"""

from braggio.formats.xtc.cspad import CspadConfig
from braggio.formats.xtc.epics import Epics
from braggio.formats.xtc.jungfrau import JungfrauConfig
from braggio.formats.xtc.names import damage_names, matches, psana_name, source_name, type_name
from braggio.formats.xtc.stream import CSPAD_SHAPE, Contribution, Datagram, XtcFile, describe, time_text
from braggio.formats.xtc.types import COVERED, EBeam, EvrData, Image, decode

__all__ = [
    "COVERED",
    "CSPAD_SHAPE",
    "Contribution",
    "CspadConfig",
    "Datagram",
    "EBeam",
    "Epics",
    "EvrData",
    "Image",
    "JungfrauConfig",
    "XtcFile",
    "damage_names",
    "decode",
    "describe",
    "matches",
    "psana_name",
    "source_name",
    "time_text",
    "type_name",
]
