"""Shots of a run in one HDF5 file that appears when it is whole, and that an interrupted run goes on with."""

from __future__ import annotations

import errno
import math
import os
from contextlib import suppress
from typing import Any

import numpy as np

from braggio.errors import FormatError, OutputError
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
    """`data` (events, ...) with one chunk an event and quadrant, and a column for each fact.

    Parameters
    ----------
    target : str
        Where the file goes.
    part : str
        Where it is made. The superblock of its version says whether it was closed: after a crash it is begun again.
    """

    def __init__(self, target: str, part: str) -> None:
        self.target, self.part = target, part
        self._file = self._resumed() or self._created()
        self._unflushed = 0

    @property
    def count(self) -> int:
        """Events that it has."""
        return int(self._file.attrs["complete"])

    @property
    def last(self) -> int:
        """Number of the last event that it has in the run, or -1."""
        return int(self._file["event"][self.count - 1]) if self.count else -1

    def _resumed(self) -> Any:
        import h5py

        if not os.path.exists(self.part):
            return None
        try:
            file = h5py.File(self.part, "r+", libver=("v110", "v110"))
            count = int(file.attrs["complete"])
            for name in (*_COLUMNS, *(["data"] if count else [])):
                file[name].resize(count, axis=0)
        except (OSError, KeyError, ValueError, RuntimeError):
            with suppress(OSError):
                os.unlink(self.part)
            return None
        return file

    def _created(self) -> Any:
        import h5py

        try:
            file = h5py.File(self.part, "w", libver=("v110", "v110"))
        except OSError as error:
            raise OutputError(str(error), path=self.part, errno=error.errno or errno.EIO) from None
        for name, kind in _COLUMNS.items():
            file.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(1024,))
        file.attrs["complete"] = 0
        return file

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
        try:
            data.resize(n + 1, axis=0)
            data[n] = shot.data
            for name, value in facts.items():
                file[name].resize(n + 1, axis=0)
                file[name][n] = value
            file.attrs["complete"] = n + 1
            self._unflushed += 1
            if self._unflushed >= FLUSH_EVERY:
                file.flush()
                self._unflushed = 0
        except (OSError, RuntimeError) as error:
            raise OutputError(str(error), path=self.target, errno=getattr(error, "errno", None) or errno.EIO) from None

    def close(self) -> None:
        """Close the part, for a later run to go on with."""
        if self._file:
            self._file.close()

    def publish(self, overwrite: bool) -> None:
        """Give the file its name."""
        self.close()
        try:
            if overwrite:
                os.replace(self.part, self.target)
            else:
                os.link(self.part, self.target)  # refuses a name that exists
                os.unlink(self.part)
        except OSError as error:
            raise OutputError(path=self.target, errno=error.errno) from error
