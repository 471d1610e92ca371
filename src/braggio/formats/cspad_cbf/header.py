"""The text of a CSPAD CBF: the categories of imgCIF that cctbx writes."""

from __future__ import annotations

from typing import Any

import numpy as np

from braggio.kernels.cbf import Codec
from braggio.model.cspad import ASICS, COLUMNS, QUADS, ROWS, SENSORS, Cspad, Placement, asic_corner
from braggio.storage.cif import block_name, table

DETECTOR_TYPE = "CS PAD"  # what dxtbx knows the detector by
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
        f"data_{block_name(name)}\n",
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
