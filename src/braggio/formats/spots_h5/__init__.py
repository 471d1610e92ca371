"""LaueUtil's ``*__spots.h5``: statistics, masks, labels and the table of spots."""

from braggio.formats.spots_h5.columns import MASK_ARRAYS, column_names, empty_columns, table
from braggio.formats.spots_h5.memory import MemoryWriter
from braggio.formats.spots_h5.reading import read_columns, read_info, read_spots
from braggio.formats.spots_h5.writing import SpotsWriter

__all__ = [
    "MASK_ARRAYS",
    "MemoryWriter",
    "SpotsWriter",
    "column_names",
    "empty_columns",
    "read_columns",
    "read_info",
    "read_spots",
    "table",
]
