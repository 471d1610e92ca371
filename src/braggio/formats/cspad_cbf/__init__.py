"""CSPAD CBF: the 64 tiles of an LCLS CSPAD, or any imgCIF file of several panels, with their places.

Written as cctbx writes it (four arrays of 8 x 185 x 388, packed), but with the distance really stored.
"""

from braggio.formats.cspad_cbf.header import DETECTOR_TYPE, header_text
from braggio.formats.cspad_cbf.reading import CspadCbf, open_cspad_cbf, require_pixels
from braggio.formats.cspad_cbf.writing import write_cspad_cbf, write_header

__all__ = [
    "DETECTOR_TYPE",
    "CspadCbf",
    "header_text",
    "open_cspad_cbf",
    "require_pixels",
    "write_cspad_cbf",
    "write_header",
]
