"""A stack of frames: the one thing that every image file is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class FrameStack(ABC):
    """Frames of one shape and dtype, read one at a time.

    Attributes
    ----------
    path : str or None
        The file, if there is one.
    format : str
        Name of the format.
    header : Mapping
        The file's own header, under the field's own key names.
    dtype : numpy.dtype
        Of the frames as `read` gives them, in native byte order.
    nframes : int
        Number of frames.
    frame_shape : tuple of int
        Rows and columns (ny, nx).
    """

    path: str | None
    format: str
    header: Mapping[str, Any]
    dtype: np.dtype[Any]
    nframes: int
    frame_shape: tuple[int, int]
    single: bool = False  # the file is one image rather than a stack of them

    @abstractmethod
    def read_into(self, index: int, out: NDArray[Any]) -> None:
        """Fill `out`, a C-contiguous (ny, nx) array of the stack's dtype, with frame `index`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(ny, nx) for a single image, (nframes, ny, nx) for a stack."""
        return self.frame_shape if self.single else (self.nframes, *self.frame_shape)

    @property
    def ndim(self) -> int:
        """Number of axes of `shape`."""
        return len(self.shape)

    def read(self, index: int = 0, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """One frame.

        Parameters
        ----------
        index : int
            0-based; negative numbers count from the end.
        out : ndarray, optional
            C-contiguous (ny, nx) array of the stack's dtype to fill; a new one by default.

        Returns
        -------
        ndarray
            `out`, or a new array.

        Raises
        ------
        IndexError
            No such frame.
        ValueError
            `out` has another shape, dtype or layout.
        """
        if not -self.nframes <= index < self.nframes:
            raise IndexError(f"frame {index} is out of range for {self.nframes} frames")
        if out is None:
            out = np.empty(self.frame_shape, self.dtype)
        elif out.shape != self.frame_shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"out must be C-contiguous {self.dtype} of shape {self.frame_shape}, not {out.dtype} {out.shape}"
            )
        self.read_into(index % self.nframes, out)
        return out

    def frames(self) -> Iterator[NDArray[Any]]:
        """Every frame in order, each a new array."""
        for index in range(self.nframes):
            yield self.read(index)

    def to_array(self) -> NDArray[Any]:
        """All frames in memory, of shape `shape`."""
        stack = np.empty((self.nframes, *self.frame_shape), self.dtype)
        for index, frame in enumerate(stack):
            self.read_into(index, frame)
        return stack.reshape(self.shape)

    def __len__(self) -> int:
        return self.nframes

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return self.frames()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Numpy indexing; only the frames that `key` names are read."""
        if self.single:
            return np.asarray(self.read(0)[key])
        first, *rest = (key if isinstance(key, tuple) else (key,)) or (slice(None),)
        if isinstance(first, (int, np.integer)):
            frame = self.read(int(first))
            return np.asarray(frame[tuple(rest)]) if rest else frame
        if not isinstance(first, slice):
            return np.asarray(self.to_array()[key])
        chosen = range(self.nframes)[first]
        stack = np.empty((len(chosen), *self.frame_shape), self.dtype)
        for frame, index in zip(stack, chosen, strict=True):
            self.read_into(index, frame)
        return np.asarray(stack[(slice(None), *rest)]) if rest else stack

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("frames in a file cannot become an array without a copy")
        return np.asarray(self.to_array(), dtype=dtype)

    def close(self) -> None:  # noqa: B027 - a stack without a file has nothing to close
        """Let go of the file."""

    def __enter__(self) -> FrameStack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        name = f" {self.path!r}" if self.path else ""
        return f"<{self.format}{name}: {self.nframes} x {self.frame_shape[0]} x {self.frame_shape[1]} {self.dtype}>"
