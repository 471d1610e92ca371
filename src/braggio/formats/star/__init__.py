"""STAR tables (.star), as RELION and its relatives write them.

`read_tables` and `write_tables` work on numpy columns; `read_star` and `write_star` are the starfile package's ``read``
and ``write`` with its keywords, on pandas DataFrames. Columns are typed by RELION's label table, so a micrograph called
``0001`` stays a text; labels that RELION does not know are typed by their values.
"""

from braggio.formats.star.frames import read_star, to_dataframe, write_star
from braggio.formats.star.reading import nearest, read_chosen, read_tables, scan
from braggio.formats.star.table import StarTable
from braggio.formats.star.writing import quoted, write_tables

__all__ = [
    "StarTable",
    "nearest",
    "quoted",
    "read_chosen",
    "read_star",
    "read_tables",
    "scan",
    "to_dataframe",
    "write_star",
    "write_tables",
]
