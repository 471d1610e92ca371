"""One image of one event with what a user needs beside it, and how it is written."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.errors import UnsupportedError


@dataclass(frozen=True)
class Shot:
    """What is written of an event.

    Attributes
    ----------
    data : numpy.ndarray
        Calibrated, or as read out.
    address : str
        `CxiDs1-0|Cspad-0`.
    timestamp : str
        `2014-12-01T07:36Z01.249`
    clock : tuple of int
        (seconds, nanoseconds)
    fiducials : int
    run : int or None
    wavelength : float or None
        Angstrom.
    distance : float or None
        Millimetres.
    event_codes : tuple of int
    damaged : dict
        Damage of other contributions of the event.
    """

    data: NDArray[Any]
    address: str
    timestamp: str
    clock: tuple[int, int]
    fiducials: int
    run: int | None
    wavelength: float | None
    distance: float | None
    event_codes: tuple[int, ...]
    damaged: dict[str, tuple[str, ...]]


def publish(path: str, content: bytes, overwrite: bool) -> None:
    """A file that appears whole or not at all."""
    with PartFile(path) as part:
        part.reserve(len(content))
        part.write(content, 0)
        part.publish(overwrite=overwrite)


def write_npz(shot: Shot, path: str, overwrite: bool) -> None:
    """A numpy archive: `data` and one array for each fact; numbers that are not known are nan, a run -1."""
    memory = io.BytesIO()
    np.savez(
        memory,
        data=shot.data,
        address=np.array(shot.address),
        timestamp=np.array(shot.timestamp),
        seconds=np.array(shot.clock[0], np.int64),
        nanoseconds=np.array(shot.clock[1], np.int64),
        fiducials=np.array(shot.fiducials, np.int64),
        run=np.array(-1 if shot.run is None else shot.run, np.int64),
        wavelength=np.array(math.nan if shot.wavelength is None else shot.wavelength),
        distance=np.array(math.nan if shot.distance is None else shot.distance),
        event_codes=np.array(shot.event_codes, np.int64),
        damaged=np.array(json.dumps(shot.damaged, sort_keys=True)),
    )
    publish(path, memory.getvalue(), overwrite)


def _not_yet(shot: Shot, path: str, overwrite: bool) -> None:
    raise UnsupportedError(field="file_format", expected="npz or h5", found=path.rsplit(".", 1)[-1])


WRITERS: dict[str, Callable[[Shot, str, bool], None]] = {"npz": write_npz, "cbf": _not_yet, "pickle": _not_yet}
