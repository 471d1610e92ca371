"""CBF and imgCIF (.cbf): CIF text with binary sections; mini-CBF of Pilatus and Eiger detectors, and full headers.

Codecs: byte_offset, packed, packed_v2 (with the options flat and uncorrelated_sections) and none, stored as they are or
as base64. The header is cut out before it is parsed: pixels may look like text.
"""

from braggio.formats.cbf.reading import CHUNK, MAX_TEXT, VERSION, Cbf, from_source, is_cbf, open_cbf, read_cbf
from braggio.formats.cbf.section import BOUNDARY, MAGIC, Section, Verify, read_together
from braggio.formats.cbf.writing import PADDING, assembled, section_bytes, write_assembled, write_cbf

__all__ = [
    "BOUNDARY",
    "CHUNK",
    "MAGIC",
    "MAX_TEXT",
    "PADDING",
    "VERSION",
    "Cbf",
    "Section",
    "Verify",
    "assembled",
    "from_source",
    "is_cbf",
    "open_cbf",
    "read_cbf",
    "read_together",
    "section_bytes",
    "write_assembled",
    "write_cbf",
]
