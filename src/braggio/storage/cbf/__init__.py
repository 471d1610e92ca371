"""CBF files: CIF text with binary sections, whatever detector they are of.

Codecs: byte_offset, packed, packed_v2 (with the options flat and uncorrelated_sections) and none, stored as they are or
as base64. The header is cut out before it is parsed: pixels may look like text.
"""

from braggio.storage.cbf.reading import Cbf, from_source, is_cbf, open_cbf
from braggio.storage.cbf.section import Section, Verify, read_together
from braggio.storage.cbf.writing import section_bytes, write_assembled

__all__ = [
    "Cbf",
    "Section",
    "Verify",
    "from_source",
    "is_cbf",
    "open_cbf",
    "read_together",
    "section_bytes",
    "write_assembled",
]
