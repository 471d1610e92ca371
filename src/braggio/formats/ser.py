"""TIA .ser: a series of images with their calibration and acquisition times.

The reader takes the images of a series (not spectra), all of one shape and type, with 32-bit (0x0210) and 64-bit
(0x0220) offsets. Rows are in file order; see tia_raw for what others do. It does not write .ser.
"""

from __future__ import annotations

from braggio._core import Source, parse_ser
from braggio.storage.format import Format
from braggio.storage.frames import StoredFrames


def sniff(head: bytes, size: int) -> bool:
    """Byte order mark II, then the series id 0x0197."""
    return head[:4] == b"II\x97\x01"


def open_ser(source: Source, path: str | None = None, *, permissive: bool = False, flip: bool = False) -> StoredFrames:
    """Open a TIA series.

    Parameters
    ----------
    permissive : bool
        Accept elements whose tags are not right behind their pixels, where TIA writes them.
    flip : bool
        Give the rows last first; recorded as ``header["flip"]``.
    """
    fields, layout, times = parse_ser(source, strict=not permissive)
    if flip:
        layout = layout.flipped()
    header = {**fields, "flip": flip, "time": times}
    return StoredFrames(source, layout, format="ser", header=header, path=path)


FORMAT = Format("ser", "TIA series", (".ser",), sniff, open_ser)
