"""CBF files and image pickles as pictures: panels where they stand, gaps in between."""

from __future__ import annotations

import os

import numpy as np

from braggio.errors import FormatError, about
from braggio.formats.cspad_cbf import CspadCbf, require_pixels
from braggio.formats.image_pickle import ImagePickle, read_image_pickle
from braggio.plots.detector import write_assembled
from braggio.storage import cbf
from braggio.storage.source import read_head
from braggio.xfel.assemble import Assembled, assemble

_PICKLE_HEADS = (b"\x80\x02}q", b"\x80\x03}q", b"\x80\x04\x95", b"\x80\x05\x95", b"(d", b"}q")  # those of dxtbx


def is_detector_image(path: str | os.PathLike[str]) -> bool:
    """Whether the first bytes of a file, compressed or not, are those of a CBF file or an image pickle."""
    try:
        return read_head(path, 64).startswith((b"###CBF", *_PICKLE_HEADS))
    except FormatError:  # damaged
        return False


def assembled(path: str | os.PathLike[str]) -> tuple[Assembled, tuple[float, float] | None]:
    """The image of a CBF file or image pickle, and the beam's (row, column) where it is known.

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
        image = file.sections[0].read()
        with about(file.path):
            flat = image.reshape(-1, image.shape[-1])
        return Assembled(flat, flat >= 0, 0.0, 0.0, 1.0), None  # masked pixels of photon counters are negative
    tiles = [opened.read_tile(0)] if len(opened.tiles) == 1 else opened.read_tiles()
    together = assemble(opened.detector.panels, tiles)
    return together, together.pixel(0.0, 0.0)


def _of_pickle(image: ImagePickle) -> tuple[Assembled, tuple[float, float]]:
    mask = np.zeros(image.data.shape, bool)
    for s0, f0, s1, f1 in image.translated_areas:
        mask[max(s0, 0) : s1, max(f0, 0) : f1] = True
    x, y = image.beam_center
    size = image.pixel_size
    return Assembled(image.moved_data(), mask, -x, y, size), (y / size, x / size)


def draw(path: str | os.PathLike[str], output: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write the assembled image of a file as PNG, with a cross where the beam hits."""
    image, beam = assembled(path)
    marks = [] if beam is None else [beam]
    write_assembled(output, image.image, image.mask, marks=marks, overwrite=overwrite)
