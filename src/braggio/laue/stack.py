"""A stack of frames seen twice: by bands of rows for the statistics, by frames for the spots, in bounded memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, LimitError, OutputError
from braggio.storage.hdf5 import ChunkedStack, Region, frame_dtype

Progress = Callable[[int, int], None]
Band = tuple[int, int, NDArray[Any]]  # first row, end row, values (frames, pixels)

MIN_BAND = 1 << 20
RESERVE = 0.25  # of the memory: for maps, masks and buffers beside the frames


def available_memory() -> int:
    """Bytes of physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class MemoryStack:
    """Frames in an array (frame, row, column)."""

    def __init__(self, frames: NDArray[Any]) -> None:
        dtype = frame_dtype(frames.dtype)
        self.frames = np.ascontiguousarray(frames, dtype)
        if (
            frames.dtype.kind in "iu"
            and frames.dtype.itemsize == 8
            and (self.frames.astype(frames.dtype) != frames).any()
        ):
            raise FormatError(field="frames", expected="integers of at most 2^53 in size", found="larger ones")
        self.shape: tuple[int, int, int] = self.frames.shape
        self.dtype = self.frames.dtype

    def frame(self, index: int) -> NDArray[Any]:
        """One frame, not to be changed."""
        return np.asarray(self.frames[index])

    def bands(self, most: int) -> Iterator[Band]:
        """All rows at once."""
        yield 0, self.shape[1], self.frames.reshape(self.shape[0], -1)

    def close(self) -> None:
        """Nothing to let go of."""


class RowBand:
    """Some rows of a dataset, as a dataset of its own; they begin and end with chunks."""

    def __init__(self, source: ChunkedStack, rows: range) -> None:
        self._source = source
        self._start = rows.start
        self.path = source.path
        self.dtype = source.dtype
        self.chunks = source.chunks
        self.shape = (source.shape[0], len(rows), source.shape[2])

    def read(self, region: Region, out: NDArray[Any], pool: Executor | None = None) -> None:
        """As `ChunkedStack.read`, rows counted from the first of the band."""
        frames, (start, stop), columns = region
        self._source.read((frames, (self._start + start, self._start + stop), columns), out, pool)


class FrameWindow:
    """Frames that stand together, in memory under their own numbers."""

    def __init__(self, source: ChunkedStack, window: range, threads: int) -> None:
        self.shape = source.shape
        self.dtype = source.dtype
        self._start = window.start
        self._frames = np.empty((len(window), *source.shape[1:]), source.dtype)
        region = ((window.start, window.stop), (0, source.shape[1]), (0, source.shape[2]))
        with ThreadPoolExecutor(threads, thread_name_prefix="braggio") as pool:
            source.read(region, self._frames, pool)

    def frame(self, index: int) -> NDArray[Any]:
        """One of them, not to be changed."""
        return np.asarray(self._frames[index - self._start])


class FileStack:
    """Frames of a dataset that gives bands of rows and single frames without reading much else."""

    def __init__(self, source: ChunkedStack | RowBand, threads: int) -> None:
        self._source = source
        self._threads = threads
        self.shape = source.shape
        self.dtype = source.dtype

    def frame(self, index: int) -> NDArray[Any]:
        """One frame, read now."""
        _, height, width = self.shape
        out = np.empty((1, height, width), self.dtype)
        self._source.read(((index, index + 1), (0, height), (0, width)), out)
        return np.asarray(out[0])

    def bands(self, most: int) -> Iterator[Band]:
        """Bands of at most `most` bytes, if a row of all frames is not more; each holds until the next."""
        frames, height, width = self.shape
        rows = band_rows(self.shape, self.dtype.itemsize, most, self._source.chunks)
        buffer = np.empty(frames * rows * width, self.dtype)  # one for all bands: each is done with before the next
        with ThreadPoolExecutor(self._threads, thread_name_prefix="braggio") as pool:
            for start in range(0, height, rows):
                stop = min(start + rows, height)
                out = buffer[: frames * (stop - start) * width].reshape(frames, stop - start, width)
                self._source.read(((0, frames), (start, stop), (0, width)), out, pool)
                yield start, stop, out.reshape(frames, -1)

    def close(self) -> None:
        """The source belongs to who opened it."""


class ScratchStack:
    """Frames decoded once into a file of bands: band after band, each (frame, row, column). The file has no name."""

    def __init__(self, source: ChunkedStack, folder: str, most: int, threads: int) -> None:
        self.shape = source.shape
        self.dtype = source.dtype
        frames, height, width = self.shape
        self._rows = band_rows(self.shape, self.dtype.itemsize, most, None)
        self._file = tempfile.TemporaryFile(dir=folder, prefix=".braggio-scratch-")  # noqa: SIM115 - lives as long as this
        size = frames * height * width * self.dtype.itemsize
        try:
            os.posix_fallocate(self._file.fileno(), 0, size)
            self._fill(source, most, threads)
        except OSError as error:
            self.close()
            raise OutputError(
                os.strerror(error.errno or 0),
                path=folder,
                field="scratch file",
                expected=f"room for {size} bytes",
                errno=error.errno,
            ) from None

    def _fill(self, source: ChunkedStack, most: int, threads: int) -> None:
        frames, height, width = self.shape
        deep, tall = source.chunks[:2] if source.chunks else (1, 1)
        row = width * self.dtype.itemsize
        rows = height if deep * height * row <= most else max(most // (deep * row) // tall * tall, tall)
        piece = max(most // (rows * row), 1)
        piece -= piece % deep if piece > deep else 0
        tiles = product(range(0, frames, piece), range(0, height, rows))
        with ThreadPoolExecutor(threads, thread_name_prefix="braggio") as pool:
            for start, top in tiles:
                stop, bottom = min(start + piece, frames), min(top + rows, height)
                out = np.empty((stop - start, bottom - top, width), self.dtype)
                source.read(((start, stop), (top, bottom), (0, width)), out, pool)
                self._put(out, start, top)

    def _put(self, tile: NDArray[Any], start: int, top: int) -> None:
        """All columns of some frames and rows, which need not be whole bands."""
        for first, end, offset in self._parts(start):
            a, b = max(first, top), min(end, top + tile.shape[1])
            if b - a == end - first:
                self._write(np.ascontiguousarray(tile[:, a - top : b - top]), offset)
            elif b > a:
                for i, frame in enumerate(tile):
                    place = (a - first + i * (end - first)) * self.shape[2] * self.dtype.itemsize
                    self._write(frame[a - top : b - top], offset + place)

    def _parts(self, frame: int) -> Iterator[tuple[int, int, int]]:
        """(first row, end row, byte) of a frame in each band."""
        frames, height, width = self.shape
        for first in range(0, height, self._rows):
            end = min(first + self._rows, height)
            yield first, end, (first * frames + frame * (end - first)) * width * self.dtype.itemsize

    def _write(self, values: NDArray[Any], offset: int) -> None:
        data = memoryview(values.data).cast("B")
        while data:
            done = os.pwrite(self._file.fileno(), data, offset)
            data, offset = data[done:], offset + done

    def _read(self, out: NDArray[Any], offset: int) -> None:
        data = memoryview(out.data).cast("B")
        while data:
            done = os.preadv(self._file.fileno(), [data], offset)
            if done == 0:
                raise OutputError(field="scratch file", expected=f"{len(data)} bytes more", found=0)
            data, offset = data[done:], offset + done

    def frame(self, index: int) -> NDArray[Any]:
        """One frame, put together from its bands."""
        out = np.empty(self.shape[1:], self.dtype)
        for first, end, offset in self._parts(index):
            self._read(out[first:end], offset)
        return out

    def bands(self, most: int) -> Iterator[Band]:
        """The bands as they were written."""
        frames, _, width = self.shape
        buffer = np.empty(frames * self._rows * width, self.dtype)
        for first, end, offset in self._parts(0):
            out = buffer[: frames * (end - first) * width].reshape(frames, -1)
            self._read(out, offset)
            yield first, end, out

    def close(self) -> None:
        """The file goes with its last handle."""
        self._file.close()


Stack = MemoryStack | FileStack | ScratchStack


def band_rows(shape: tuple[int, int, int], itemsize: int, most: int, chunks: tuple[int, int, int] | None) -> int:
    """Rows of a band of at most `most` bytes: whole chunks of them if they fit, at least one row."""
    frames, height, width = shape
    rows = max(1, min(height, most // (frames * width * itemsize)))
    if chunks is not None and rows >= chunks[1]:
        rows -= rows % chunks[1]
    return rows


def open_stack(source: ChunkedStack, memory: int, threads: int, folder: str) -> tuple[Stack, int]:
    """The way to read `source` twice that fits in `memory` bytes, and the bytes that a band may have.

    In memory if the frames fit; else straight from the file if its chunks serve both ways (contiguous, or one frame
    deep and not higher than a band); else over a scratch file in `folder`, so that nothing is decoded twice.
    """
    frames, height, width = source.shape
    size = frames * height * width * source.dtype.itemsize
    free = free_bytes(source, memory)
    if size <= free:
        out = np.empty(source.shape, source.dtype)
        with ThreadPoolExecutor(threads, thread_name_prefix="braggio") as pool:
            _read_frames(source, out, pool)
        return MemoryStack(out), size
    most = max(free // 2, MIN_BAND)  # a band, and a copy of part of it
    rows = max(1, most // (frames * width * source.dtype.itemsize))
    serves = source.chunks is None or (source.chunks[0] == 1 and source.chunks[1] <= rows)
    if source.direct and serves:
        return FileStack(source, threads), most
    return ScratchStack(source, folder, most, threads), most


def free_bytes(source: ChunkedStack | RowBand, memory: int) -> int:
    """What is left for pixels; may be less than nothing where no more than `MIN_BAND` is.

    Raises
    ------
    LimitError
        Not even that.
    """
    working = working_bytes(source.shape)
    if working + MIN_BAND > memory:
        need = working + MIN_BAND
        raise LimitError(
            path=source.path, field="memory", expected=f"at least {need} bytes for frames of this size", found=memory
        )
    return int(memory * (1 - RESERVE)) - working


def working_bytes(shape: tuple[int, int, int]) -> int:
    """Statistics and thresholds of every pixel."""
    return 48 * shape[1] * shape[2]


def _read_frames(source: ChunkedStack, out: NDArray[Any], pool: ThreadPoolExecutor) -> None:
    """Chunk-deep pieces: what is in flight stays small, and an error names the first bad frame."""
    frames, height, width = source.shape
    deep = max(source.chunks[0] if source.chunks else 1, 16)
    for start in range(0, frames, deep):
        stop = min(start + deep, frames)
        source.read(((start, stop), (0, height), (0, width)), out[start:stop], pool)
