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
from braggio.errors import MetadataError, UnsupportedError
from braggio.formats.cspad_cbf import write_cspad_cbf
from braggio.formats.image_pickle import image_fields, write_image_pickle
from braggio.model.cspad import RAW_SHAPE, Cspad, tiles
from braggio.xfel.convert import paste_tiles

RAYONIX_EDGE = 170.0  # mm: pixels share it, whatever the binning


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
    geometry : Cspad or None
        Where the tiles of a CSPAD are.
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
    geometry: Cspad | None = None


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


def write_cbf(shot: Shot, path: str, overwrite: bool) -> None:
    """A CSPAD CBF of 64 tiles, packed: reals where pixels were calibrated, else integers.

    Raises
    ------
    UnsupportedError
        Another detector.
    MetadataError
        No geometry, wavelength or distance.
    """
    if shot.data.shape != RAW_SHAPE:
        raise UnsupportedError(field=shot.address, expected="a CSPAD, for cbf", found=f"an image of {shot.data.shape}")
    if shot.wavelength is None:
        raise MetadataError(field="wavelength", expected="that of the shot, or override_energy", found="none")
    write_cspad_cbf(
        path,
        shot.data,
        _geometry(shot),
        wavelength=shot.wavelength,
        timestamp=shot.timestamp,
        distance=shot.distance,
        overwrite=overwrite,
    )


def write_pickle(shot: Shot, path: str, overwrite: bool) -> None:
    """An image pickle: of a CSPAD 1765 x 1765 pixels with its tiles at whole pixels, of a Rayonix the image itself.

    Distance and wavelength that are not known are 0, as in cctbx.xfel.

    Raises
    ------
    UnsupportedError
        Another detector.
    MetadataError
        A CSPAD without geometry.
    """
    facts: dict[str, Any] = {
        "timestamp": shot.timestamp,
        "distance": shot.distance or 0.0,
        "wavelength": shot.wavelength or 0.0,
        "address": shot.address,
    }
    if shot.data.shape == RAW_SHAPE:
        geometry = _geometry(shot)
        image, areas = paste_tiles(tiles(shot.data), geometry)
        # With the address of a CSPAD, dxtbx would move its tiles once more, by tables of LCLS runs 1 to 11.
        facts |= {"pixel_size": geometry.pixel_size, "active_areas": areas, "address": None}
    elif "|Rayonix-" in shot.address and shot.data.ndim == 2:
        image = shot.data
        facts |= {"pixel_size": RAYONIX_EDGE / image.shape[1], "saturated_value": 65535, "min_trusted_value": 0}
    else:
        raise UnsupportedError(
            field=shot.address, expected="a CSPAD or a Rayonix, for pickle", found="another detector"
        )
    write_image_pickle(path, image_fields(image, **facts), overwrite=overwrite)


def _geometry(shot: Shot) -> Cspad:
    if shot.geometry is None:
        raise MetadataError(field="geometry", expected="a SLAC geometry file, --geometry or calib_dir", found="none")
    return shot.geometry


WRITERS: dict[str, Callable[[Shot, str, bool], None]] = {
    "npz": write_npz,
    "cbf": write_cbf,
    "pickle": write_pickle,
}
