"""mccd frames and a Lauecollect log into one ``__mccd.h5`` file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source, part_name
from braggio.batch.workers import streamed
from braggio.errors import FormatError, MetadataError, OutputError, about
from braggio.formats.lauecollect import ANGLES, read_log
from braggio.formats.mccd import UNITS, open_mccd
from braggio.formats.mccd_h5 import laser_states
from braggio.storage.hdf5 import GZIP_LEVEL, OutputFile, encode_chunk, require_place

CHUNK_ROWS = 64  # (1, 64, width): a frame and a band of rows are both read without waste


@dataclass(frozen=True)
class ConversionReport:
    """What `mccd_to_hdf5` wrote.

    Attributes
    ----------
    output : str
    shape : tuple of int
        Frames, rows, columns.
    n_angles : int
    laser : bool
        Frames with the laser on and off.
    block_size : int
        Frames per angle where all angles have as many; else 0.
    """

    output: str
    shape: tuple[int, int, int]
    n_angles: int
    laser: bool
    block_size: int


def mccd_to_hdf5(
    log: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    raw: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> ConversionReport:
    """Collect the images that a Lauecollect log lists.

    Parameters
    ----------
    log : path-like
        One line per image; its column `file` names them.
    output : path-like, optional
        By default the log's name with ``__mccd.h5``.
    raw : path-like, optional
        Folder of the images; by default that of the log.
    overwrite : bool
        Replace an existing output.
    threads : int
        The result does not depend on it.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    ConversionReport
        The file has ``frames`` (gzip and shuffle, chunks of one frame and 64 rows), ``lauecollect`` (the columns of the
        log, with angle in degrees, laser_on, delay, frame_number_global, attribute block_size) and ``header`` (every
        field of the mccd headers, one value per frame, physical values with a `units` attribute).

    Raises
    ------
    FormatError, MetadataError, OutputError
        Nothing is left behind.
    """
    columns = read_log(log)
    folder = Path(raw) if raw is not None else Path(log).parent
    files = [folder / os.path.basename(str(name).replace("\\", "/")) for name in columns["file"]]
    target = os.fspath(output) if output is not None else f"{os.path.splitext(os.fspath(log))[0]}__mccd.h5"
    require_place(target, overwrite=overwrite)
    _require_apart(files, os.fspath(log), target)
    angle, laser = _angle(columns, os.fspath(log)), laser_states(columns.get("laser_on"), columns.get("delay"))
    block_size = _block_size(angle, laser)
    shape, headers = _headers(files)
    part = part_name(os.path.abspath(target))
    try:
        with OutputFile(part) as disk:
            _write(disk, target, files, shape, headers, columns, angle, laser, block_size, threads, progress)
            disk.check(target)
        os.replace(part, target)
    except (OSError, RuntimeError) as error:
        if isinstance(error, (FormatError, OutputError)):
            raise
        number = getattr(error, "errno", None)
        raise OutputError("" if number else str(error), path=target, errno=number) from error
    finally:
        if os.path.exists(part):
            os.unlink(part)
    return ConversionReport(
        target,
        shape,
        len(np.unique(np.round(angle, 3))),
        laser is not None and bool(laser.any()) and not bool(laser.all()),
        block_size,
    )


def _require_apart(files: list[Path], log: str, target: str) -> None:
    """Each image once, and the output none of the inputs."""
    names = [os.path.realpath(path) for path in files]
    if os.path.realpath(target) in (*names, os.path.realpath(log)):
        raise OutputError(path=target, field="output", expected="another file than the inputs", found="one of them")
    rows: dict[str, int] = {}
    for row, name in enumerate(names, 1):
        first = rows.setdefault(name, row)
        if first != row:
            found = f"{files[row - 1].name} in rows {first} and {row}"
            raise MetadataError(path=log, field="file", expected="every image once", found=found)


def _angle(columns: dict[str, NDArray[Any]], path: str) -> NDArray[np.float64]:
    for name in ANGLES:
        if name in columns:
            if columns[name].dtype.kind != "f" or not np.isfinite(columns[name]).all():
                raise MetadataError(
                    path=path, field=name, expected="an angle in degrees for every image", found="text or NaN"
                )
            return columns[name]
    raise MetadataError(path=path, field="columns", expected=" or ".join(ANGLES), found=", ".join(columns))


def _block_size(angle: NDArray[np.float64], laser: NDArray[np.bool_] | None) -> int:
    if laser is None or laser.all() or not laser.any():
        return 0
    _, counts = np.unique(np.round(angle, 3), return_counts=True)
    return int(counts[0]) if (counts == counts[0]).all() else 0


def _headers(files: list[Path]) -> tuple[tuple[int, int, int], list[dict[str, Any]]]:
    """The headers of all images, which must be of one shape; nothing is written before they have been seen."""
    headers: list[dict[str, Any]] = []
    shape: tuple[int, ...] | None = None
    for path in files:
        with about(path), open_mccd(Source.open(str(path)), str(path)) as image:
            if shape is None:
                shape = image.frame_shape
            if image.frame_shape != shape:
                raise FormatError(path=path, field="frame shape", expected=shape, found=image.frame_shape)
            headers.append(dict(image.header))
    assert shape is not None
    return (len(files), shape[0], shape[1]), headers


def _write(
    disk: OutputFile,
    target: str,
    files: list[Path],
    shape: tuple[int, int, int],
    headers: list[dict[str, Any]],
    columns: dict[str, NDArray[Any]],
    angle: NDArray[np.float64],
    laser: NDArray[np.bool_] | None,
    block_size: int,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    import h5py

    frames, height, width = shape
    rows = min(CHUNK_ROWS, height)
    with h5py.File(disk, "w", libver=("earliest", "v110")) as file:
        stack = file.create_dataset(
            "frames",
            shape,
            np.uint16,
            chunks=(1, rows, width),
            compression="gzip",
            compression_opts=GZIP_LEVEL,
            shuffle=True,
        )
        stack.attrs["saturated_value"] = headers[0]["saturated_value"]

        def encode(index: int, buffer: NDArray[np.uint16]) -> list[tuple[int, bytes | None]]:
            with about(files[index]), open_mccd(Source.open(str(files[index]))) as image:
                image.read(0, buffer[:height])
            return [(row, encode_chunk(buffer[row : row + rows])) for row in range(0, height, rows)]

        padded = -(-height // rows) * rows
        for index, pieces in enumerate(
            streamed(encode, range(frames), threads=threads, state=lambda: np.zeros((padded, width), np.uint16))
        ):
            for row, data in pieces:
                if data is not None:
                    stack.id.write_direct_chunk((index, row, 0), data)
            disk.check(target)
            if progress is not None:
                progress(index + 1, frames)
        _write_log(file.create_group("lauecollect"), columns, angle, laser, block_size)
        _write_headers(file.create_group("header"), headers)


def _write_log(
    group: Any,
    columns: dict[str, NDArray[Any]],
    angle: NDArray[np.float64],
    laser: NDArray[np.bool_] | None,
    block_size: int,
) -> None:
    import h5py

    group.attrs["block_size"] = block_size
    group["angle"] = angle
    group["angle"].attrs["units"] = "deg"
    group["frame_number_global"] = np.arange(len(angle), dtype=np.int32)
    if laser is not None:
        group["laser_on"] = laser.astype(np.uint8)
    for name, values in columns.items():
        safe = name.replace("/", "_").strip() or "unnamed"
        if safe not in group:
            group.create_dataset(
                safe, data=values, dtype=h5py.string_dtype() if values.dtype == object else values.dtype
            )


def _write_headers(group: Any, headers: list[dict[str, Any]]) -> None:
    import h5py

    for name in headers[0]:
        values = [np.nan if header[name] is None else header[name] for header in headers]
        text = isinstance(values[0], str)
        item = group.create_dataset(
            name, data=np.array(values, dtype=object) if text else values, dtype=h5py.string_dtype() if text else None
        )
        if name in UNITS:
            item.attrs["units"] = UNITS[name]
