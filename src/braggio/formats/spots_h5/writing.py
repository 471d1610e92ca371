"""A spots file, written as a search goes.

Under a temporary name in the folder of the output, and renamed when complete. Masks and labels are one chunk per frame,
compressed by the threads that made them; chunks of nothing are left out and read as zeros.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import OutputError, UnsupportedError
from braggio.formats.hdf5 import GZIP_LEVEL, write_map
from braggio.formats.spots_h5.columns import column_names

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
        The output exists, or cannot be written.
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
        if not overwrite and os.path.lexists(path):
            raise OutputError("it exists; --overwrite replaces it", path=path)
        self._gzip = compression == "gzip"
        filters = _filters(compression)
        folder, name = os.path.split(os.path.abspath(path))
        self._part = os.path.join(folder, f".{name}.{os.getpid()}.{secrets.token_hex(8)}.part")
        try:
            self._file = h5py.File(self._part, "x", libver=("earliest", "v110"))
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
            if self._overwrite:
                os.replace(self._part, self.path)
            else:
                os.link(self._part, self.path)
                os.unlink(self._part)
        except (OSError, RuntimeError) as error:
            self.discard()
            number = getattr(error, "errno", None)
            raise OutputError("" if number else str(error), path=self.path, errno=number) from None
        self._ended = True

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._ended:
            return
        self._ended = True
        with suppress(OSError, RuntimeError):  # the disk is full: what could not be written is thrown away anyhow
            self._file.close()
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
<<<<<<< HEAD:src/braggio/formats/spots_h5.py


class MemoryWriter:
    """Takes what `SpotsWriter` takes and keeps it: for calls without an output file."""

    def __init__(
        self, shape: tuple[int, int, int], n_masks: int, arrays: tuple[str, ...], extra: tuple[str, ...]
    ) -> None:
        frames, height, width = shape
        counts = {"masks_raw": frames, "masks_filtered": frames}
        self.arrays = {
            name: np.zeros((counts.get(name, n_masks), height, width), np.int32 if name == "masks/labels" else np.uint8)
            for name in arrays
        }
        self.counts = np.zeros(n_masks, np.int32)
        self._columns = [empty_columns(extra, 0)]
        self._pixels = [np.empty(0, np.int32)]

    def put(self, name: str, index: int, payload: Any) -> None:
        """One frame of a mask array."""
        self.arrays[name][index] = payload

    def put_count(self, mask: int, count: int) -> None:
        """Spots of one mask."""
        self.counts[mask] = count

    def add_spots(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """The spots of the next frame."""
        self._columns.append(dict(columns))

    def add_pixels(self, pixels: NDArray[np.int32]) -> None:
        """The pixel lists of the next mask."""
        self._pixels.append(pixels)

    @property
    def spots(self) -> dict[str, NDArray[Any]]:
        """The table, column by column, with its pixel_list."""
        names = self._columns[0]
        table = {name: np.concatenate([piece[name] for piece in self._columns]) for name in names}
        return table | {"pixel_list": np.concatenate(self._pixels)}


def table(columns: Mapping[str, NDArray[Any]]) -> Any:
    """A DataFrame of a spot table, one row per spot.

    Examples
    --------
    >>> table(empty_columns((), 0)).columns.tolist()[:4]
    ['I', 'I_raw', 'n_pixels', 'X']
    """
    import pandas as pd

    flat: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():
        if name in ("pixel_list", "frame2spotsBE"):
            continue
        if name in WIDE_NAMES:
            flat.update({part: values[:, i] for i, part in enumerate(WIDE_NAMES[name])})
        else:
            flat[name] = values
    return pd.DataFrame(flat)


def read_spots(path: str | os.PathLike[str]) -> Any:
    """The spot table of a ``__spots.h5`` file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    pandas.DataFrame
        One row per spot, by frame and label: I (net counts), I_raw, n_pixels, X and Y (row and column of the brightest
        pixel), the half-open box, frame, label, mask, and the range of its pixels in ``spots/pixel_list``.
        ``attrs["info"]`` holds the provenance.

    Raises
    ------
    FormatError
        Not HDF5, or without a spot table.

    Examples
    --------
    >>> import tempfile, h5py, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kinds = {"arrays": (), "extra": (), "compression": "gzip"}
    ...     writer = SpotsWriter(f"{folder}/a.h5", (1, 4, 4), 1, **kinds, overwrite=False)
    ...     writer.add_spots(empty_columns((), 2) | {"I": np.array([7.5, 9.0])})
    ...     writer.finish(np.array([[0, 2]]), {"avg": np.zeros((4, 4))}, {}, {})
    ...     writer.publish()
    ...     read_spots(f"{folder}/a.h5")["I"].tolist()
    [7.5, 9.0]
    """
    columns, info = read_columns(path)
    frame = table(columns)
    frame.attrs["info"] = info
    return frame


def read_columns(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of the group `spots`, and the attributes of `info`."""
    import h5py

    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(2, os.strerror(2), name)
    try:
        with h5py.File(name, "r") as file:
            group = file.get("spots")
            missing = [column for column in COLUMNS if group is None or column not in group]
            if missing:
                raise FormatError(path=name, field="spots", expected="a spot table", found=f"no {', '.join(missing)}")
            rows = group["I"].shape
            columns = {}
            for column, item in group.items():
                own = column in ("pixel_list", "frame2spotsBE")
                if not isinstance(item, h5py.Dataset) or (not own and item.shape[:1] != rows):
                    raise FormatError(
                        path=name,
                        field=f"spots/{column}",
                        expected=f"{rows[0]} rows",
                        found=getattr(item, "shape", "a group"),
                    )
                columns[column] = item[()]
            info = {key: _plain(value) for key, value in file["info"].attrs.items()} if "info" in file else {}
    except (OSError, RuntimeError, KeyError) as error:
        raise FormatError(str(error), path=name, expected="an HDF5 file of spots") from None
    return columns, info


def read_info(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The attributes of `info`, and what the search had to tell.

    Raises
    ------
    FormatError
        Not a file of spots.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            info = {key: _plain(value) for key, value in file["info"].attrs.items()}
            return info, tuple(file["info/warnings"].asstr()[()])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(str(error), path=os.fspath(path), expected="an HDF5 file of spots") from None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else json.loads(json.dumps(value, default=str))
=======
>>>>>>> laue:src/braggio/formats/spots_h5/writing.py
