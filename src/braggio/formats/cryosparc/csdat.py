"""CSDAT, cryoSPARC's column-wise format: a JSON header, columns raw or as LZ4 blocks, and a heap of texts."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source
from braggio.errors import FormatError, LimitError, TruncatedError, UnsupportedError
from braggio.formats.cryosparc.fields import (
    MAX_FIELDS,
    MAX_HEADER,
    CsColumn,
    Field,
    choose,
    empty_column,
    native,
    parse_field,
    require_once,
)
from braggio.model.columns import Coded

CSDAT_MAGIC = b"\x95CSDAT"
_LZ4_EXPANSION = 255  # the densest LZ4 block


def csdat_header(source: Source) -> tuple[list[tuple[str, str, tuple[int, ...]]], dict[str, Any], int]:
    """(fields, header, byte of the first column)."""
    start = source.read(6, 4)
    if len(start) < 4:
        raise TruncatedError(field="header length", expected="4 bytes", found=f"{len(start)} bytes", offset=6)
    (length,) = struct.unpack("<I", start)
    if length > MAX_HEADER:
        raise LimitError(field="header length", expected=f"at most {MAX_HEADER} bytes", found=length, offset=6)
    if 10 + length > source.size:
        raise TruncatedError(
            field="header length", expected=f"at most the file's {source.size} bytes", found=length, offset=6
        )
    try:
        header = json.loads(source.read(10, length))
    except (ValueError, RecursionError) as error:
        raise FormatError(field="header", expected="JSON", found=type(error).__name__, offset=10) from None
    if (
        not isinstance(header, dict)
        or type(header.get("length")) is not int
        or not isinstance(header.get("dtype"), list)
    ):
        raise FormatError(field="header", expected="length and dtype", found=str(header)[:80], offset=10)
    if not 0 <= header["length"] < 1 << 48:
        raise FormatError(field="length", expected="rows", found=header["length"])
    if header.get("compression") not in (None, "lz4", "none"):
        raise UnsupportedError(field="compression", expected="lz4 or none", found=str(header["compression"])[:80])
    squeezed = header.setdefault("compressed_fields", [])
    if not isinstance(squeezed, list) or not all(isinstance(name, str) for name in squeezed):
        raise FormatError(field="compressed_fields", expected="a list of names", found=str(squeezed)[:80])
    if len(header["dtype"]) > MAX_FIELDS:
        raise LimitError(field="dtype", expected=f"at most {MAX_FIELDS} fields", found=len(header["dtype"]))
    return [_csdat_field(entry) for entry in header["dtype"]], header, 10 + length


def _csdat_field(entry: Any) -> tuple[str, str, tuple[int, ...]]:
    if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[1], str) and entry[1].lstrip("<>|=") == "O":
        return str(entry[0]), "O", ()  # a text: an offset into the heap, not an object
    field = parse_field(entry, 0)
    return field.name, field.dtype.str, field.shape


def read_csdat(source: Source, fields: Sequence[str] | None) -> dict[str, CsColumn]:
    """The wanted columns; others are passed over."""
    found, header, offset = csdat_header(source)
    names = [name for name, *_ in found]
    require_once(names)
    chosen = set(choose(names, fields))
    rows = header["length"]
    if rows == 0:
        return {
            name: empty_column(Field(name, np.dtype("S1" if code == "O" else code), shape, 0))
            for name, code, shape in found
            if name in chosen
        }
    compressed = set(header["compressed_fields"]) if header.get("compression") == "lz4" else set()
    columns: dict[str, Any] = {}
    for name, code, shape in found:
        size_bytes = source.read(offset, 4)
        if len(size_bytes) < 4:
            raise TruncatedError(
                field=name, expected="4 bytes of size", found=f"{len(size_bytes)} bytes", offset=offset
            )
        (size,) = struct.unpack("<I", size_bytes)
        if offset + 4 + size > source.size:
            raise TruncatedError(
                field=name, expected=f"{size} bytes", found=f"{source.size - offset - 4} bytes", offset=offset
            )
        if name in chosen:
            columns[name] = _csdat_column(
                name, "u8" if code == "O" else code, shape, rows, source.read(offset + 4, size), name in compressed
            )
        offset += 4 + size
    heap = source.read(offset, source.size - offset)
    texts = {name for name, code, _ in found if code == "O"}
    return {name: _from_heap(name, column, heap) if name in texts else column for name, column in columns.items()}


def _csdat_column(name: str, code: str, shape: tuple[int, ...], rows: int, stored: bytes, compressed: bool) -> CsColumn:
    dtype = np.dtype(code).newbyteorder("<") if code[0] not in "<>|=" else np.dtype(code)
    if not dtype.itemsize:
        raise UnsupportedError(field=name, expected="texts of at least 1 byte", found=code)
    need = rows * dtype.itemsize * math.prod(shape)
    if compressed:
        stored = _inflated(name, stored, need)
    if len(stored) != need:
        raise FormatError(field=name, expected=f"{need} bytes ({rows} rows)", found=f"{len(stored)} bytes")
    return native(name, np.frombuffer(stored, dtype).reshape((rows, *shape)).copy())


def _inflated(name: str, stored: bytes, need: int) -> bytes:
    import lz4.block

    if need > _LZ4_EXPANSION * len(stored) + 64:
        raise FormatError(
            field=name,
            expected=f"{need} bytes once decompressed",
            found=f"{len(stored)} bytes of LZ4, which cannot hold them",
        )
    try:
        return bytes(lz4.block.decompress(stored, uncompressed_size=need))
    except (lz4.block.LZ4BlockError, ValueError, MemoryError) as error:
        raise FormatError(f"damaged LZ4 block: {error}", field=name) from None


def _from_heap(name: str, offsets: NDArray[Any], heap: bytes) -> Coded:
    used, codes = np.unique(offsets, return_inverse=True)
    if used.size and int(used[-1]) >= len(heap):
        raise FormatError(field=name, expected=f"offsets below the heap's {len(heap)} bytes", found=int(used[-1]))
    texts = []
    for start in used.tolist():
        end = heap.find(b"\0", start)
        if end < 0:
            raise TruncatedError(field=name, expected="a NUL after the text", found="the end of the file")
        texts.append(heap[start:end].decode("utf-8", "surrogateescape"))
    return Coded(codes.astype(np.int32), tuple(texts)).pruned()


def csdat_pieces(columns: Mapping[str, CsColumn]) -> Iterator[bytes]:
    """The bytes of a CSDAT file of these columns, a column at a time."""
    import lz4.block

    heap, places = bytearray(b"\0"), {"": 0}
    dtype: list[list[Any]] = []
    stored: list[tuple[str, bytes]] = []
    for name, column in columns.items():
        if isinstance(column, Coded):
            offsets = np.array([_heap_place(heap, places, text) for text in column.texts] or [0], np.uint64)
            values = offsets[column.codes] if len(column) else np.empty(0, np.uint64)
            dtype.append([name, "|O"])
        else:
            values = np.asarray(column)
            values = values.astype(values.dtype.newbyteorder("<"))
            dtype.append([name, values.dtype.str, *([list(values.shape[1:])] if values.ndim > 1 else [])])
        stored.append((name, values.tobytes()))
    squeezed = [name for name, _ in stored if name != "uid"]
    rows = len(next(iter(columns.values()))) if columns else 0
    header = {"length": rows, "dtype": dtype, "compression": "lz4", "compressed_fields": squeezed}
    text = json.dumps(header, separators=(",", ":")).encode()
    yield CSDAT_MAGIC + struct.pack("<I", len(text)) + text
    if rows:
        for name, raw in stored:
            piece = lz4.block.compress(raw, store_size=False) if name != "uid" else raw
            if len(piece) > 0xFFFFFFFF:
                raise LimitError(field=name, expected="a column below 4 GiB", found=len(piece))
            yield struct.pack("<I", len(piece)) + piece
    yield bytes(heap)


def _heap_place(heap: bytearray, places: dict[str, int], text: str) -> int:
    if text not in places:
        places[text] = len(heap)
        heap += text.encode("utf-8", "surrogateescape") + b"\0"
    return places[text]
