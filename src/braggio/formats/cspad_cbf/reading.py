"""CBF files of several panels, read: tiles, their pixels and their places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, GeometryError, LimitError, MetadataError, about
from braggio.formats.cspad_cbf import imgcif
from braggio.formats.cspad_cbf.imgcif import Axis, Tile
from braggio.model.cspad import ASICS, QUADS, SENSORS, Cspad, Placement
from braggio.model.geometry import Detector, Group, named
from braggio.storage import cif
from braggio.storage.cbf import Cbf, Verify, open_cbf, read_together
from braggio.storage.source import File

MOST_PIXELS = 1 << 28  # of all panels together


@dataclass(frozen=True)
class CspadCbf:
    """A CBF file of several panels; pixels are decoded when they are asked for.

    Attributes
    ----------
    file : Cbf
    path : str or None
    """

    file: Cbf = field(repr=False)
    path: str | None = None

    @cached_property
    def _geometry(self) -> tuple[Detector, list[Tile]]:
        with about(self.path):
            return imgcif.read_detector(self.file.block)

    @property
    def detector(self) -> Detector:
        """The tree of panels; those in the laboratory frame are its ``panels``."""
        return self._geometry[0]

    @property
    def tiles(self) -> list[Tile]:
        """The tiles, in the order of ``detector.panels``."""
        return self._geometry[1]

    @property
    def cspad(self) -> Cspad:
        """The placements of quadrants, sensors and ASICs.

        Raises
        ------
        GeometryError
            The detector is no CSPAD of 64 tiles.
        """
        with about(self.path):
            return _cspad(self.file.block, self.detector)

    @property
    def wavelength(self) -> float | None:
        """In Angstrom; None in a header alone."""
        value = self.file.block.value("diffrn_radiation_wavelength", "wavelength")
        return None if value is None else cif.number(value, "_diffrn_radiation_wavelength.wavelength")

    @property
    def timestamp(self) -> str | None:
        """_diffrn_scan_frame.date."""
        return self.file.block.value("diffrn_scan_frame", "date")

    @property
    def distance(self) -> float:
        """In mm: how far the panels are from the sample along the beam, on average."""
        panels = self.detector.panels
        return math.fsum(-panel.origin[2] for panel in panels) / len(panels)

    def _array(self, array_id: str, verify: Verify) -> NDArray[Any]:
        return self.file.section(array_id).read(verify=verify)

    def read_tile(self, index: int, *, verify: Verify = "raise") -> NDArray[Any]:
        """The pixels of one panel, (slow, fast); only its array is decoded."""
        tile = self.tiles[index]
        with about(self.path):
            return np.ascontiguousarray(_cut(self._array(tile.array_id, verify), tile))

    def read_tiles(self, *, verify: Verify = "raise") -> NDArray[Any]:
        """(n, slow, fast) pixels of all panels, (64, 185, 194) of a CSPAD, in the order of ``detector.panels``.

        Raises
        ------
        FormatError
            Panels of several shapes or types, or damaged pixels.
        LimitError
            More pixels than any detector has.
        """
        with about(self.path):
            pixels = sum(math.prod(tile.panel.shape) for tile in self.tiles)
            if pixels > MOST_PIXELS:  # tiles may all be of one array, which zeros make small
                raise LimitError(field="panels", expected=f"at most {MOST_PIXELS} pixels", found=pixels)
            arrays: dict[str, NDArray[Any]] = {}
            pieces = []
            for tile in self.tiles:
                if tile.array_id not in arrays:
                    arrays[tile.array_id] = self._array(tile.array_id, verify)
                pieces.append(_cut(arrays[tile.array_id], tile))
            if len({piece.shape for piece in pieces}) != 1 or len({piece.dtype for piece in pieces}) != 1:
                raise FormatError(
                    field="panels", expected="one shape and type", found=sorted({piece.shape for piece in pieces})
                )
            return np.stack(pieces)

    def read_raw(self, *, verify: Verify = "raise") -> NDArray[Any]:
        """(4, 8, 185, 388): the arrays as they are stored."""
        with about(self.path):
            return read_together(self.file.sections, verify=verify)


def _cut(array: NDArray[Any], tile: Tile) -> NDArray[Any]:
    if array.ndim == 3 and len(array) == 1 and len(tile.place) == 2:
        array = array[0]  # CBFlib may state a third axis of 1
    piece = array[tile.place] if len(tile.place) == array.ndim else None
    if piece is not None and piece.ndim == 3 and piece.shape[0] == 1:
        piece = piece[0]
    if piece is None or piece.shape != tile.panel.shape:
        raise FormatError(
            field=f"pixels of {tile.panel.name}",
            expected=tile.panel.shape,
            found=array.shape if piece is None else piece.shape,
        )
    return piece


def open_cspad_cbf(file: File, *, permissive: bool = False) -> CspadCbf:
    """Open a CBF file that describes its panels: a CSPAD's, or a header without pixels.

    Raises
    ------
    FormatError
        No CBF, or one that contradicts itself.
    """
    opened = open_cbf(file, permissive=permissive)
    return CspadCbf(opened, opened.path)


def require_pixels(opened: CspadCbf) -> None:
    """A header alone has none.

    Raises
    ------
    MetadataError
        No binary section.
    """
    if not opened.file.sections:
        raise MetadataError(path=opened.path, field="_array_data", expected="pixels", found="a header alone")


def _cspad(block: cif.Block, detector: Detector) -> Cspad:
    """The placements named FS_D0Q..., as every writer of CSPAD files names them."""
    axes = imgcif.read_axes(block)
    top = detector.members
    base = np.eye(4)
    while len(top) == 1 and isinstance(top[0], Group) and not top[0].name.startswith("FS_D0Q"):
        base = base @ top[0].matrix
        top = top[0].members
    panels = detector.panels
    quads, sensors, asics = [], [], []
    for q in range(QUADS):
        quad = _group(top, f"FS_D0Q{q}")
        quads.append(_placement(axes, quad))
        for s in range(SENSORS):
            sensor = _group(quad.members, f"{quad.name}S{s}")
            sensors.append(_placement(axes, sensor))
            asics += [_placement(axes, _group(sensor.members, f"{sensor.name}A{a}")) for a in range(ASICS)]
    placed = Placement.of(base)
    return Cspad(
        base=Placement((placed.shift[0], placed.shift[1], 0.0), placed.axis, placed.angle),
        quads=tuple(quads),
        sensors=tuple(sensors),
        asics=tuple(asics),
        pixel_size=panels[0].pixel_size[0],
        distance=-placed.shift[2] + 0.0,
        trusted_range=panels[0].trusted_range,
    )


def _group(members: Sequence[Any], name: str) -> Group:
    found = named(members, name)
    if not isinstance(found, Group):
        raise GeometryError(field=name, expected="a group", found="a panel")
    return found


def _placement(axes: dict[str, Axis], group: Group) -> Placement:
    """As the header says it, not through a matrix, so that a header written again is the same."""
    axis = axes[group.name]
    if axis.type == "rotation" and not axis.turn:
        return Placement(axis.offset, axis.vector, axis.setting)
    return Placement.of(group.matrix)
