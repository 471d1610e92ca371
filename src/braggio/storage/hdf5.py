"""Chunks of HDF5 datasets, decoded and encoded in threads outside the library's lock.

h5py holds one lock over everything, decompression included, so threads gain nothing there. Here h5py only tells where
the chunks lie; their bytes come by `os.pread` and are inflated by the calling thread. Contiguous data and chunks
filtered by gzip and shuffle are read so; any other filter goes through h5py under a lock.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import deflate_shuffled, inflate, unshuffle
from braggio.errors import BraggioError, FormatError, LimitError, OutputError, TruncatedError, UnsupportedError

GZIP, SHUFFLE = 1, 2  # HDF5 filter numbers
FILTER_NAMES = {
    3: "fletcher32",
    4: "szip",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32015: "zstd",
    32026: "blosc2",
}
MOST_DEFLATED = 1032  # bytes from one: a copy of 258 takes two bits at least
GZIP_LEVEL = 4  # as the file says; what is encoded here searches less
MAP_CHUNK = 1 << 19  # bytes
MAX_EXACT = 1 << 53  # 64-bit integers are read as float64, which holds them up to here

Region = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def encode_chunk(array: NDArray[Any]) -> bytes | None:
    """A chunk of gzip and shuffle, or None where all is zero: a chunk that is not there reads as the fill value."""
    return deflate_shuffled(np.ascontiguousarray(array)) if array.any() else None


def write_map(file: Any, name: str, values: NDArray[Any], pool: Executor) -> None:
    """A 2-D array as a dataset of gzip and shuffle, in chunks of whole rows that the threads of `pool` encode."""
    height, width = values.shape
    rows = min(height, max(1, MAP_CHUNK // (width * values.itemsize)))
    dataset = file.create_dataset(
        name, values.shape, values.dtype, chunks=(rows, width), compression="gzip", shuffle=True
    )

    def encode(start: int) -> bytes:
        chunk = values[start : start + rows]
        if len(chunk) < rows:  # the last chunk is whole in the file too
            chunk = np.concatenate([chunk, np.zeros((rows - len(chunk), width), values.dtype)])
        return deflate_shuffled(np.ascontiguousarray(chunk))

    starts = range(0, height, rows)
    for start, stream in zip(starts, pool.map(encode, starts), strict=True):
        dataset.id.write_direct_chunk((start, 0), stream)


def require_place(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuse an output that exists, and to replace anything but a file.

    Raises
    ------
    OutputError
    """
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise OutputError("exists; pass overwrite=True (the command line adds -f)", path=path)
    if not os.path.isfile(path) and not os.path.islink(path):
        found = "a folder" if os.path.isdir(path) else "a device or pipe"
        raise OutputError(path=path, field="output", expected="a file", found=found)


class OutputFile(io.FileIO):
    """A new file for h5py to write to, which keeps to itself what the disk did not take.

    HDF5 2.0 crashes the process when it closes a file that could not be written, so it is not told; `check` tells.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "x+")
        self._error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """All of it, or note why not."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self._error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self._error = error
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """To that size, or note why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return self.tell()

    def check(self, path: str) -> None:
        """Raise what was noted, about the file of the final name `path`.

        Raises
        ------
        OutputError
        """
        if self._error is not None:
            raise OutputError(path=path, errno=self._error.errno)


def frame_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """What frames are worked on as: native order, no half precision, 64-bit integers as float64."""
    if stored.kind in "iu" and stored.itemsize == 8:
        return np.dtype(np.float64)
    if stored.kind == "f" and stored.itemsize == 2:
        return np.dtype(np.float32)
    return stored.newbyteorder("=")


class ChunkedStack:
    """A 3-D HDF5 dataset (frame, row, column) whose regions several threads may read at once.

    Attributes
    ----------
    shape : tuple of int
    stored : numpy.dtype
        In the file.
    dtype : numpy.dtype
        As `read` gives it, see `frame_dtype`.
    chunks : tuple of int or None
        None for a contiguous dataset.
    direct : bool
        The chunks are decoded here, outside the lock.
    """

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()
        self.path = dataset.file.filename
        self.shape: tuple[int, int, int] = dataset.shape
        self.stored = dataset.dtype
        self.dtype = frame_dtype(dataset.dtype)
        self.chunks: tuple[int, int, int] | None = dataset.chunks
        self._filters = self._pipeline()
        self._require_sources()
        self._index: dict[tuple[int, ...], tuple[int, int, int]] = {}
        self._offset = None
        self.direct = self._locate()
        self._file = os.open(self.path, os.O_RDONLY) if self.direct else -1

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _pipeline(self) -> list[int]:
        import h5py

        creation = self._dataset.id.get_create_plist()
        filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
        for number in filters:
            if not h5py.h5z.filter_avail(number) and not _plugin_loaded(number):
                name = FILTER_NAMES.get(number, f"filter {number}")
                raise UnsupportedError(
                    "install the hdf5plugin package",
                    path=self.path,
                    field=self._dataset.name,
                    expected="a filter that is available",
                    found=name,
                )
        return filters

    def _require_sources(self) -> None:
        """The files that a virtual dataset shows: HDF5 reads fill values where one is missing, and says nothing."""
        if not self._dataset.is_virtual or "HDF5_VDS_PREFIX" in os.environ:
            return
        # As HDF5 looks for them: beside the link to the file, too.
        folders = [os.path.dirname(path) for path in (os.path.abspath(self.path), os.path.realpath(self.path))]
        for name in dict.fromkeys(source.file_name for source in self._dataset.virtual_sources()):
            names = (name, os.path.basename(name))
            places = [name, *(os.path.join(folder, each) for folder in folders for each in names)]
            if name != "." and "%" not in name and not any(map(os.path.exists, places)):
                raise FormatError(
                    path=self.path,
                    field=self._dataset.name,
                    expected=f"its virtual source {name}",
                    found="no such file",
                )

    def _locate(self) -> bool:
        if self._dataset.file.driver != "sec2" or self._dataset.external or self._dataset.is_virtual:
            return False
        if self.chunks is None:
            self._offset = self._dataset.id.get_offset()
            return self._offset is not None
        if self._filters not in ([], [GZIP], [SHUFFLE], [SHUFFLE, GZIP]):
            return False
        found = self._index

        def note(chunk: Any) -> None:
            found[tuple(chunk.chunk_offset)] = (chunk.byte_offset, chunk.size, chunk.filter_mask)

        self._dataset.id.chunk_iter(note)
        return True

    def read(self, region: Region, out: NDArray[Any], pool: Executor | None = None) -> None:
        """Fill `out`, of the region's shape, with ((frame, frame), (row, row), (column, column))."""
        target = out if out.dtype == self.stored else np.empty(out.shape, self.stored.newbyteorder("="))
        if not self.direct:
            with self._lock:
                self._read_locked(region, target)
        elif self.chunks is None:
            self._read_contiguous(region, target)
        else:
            tasks = list(_chunks_of(region, self.chunks))
            run = map if pool is None or len(tasks) < 2 else pool.map
            for _ in run(lambda start: self._read_chunk(start, region, target), tasks):
                pass
        if target is not out:
            self._narrow(target, out)

    def _narrow(self, target: NDArray[Any], out: NDArray[Any]) -> None:
        if target.dtype.kind in "iu" and target.dtype.itemsize == 8 and target.size:
            low, high = int(target.min()), int(target.max())
            if low < -MAX_EXACT or high > MAX_EXACT:
                raise LimitError(
                    path=self.path,
                    field=self._dataset.name,
                    expected="values of at most 2^53 in size",
                    found=f"{low}..{high}",
                )
        out[...] = target

    def _read_locked(self, region: Region, target: NDArray[Any]) -> None:
        try:
            self._dataset.read_direct(target, tuple(slice(*edges) for edges in region))
        except (OSError, RuntimeError) as error:
            raise TruncatedError(
                str(error), path=self.path, field=f"frames {region[0][0]}..{region[0][1] - 1}"
            ) from None

    def _pread(self, count: int, offset: int, field: str) -> bytes:
        data = os.pread(self._file, count, offset)
        while len(data) < count:  # a read of more than 2 GiB comes in pieces
            piece = os.pread(self._file, count - len(data), offset + len(data))
            if not piece:
                raise TruncatedError(
                    path=self.path, field=field, expected=f"{count} bytes", found=len(data), offset=offset
                )
            data += piece
        return data

    def _read_contiguous(self, region: Region, target: NDArray[Any]) -> None:
        (f0, f1), (r0, r1), (c0, c1) = region
        _, height, width = self.shape
        assert self._offset is not None
        for frame in range(f0, f1):
            start = self._offset + (frame * height + r0) * width * self.stored.itemsize
            data = self._pread((r1 - r0) * width * self.stored.itemsize, start, f"frame {frame}")
            target[frame - f0] = np.frombuffer(data, self.stored).reshape(r1 - r0, width)[:, c0:c1]

    def _read_chunk(self, start: tuple[int, int, int], region: Region, target: NDArray[Any]) -> None:
        assert self.chunks is not None
        there = self._index.get(start)
        inside, outside = [], []
        for begin, size, (low, high) in zip(start, self.chunks, region, strict=True):
            a, b = max(begin, low), min(begin + size, high)
            inside.append(slice(a - begin, b - begin))
            outside.append(slice(a - low, b - low))
        if there is None:
            target[tuple(outside)] = self._dataset.fillvalue
            return
        target[tuple(outside)] = self._decode(start, *there)[tuple(inside)]

    def _decode(self, start: tuple[int, int, int], offset: int, size: int, skipped: int) -> NDArray[Any]:
        assert self.chunks is not None
        field = f"chunk at frame {start[0]}, row {start[1]}"
        count = int(np.prod(self.chunks)) * self.stored.itemsize
        if size > 2 * count + 1024:
            raise FormatError(
                path=self.path, field=field, expected=f"about {count} bytes at most", found=size, offset=offset
            )
        applied = [number for i, number in enumerate(self._filters) if not skipped >> i & 1]
        if GZIP in applied and size * MOST_DEFLATED < count:
            least = -(-count // MOST_DEFLATED)
            raise TruncatedError(path=self.path, field=field, expected=f"{least} bytes", found=size, offset=offset)
        data = self._pread(size, offset, field)
        if GZIP not in applied and size != count:
            raise TruncatedError(path=self.path, field=field, expected=f"{count} bytes", found=size, offset=offset)
        if GZIP in applied:
            values = np.empty(self.chunks, self.stored)
            try:
                inflate(data, values)
            except BraggioError as error:
                raise TruncatedError(str(error), path=self.path, field=field, offset=offset) from None
        else:
            values = np.frombuffer(data, self.stored)
        if SHUFFLE in applied:
            planes, values = values, np.empty(self.chunks, self.stored)
            unshuffle(planes, values)
        return values.reshape(self.chunks)


def _plugin_loaded(number: int) -> bool:
    """hdf5plugin registers its filters when it is imported."""
    import h5py

    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(number))


def _chunks_of(region: Region, chunks: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    frames, rows, columns = (
        range(low // size * size, high, size) for (low, high), size in zip(region, chunks, strict=True)
    )
    yield from product(frames, rows, columns)
