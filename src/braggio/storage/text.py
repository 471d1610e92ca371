"""Texts of a bounded size: configurations, tables, geometry files."""

from __future__ import annotations

from braggio.errors import FormatError, LimitError, about
from braggio.storage.source import File, open_source


def read_text(file: File, *, most: int, encoding: str = "utf-8-sig") -> str:
    """The text of a file.

    Parameters
    ----------
    file : path, bytes or binary file object
        Compressed with gzip or bzip2 or not.
    most : int
        Bytes that such a file may have.
    encoding : str

    Raises
    ------
    LimitError
        It has more.
    FormatError
        Its bytes are not of the encoding.

    Examples
    --------
    >>> read_text("Å".encode(), most=100)
    'Å'
    """
    source, path = open_source(file, lambda beginning: most)
    with about(path):
        if source.size > most:
            raise LimitError(field="file size", expected=f"at most {most} bytes", found=source.size)
        try:
            return source.read(0, source.size).decode(encoding)
        except UnicodeDecodeError as error:
            raise FormatError(field="text", expected="UTF-8", found=error.reason, offset=error.start) from error
