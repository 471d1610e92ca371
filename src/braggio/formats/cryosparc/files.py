"""A .cs file of either kind, read and written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from braggio._core import PartFile
from braggio.errors import FormatError, UnsupportedError, about
from braggio.formats.cryosparc.csdat import CSDAT_MAGIC, csdat_header, csdat_pieces, read_csdat
from braggio.formats.cryosparc.fields import CsColumn, File
from braggio.formats.cryosparc.npy import NPY_MAGIC, npy_header, npy_pieces, read_npy
from braggio.storage.source import open_stored


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
    source, path = open_stored(file)
    with about(path):
        magic = source.read(0, 6)
        if magic == NPY_MAGIC:
            return read_npy(source, fields)
        if magic == CSDAT_MAGIC:
            return read_csdat(source, fields)
        raise FormatError(
            field="magic", expected="an npy or CSDAT file", found=magic.hex(" ") or "an empty file", offset=0
        )


def field_names(file: File) -> list[str]:
    """The fields of a .cs file, from its header alone."""
    source, path = open_stored(file)
    with about(path):
        if source.read(0, 6) == CSDAT_MAGIC:
            return [name for name, *_ in csdat_header(source)[0]]
        return [field.name for field in npy_header(source)[0]]


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
        pieces = npy_pieces(columns) if format == "npy" else csdat_pieces(columns)
        offset = 0
        for piece in pieces:
            part.write(piece, offset)
            offset += len(piece)
        part.publish(overwrite=overwrite)
