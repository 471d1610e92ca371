"""Structured npy files, with a header of any size; never unpickled."""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source, gather_records
from braggio.errors import FormatError, LimitError, TruncatedError, UnsafeError, UnsupportedError
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

NPY_MAGIC = b"\x93NUMPY"


def npy_header(source: Source) -> tuple[list[Field], int, int, int]:
    """(fields, record bytes, rows, byte of the first record)."""
    start = source.read(0, 12)
    if start[:6] != NPY_MAGIC:
        raise FormatError(field="magic", expected="an npy file", found=start[:6].hex(" ") or "an empty file", offset=0)
    if len(start) < 12:
        raise TruncatedError(field="header", expected="12 bytes", found=f"{len(start)} bytes")
    wide = start[6] >= 2
    if start[6] not in (1, 2, 3):
        raise UnsupportedError(field="npy version", expected="1, 2 or 3", found=start[6], offset=6)
    length = int(struct.unpack("<I", start[8:12])[0] if wide else struct.unpack("<H", start[8:10])[0])
    first = (12 if wide else 10) + length
    if length > MAX_HEADER:
        raise LimitError(field="header length", expected=f"at most {MAX_HEADER} bytes", found=length, offset=8)
    if first > source.size:
        raise TruncatedError(
            field="header length", expected=f"at most the file's {source.size} bytes", found=length, offset=8
        )
    try:
        text = source.read(first - length, length).decode("utf-8" if start[6] == 3 else "latin-1")
    except UnicodeDecodeError as error:
        raise FormatError(field="header", expected="UTF-8", found=error.reason, offset=first - length) from None
    descr, rows = _npy_description(text)
    fields = list(_npy_fields(descr))
    record = fields[-1].offset + fields[-1].size if fields else 0
    if rows and not record:
        raise FormatError(field="descr", expected="records of at least 1 byte", found="0")
    if rows * record > source.size - first:
        raise TruncatedError(
            field="file size",
            expected=f"{first + rows * record} bytes ({rows} records of {record})",
            found=f"{source.size} bytes",
        )
    return fields, record, rows, first


def _npy_description(text: str) -> tuple[Any, int]:
    if max(_depths(text), default=0) > 8:  # literal_eval recurses
        raise FormatError(field="header", expected="a dtype description", found="brackets more than 8 deep")
    try:
        header = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
        raise FormatError(field="header", expected="a dict of literals", found=type(error).__name__) from None
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise FormatError(field="header", expected="descr, fortran_order and shape", found=str(header)[:80])
    shape = header["shape"]
    if not (isinstance(shape, tuple) and len(shape) == 1 and type(shape[0]) is int and 0 <= shape[0] < 1 << 48):
        raise FormatError(field="shape", expected="(rows,)", found=str(shape)[:80])
    if isinstance(header["descr"], str):
        if "O" in header["descr"]:
            raise UnsafeError(
                "pickled objects are never loaded", field="descr", expected="a structured dtype", found=header["descr"]
            )
        raise FormatError(field="descr", expected="a structured dtype", found=header["descr"][:80])
    return header["descr"], shape[0]


def _depths(text: str) -> Iterator[int]:
    depth = 0
    for bracket in re.findall(r"[\[({\])}]", text):
        depth += 1 if bracket in "[({" else -1
        yield depth


def _npy_fields(descr: Any) -> Iterator[Field]:
    if not isinstance(descr, list) or len(descr) > MAX_FIELDS:
        raise FormatError(field="descr", expected="a list of fields", found=str(descr)[:80])
    offset = 0
    for entry in descr:
        field = parse_field(entry, offset)
        offset += field.size
        if offset > 1 << 31:
            raise LimitError(field=field.name, expected="records below 2 GiB", found=offset)
        yield field


def read_npy(source: Source, fields: Sequence[str] | None) -> dict[str, CsColumn]:
    """The wanted fields of a structured npy file, streamed out of its records."""
    found, record, rows, first = npy_header(source)
    names = [field.name for field in found]
    require_once(names)
    chosen = [field for field in found if field.name in set(choose(names, fields))]
    if rows == 0:
        return {field.name: empty_column(field) for field in chosen}
    # Texts as bytes are coded while they are read; every other field is copied out of the records as it stands.
    targets = [
        None if field.dtype.kind == "S" and not field.shape else np.empty((rows, *field.shape), field.dtype)
        for field in chosen
    ]
    wanted = [
        (field.offset, field.size, None if out is None else out.reshape(-1).view(np.uint8))
        for field, out in zip(chosen, targets, strict=True)
    ]
    results = gather_records(source, first, record, rows, wanted)
    return {
        field.name: Coded(coded[0], tuple(coded[1])) if coded is not None else native(field.name, out)
        for field, out, coded in zip(chosen, targets, results, strict=True)
        if coded is not None or out is not None
    }


def npy_pieces(columns: Mapping[str, CsColumn]) -> Iterator[bytes]:
    """The bytes of an npy file of these columns, a few MB at a time."""
    stored = {
        name: _as_bytes(column) if isinstance(column, Coded) else np.asarray(column) for name, column in columns.items()
    }
    dtype = np.dtype([(name, values.dtype.newbyteorder("<"), values.shape[1:]) for name, values in stored.items()])
    rows = len(next(iter(stored.values()))) if stored else 0
    # numpy writes (2,) as (2,), and a scalar without a shape, as cryoSPARC does.
    text = f"{{'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False, 'shape': ({rows},), }}"
    plain = all(ord(character) < 256 for character in text)
    header = text.encode("latin-1" if plain else "utf-8")
    version = 3 if not plain else 2 if len(header) + 11 > 65535 else 1
    start = 10 if version == 1 else 12
    padded = header + b" " * (-(start + len(header) + 1) % 64) + b"\n"
    yield NPY_MAGIC + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(padded)) + padded
    step = max(1, (1 << 22) // max(dtype.itemsize, 1))
    for begin in range(0, rows, step):
        records = np.empty(min(step, rows - begin), dtype)
        for name, values in stored.items():
            records[name] = values[begin : begin + step]
        yield records.tobytes()


def _as_bytes(column: Coded) -> NDArray[Any]:
    texts = [text.encode("utf-8", "surrogateescape") for text in column.texts]
    width = max((len(text) for text in texts), default=1) or 1
    return np.asarray(np.array(texts or [b""], f"S{width}")[column.codes] if len(column) else np.empty(0, f"S{width}"))
