"""Frames stored in bytes as a layout says: what every format's stack is made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import FrameLayout, Source
from braggio.errors import FormatError, about, warn
from braggio.model.frames import FrameStack

MAX_BEGINNING = 1 << 16  # bytes


class StoredFrames(FrameStack):
    """A stack whose frames are stored bytes.

    Parameters
    ----------
    source : Source
        The file or memory.
    layout : FrameLayout
        Where the pixels are.
    dtype : dtype-like, optional
        Of the frames as read, when it is not the stored one. The conversion must be exact.
    """

    def __init__(
        self,
        source: Source,
        layout: FrameLayout,
        *,
        format: str,
        header: Mapping[str, Any],
        path: str | None = None,
        dtype: Any = None,
        single: bool = False,
    ) -> None:
        self.source = source
        self.layout = layout
        self.format = format
        self.header = header
        self.path = path
        self.stored_dtype = np.dtype(layout.dtype)
        self.dtype = self.stored_dtype if dtype is None else np.dtype(dtype)
        self.nframes = layout.nframes
        self.frame_shape = (layout.height, layout.width)
        self.single = single

    @property
    def streams(self) -> bool:
        """Can the core's kernels take the frames from where they are? They do not take float16."""
        return self.dtype == self.stored_dtype and self.dtype != np.float16

    @cached_property
    def _beginning(self) -> bytes | None:
        """All of the file but the pixels of its only frame, where that is its beginning; else None."""
        whole = self.nframes == 1 and self.layout.extent == self.source.size
        first = self.source.size - self.layout.frame_bytes
        return self.source.read(0, first) if whole and first <= MAX_BEGINNING and not self.source.in_memory else None

    def alike(self, path: str) -> StoredFrames | None:
        """The file at `path` as this stack, if it is this one's but for its pixels and its name; else None."""
        if self._beginning is None or self.path is None:
            return None
        source = Source.open(path)
        if source.size != self.source.size or source.read(0, len(self._beginning)) != self._beginning:
            return None
        other = object.__new__(type(self))
        vars(other).update(vars(self), source=source, path=path)
        return other

    def close(self) -> None:
        """Let go of the file."""
        self.source = Source.over(b"")

    def read_into(self, index: int, out: NDArray[Any]) -> None:
        """Fill `out` with frame `index`."""
        stored = out if self.dtype == self.stored_dtype else np.empty(self.frame_shape, self.stored_dtype)
        with about(self.path):
            self.source.read_frame(self.layout, index, stored)
        if stored is not out:
            np.copyto(out, stored, casting="unsafe")


Stream = tuple[Source, FrameLayout, int]


def streamed(stack: FrameStack, index: int) -> Stream:
    """(source, layout, frame) from which the core can stream frame `index`.

    Frames that do not stream from where they are, and those of any other stack, are read into memory one at a time.
    """
    if isinstance(stack, StoredFrames) and stack.streams:
        return stack.source, stack.layout, index
    frame = stack.read(index)
    if frame.dtype == np.float16:
        frame = frame.astype(np.float32)
    source, layout = in_memory(frame)
    return source, layout, 0


def in_memory(frame: NDArray[Any]) -> tuple[Source, FrameLayout]:
    """A C-contiguous native (ny, nx) array as a source and its layout."""
    height, width = frame.shape
    return Source.over(frame), FrameLayout(dtype=frame.dtype.name, width=width, height=height)


class ArrayFrames(StoredFrames):
    """An array in memory as a stack: (ny, nx), or (n, ny, nx)."""

    def __init__(self, array: NDArray[Any]) -> None:
        array = np.asarray(array)
        if array.ndim not in (2, 3) or array.size == 0:
            raise ValueError(f"frames must be a non-empty array of shape (ny, nx) or (n, ny, nx), not {array.shape}")
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        if native.dtype == np.bool_:
            native = native.view(np.uint8)
        native = narrowed(native)
        *stack, height, width = native.shape
        layout = FrameLayout(dtype=native.dtype.name, width=width, height=height, nframes=stack[0] if stack else 1)
        super().__init__(Source.over(native), layout, format="array", header={}, single=not stack)


def narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """64-bit integers as the 32-bit type that holds them all.

    Raises
    ------
    FormatError
        A value needs more than 32 bits, or the dtype is not numeric.
    """
    if array.dtype.kind not in "iufc":
        raise FormatError("cannot hold frames", field="dtype", expected="a numeric dtype", found=array.dtype)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return array
    low, high = int(array.min()), int(array.max())
    for dtype in (np.int32, np.uint32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    raise FormatError(
        "integers need more than 32 bits", field="values", expected="a 32-bit range", found=f"{low}..{high}"
    )


def check_end(layout: FrameLayout, source: Source, path: str | None, *, permissive: bool) -> None:
    """The file must end where its last frame does; `permissive` turns the error into a DataWarning."""
    extra = source.size - layout.extent
    if extra == 0:
        return
    error = FormatError(
        f"{extra} trailing bytes",
        path=path,
        field="file size",
        expected=f"{layout.extent} bytes",
        found=f"{source.size} bytes",
    )
    if not permissive:
        raise error
    warn(str(error))
