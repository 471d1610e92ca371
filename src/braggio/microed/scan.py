"""The first pass: statistics of every frame of a series."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from braggio import formats
from braggio._core import Scratch, scan
from braggio.batch.workers import Progress, in_groups, prepared
from braggio.errors import BraggioError, FormatError, MetadataError, about
from braggio.kernels.stats import LOW_FRACTION, FrameStats, from_core
from braggio.microed.series import Series, find_series, group_series, plain
from braggio.model.frames import FrameStack
from braggio.storage.frames import StoredFrames, Stream, streamed


@dataclass(frozen=True)
class FrameRef:
    """One frame of a series: frame `index` of file `path`, with number `number`."""

    path: str
    index: int
    number: int


@dataclass(frozen=True)
class Frames:
    """The frames of a series, and what they have in common.

    Attributes
    ----------
    series : Series
        The files.
    refs : tuple of FrameRef
        In order of their numbers.
    shape : tuple of int
        Rows and columns of each.
    dtype : str
        Of each.
    options : dict
        How the files are opened.
    first : FrameStack
        The first file. Where it is all of the series it is opened, and where it is compressed inflated, only once; else
        files that are like it but for their pixels are not parsed again.
    """

    series: Series
    refs: tuple[FrameRef, ...]
    shape: tuple[int, int]
    dtype: str
    options: dict[str, Any]
    first: FrameStack

    @property
    def gaps(self) -> tuple[int, ...]:
        """Frame numbers missing from a series of files."""
        return self.series.gaps if len(self.series) > 1 else ()

    def open(self, ref: FrameRef) -> OpenFrame:
        """The file of a frame, checked to be like the others."""
        if len(self.series) == 1:
            return OpenFrame(ref, self.first, shared=True)
        with about(ref.path):
            if isinstance(self.first, StoredFrames) and (alike := self.first.alike(ref.path)):
                return OpenFrame(ref, alike, shared=False)
            stack = formats.open(ref.path, **self.options)
        if stack.frame_shape != self.shape or stack.dtype.name != self.dtype:
            raise MetadataError(
                path=ref.path,
                field="frame",
                expected=f"{self.shape[1]} x {self.shape[0]} {self.dtype} as in {self.refs[0].path}",
                found=f"{stack.frame_shape[1]} x {stack.frame_shape[0]} {stack.dtype}",
            )
        return OpenFrame(ref, stack, shared=False)


@dataclass(frozen=True)
class OpenFrame:
    """A frame and its file; a context that gives the file, names it in errors and closes it unless it is shared."""

    ref: FrameRef
    stack: FrameStack
    shared: bool

    @property
    def takes_memory(self) -> bool:
        """Whether pixels are in memory just for this frame, as where its file is compressed."""
        if not isinstance(self.stack, StoredFrames) or not self.stack.streams:
            return True
        return self.stack.source.in_memory and not self.shared

    def stream(self) -> Stream:
        """From where the core streams the pixels."""
        return streamed(self.stack, self.ref.index)

    def __enter__(self) -> FrameStack:
        return self.stack

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.shared:
            self.stack.close()
        if isinstance(error, BraggioError) and error.path is None:
            error.path = self.ref.path


@contextmanager
def together(group: Sequence[OpenFrame]) -> Iterator[list[Stream]]:
    """The pixels of several frames as the core takes them; their files are closed at the end."""
    with ExitStack() as stack:
        for frame in group:
            stack.enter_context(frame)
        yield [frame.stream() for frame in group]


Files = Series | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def as_series(files: Files) -> Series:
    """The one series that `files` is.

    Raises
    ------
    MetadataError
        There are several series among the files, or two files with one frame number.
    """
    if isinstance(files, Series):
        series = files
    else:
        if not isinstance(files, (str, os.PathLike)) and not files:
            raise MetadataError("no files", field="series", expected="at least 1 file", found=0)
        found = find_series(files) if isinstance(files, (str, os.PathLike)) else group_series(files)
        if len(found) > 1:
            names = ", ".join(sorted({each.prefix + each.files[0].suffix for each in found})[:4])
            raise MetadataError("mixed series", field="files", expected="one series", found=f"{len(found)}: {names}")
        series = found[0]
    if series.duplicates:
        number = series.duplicates[0]
        first, second, *_ = (path for path, each in zip(series.files, series.numbers, strict=True) if each == number)
        raise MetadataError(
            "two files of one frame number", path=second, field="frame number", expected=first.name, found=number
        )
    return series


def series_frames(files: Files, *, permissive: bool = False, flip: bool = False) -> Frames:
    """Every frame of a series; a single file may hold several, numbered from 1."""
    series = as_series(files)
    options: dict[str, Any] = {"permissive": permissive, **({"flip": True} if flip else {})}
    first = formats.open(os.fspath(series.files[0]), **options)
    if first.nframes > 1 and len(series) > 1:
        raise MetadataError(
            path=series.files[0], field="frames", expected="1 frame per file in a series of files", found=first.nframes
        )
    path = str(series.files[0])
    if first.nframes > 1:  # the number in the file's name is not a frame's
        series = replace(series, prefix=plain(series.files[0]).stem)
        refs = [FrameRef(path, index, index + 1) for index in range(first.nframes)]
    else:
        refs = [FrameRef(str(file), 0, number) for file, number in zip(series.files, series.numbers, strict=True)]
    return Frames(series, tuple(refs), first.frame_shape, first.dtype.name, options, first)


# What the core finds of frames in one reading.
Measure = Callable[[Sequence[OpenFrame], Sequence[Stream], Scratch], list[dict[str, Any]]]


def extremes(group: Sequence[OpenFrame], streams: Sequence[Stream], scratch: Scratch) -> list[dict[str, Any]]:
    """What a conversion needs to know: no mean and no standard deviation."""
    return scan(streams, moments=False, low_fraction=LOW_FRACTION, scratch=scratch)


def scan_frames(
    frames: Frames,
    measure: Measure = extremes,
    *,
    refs: Sequence[FrameRef] | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> list[FrameStats]:
    """Statistics of some frames or all."""
    refs = frames.refs if refs is None else refs

    def work(group: list[OpenFrame], scratch: Scratch) -> list[FrameStats]:
        with together(group) as streams:
            found = measure(group, streams, scratch)
        for frame, each in zip(group, found, strict=True):
            _require_finite(frame.ref, each["not_finite"], frames.shape[1])
        return [from_core(each) for each in found]

    groups = prepared(frames.open, refs, threads=threads, alone=lambda frame: frame.takes_memory)
    return in_groups(work, groups, threads=threads, state=Scratch, progress=progress, total=len(refs))


def _require_finite(ref: FrameRef, place: int | None, width: int) -> None:
    if place is not None:
        row, column = divmod(place, width)
        raise FormatError(
            path=ref.path,
            field=f"frame {ref.number}",
            expected="finite pixels",
            found=f"NaN or infinity at row {row}, column {column}",
        )


def scan_series(
    files: Files,
    *,
    low_fraction: float = LOW_FRACTION,
    threads: int = 1,
    progress: Progress | None = None,
    permissive: bool = False,
    flip: bool = False,
) -> list[FrameStats]:
    """Minimum, maximum, mean, standard deviation and low quantile of every frame, in one streaming pass.

    Parameters
    ----------
    files : Series, path-like or sequence of path-like
        One series.
    low_fraction : float
        Rank of the low quantile as a fraction of the pixels: a minimum that cosmic rays do not move.
    threads : int
        Frames at once; the results do not depend on it.
    progress : callable, optional
        Called with (frames done, frames).
    permissive : bool
        Accept bytes after the frames.
    flip : bool
        Reverse the order of the rows.

    Returns
    -------
    list of FrameStats
        In order of the frame numbers.

    Examples
    --------
    >>> import braggio
    >>> [stats.min for stats in scan_series(braggio.demo_files())]
    [-145, -138, -2874, -151, -140]
    """

    def moments(group: Sequence[OpenFrame], streams: Sequence[Stream], scratch: Scratch) -> list[dict[str, Any]]:
        return scan(streams, moments=True, low_fraction=low_fraction, scratch=scratch)

    frames = series_frames(files, permissive=permissive, flip=flip)
    return scan_frames(frames, moments, threads=threads, progress=progress)
