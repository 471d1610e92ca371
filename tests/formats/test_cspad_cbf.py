"""CSPAD CBF: the real files and the header that cctbx made, to the reference convention; round trips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from braggio.errors import BraggioError, FormatError, GeometryError, LimitError, MetadataError
from braggio.formats.cspad_cbf import header_text, imgcif, open_cspad_cbf, write_cspad_cbf, write_header
from braggio.model.cspad import Cspad, Placement, raw, tiles
from braggio.storage import cif
from braggio.storage.cbf import section_bytes, write_assembled

REAL = ["idx-20130301060858601.cbf", "idx-20130301060858701.cbf"]


Vectors = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


def by_hand(block: cif.Block) -> dict[str, Vectors]:
    """Panels by 4 x 4 matrices from the axes' rows, as the convention says: M = M(parent) T(offset) R(angle)."""
    rows = {row[0]: row for row in block.category("axis").rows}
    items = block.category("axis").items
    at = {item: items.index(item) for item in items}
    angles = {row[0]: (float(row[2]), float(row[3])) for row in block.category("diffrn_scan_frame_axis").rows}

    def triple(row: Any, name: str) -> NDArray[Any]:
        return np.array([float(row[at[f"{name}[{i}]"]] or 0) for i in (1, 2, 3)])

    def matrix(name: str | None) -> NDArray[Any]:
        if name is None:
            return np.eye(4)
        row = rows[name]
        angle, shift = angles[name]
        own = np.eye(4)
        own[:3, 3] = triple(row, "offset")
        vector = triple(row, "vector")
        if row[at["type"]] == "rotation":
            a, (x, y, z) = np.radians(angle), vector
            c, s = np.cos(a), np.sin(a)
            own[:3, :3] = (
                c * np.eye(3) + (1 - c) * np.outer(vector, vector) + s * np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            )
        else:
            own[:3, 3] += vector * shift
        return matrix(row[at["depends_on"]]) @ own

    found = {}
    for name in rows:
        if name and name.endswith("_F"):
            m, outer = matrix(name), matrix(name.removesuffix("F") + "S")
            tile = name.replace("AXIS_", "ARRAY_").removesuffix("_F")
            found[tile] = (m[:3, 3], outer[:3, :3] @ [1, 0, 0], outer[:3, :3] @ [0, -1, 0])
    return found


@pytest.mark.parametrize("name", [*REAL, "run4-0-end.header.cbf"])
def test_panels_follow_the_convention(real_data: Path, name: str) -> None:
    opened = open_cspad_cbf(real_data / "xfel" / name)
    panels = opened.detector.panels
    expected = by_hand(opened.file.block)
    assert len(panels) == len(expected) == 64
    assert [panel.name for panel in panels] == [
        f"ARRAY_D0Q{q}S{s}A{a}" for q in range(4) for s in range(8) for a in (0, 1)
    ]
    for panel in panels:
        for found, wanted in zip((panel.origin, panel.fast, panel.slow), expected[panel.name], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)
        assert (panel.pixel_size, panel.shape) == ((0.10992, 0.10992), (185, 194))


def test_a_real_file(real_data: Path) -> None:
    opened = open_cspad_cbf(real_data / "xfel" / REAL[0])
    assert (opened.wavelength, opened.timestamp) == (1.272444, "2013-03-01T06:08Z58.601")
    assert opened.distance == pytest.approx(130.106632672914)
    assert opened.detector.panels[0].trusted_range == (-399, 89999)
    pixels = opened.read_tiles()
    assert (pixels.shape, pixels.dtype, int(pixels.sum())) == ((64, 185, 194), np.int32, 48707932)
    assert (raw(pixels) == opened.read_raw()).all()
    assert (opened.read_tile(37) == pixels[37]).all()


def test_damage_in_one_of_several_sections(real_data: Path, tmp_path: Path) -> None:
    data = bytearray((real_data / "xfel" / REAL[0]).read_bytes())
    data[1_200_000] ^= 1
    path = tmp_path / "x.cbf"
    path.write_bytes(data)
    opened = open_cspad_cbf(path)
    for read in (opened.read_raw, opened.read_tiles):
        with pytest.raises(FormatError, match=r"x\.cbf.*section 3 is damaged|packed"):
            read()
    assert (opened.read_tile(0) == open_cspad_cbf(real_data / "xfel" / REAL[0]).read_tile(0)).all()
    with pytest.raises(ValueError, match="verify"):
        opened.read_raw(verify="maybe")  # type: ignore[arg-type]


def test_the_real_pixels_as_pycbf_reads_them(real_data: Path) -> None:
    pycbf = pytest.importorskip("pycbf")
    for name in REAL:
        path = real_data / "xfel" / name
        handle = pycbf.cbf_handle_struct()
        handle.read_widefile(str(path), pycbf.MSG_DIGEST)
        handle.find_category("array_data")
        handle.find_column("data")
        pixels = open_cspad_cbf(path).read_raw()
        for q in range(4):
            handle.select_row(q)
            found = np.frombuffer(handle.get_integerarray_as_string(), "<i4").reshape(8, 185, 388)
            assert (found == pixels[q]).all()


@pytest.mark.parametrize("codec", ["packed", "byte_offset"])
@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_written_again_it_is_the_same(real_data: Path, tmp_path: Path, codec: Any, dtype: str) -> None:
    if codec == "byte_offset" and dtype == "float64":
        return
    opened = open_cspad_cbf(real_data / "xfel" / REAL[0])
    pixels = opened.read_tiles().astype(dtype)
    geometry = opened.cspad
    path = tmp_path / "x.cbf"
    write_cspad_cbf(path, pixels, geometry, wavelength=1.272444, timestamp=opened.timestamp, codec=codec)
    again = open_cspad_cbf(path)
    assert again.cspad == geometry
    assert again.detector.panels == opened.detector.panels
    assert (again.read_tiles() == pixels).all()
    assert again.read_tiles().dtype == pixels.dtype
    assert (again.wavelength, again.timestamp) == (opened.wavelength, opened.timestamp)


def test_the_distance_is_stored(tmp_path: Path) -> None:
    flat = Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32)
    write_cspad_cbf(tmp_path / "x.cbf", np.zeros((4, 8, 185, 388), np.int16), flat, distance=119.002)
    opened = open_cspad_cbf(tmp_path / "x.cbf")
    assert opened.distance == 119.002
    assert {panel.origin[2] for panel in opened.detector.panels} == {-119.002}


def test_a_header_alone(real_data: Path, tmp_path: Path) -> None:
    opened = open_cspad_cbf(real_data / "xfel" / "run4-0-end.header.cbf")
    assert (opened.wavelength, opened.timestamp, opened.file.sections) == (None, None, ())
    write_header(tmp_path / "x.cbf", opened.cspad)
    assert open_cspad_cbf(tmp_path / "x.cbf").detector.panels == opened.detector.panels
    with pytest.raises(FormatError):
        opened.read_tiles()


def test_tiles_and_raw_are_inverse() -> None:
    pixels = np.arange(64 * 185 * 194).reshape(64, 185, 194)
    assert (tiles(raw(pixels)) == pixels).all()
    assert raw(pixels)[2, 3, 4, 194 + 5] == pixels[(2 * 8 + 3) * 2 + 1, 4, 5]
    with pytest.raises(GeometryError):
        tiles(np.zeros((32, 185, 388)))


def parsed(text: str) -> cif.Block:
    return cif.parse(text)


FLAT = header_text(Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FS_D0Q0 rotation detector AXIS_D0_R", "FS_D0Q0 rotation detector FS_D0Q0S0"),  # a cycle
        ("FS_D0Q0 rotation detector AXIS_D0_R", "FS_D0Q0 rotation detector NOWHERE"),
        ("AXIS_D0Q0S0A0_F AXIS_D0Q0S0A0_F 0.0 0.10992", "AXIS_D0Q0S0A0_F AXIS_D0Q0S0A0_F 0.0 x"),
        ("AXIS_D0Q0S0A0_F AXIS_D0Q0S0A0_F 0.0 0.10992", "AXIS_D0Q0S0A0_F AXIS_D0Q0S0A0_F 0.0 0"),
        ("AXIS_D0Q0S0A0_F translation", "AXIS_D0Q0S0A0_F rotation"),
        ("ARRAY_D0Q0S0A0 1 194 1 increasing", "ARRAY_D0Q0S0A0 1 194 7 increasing"),
    ],
)
def test_broken_headers_are_refused(old: str, new: str) -> None:
    assert old in FLAT
    with pytest.raises(BraggioError):
        _ = imgcif.read_detector(parsed(FLAT.replace(old, new)))[0].panels


def test_older_layout_of_arrays_without_sections() -> None:
    """Two panels, each its own array; a rotation outside the offset (the extension columns)."""
    text = """data_old
loop_
_axis.id
_axis.type
_axis.equipment
_axis.depends_on
_axis.vector[1]
_axis.vector[2]
_axis.vector[3]
_axis.offset[1]
_axis.offset[2]
_axis.offset[3]
_axis.rotation
_axis.rotation_axis
 Z translation detector . 0 0 1 0 0 0 . .
 T general detector . 0 0 1 0 0 0 . .
 S0 translation detector Z 0 -1 0 10 0 0 90 T
 F0 translation detector S0 1 0 0 0 0 0 . .
 S1 translation detector Z 0 -1 0 -10 5 0 . .
 F1 translation detector S1 1 0 0 0 0 0 . .
loop_
_diffrn_scan_axis.axis_id
_diffrn_scan_axis.displacement_start
 Z -100
loop_
_array_structure_list.array_id
_array_structure_list.index
_array_structure_list.dimension
_array_structure_list.precedence
_array_structure_list.axis_set_id
 A0 1 4 1 F0
 A0 2 3 2 S0
 A1 1 4 1 F1
 A1 2 3 2 S1
loop_
_array_structure_list_axis.axis_set_id
_array_structure_list_axis.axis_id
_array_structure_list_axis.displacement
_array_structure_list_axis.displacement_increment
 F0 F0 0 0.1
 S0 S0 0 0.1
 F1 F1 0 0.1
 S1 S1 0 0.1
"""
    detector, found = imgcif.read_detector(cif.parse(text))
    assert [tile.panel.name for tile in found] == ["A0", "A1"]
    first, second = detector.panels
    np.testing.assert_allclose(second.origin, (-10, 5, -100))
    np.testing.assert_allclose(first.origin, (0, 10, -100), atol=1e-12)  # (10, 0) turned by 90 degrees
    np.testing.assert_allclose(first.fast, (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(first.slow, (1, 0, 0), atol=1e-12)


PLACED = Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32, distance=100.0)


def test_a_name_of_any_letters_makes_a_data_block(tmp_path: Path) -> None:
    write_header(tmp_path / "日本 Å.cbf", PLACED)
    assert open_cspad_cbf(tmp_path / "日本 Å.cbf").file.block.name == "___"


def test_numpy_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    geometry = replace(
        PLACED, distance=np.float64(90), pixel_size=np.float64(0.11), trusted_range=(np.float64(-9), 5.5)
    )
    write_header(tmp_path / "a.cbf", geometry)
    found = open_cspad_cbf(tmp_path / "a.cbf")
    assert (found.distance, found.cspad.pixel_size) == (90, 0.11)
    write_cspad_cbf(tmp_path / "b.cbf", np.zeros((64, 185, 194), np.int32), geometry, wavelength=np.float64(1.5))
    assert open_cspad_cbf(tmp_path / "b.cbf").wavelength == 1.5


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_not_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(GeometryError, match="distance: expected a finite number of mm"):
        replace(PLACED, distance=value)
    with pytest.raises(MetadataError, match=r"a\.cbf: _diffrn_radiation_wavelength\.wavelength: expected a finite"):
        write_cspad_cbf(tmp_path / "a.cbf", np.zeros((64, 185, 194), np.int32), PLACED, wavelength=value)
    assert not list(tmp_path.iterdir())


def test_a_text_that_cbf_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"a\.cbf: CBF text: expected Latin-1, found '日本'"):
        write_cspad_cbf(tmp_path / "a.cbf", np.zeros((64, 185, 194), np.int32), PLACED, timestamp="日本")


def test_line_ends_within_a_value_keep_the_header_whole() -> None:
    block = cif.parse("data_a\n" + cif.table("a", ["b", "c"], [["x\ry", "z"]], loop=False))
    assert block.value("a", "b") == "x\ny\n" and block.value("a", "c") == "z"


def test_tiles_of_one_array_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Thousands of tiles of the same zeros, in a file of some kB."""
    axes = "X translation . 1 0 0\nY translation X 0 1 0\n"
    names = [f"T{i}" for i in range(1200)]
    text = (
        "###CBF: VERSION 1.5\ndata_a\nloop_\n_axis.id\n_axis.type\n_axis.depends_on\n_axis.vector[1]\n_axis.vector[2]\n"
        f"_axis.vector[3]\n{axes}loop_\n_array_structure_list_axis.axis_set_id\n_array_structure_list_axis.axis_id\n"
        "_array_structure_list_axis.displacement\n_array_structure_list_axis.displacement_increment\nX X 0 1\nY Y 0 1\n"
        + cif.table(
            "array_structure_list",
            ["array_id", "array_section_id", "index", "dimension", "precedence", "axis_set_id"],
            [["A", name, i, 512, i, axis] for name in names for i, axis in ((1, "X"), (2, "Y"))],
        )
        + "loop_\n_array_data.array_id\n_array_data.data\n"
    )
    sections = [("A", section_bytes(np.zeros((512, 512), np.int32), codec="packed"))]
    write_assembled(str(tmp_path / "a.cbf"), text, sections, overwrite=False)
    opened = open_cspad_cbf(tmp_path / "a.cbf")
    assert opened.read_tile(1199).shape == (512, 512)
    with pytest.raises(LimitError, match=r"a\.cbf: panels: expected at most 268435456 pixels, found 314572800"):
        opened.read_tiles()
