"""cryoSPARC metadata (.cs): structured npy files and CSDAT, read without unpickling anything.

Both are the same table: a ``uid`` and fields whose names end in their unit. What a job passes on from earlier jobs
stands in a second file with the same uids, the passthrough (`join_on_uid`).
"""

from __future__ import annotations

import ast
import json
import os
import re
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile, Source, gather_records
from braggio.errors import (
    DataWarning,
    FormatError,
    LimitError,
    MetadataError,
    TruncatedError,
    UnsafeError,
    UnsupportedError,
    about,
)
from braggio.model.columns import Coded

File: TypeAlias = str | os.PathLike[str] | bytes
CsColumn: TypeAlias = NDArray[Any] | Coded
NPY_MAGIC = b"\x93NUMPY"
CSDAT_MAGIC = b"\x95CSDAT"
MAX_HEADER = 1 << 24  # 100 class3D groups make 20 kB
MAX_FIELDS = 1 << 16
_NUMBER = re.compile(r"[<>|=]?(?:[iu][1248]|f[248]|b1)")
_TEXT = re.compile(r"[<>|=]?[SU]\d{1,6}")
_LZ4_EXPANSION = 255  # the densest LZ4 block


@dataclass(frozen=True)
class _Field:
    """One field of the records."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


def sniff(head: bytes) -> bool:
    """The magic of either kind of .cs file."""
    return head.startswith((NPY_MAGIC, CSDAT_MAGIC))


def read_cs(file: File, *, fields: Sequence[str] | None = None) -> dict[str, CsColumn]:
    """Read a .cs file.

    Parameters
    ----------
    file : path-like or bytes
        An npy file with a header of any size, or CSDAT.
    fields : sequence of str, optional
        Which; all by default. Others are not read.

    Returns
    -------
    dict of str to column
        In the order of the file: arrays of shape (rows, ...) in native byte order, texts `Coded`.

    Raises
    ------
    FormatError
        Not a .cs file, or damaged; TruncatedError where bytes are missing.
    UnsafeError
        Pickled objects: they are never loaded.
    MetadataError
        A field that is not there.

    Examples
    --------
    >>> import io, numpy as np
    >>> buffer = io.BytesIO()
    >>> np.save(buffer, np.array([(7, b"J1/a.mrc")], [("uid", "u8"), ("blob/path", "S8")]))
    >>> table = read_cs(buffer.getvalue())
    >>> table["uid"].tolist(), list(table["blob/path"])
    ([7], ['J1/a.mrc'])
    """
    path = None if isinstance(file, bytes) else os.fspath(file)
    with about(path):
        source = Source.over(file) if isinstance(file, bytes) else Source.open(os.fspath(file))
        magic = source.read(0, 6)
        if magic == NPY_MAGIC:
            return _read_npy(source, fields)
        if magic == CSDAT_MAGIC:
            return _read_csdat(source, fields)
        raise FormatError(
            field="magic", expected="an npy or CSDAT file", found=magic.hex(" ") or "an empty file", offset=0
        )


def field_names(file: File) -> list[str]:
    """The fields of a .cs file, from its header alone."""
    path = None if isinstance(file, bytes) else os.fspath(file)
    with about(path):
        source = Source.over(file) if isinstance(file, bytes) else Source.open(os.fspath(file))
        if source.read(0, 6) == CSDAT_MAGIC:
            return [name for name, *_ in _csdat_header(source)[0]]
        return [field.name for field in _npy_header(source)[0]]


def _choose(names: Sequence[str], fields: Sequence[str] | None) -> list[str]:
    for name in fields or ():
        if name not in names:
            raise MetadataError(field=name, expected="a field of the file", found=", ".join(names[:12]) or "none")
    return [name for name in names if fields is None or name in fields]


# ---- npy


def _npy_header(source: Source) -> tuple[list[_Field], int, int, int]:
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
    text = source.read(first - length, length).decode("utf-8" if start[6] == 3 else "latin-1")
    descr, rows = _npy_description(text)
    fields = list(_npy_fields(descr))
    record = fields[-1].offset + fields[-1].size if fields else 0
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


def _npy_fields(descr: Any) -> Iterator[_Field]:
    if not isinstance(descr, list) or len(descr) > MAX_FIELDS:
        raise FormatError(field="descr", expected="a list of fields", found=str(descr)[:80])
    offset = 0
    for entry in descr:
        field = _field(entry, offset)
        offset += field.size
        if offset > 1 << 31:
            raise LimitError(field=field.name, expected="records below 2 GiB", found=offset)
        yield field


def _field(entry: Any, offset: int) -> _Field:
    entry = tuple(entry) if isinstance(entry, (tuple, list)) else ()
    if len(entry) not in (2, 3) or not all(isinstance(part, str) for part in entry[:2]):
        raise FormatError(field="descr", expected="(name, dtype[, shape])", found=str(entry)[:80])
    name, code = entry[:2]
    if "O" in code:
        raise UnsafeError("pickled objects are never loaded", field=name, expected="a number or text dtype", found=code)
    if not (_NUMBER.fullmatch(code) or _TEXT.fullmatch(code)):
        raise UnsupportedError(field=name, expected="a number or text dtype", found=code[:80])
    shape = entry[2] if len(entry) == 3 else ()
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if len(shape) > 4 or not all(type(n) is int and 0 < n < 1 << 20 for n in shape):
        raise FormatError(field=name, expected="a shape of at most 4 lengths", found=str(shape)[:80])
    return _Field(name, np.dtype(code), shape, offset)


def _read_npy(source: Source, fields: Sequence[str] | None) -> dict[str, CsColumn]:
    found, record, rows, first = _npy_header(source)
    names = [field.name for field in found]
    _require_once(names)
    chosen = [field for field in found if field.name in set(_choose(names, fields))]
    if rows == 0:
        return {field.name: _empty(field) for field in chosen}
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
        field.name: Coded(coded[0], tuple(coded[1])) if coded is not None else _native(out)
        for field, out, coded in zip(chosen, targets, results, strict=True)
        if coded is not None or out is not None
    }


def _require_once(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise FormatError(field="descr", expected="every field once", found=f"{', '.join(twice[:5])} again")


def _empty(field: _Field) -> CsColumn:
    if field.dtype.kind in "SU" and not field.shape:
        return Coded(np.zeros(0, np.int32), ())
    return np.empty((0, *field.shape), field.dtype.newbyteorder("="))


def _native(values: NDArray[Any] | None) -> CsColumn:
    assert values is not None
    if values.dtype.kind == "U" and values.ndim == 1:
        return Coded.of(values.astype(values.dtype.newbyteorder("=")).tolist())
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


# ---- CSDAT


def _csdat_header(source: Source) -> tuple[list[tuple[str, str, tuple[int, ...]]], dict[str, Any], int]:
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
    return [_csdat_field(entry) for entry in header["dtype"][:MAX_FIELDS]], header, 10 + length


def _csdat_field(entry: Any) -> tuple[str, str, tuple[int, ...]]:
    if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[1], str) and entry[1].lstrip("<>|=") == "O":
        return str(entry[0]), "O", ()  # a text: an offset into the heap, not an object
    field = _field(entry, 0)
    return field.name, field.dtype.str, field.shape


def _read_csdat(source: Source, fields: Sequence[str] | None) -> dict[str, CsColumn]:
    found, header, offset = _csdat_header(source)
    names = [name for name, *_ in found]
    _require_once(names)
    chosen = set(_choose(names, fields))
    rows = header["length"]
    if rows == 0:
        return {
            name: _empty(_Field(name, np.dtype("S1" if code == "O" else code), shape, 0))
            for name, code, shape in found
            if name in chosen
        }
    squeezed = header.get("compressed_fields")
    compressed = set(squeezed if isinstance(squeezed, list) else ()) if header.get("compression") == "lz4" else set()
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


def _csdat_column(
    name: str, code: str, shape: tuple[int, ...], rows: int, stored: bytes, compressed: bool
) -> NDArray[Any]:
    dtype = np.dtype(code).newbyteorder("<") if code[0] not in "<>|=" else np.dtype(code)
    need = rows * dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if compressed:
        stored = _inflated(name, stored, need)
    if len(stored) != need:
        raise FormatError(field=name, expected=f"{need} bytes ({rows} rows)", found=f"{len(stored)} bytes")
    values = np.frombuffer(stored, dtype).reshape((rows, *shape))
    return np.asarray(values.astype(values.dtype.newbyteorder("=")))


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


# ---- joining


def join_on_uid(
    tables: Sequence[Mapping[str, CsColumn]], *, how: str = "exact", names: Sequence[str] = ()
) -> tuple[dict[str, CsColumn], NDArray[np.int64]]:
    """Fields of several tables, by ``uid``, in the row order of the first.

    Parameters
    ----------
    tables : sequence of dict
        As `read_cs` gives them: the primary file, then its passthroughs.
    how : {'exact', 'inner'}
        'exact': every table holds the same uids, else an error; 'inner': rows whose uid is in all of them.
    names : sequence of str
        Of the files, for errors.

    Returns
    -------
    columns : dict
        A field that several tables have comes from the first of them; where values differ there is a DataWarning.
    rows : int64 ndarray
        Row of the first table that each row came from.

    Raises
    ------
    MetadataError
        A table without uid, a uid twice, or unmatched uids.

    Examples
    --------
    >>> import numpy as np
    >>> first = {"uid": np.array([3, 1], np.uint64), "a": np.array([30, 10])}
    >>> second = {"uid": np.array([1, 3], np.uint64), "b": np.array([1.5, 3.5])}
    >>> join_on_uid([first, second])[0]["b"].tolist()
    [3.5, 1.5]
    """
    if how not in ("exact", "inner"):
        raise ValueError(f"how must be 'exact' or 'inner', not {how!r}")
    labels = [*names, *(f"table {number}" for number in range(len(names) + 1, len(tables) + 1))]
    uids = [_uids(table, label) for table, label in zip(tables, labels, strict=False)]
    kept = np.arange(len(uids[0]), dtype=np.int64)
    for uid, label in zip(uids[1:], labels[1:], strict=True):
        inside = np.isin(uids[0], uid)
        if how == "exact" and (not inside.all() or len(uid) != len(uids[0])):
            missing, extra = int((~inside).sum()), int((~np.isin(uid, uids[0])).sum())
            raise MetadataError(
                "pass how='inner' to keep the common ones",
                path=label,
                field="uid",
                expected=f"the {len(uids[0])} uids of {labels[0]}",
                found=f"{missing} of them missing, {extra} others",
            )
        kept = kept[inside[kept]]
    columns = {name: column[kept] for name, column in tables[0].items()}
    for table, uid, label in zip(tables[1:], uids[1:], labels[1:], strict=True):
        order = np.argsort(uid, kind="stable")
        place = order[np.searchsorted(uid[order], uids[0][kept])]
        for name, column in table.items():
            if name not in columns:
                columns[name] = column[place]
            elif name != "uid":
                _warn_differing(name, columns[name], column[place], label)
    return columns, kept


def _uids(table: Mapping[str, CsColumn], label: str) -> NDArray[Any]:
    uid = table.get("uid")
    if not isinstance(uid, np.ndarray):
        raise MetadataError(path=label, field="uid", expected="a uid for every row", found="no such field")
    values, counts = np.unique(uid, return_counts=True)
    if len(values) < len(uid):
        raise MetadataError(
            path=label,
            field="uid",
            expected="every uid once",
            found=f"{int((counts > 1).sum())} more than once, {values[counts > 1][0]} first",
        )
    return uid


def _warn_differing(name: str, first: CsColumn, later: CsColumn, label: str) -> None:
    if isinstance(first, Coded) or isinstance(later, Coded):
        differ = sum(a != b for a, b in zip(list(first), list(later), strict=True))
    elif first.shape != later.shape:
        differ = len(first)
    else:
        differ = int((first != later).reshape(len(first), -1).any(axis=1).sum()) if len(first) else 0
    if differ:
        warnings.warn(
            f"{label}: {name} differs in {differ} rows from the earlier file, which is used", DataWarning, stacklevel=4
        )


# ---- writing


def write_cs(
    path: str | os.PathLike[str], columns: Mapping[str, CsColumn], *, format: str = "npy", overwrite: bool = False
) -> None:
    """Write a .cs file.

    Parameters
    ----------
    path : path-like
        Appears whole or not at all.
    columns : mapping
        Field name to an array of shape (rows, ...) or a `Coded`.
    format : {'npy', 'csdat'}
        The structured array that every version reads, or CSDAT with LZ4.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OutputError
        The file exists, or cannot be written.

    Examples
    --------
    >>> import os, tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.cs")
    ...     write_cs(path, {"uid": np.array([1], np.uint64)}, format="csdat")
    ...     print(read_cs(path)["uid"].tolist())
    [1]
    """
    rows = {name: len(column) for name, column in columns.items()}
    if len(set(rows.values())) > 1:
        raise FormatError(
            path=os.fspath(path),
            field="rows",
            expected="one length",
            found=", ".join(f"{k} {v}" for k, v in rows.items())[:200],
        )
    if format not in ("npy", "csdat"):
        raise UnsupportedError(field="format", expected="npy or csdat", found=repr(format))
    with about(path):
        part = PartFile(os.fspath(path))
        pieces = _npy_pieces(columns) if format == "npy" else _csdat_pieces(columns)
        offset = 0
        for piece in pieces:
            part.write(piece, offset)
            offset += len(piece)
        part.publish(overwrite=overwrite)


def _npy_pieces(columns: Mapping[str, CsColumn]) -> Iterator[bytes]:
    stored = {
        name: _as_bytes(column) if isinstance(column, Coded) else np.asarray(column) for name, column in columns.items()
    }
    dtype = np.dtype([(name, values.dtype.newbyteorder("<"), values.shape[1:]) for name, values in stored.items()])
    rows = len(next(iter(stored.values()))) if stored else 0
    # numpy writes (2,) as (2,), and a scalar without a shape, as cryoSPARC does.
    header = (
        f"{{'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False, 'shape': ({rows},), }}".encode(
            "latin-1"
        )
    )
    wide = len(header) + 11 > 65535
    start = 12 if wide else 10
    padded = header + b" " * (-(start + len(header) + 1) % 64) + b"\n"
    yield (
        NPY_MAGIC
        + (b"\x02\x00" + struct.pack("<I", len(padded)) if wide else b"\x01\x00" + struct.pack("<H", len(padded)))
        + padded
    )
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


def _csdat_pieces(columns: Mapping[str, CsColumn]) -> Iterator[bytes]:
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
