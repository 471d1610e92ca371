"""Shots of a run in one HDF5 file, which appears when it is whole."""

from __future__ import annotations

import math
import os
from contextlib import suppress

import numpy as np

from braggio._core import part_name
from braggio.errors import FormatError, OutputError
from braggio.storage.hdf5 import OutputFile, require_place
from braggio.xtc.shots import Shot

FLUSH_EVERY = 16  # events
_COLUMNS = {
    "seconds": "i8",
    "nanoseconds": "i8",
    "fiducials": "i8",
    "event": "i8",
    "wavelength": "f8",
    "distance": "f8",
    "timestamp": "S32",
}


class ShotFile:
    """`data` (events, ...) with one chunk an event and quadrant, and a column for each fact; a context.

    An interrupted file is begun again: one that is gone on with has other bytes, since HDF5 lays out what it appends
    elsewhere.

    Parameters
    ----------
    target : str
        Where the file goes.
    overwrite : bool
        It may replace another.

    Raises
    ------
    OutputError
        It exists, or cannot be written.
    """

    def __init__(self, target: str, *, overwrite: bool) -> None:
        import h5py

        require_place(target, overwrite=overwrite)
        self.target, self._overwrite = target, overwrite
        self._part = part_name(os.path.abspath(target))
        try:
            self._disk = OutputFile(self._part)
        except OSError as error:
            raise OutputError(path=target, errno=error.errno) from error
        self._file = h5py.File(self._disk, "w", libver=("v110", "v110"))
        for name, kind in _COLUMNS.items():
            self._file.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(1024,))
        self._file.attrs["complete"] = 0
        self.count = 0

    def add(self, shot: Shot, event: int) -> None:
        """Append one shot.

        Raises
        ------
        FormatError
            Its image has another shape than those before.
        OutputError
            It could not be written.
        """
        file, n = self._file, self.count
        shape = shot.data.shape
        if "data" not in file:
            chunk = (1, *shape) if len(shape) < 3 else (1, 1, *shape[1:])
            file.create_dataset("data", (0, *shape), shot.data.dtype, maxshape=(None, *shape), chunks=chunk)
            file.attrs["address"] = shot.address
            file.attrs["run"] = -1 if shot.run is None else shot.run
        data = file["data"]
        if data.shape[1:] != shape or data.dtype != shot.data.dtype:
            raise FormatError(
                field=f"image at {shot.timestamp}",
                expected=f"{data.dtype} {data.shape[1:]} as before",
                found=f"{shot.data.dtype} {shape}",
            )
        facts = {
            "seconds": shot.clock[0],
            "nanoseconds": shot.clock[1],
            "fiducials": shot.fiducials,
            "event": event,
            "wavelength": math.nan if shot.wavelength is None else shot.wavelength,
            "distance": math.nan if shot.distance is None else shot.distance,
            "timestamp": np.bytes_(shot.timestamp),
        }
        data.resize(n + 1, axis=0)
        data[n] = shot.data
        for name, value in facts.items():
            file[name].resize(n + 1, axis=0)
            file[name][n] = value
        file.attrs["complete"] = self.count = n + 1
        if self.count % FLUSH_EVERY == 0:
            file.flush()
        self._disk.check(self.target)

    def publish(self) -> None:
        """Give the file its name."""
        self._file.close()
        self._disk.close()
        self._disk.check(self.target)
        try:
            if self._overwrite:
                os.replace(self._part, self.target)
            else:
                os.link(self._part, self.target)  # refuses a name that exists
        except OSError as error:
            raise OutputError(path=self.target, errno=error.errno) from error

    def __enter__(self) -> ShotFile:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no part behind."""
        with suppress(OSError, RuntimeError, ValueError):  # what could not be written is thrown away anyhow
            self._file.close()
        self._disk.close()
        with suppress(FileNotFoundError):
            os.unlink(self._part)
