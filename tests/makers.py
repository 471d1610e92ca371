"""Bytes of every format, made from the specifications and not by braggio, and slow but obvious reference results."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIA_CODES = {"uint8": 1, "uint16": 2, "uint32": 3, "int8": 4, "int16": 5, "int32": 6, "float32": 7, "float64": 8}
MRC_MODES = {"int8": 0, "int16": 1, "float32": 2, "complex64": 4, "uint16": 6, "float16": 12}

# What numsmv.HEADER_FIELDS of Leginon holds; its reader exits on any other key.
LEGINON_KEYS = set(
    "HEADER_BYTES DIM BYTE_ORDER TYPE SIZE1 SIZE2 PIXEL_SIZE BIN BIN_TYPE ADC CREV BEAMLINE DATE TIME ACC_TIME"
    " DISTANCE TWOTHETA PHI OSC_START OSC_RANGE WAVELENGTH BEAM_CENTER_X BEAM_CENTER_Y GAIN IMAGE_PEDESTAL"
    " LEGINON_OFFSET".split()
)


def pixels(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> NDArray[Any]:
    """Random pixels over the whole range of an integer dtype; normal ones of a float dtype."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        return rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    if kind.kind == "c":
        return (rng.normal(0, 50, shape) + 1j * rng.normal(0, 50, shape)).astype(kind)
    return rng.normal(0, 50, shape).astype(kind)


def tia_header(code: int, nx: int, ny: int, order: str = "<") -> bytes:
    """The ten bytes: type code, columns, rows."""
    return struct.pack(order + "hii", code, nx, ny)


def tia(array: NDArray[Any], order: str = "<") -> bytes:
    """A TIA raw file."""
    rows, columns = array.shape
    return (
        tia_header(TIA_CODES[array.dtype.name], columns, rows, order)
        + array.astype(array.dtype.newbyteorder(order)).tobytes()
    )


def ser(frames: Sequence[NDArray[Any]], times: Sequence[int] = (), *, wide: bool = True, spare: int = 0) -> bytes:
    """A TIA series; `wide` has 64-bit offsets, `spare` counts places of the tables that were never filled."""
    word = "Q" if wide else "I"
    size = struct.calcsize("<" + word)
    count = len(frames)
    dimension = struct.pack("<iddii", count + spare, 0.0, 1.0, 0, 6) + b"Number" + struct.pack("<i", 0)
    head_size = 22 + size + 4
    table = head_size + len(dimension)
    at = table + 2 * size * (count + spare)
    body, elements, tags = b"", [], []
    for i, frame in enumerate(frames):
        element = struct.pack("<ddiddi", -1.5, 0.25, 0, -2.5, 0.25, 0) + tia(frame)
        elements.append(at + len(body))
        tags.append(elements[-1] + len(element))
        body += element + struct.pack("<HHI", 0x4152, 0, times[i] if times else 1_400_000_000 + i)
    head = struct.pack(
        "<HHHiiii" + word + "i",
        0x4949,
        0x0197,
        0x0220 if wide else 0x0210,
        0x4122,
        0x4152,
        count + spare,
        count,
        table,
        1,
    )
    places = [*elements, *[0] * spare, *tags, *[0] * spare]
    return head + dimension + struct.pack(f"<{len(places)}{word}", *places) + body


def smv_lines(array: NDArray[Any], *, header_bytes: int = 512, order: str = "little_endian") -> list[str]:
    """The KEY=value; lines of a plain ADSC header."""
    rows, columns = array.shape
    return [
        f"HEADER_BYTES={header_bytes:5d};",
        "DIM=2;",
        f"BYTE_ORDER={order};",
        "TYPE=unsigned_short;",
        f"SIZE1={columns};",
        f"SIZE2={rows};",
        "PIXEL_SIZE=0.028;",
        "DISTANCE=1500.0;",
        "WAVELENGTH=0.0250793;",
        "OSC_START=-30.0;",
        "OSC_RANGE=0.5;",
        "PHI=-30.0;",
        "BEAM_CENTER_X=1.0;",
        "BEAM_CENTER_Y=2.0;",
        "BIN=2x2;",
    ]


def smv(
    array: NDArray[Any],
    lines: Iterable[str] | None = None,
    *,
    header_bytes: int = 512,
    big_endian: bool = False,
    newline: str = "\n",
    pad: bytes = b" ",
) -> bytes:
    """An SMV file with the given header lines."""
    if lines is None:
        lines = smv_lines(array, header_bytes=header_bytes, order="big_endian" if big_endian else "little_endian")
    text = ("{" + newline + "".join(line + newline for line in lines) + "}" + newline).encode("latin-1")
    assert len(text) <= header_bytes
    return text.ljust(header_bytes, pad) + array.astype(array.dtype.newbyteorder(">" if big_endian else "<")).tobytes()


def mrc(
    array: NDArray[Any],
    *,
    mode: int | None = None,
    order: str = "<",
    volume: bool = False,
    extended: bytes = b"",
    exttyp: bytes = b"",
    labels: Sequence[str] = (),
    nx: int | None = None,
    pixel_size: float = 1.0,
) -> bytes:
    """An MRC2014 file of an image (2-D array), or an image stack or volume (3-D array)."""
    shape = array.shape if array.ndim == 3 else (1, *array.shape)
    nz, ny, columns = shape
    nx = columns if nx is None else nx
    head = bytearray(1024)
    mode = MRC_MODES[array.dtype.name] if mode is None else mode
    struct.pack_into(order + "10i", head, 0, nx, ny, nz, mode, 0, 0, 0, nx, ny, nz if volume else 1)
    struct.pack_into(
        order + "6f", head, 40, nx * pixel_size, ny * pixel_size, nz * pixel_size if volume else pixel_size, 90, 90, 90
    )
    struct.pack_into(order + "3i", head, 64, 1, 2, 3)
    struct.pack_into(order + "3f", head, 76, 0, -1, -2)  # dmax < dmin: undetermined
    struct.pack_into(order + "2i", head, 88, 1 if volume else 0, len(extended))
    struct.pack_into("4s", head, 104, exttyp)
    struct.pack_into(order + "i", head, 108, 20140)
    struct.pack_into("4s4s", head, 208, b"MAP ", b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    struct.pack_into(order + "fi", head, 216, -1.0, len(labels))
    for i, label in enumerate(labels):
        struct.pack_into("80s", head, 224 + 80 * i, label.encode("ascii"))
    return bytes(head) + extended + array.astype(array.dtype.newbyteorder(order)).tobytes()


def leginon_pixels(array: NDArray[Any], offset: int) -> NDArray[np.uint16]:
    """diffrtransfer's second pass, pixel by pixel in Python's own numbers: + offset, < 0 -> 0, >= 65536 -> 65535."""
    result = np.empty(array.shape, np.uint16)
    for place, value in zip(np.ndindex(*array.shape), array.ravel().tolist(), strict=True):
        total = round(value + offset)  # of a float: half to even
        result[place] = 0 if total < 0 else 65535 if total >= 65536 else total
    return result


def noisy(minimum: int, shape: tuple[int, int] = (12, 17), dtype: Any = np.int32, seed: int = 0) -> NDArray[Any]:
    """A frame whose least pixel is `minimum`."""
    rng = np.random.default_rng(seed)
    frame = rng.integers(minimum + 1, minimum + 900, shape).astype(dtype)
    frame[seed % shape[0], (3 * seed) % shape[1]] = minimum
    return frame


def write_series(
    folder: Path, frames: Sequence[NDArray[Any]], *, numbers: Sequence[int] | None = None, prefix: str = "f_"
) -> list[Path]:
    """TIA raw files ``<prefix><number>.bin``, numbered from 1 where `numbers` does not say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, frame in zip(numbers or range(1, len(frames) + 1), frames, strict=True):
        paths.append(folder / f"{prefix}{number:03d}.bin")
        paths[-1].write_bytes(tia(frame))
    return paths


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def entries(folder: Path) -> list[str]:
    """Every name below a folder, hidden ones and folders too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_bomb(path: Path, beginning: bytes, unit: bytes) -> None:
    """A gzip file of about 1 MB that holds 300 MB: `beginning`, and `unit` again and again."""
    with gzip.open(path, "wb", 1) as file:
        file.write(beginning)
        block = unit * ((1 << 20) // len(unit))
        for _ in range(300):
            file.write(block)
