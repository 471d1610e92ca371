"""Detector images of CBF files and image pickles: panels where they stand, with gaps in between, and the beam."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, GeometryError, MetadataError, about
from braggio.formats.cspad_cbf import CspadCbf, require_pixels
from braggio.formats.image_pickle import ImagePickle, read_image_pickle
from braggio.storage import cbf
from braggio.storage.cbf import Cbf
from braggio.storage.source import read_head
from braggio.xfel.assemble import assemble
from braggio.xfel.convert import mini_geometry

_PICKLE_HEADS = (b"\x80\x02}q", b"\x80\x03}q", b"\x80\x04\x95", b"\x80\x05\x95", b"(d", b"}q")  # those of dxtbx


@dataclass(frozen=True)
class DetectorImage:
    """One image of all panels, seen from the source.

    Attributes
    ----------
    image : ndarray (rows, columns)
    mask : bool ndarray (rows, columns)
        True where a good pixel is.
    beam : tuple of float or None
        Row and column where the beam hits, from the corner of the first pixel; None where unknown.
    pixel_size, distance : float or None
        mm; None where unknown.
    wavelength : float or None
        Angstrom; None where unknown.
    """

    image: NDArray[Any]
    mask: NDArray[np.bool_]
    beam: tuple[float, float] | None = None
    pixel_size: float | None = None
    distance: float | None = None
    wavelength: float | None = None


def is_detector_image(path: str | os.PathLike[str]) -> bool:
    """Whether the first bytes of a file, compressed or not, are those of a CBF file or an image pickle."""
    try:
        return read_head(path, 64).startswith((b"###CBF", *_PICKLE_HEADS))
    except FormatError:  # damaged
        return False


def read_detector_image(path: str | os.PathLike[str]) -> DetectorImage:
    """Read the assembled image of a CBF file or image pickle.

    Raises
    ------
    FormatError
        It is neither, or damaged.
    """
    if not cbf.is_cbf(path):
        return _of_pickle(read_image_pickle(path))
    file = cbf.open_cbf(path)
    opened = CspadCbf(file, file.path)
    require_pixels(opened)
    if file.is_mini or (len(file.sections) == 1 and not file.block.category("array_structure_list").rows):
        return _of_one_section(file)
    tiles = [opened.read_tile(0)] if len(opened.tiles) == 1 else opened.read_tiles()
    together = assemble(opened.detector.panels, tiles)
    beam = together.pixel(0.0, 0.0)
    return DetectorImage(together.image, together.mask, beam, together.pixel_size, opened.distance, opened.wavelength)


def _of_one_section(file: Cbf) -> DetectorImage:
    image = file.sections[0].read()
    with about(file.path):
        flat = image.reshape(-1, image.shape[-1])
    mask = flat >= 0  # masked pixels of photon counters are negative
    try:
        pixel_size, distance, wavelength, (x, y) = mini_geometry(file)
    except (MetadataError, GeometryError):
        return DetectorImage(flat, mask)
    return DetectorImage(flat, mask, (y, x), pixel_size, distance, wavelength)


def _of_pickle(image: ImagePickle) -> DetectorImage:
    mask = np.zeros(image.data.shape, bool)
    for s0, f0, s1, f1 in image.translated_areas:
        mask[max(s0, 0) : s1, max(f0, 0) : f1] = True
    x, y = image.beam_center
    size = image.pixel_size
    return DetectorImage(image.moved_data(), mask, (y / size, x / size), size, image.distance, image.wavelength)
