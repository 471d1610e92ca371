"""LaueUtil's ``*__mccd.h5``: frames in one 3-D dataset, and what Lauecollect knew of each in ``lauecollect``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import BraggioError, FormatError, LimitError, MetadataError
from braggio.storage.hdf5 import ChunkedStack

DATASETS = ("frames", "mccd", "images", "data", "entry/data/data")
OFF_DELAYS = ("-", "", "nan", "off")
MAX_FRAME_PIXELS = 1 << 31  # flat pixel indices are 32-bit


@dataclass(frozen=True)
class FrameRecord:
    """What is known of each frame beside its pixels.

    Attributes
    ----------
    angle : float64 ndarray (n,) or None
        Spindle angle in degrees.
    laser_on : bool ndarray (n,) or None
        None where nothing tells.
    block_size : int
        Frames per block as the file has it; 0 where it does not.
    parents : tuple of tuple of str
        Role, base name and uuid of the input.
    dataset : str
        Path of the frames in the file.
    saturated : float or None
        The value from which the detector says that a pixel is saturated; None where the file does not tell.
    """

    angle: NDArray[np.float64] | None = None
    laser_on: NDArray[np.bool_] | None = None
    block_size: int = 0
    parents: tuple[tuple[str, str, str], ...] = field(default=())
    dataset: str = ""
    saturated: float | None = None


@contextmanager
def open_frames(
    path: str | os.PathLike[str], dataset: str | None = None
) -> Iterator[tuple[ChunkedStack, FrameRecord, Any]]:
    """The frames of a file, what is known of them, and the open h5py file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FormatError
        Not HDF5, no 3-D dataset of numbers, or several; no frames.
    MetadataError
        `lauecollect` arrays of another length than the frames.
    """
    import h5py

    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(2, os.strerror(2), name)
    if os.path.isdir(name):
        raise IsADirectoryError(21, os.strerror(21), name)
    try:
        file = h5py.File(name, "r")
    except OSError as error:
        raise FormatError(str(error), path=name, expected="an HDF5 file") from None
    with file:
        with readable(name):
            frames = _frames_dataset(file, name, dataset)
            stack = ChunkedStack(frames)
        try:
            with readable(name):
                record = replace(
                    frame_record(file, name, stack.shape[0]), dataset=frames.name, saturated=_saturated(frames)
                )
            yield stack, record, file
        finally:
            stack.close()


def _saturated(frames: Any) -> float | None:
    """From the header of the frames, as `mccd2h5` keeps it."""
    value = frames.attrs.get("saturated_value")
    return float(value) if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iuf" and value > 0 else None


@contextmanager
def readable(path: str) -> Iterator[None]:
    """What h5py raises on damaged metadata (nearly anything) as a FormatError."""
    try:
        yield
    except BraggioError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise FormatError(str(error), path=path, expected="an HDF5 file that is not damaged") from None


def _frames_dataset(file: Any, path: str, wanted: str | None) -> Any:
    import h5py

    if wanted is not None:
        found = file.get(wanted)
        if not isinstance(found, h5py.Dataset) or not _is_stack(found):
            raise FormatError(path=path, field=wanted, expected="a 3-D dataset of numbers", found=_described(found))
        return _not_empty(found, path)
    for name in DATASETS:
        if isinstance(file.get(name), h5py.Dataset) and _is_stack(file[name]):
            return _not_empty(file[name], path)
    stacks: list[Any] = []
    file.visititems(lambda _, item: stacks.append(item) if isinstance(item, h5py.Dataset) and _is_stack(item) else None)
    if len(stacks) != 1:
        names = ", ".join(item.name for item in stacks) or "none"
        raise FormatError(
            "name it with --dataset", path=path, field="frames", expected="one 3-D dataset of numbers", found=names
        )
    return _not_empty(stacks[0], path)


def _is_stack(dataset: Any) -> bool:
    return dataset.ndim == 3 and dataset.dtype.kind in "iuf" and dataset.dtype.itemsize <= 8


def _described(item: Any) -> str:
    return "nothing" if item is None else f"{getattr(item, 'dtype', 'a group')} {getattr(item, 'shape', '')}".strip()


def _not_empty(dataset: Any, path: str) -> Any:
    if 0 in dataset.shape:
        raise FormatError(
            path=path, field=dataset.name, expected="at least one frame of at least one pixel", found=dataset.shape
        )
    if dataset.shape[1] * dataset.shape[2] > MAX_FRAME_PIXELS:
        raise LimitError(
            path=path, field=dataset.name, expected=f"at most {MAX_FRAME_PIXELS} pixels a frame", found=dataset.shape
        )
    return dataset


def frame_record(file: Any, path: str, frames: int) -> FrameRecord:
    """Angles, laser states and block size of an open file."""
    group = file.get("lauecollect")
    if group is None or not hasattr(group, "keys"):
        return FrameRecord(parents=_parents(file, path))
    angle = _column(group, "angle", path, frames)
    laser = _column(group, "laser_on", path, frames)
    delay = _column(group, "delay", path, frames) if laser is None else None
    block_size = _block_size(group, path)
    states = laser_states(laser, delay)
    if states is None and block_size > 0:  # LaueUtil's pairs: on, off, on, off
        states = np.arange(frames) % 2 == 0
    return FrameRecord(None if angle is None else _angles(angle, path), states, block_size, _parents(file, path))


def _block_size(group: Any, path: str) -> int:
    try:
        return int(group.attrs.get("block_size", 0))
    except (TypeError, ValueError, OSError):
        raise MetadataError(
            path=path, field="lauecollect block_size", expected="an integer", found="something else"
        ) from None


def _column(group: Any, name: str, path: str, frames: int) -> NDArray[Any] | None:
    item = group.get(name)
    if item is None:
        return None
    field = f"lauecollect/{name}"
    if getattr(item, "shape", None) != (frames,):
        raise MetadataError(path=path, field=field, expected=f"{frames} values, one per frame", found=_described(item))
    try:
        values = item.asstr()[()] if item.dtype.kind in "OS" else item[()]
    except (OSError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise FormatError(str(error), path=path, field=field) from None
    return np.asarray(values)


def _angles(values: NDArray[Any], path: str) -> NDArray[np.float64]:
    try:
        angles = values.astype(np.float64)
    except (TypeError, ValueError):
        raise MetadataError(path=path, field="lauecollect/angle", expected="numbers", found=values.dtype) from None
    if not np.isfinite(angles).all():
        bad = int(np.argmin(np.isfinite(angles)))
        raise MetadataError(
            path=path, field="lauecollect/angle", expected="finite numbers", found=f"{angles[bad]} at frame {bad}"
        )
    return angles


def laser_states(laser: ArrayLike | None, delay: ArrayLike | None) -> NDArray[np.bool_] | None:
    """On or off from a `laser_on` column, else from a `delay` column, in which -, an empty text and NaN mean off.

    >>> laser_states(None, ["100ps", "-"]).tolist(), laser_states(["on", "off"], None).tolist()
    ([True, False], [True, False])
    """
    column = laser if laser is not None else delay
    if column is None:
        return None
    values = np.asarray(column)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "latin-1")
    if values.dtype.kind in "biuf":
        numbers = values.astype(np.float64)
        return ~np.isnan(numbers) if laser is None else (numbers != 0) & ~np.isnan(numbers)
    off = OFF_DELAYS if laser is None else (*OFF_DELAYS, "0", "false")
    return np.array([str(value).strip().lower() not in off for value in values])


def _parents(file: Any, path: str) -> tuple[tuple[str, str, str], ...]:
    info = file.get("info")
    uuid = "" if info is None else str(info.attrs.get("uuid", ""))
    return (("mccd", os.path.basename(path), uuid),)
