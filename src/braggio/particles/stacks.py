"""Where the stacks of a particle table are, and what their headers say."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from braggio.errors import BraggioError, DataWarning, FormatError, MetadataError, UnsafeError, UnsupportedError
from braggio.model.frames import FrameStack


class MissingStackError(MetadataError, FileNotFoundError):
    """Stacks that a table names are not there."""


@dataclass(frozen=True)
class Places:
    """How a written path becomes a file.

    Attributes
    ----------
    folder : str or None
        Given: only the file name counts, and it is looked up here.
    base : str or None
        Otherwise relative paths start here; by default at the working directory.
    allow_outside : bool
        Follow written paths that are absolute or climb out of `base`.
    """

    folder: str | None = None
    base: str | None = None
    allow_outside: bool = False

    def resolve(self, stacks: Sequence[str]) -> list[Path]:
        """The file of each written path.

        Raises
        ------
        UnsafeError
            A path is absolute or climbs out, and `allow_outside` is False.
        MetadataError
            With `folder`: two written paths of different folders have one file name.
        """
        if self.folder is not None:
            return self._in_folder(stacks)
        base = Path(self.base) if self.base is not None else Path()
        return [base / self._safe(stack) for stack in stacks]

    def _in_folder(self, stacks: Sequence[str]) -> list[Path]:
        assert self.folder is not None
        owner: dict[str, str] = {}
        for stack in stacks:
            name = stack.replace("\\", "/").rsplit("/", 1)[-1]
            if name in ("", ".", ".."):
                raise MetadataError(field="stack", expected="a file name", found=repr(stack))
            written = os.path.normpath(stack)
            if owner.setdefault(name, written) != written:
                raise MetadataError(
                    "with folder= only the file name counts, and two stacks would become one",
                    field=name,
                    expected="one stack of that name",
                    found=f"{owner[name]} and {written}",
                )
        return [Path(self.folder) / stack.replace("\\", "/").rsplit("/", 1)[-1] for stack in stacks]

    def _safe(self, stack: str) -> str:
        if "\0" in stack or not stack:
            raise UnsafeError(field="stack", expected="a path", found=repr(stack))
        outside = os.path.isabs(stack) or os.path.normpath(stack).split(os.sep)[0] == os.pardir
        if outside and not self.allow_outside:
            raise UnsafeError(
                "pass allow_outside=True if the file is to be trusted",
                field="stack",
                expected="a path inside base",
                found=repr(stack),
            )
        return stack


def undecorated(path: str) -> str:
    """A path as cryoSPARC exports write it, without the leading ``>`` and quotes.

    Examples
    --------
    >>> undecorated(">J1/a.mrc")
    'J1/a.mrc'
    """
    return path.removeprefix(">").strip("'\"")


@dataclass(frozen=True)
class StackInfo:
    """What the header of a stack says.

    Attributes
    ----------
    path : Path
        The file.
    images : int
        Number of images.
    shape : tuple of int
        (ny, nx).
    dtype : str
        Of the stored pixels.
    pixel_size : float
        Angstrom; 0 where the header does not say.
    oddities : tuple of str
        What is readable but odd: bytes after the last image, a header without its magic.
    """

    path: Path
    images: int
    shape: tuple[int, int]
    dtype: str
    pixel_size: float
    oddities: tuple[str, ...] = ()


def stack_info(path: Path) -> StackInfo:
    """Read one header.

    Raises
    ------
    BraggioError, OSError
        Not a readable stack; TruncatedError when the file is shorter than its header says.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        stack = _opened(path)
    with stack:
        size = getattr(stack, "pixel_size", (0.0,))[0]
        oddities = tuple(str(each.message) for each in caught if issubclass(each.category, DataWarning))
        return StackInfo(path, stack.nframes, stack.frame_shape, stack.dtype.name, float(size), oddities)


def open_stack(path: Path) -> FrameStack:
    """Open a stack, .mrc or .mrcs, whatever the name ends with: cryoSPARC calls stacks .mrc, RELION .mrcs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # `check` tells of them
        return _opened(path)


def _opened(path: Path) -> FrameStack:
    from braggio.formats import open as open_frames

    try:
        stack = open_frames(path, format="mrc", permissive=True, restore_dtype=False)
    except FormatError:
        raise
    except BraggioError as error:
        raise FormatError(str(error), path=None if error.path else path) from error
    if stack.dtype.kind == "c":
        mode = stack.header["mode"]
        stack.close()
        raise UnsupportedError(path=path, field="mode", expected="real numbers", found=f"{mode} (complex)")
    return stack
