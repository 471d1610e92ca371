"""A spots file, written as a search goes.

Under a temporary name in the folder of the output, and renamed when complete. Masks and labels are one chunk per frame,
compressed by the threads that made them; chunks of nothing are left out and read as zeros.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import part_name
from braggio.errors import OutputError, UnsupportedError
from braggio.formats.spots_h5.columns import column_names
from braggio.storage.hdf5 import GZIP_LEVEL, OutputFile, require_place, write_map

ROWS = 1 << 16  # of the spot table, written at once


class SpotsWriter:
    """The output of one search, written as it goes; `publish` or `discard` ends it.

    Parameters
    ----------
    path : str
        The final name.
    shape : tuple of int
        Frames, rows, columns.
    n_masks : int
    arrays : tuple of str
        Those of `MASK_ARRAYS` to write.
    extra : tuple of str
        Optional columns.
    compression : str
    overwrite : bool

    Raises
    ------
    OutputError
        The output exists, is no file, or cannot be written.
    """

    def __init__(
        self,
        path: str,
        shape: tuple[int, int, int],
        n_masks: int,
        *,
        arrays: tuple[str, ...],
        extra: tuple[str, ...],
        compression: str,
        overwrite: bool,
    ) -> None:
        import h5py

        self.path = path
        self._overwrite = overwrite
        require_place(path, overwrite=overwrite)
        self._gzip = compression == "gzip"
        filters = _filters(compression)
        self._part = part_name(os.path.abspath(path))
        try:
            self._disk = OutputFile(self._part)
            self._file = h5py.File(self._disk, "w", libver=("earliest", "v110"))
        except OSError as error:
            raise OutputError(
                os.strerror(error.errno) if error.errno else str(error), path=path, errno=error.errno
            ) from None
        self._ended = False
        _, height, width = shape
        self._arrays = {}
        for array in arrays:
            count = shape[0] if array in ("masks_raw", "masks_filtered") else n_masks
            dtype = np.int32 if array == "masks/labels" else np.uint8
            layout = {} if compression == "none" else {"chunks": (1, height, width)}
            self._arrays[array] = self._file.create_dataset(array, (count, height, width), dtype, **layout, **filters)
        self._counts = self._file.create_dataset("masks/counts", (n_masks,), np.int32)
        self._columns = {
            column: self._growing(f"spots/{column}", dtype, width)
            for column, (dtype, width) in column_names(extra).items()
        }
        self._pixels = self._growing("spots/pixel_list", "i4", 0)
        self._waiting: dict[str, list[NDArray[Any]]] = {name: [] for name in self._columns}
        self._waiting_rows = 0
        self._waiting_pixels: list[NDArray[np.int32]] = []

    def _growing(self, name: str, dtype: str, width: int) -> Any:
        tail = (width,) if width else ()
        return self._file.create_dataset(
            name,
            (0, *tail),
            dtype,
            maxshape=(None, *tail),
            chunks=(ROWS // 16, *tail),
            compression="gzip",
            shuffle=True,
        )

    def put(self, name: str, index: int, payload: Any) -> None:
        """One frame of a mask array: its zlib stream (None where all is zero) for gzip, else the array itself."""
        if payload is None:
            return
        if self._gzip:
            self._arrays[name].id.write_direct_chunk((index, 0, 0), payload)
        else:
            self._arrays[name][index] = payload

    def put_count(self, mask: int, count: int) -> None:
        """Spots of one mask."""
        self._counts[mask] = count
        self._disk.check(self.path)

    def add_spots(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """The spots of the next frame."""
        for name, values in columns.items():
            self._waiting[name].append(values)
        self._waiting_rows += len(columns["I"])
        if self._waiting_rows >= ROWS:
            self._flush()

    def add_pixels(self, pixels: NDArray[np.int32]) -> None:
        """The pixel lists of the next mask."""
        self._waiting_pixels.append(pixels)
        if sum(map(len, self._waiting_pixels)) >= 16 * ROWS:
            _append(self._pixels, self._waiting_pixels)

    def _flush(self) -> None:
        for name, pieces in self._waiting.items():
            _append(self._columns[name], pieces)
        self._waiting_rows = 0
        _append(self._pixels, self._waiting_pixels)

    def finish(
        self,
        frame2spots: NDArray[np.int64],
        stats: Mapping[str, NDArray[Any]],
        info: Mapping[str, Any],
        notes: Mapping[str, list[str]],
        lauecollect: Any = None,
        threads: int = 1,
    ) -> None:
        """The rest: ranges of rows per frame, statistics, provenance, and the copied group of the input."""
        self._flush()
        spots = self._file["spots"]
        spots.create_dataset("frame2spotsBE", data=frame2spots)
        spots["I"].attrs["background_subtracted"] = True
        with ThreadPoolExecutor(threads, thread_name_prefix="braggio") as pool:
            for name, values in stats.items():
                write_map(self._file, f"stats/{name}", values, pool)
        group = self._file.create_group("info")
        for name, value in info.items():
            group.attrs[name] = value
        for name, lines in notes.items():
            group.create_dataset(
                name, data=np.array(lines, dtype=object) if lines else np.empty(0, object), dtype=_text()
            )
        if lauecollect is not None:
            self._file.copy(lauecollect, self._file, "lauecollect")
        _mark_plots(self._file, tuple(stats))

    def publish(self) -> None:
        """Close the file and give it its name."""
        try:
            self._file.close()
            self._disk.close()
            self._disk.check(self.path)
            if self._overwrite:
                os.replace(self._part, self.path)
            else:
                os.link(self._part, self.path)
                os.unlink(self._part)
        except (OSError, RuntimeError) as error:
            self.discard()
            if isinstance(error, OutputError):
                raise
            number = getattr(error, "errno", None)
            raise OutputError("" if number else str(error), path=self.path, errno=number) from None
        self._ended = True

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._ended:
            return
        self._ended = True
        with suppress(OSError, RuntimeError):  # what could not be written is thrown away anyhow
            self._file.close()
        self._disk.close()
        if os.path.exists(self._part):
            os.unlink(self._part)


def _text() -> Any:
    import h5py

    return h5py.string_dtype()


def _append(dataset: Any, pieces: list[NDArray[Any]]) -> None:
    if not pieces:
        return
    values = np.concatenate(pieces)
    pieces.clear()
    start = dataset.shape[0]
    dataset.resize(start + len(values), axis=0)
    dataset[start:] = values


def _filters(compression: str) -> dict[str, Any]:
    if compression == "none":
        return {}
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": GZIP_LEVEL}
    if compression == "lzf":
        return {"compression": "lzf"}
    try:
        import hdf5plugin
    except ImportError:
        raise UnsupportedError(
            "install the hdf5plugin package",
            field="compression",
            expected="gzip, lzf or none without it",
            found=compression,
        ) from None
    makers = {"bitshuffle": hdf5plugin.Bitshuffle, "zstd": hdf5plugin.Zstd, "blosc2": hdf5plugin.Blosc2}
    return dict(makers[compression]())


def _mark_plots(file: Any, stats: tuple[str, ...]) -> None:
    """NXdata attributes: silx view, h5web and NeXpy then show the mean image at once, and label images on request."""
    file.attrs["NX_class"] = "NXroot"
    file.attrs["default"] = "stats"
    file["stats"].attrs.update({"NX_class": "NXdata", "signal": "avg"})
    for name in stats:
        file[f"stats/{name}"].attrs["interpretation"] = "image"
    file["stats"].attrs["auxiliary_signals"] = [name for name in stats if name != "avg"]
    signal = "labels" if "labels" in file["masks"] else "counts"
    file["masks"].attrs.update({"NX_class": "NXdata", "signal": signal})
    if signal == "labels":
        file["masks/labels"].attrs["interpretation"] = "image"
    file["spots"].attrs.update({"NX_class": "NXdata", "signal": "I"})
