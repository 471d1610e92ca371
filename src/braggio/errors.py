"""What braggio raises: a small tree of errors that carry what they know.

``str(error)`` is one line: path, field, what was expected, what was found, and the byte where it stood.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class BraggioError(Exception):
    """The root of the tree.

    Parameters
    ----------
    message : str, optional
        Says it in words, where expected and found do not.
    path : path-like, optional
        The file.
    field : str, optional
        The header field, column or argument.
    expected, found : optional
        What should have been there, and what was.
    offset : int, optional
        Byte of the file.
    """

    def __init__(
        self,
        message: str = "",
        *,
        path: str | os.PathLike[str] | None = None,
        field: str | None = None,
        expected: Any = None,
        found: Any = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else os.fspath(path)
        self.field = field
        self.expected = expected
        self.found = found
        self.offset = offset

    def __str__(self) -> str:
        facts = []
        if self.expected is not None:
            facts.append(f"expected {self.expected}")
        if self.found is not None:
            facts.append(f"found {self.found}")
        where = f" (byte {self.offset})" if self.offset is not None else ""
        parts = [self.path, self.field, self.message, ", ".join(facts)]
        line = ": ".join(str(part) for part in parts if part) + where
        return printable(line)

    def __reduce__(self) -> tuple[Any, ...]:  # keyword-only arguments do not survive pickling by themselves
        state = dict(vars(self))
        if isinstance(self, OSError):
            state["errno"] = self.errno  # lives outside the dictionary
        return (_rebuild, (type(self), self.args, state))


def printable(text: str) -> str:
    r"""One line without control characters: names and values of a file must not steer a terminal.

    Examples
    --------
    >>> printable("a\nb\x1b[2K")
    'a b\\x1b[2K'
    """
    line = " ".join(text.splitlines())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def numpy_errors() -> tuple[type[Exception], ...]:
    """Exceptions that numpy may raise for a damaged .npy or .npz file; RuntimeError for an encrypted archive."""
    from tokenize import TokenError
    from zipfile import BadZipFile
    from zlib import error

    own = (OSError, LookupError, ValueError, TypeError, EOFError, OverflowError, RuntimeError, MemoryError)
    return (*own, BadZipFile, TokenError, error)


def _rebuild(kind: type[BraggioError], args: tuple[Any, ...], state: dict[str, Any]) -> BraggioError:
    error = kind.__new__(kind)
    error.args = args
    for name, value in state.items():
        setattr(error, name, value)
    return error


class FormatError(BraggioError, ValueError):
    """The bytes are not what the format says."""


class TruncatedError(FormatError, EOFError):
    """The file ends before what its header promises."""


class UnsupportedError(FormatError):
    """A legal file of a kind that is not handled."""


class MetadataError(BraggioError, LookupError):
    """A value that describes the data is missing, duplicated or contradicts another."""


class GeometryError(BraggioError, ValueError):
    """A detector, beam or scan description that cannot be."""


class LimitError(BraggioError, ValueError):
    """A number beyond what is allowed: sizes, or pixel values that a target type cannot hold."""


class OptionError(BraggioError, ValueError):
    """An option's value is of another type, none of its choices, or out of its range."""


class UnknownOptionError(OptionError, TypeError):
    """There is no option of this name."""


class DtypeError(BraggioError, TypeError, ValueError):
    """An array's dtype is none that is worked on."""


class UnsafeError(BraggioError, ValueError):
    """Input that asks for something it must not get."""


class OutputError(BraggioError, OSError):
    """An output could not be written; what was there before is untouched.

    Parameters
    ----------
    errno : int, optional
        The system's error number.
    """

    def __init__(self, message: str = "", *, errno: int | None = None, **facts: Any) -> None:
        if errno is not None and not message:
            message = os.strerror(errno)
        super().__init__(message, **facts)
        self.errno = errno


class BusyError(OutputError):
    """Another run is at work on these outputs; nothing has failed, and they can be waited for."""


class DataWarning(UserWarning):
    """Something in the data that a user should know, though the work goes on."""


def warn(text: str) -> None:
    """Warn with a DataWarning at the line that called braggio, however deep inside the reason was found."""
    frame, level = sys._getframe(1), 2  # of our caller, as warnings count
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, DataWarning, stacklevel=level)


@contextmanager
def about(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """Name `path` in every braggio error that does not name one yet.

    Examples
    --------
    >>> with about("a.bin"):
    ...     raise FormatError(field="data_type", expected="1 to 8", found=0, offset=0)
    Traceback (most recent call last):
    ...
    braggio.errors.FormatError: a.bin: data_type: expected 1 to 8, found 0 (byte 0)
    """
    try:
        yield
    except BraggioError as error:
        if error.path is None and path is not None:
            error.path = os.fspath(path)
        raise
