"""CSPAD CBF files, written."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import FormatError, about
from braggio.formats.cspad_cbf.header import header_text
from braggio.kernels.cbf import Codec
from braggio.model.cspad import QUADS, Cspad, raw
from braggio.storage.cbf import section_bytes, write_assembled


def write_cspad_cbf(
    path: str | os.PathLike[str],
    data: ArrayLike,
    geometry: Cspad,
    *,
    wavelength: float | None = None,
    timestamp: str | None = None,
    distance: float | None = None,
    codec: Codec = "packed",
    name: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write the pixels of a CSPAD with their geometry.

    Parameters
    ----------
    path : path-like
        The file.
    data : array-like (64, 185, 194) or (4, 8, 185, 388)
        int32 or float64; other integers are widened.
    geometry : Cspad
        Of `open_cspad_cbf(...).cspad` or `braggio.xfel.read_slac`.
    wavelength : float, optional
        In Angstrom.
    timestamp : str, optional
        Date of the frame, as YYYY-MM-DDThh:mmZss.mmm.
    distance : float, optional
        In mm; that of `geometry` by default.
    codec : {"packed", "packed_v2", "byte_offset", "none"}
        cctbx reads packed.
    name : str, optional
        Of the data block; the file's by default.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    GeometryError
        Pixels of another shape.
    """
    target = os.fspath(path)
    with about(target):
        pixels = _pixels(raw(np.asarray(data)))
        placed = geometry if distance is None else replace(geometry, distance=float(distance))
        text = header_text(
            placed,
            name=name or os.path.splitext(os.path.basename(target))[0],
            wavelength=wavelength,
            timestamp=timestamp,
            dtype=pixels.dtype,
            codec=codec,
        )
        sections = [(f" ARRAY_D0Q{q} {q + 1}", section_bytes(pixels[q], id=q + 1, codec=codec)) for q in range(QUADS)]
        write_assembled(target, text, sections, overwrite=overwrite)


def _pixels(data: NDArray[Any]) -> NDArray[Any]:
    """int32 or float64, without loss."""
    if data.dtype.kind == "f":
        return data.astype(np.float64, copy=False)
    if data.dtype.kind not in "iu":
        raise FormatError(field="pixels", expected="integers or reals", found=data.dtype)
    if data.dtype.itemsize > 4 or data.dtype == np.uint32:
        low, high = int(data.min()), int(data.max())
        if low < -(2**31) or high >= 2**31:
            raise FormatError(field="pixels", expected="32-bit integers", found=f"{low}..{high}")
    return data.astype(np.int32, copy=False)


def write_header(
    path: str | os.PathLike[str], geometry: Cspad, *, name: str | None = None, overwrite: bool = False
) -> None:
    """Write the header alone, as cxi.slaccalib2cbfheader does."""
    target = os.fspath(path)
    with about(target):
        text = header_text(geometry, name=name or os.path.splitext(os.path.basename(target))[0])
        write_assembled(target, text, overwrite=overwrite)
