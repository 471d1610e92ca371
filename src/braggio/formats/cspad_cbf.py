"""CSPAD CBF: the 64 tiles of an LCLS CSPAD, or any imgCIF file of several panels, with their places.

Written as cctbx writes it (four arrays of 8 x 185 x 388, packed), but with the distance really stored.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import PartFile
from braggio.errors import FormatError, GeometryError, MetadataError, about
from braggio.formats import cbf, cif, imgcif
from braggio.formats.cbf import Cbf, Verify
from braggio.formats.cif import table
from braggio.formats.imgcif import Axis, Tile
from braggio.kernels.cbf import Codec
from braggio.model.cspad import (
    ASICS,
    COLUMNS,
    QUADS,
    ROWS,
    SENSORS,
    Cspad,
    Placement,
    asic_corner,
    raw,
)
from braggio.model.geometry import Detector, Group, named

DETECTOR_TYPE = "CS PAD"  # what dxtbx knows the detector by


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
        """
        with about(self.path):
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
            sections = self.file.sections
            kinds = {(section.shape, section.dtype) for section in sections}
            if len(kinds) != 1:
                raise FormatError(field="arrays", expected="one shape and type", found=sorted(map(str, kinds)))
            first = sections[0]
            # one array for all: numpy gets large ones in huge pages, whose first touch costs little
            whole = np.empty((len(sections), *first.shape), first.dtype.newbyteorder("="))
            for section, out in zip(sections, whole, strict=True):
                section.read(out=out, verify=verify)
            return whole


def _cut(array: NDArray[Any], tile: Tile) -> NDArray[Any]:
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


def open_cspad_cbf(file: str | os.PathLike[str] | bytes | IO[bytes], *, permissive: bool = False) -> CspadCbf:
    """Open a CBF file that describes its panels: a CSPAD's, or a header without pixels.

    Raises
    ------
    FormatError
        No CBF, or one that contradicts itself.
    """
    opened = cbf.open_cbf(file, permissive=permissive)
    return CspadCbf(opened, opened.path)


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


# ---- writing

_VECTORS = [f"{kind}[{i}]" for kind in ("vector", "offset") for i in (1, 2, 3)]
_AXIS_ITEMS = ["id", "type", "equipment", "depends_on", *_VECTORS, "equipment_component"]


def _tile_names() -> list[tuple[int, int, int, str]]:
    return [(q, s, a, f"D0Q{q}S{s}A{a}") for q in range(QUADS) for s in range(SENSORS) for a in range(ASICS)]


def _axis_rows(geometry: Cspad) -> tuple[list[list[object]], list[tuple[str, float, float]]]:
    """Rows of _axis, and (axis, angle, displacement) of every axis in the same order."""
    x, y, _ = geometry.base.shift
    none: list[object] = [None] * 3
    rows: list[list[object]] = [
        ["AXIS_SOURCE", "general", "source", None, 0, 0, 1, *none, None],
        ["AXIS_GRAVITY", "general", "gravity", None, 0, -1, 0, *none, None],
        ["AXIS_D0_Z", "translation", "detector", None, 0, 0, 1, *none, "detector_arm"],
        ["AXIS_D0_Y", "translation", "detector", "AXIS_D0_Z", 0, 1, 0, *none, "detector_arm"],
        ["AXIS_D0_X", "translation", "detector", "AXIS_D0_Y", 1, 0, 0, *none, "detector_arm"],
        ["AXIS_D0_R", "rotation", "detector", "AXIS_D0_X", *geometry.base.axis, 0, 0, 0, "detector_arm"],
    ]
    settings = [("AXIS_SOURCE", 0.0, 0.0), ("AXIS_GRAVITY", 0.0, 0.0), ("AXIS_D0_Z", 0.0, 0.0 - geometry.distance)]
    settings += [("AXIS_D0_Y", 0.0, y), ("AXIS_D0_X", 0.0, x), ("AXIS_D0_R", geometry.base.angle, 0.0)]

    def add(name: str, outer: str, placement: Placement, component: str) -> None:
        rows.append([name, "rotation", "detector", outer, *placement.axis, *placement.shift, component])
        settings.append((name, placement.angle, 0.0))

    for q in range(QUADS):
        add(f"FS_D0Q{q}", "AXIS_D0_R", geometry.quads[q], "detector_quadrant")
        for s in range(SENSORS):
            sensor = f"FS_D0Q{q}S{s}"
            add(sensor, f"FS_D0Q{q}", geometry.sensors[q * SENSORS + s], "detector_sensor")
            for a in range(ASICS):
                asic = f"{sensor}A{a}"
                add(asic, sensor, geometry.asics[(q * SENSORS + s) * ASICS + a], "detector_asic")
                slow, fast = (f"AXIS_{asic[3:]}_{letter}" for letter in "SF")
                corner = asic_corner(geometry.pixel_size)
                rows.append([slow, "translation", "detector", asic, 0, -1, 0, *corner, "detector_asic"])
                rows.append([fast, "translation", "detector", slow, 1, 0, 0, 0, 0, 0.0, "detector_asic"])
                settings += [(slow, 0.0, 0.0), (fast, 0.0, 0.0)]
    return rows, settings


def header_text(
    geometry: Cspad,
    *,
    name: str = "cspad",
    wavelength: float | None = None,
    timestamp: str | None = None,
    dtype: Any = None,
    codec: Codec = "packed",
) -> str:
    """The header of a CSPAD CBF; with `dtype` also what describes the pixels.

    Parameters
    ----------
    geometry : Cspad
    name : str
        Of the data block.
    wavelength : float, optional
        In Angstrom.
    timestamp : str, optional
        _diffrn_scan_frame.date.
    dtype : dtype-like, optional
        int32 or float64.
    codec : {"packed", "packed_v2", "byte_offset", "none"}
    """
    axes, settings = _axis_rows(geometry)
    detector_axes = [row[0] for row in axes if str(row[0]).startswith("FS_")]
    quads = [f"D0Q{q}" for q in range(QUADS)]
    parts = [
        "###CBF: VERSION 1.7.11\n# CBF file written by braggio\n",
        f"data_{''.join(name.split())}\n",
        table("diffrn", ["id"], [["DS1"]], loop=False),
        table("diffrn_source", ["diffrn_id", "source", "type"], [["DS1", "xfel", "LCLS CXI Endstation"]], loop=False),
        table(
            "diffrn_detector",
            ["diffrn_id", "id", "type", "details", "number_of_axes"],
            [["DS1", "CSPAD_FRONT", DETECTOR_TYPE, None, 4 + len(detector_axes)]],
            loop=False,
        ),
        table(
            "diffrn_detector_axis",
            ["detector_id", "axis_id"],
            [["CSPAD_FRONT", axis] for axis in (*(f"AXIS_D0_{letter}" for letter in "XYZR"), *detector_axes)],
        ),
        table("diffrn_detector_element", ["id", "detector_id"], [[f"ELE_{q}", "CSPAD_FRONT"] for q in quads]),
        table(
            "diffrn_data_frame",
            ["id", "detector_element_id", "array_id", "binary_id"],
            [["FRAME1", f"ELE_{q}", f"ARRAY_{q}", i + 1] for i, q in enumerate(quads)],
        ),
        table("axis", _AXIS_ITEMS, axes),
        table(
            "diffrn_scan_axis",
            "axis_id scan_id angle_start angle_range angle_increment displacement_start displacement_range "
            "displacement_increment".split(),
            [[axis, "SCAN1", angle, 0, 0, shift, 0, 0] for axis, angle, shift in settings],
        ),
        table(
            "diffrn_scan_frame_axis",
            ["axis_id", "frame_id", "angle", "displacement"],
            [[axis, "FRAME1", angle, shift] for axis, angle, shift in settings],
        ),
        *_arrays(geometry),
    ]
    if wavelength is not None:
        parts += [
            table(
                "diffrn_radiation",
                ["diffrn_id", "wavelength_id", "probe"],
                [["DS1", "WAVELENGTH1", "x-ray"]],
                loop=False,
            ),
            table(
                "diffrn_radiation_wavelength",
                ["id", "wavelength", "wt"],
                [["WAVELENGTH1", float(wavelength), 1.0]],
                loop=False,
            ),
        ]
    if dtype is not None:
        parts += _frame(geometry, timestamp, np.dtype(dtype), codec)
    return "\n".join(parts)


def _arrays(geometry: Cspad) -> list[str]:
    """How arrays divide into tiles, and tiles into pixels."""
    whole = [
        [f"ARRAY_D0Q{q}", None, index, length, index, "increasing", None]
        for q in range(QUADS)
        for index, length in ((1, ASICS * COLUMNS), (2, ROWS), (3, SENSORS))
    ]
    pixels, sections, increments = [], [], []
    for q, s, a, name in _tile_names():
        array, tile = f"ARRAY_D0Q{q}", f"ARRAY_{name}"
        for index, length, letter in ((1, COLUMNS, "F"), (2, ROWS, "S")):
            pixels.append([array, tile, index, length, index, "increasing", f"AXIS_{name}_{letter}"])
            increments.append([f"AXIS_{name}_{letter}", f"AXIS_{name}_{letter}", 0.0, geometry.pixel_size])
        ranges = ((1, a * COLUMNS + 1, (a + 1) * COLUMNS), (2, 1, ROWS), (3, s + 1, s + 1))
        sections += [[array, tile, index, first, last] for index, first, last in ranges]
    return [
        table(
            "array_structure_list",
            "array_id array_section_id index dimension precedence direction axis_set_id".split(),
            [*whole, *pixels],
        ),
        table("array_structure_list_section", "array_id id index start end".split(), sections),
        table(
            "array_structure_list_axis", "axis_set_id axis_id displacement displacement_increment".split(), increments
        ),
    ]


def _frame(geometry: Cspad, timestamp: str | None, dtype: np.dtype[Any], codec: Codec) -> list[str]:
    """Measurement, scan, trusted range and storage of the pixels."""
    names = [f"ARRAY_D0Q{q}" for q in range(QUADS)]
    low, high = geometry.trusted_range or (-399.0, 89999.0)
    limits = [int(value) if value == int(value) else value for value in (high + 1, low, low - 1)]
    kind = "signed 64-bit real IEEE" if dtype == np.float64 else "signed 32-bit integer"
    return [
        table(
            "diffrn_measurement",
            "diffrn_id id number_of_axes method details".split(),
            [["DS1", "INJECTION", 0, "electrospray", "crystals injected by electrospray"]],
            loop=False,
        ),
        table(
            "diffrn_scan",
            "id frame_id_start frame_id_end frames".split(),
            [["SCAN1", "FRAME1", "FRAME1", 1]],
            loop=False,
        ),
        table(
            "diffrn_scan_frame",
            "frame_id frame_number integration_time scan_id date".split(),
            [["FRAME1", 1, 0.0, "SCAN1", timestamp]],
            loop=False,
        ),
        table(
            "array_intensities",
            "array_id binary_id linearity gain gain_esd overload underload undefined_value".split(),
            [[array, i + 1, "linear", 1.0, 0.1, *limits] for i, array in enumerate(names)],
        ),
        table(
            "array_structure",
            "id encoding_type compression_type byte_order".split(),
            [[array, kind, codec, "little_endian"] for array in names],
        ),
        "loop_\n_array_data.array_id\n_array_data.binary_id\n_array_data.data\n",
    ]


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
    from dataclasses import replace

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
        sections = [
            (f" ARRAY_D0Q{q} {q + 1}", cbf.section_bytes(pixels[q], id=q + 1, codec=codec)) for q in range(QUADS)
        ]
        file = cbf.assembled(text, sections)
        with PartFile(target) as part:
            part.write(file, 0)
            part.publish(overwrite=overwrite)


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
        with PartFile(target) as part:
            part.write(text.replace("\n", "\r\n").encode("latin-1"), 0)
            part.publish(overwrite=overwrite)


def require_pixels(opened: CspadCbf) -> None:
    """A header alone has none.

    Raises
    ------
    MetadataError
        No binary section.
    """
    if not opened.file.sections:
        raise MetadataError(path=opened.path, field="_array_data", expected="pixels", found="a header alone")
