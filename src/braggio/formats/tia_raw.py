"""TIA raw (.bin): a 10-byte header and one frame, as FEI's TIA exports it and Leginon's microED reads it.

Bytes 0-1 data type code (1 u8, 2 u16, 3 u32, 4 i8, 5 i16, 6 i32, 7 f32, 8 f64), 2-5 nx, 6-9 ny, then ny rows of nx
pixels, all little-endian. Rows are given in file order, as pyami and dxtbx do; ncempy and RosettaSciIO show the same
pixels upside down. No TIA raw file with a known orientation is public, so the order is a convention: ``flip=True``
reverses it.
"""

from __future__ import annotations

import struct

from braggio._core import PartFile, Source, parse_tia_raw
from braggio.errors import UnsupportedError
from braggio.model.frames import FrameStack
from braggio.storage.format import UNKNOWN_SIZE, Format
from braggio.storage.frames import StoredFrames, check_end

CODES = {"uint8": 1, "uint16": 2, "uint32": 3, "int8": 4, "int16": 5, "int32": 6, "float32": 7, "float64": 8}


def sniff(head: bytes, size: int) -> bool:
    """Two bytes are a weak magic, so the size must fit too."""
    if len(head) < 10:
        return False
    code, nx, ny = struct.unpack_from("<hii", head)
    sizes = (1, 2, 4, 1, 2, 4, 4, 8)
    if not 1 <= code <= 8 or nx <= 0 or ny <= 0:
        return False
    return bool(size in (UNKNOWN_SIZE, 10 + nx * ny * sizes[code - 1]))


def open_tia_raw(
    source: Source, path: str | None = None, *, permissive: bool = False, flip: bool = False
) -> StoredFrames:
    """Open a TIA raw file.

    Parameters
    ----------
    permissive : bool
        Accept bytes after the frame, with a DataWarning.
    flip : bool
        Give the rows last first; recorded as ``header["flip"]``.
    """
    fields, layout = parse_tia_raw(source)
    check_end(layout, source, path, permissive=permissive)
    if flip:
        layout = layout.flipped()
    return StoredFrames(source, layout, format="tia_raw", header={**fields, "flip": flip}, path=path, single=True)


def write_tia_raw(path: str, stack: FrameStack, *, overwrite: bool = False) -> None:
    """Write one frame; its dtype must have a TIA code."""
    if stack.dtype.name not in CODES or stack.nframes != 1:
        raise UnsupportedError(
            path=path,
            field="frames",
            expected=f"1 frame of {', '.join(CODES)}",
            found=f"{stack.nframes} of {stack.dtype}",
        )
    frame = stack.read(0)
    ny, nx = stack.frame_shape
    with PartFile(path) as part:
        part.write(struct.pack("<hii", CODES[stack.dtype.name], nx, ny), 0)
        part.write(frame.astype(frame.dtype.newbyteorder("<"), copy=False), 10)
        part.publish(overwrite=overwrite)


FORMAT = Format("tia_raw", "TIA raw", (".bin",), sniff, open_tia_raw, write_tia_raw)
