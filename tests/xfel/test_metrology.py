"""SLAC geometry, CBF headers, old calibration folders, CrystFEL: both ways, against files of SLAC and cctbx."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from braggio.errors import BraggioError, DataWarning, FormatError, UnsupportedError
from braggio.formats.cspad_cbf import open_cspad_cbf
from braggio.formats.slac_geometry import SlacRow, looks_like, parse, read_slac_geometry, text_of
from braggio.model.cspad import Cspad, Placement
from braggio.model.geometry import axis_angle, rotation
from braggio.xfel.metrology import crystfel_text, from_rows, read_slac, to_rows, write_slac


def data_rows(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]


def test_the_reference_header_gives_the_reference_rows(real_data: Path, tmp_path: Path) -> None:
    """cxi.cbfheader2slaccalib's rows, field by field; the sign of a zero aside."""
    header = open_cspad_cbf(real_data / "xfel" / "run4-0-end.header.cbf").cspad
    write_slac(tmp_path / "0-end.data", header)
    ours, theirs = data_rows(tmp_path / "0-end.data"), data_rows(real_data / "xfel" / "run4-0-end.data")
    assert [[field.replace("-0.00000", "0.00000") for field in row] for row in theirs] == ours


def test_the_reference_rows_give_the_reference_header(real_data: Path) -> None:
    """To the 1 um and 1e-5 degrees that rows have."""
    made = read_slac(real_data / "xfel" / "run4-0-end.data")
    header = open_cspad_cbf(real_data / "xfel" / "run4-0-end.header.cbf").cspad
    for ours, theirs in zip((*made.quads, *made.sensors), (*header.quads, *header.sensors), strict=True):
        np.testing.assert_allclose(ours.matrix, theirs.matrix, atol=5.1e-4)
        np.testing.assert_allclose(ours.matrix[:3, :3], theirs.matrix[:3, :3], atol=2e-7)


def test_file_to_header_to_file_is_stable(real_data: Path, tmp_path: Path) -> None:
    from braggio.formats.cspad_cbf import write_header

    path = real_data / "xfel" / "run4-0-end.data"
    write_header(tmp_path / "x.cbf", read_slac(path))
    write_slac(tmp_path / "y.data", open_cspad_cbf(tmp_path / "x.cbf").cspad)
    write_slac(tmp_path / "z.data", read_slac(tmp_path / "y.data"))
    assert (tmp_path / "y.data").read_bytes() == (tmp_path / "z.data").read_bytes()
    assert data_rows(tmp_path / "y.data") == [
        [field.replace("-0.00000", "0.00000") for field in row] for row in data_rows(path)
    ]


def test_flat_file_of_32_sensors(real_data: Path) -> None:
    """Sensor 8 q + s is sensor s of quadrant q; the frame of everything above is kept in x, y and turn."""
    path = real_data / "xfel" / "geometry-def-cspad.data"
    made = read_slac(path)
    rows = [row for row in read_slac_geometry(path).rows if row.object == "SENS2X1:V1"]
    assert len(rows) == 32
    for row, sensor in zip(rows, made.sensors, strict=True):
        np.testing.assert_allclose(sensor.matrix, row.matrix, atol=1e-12)
    assert made.base.angle == pytest.approx(10)
    assert made.base.shift[2] == 0
    assert len({panel.origin for panel in made.detector.panels}) == 64


def test_pixel_centres_are_those_of_slac(real_data: Path) -> None:
    """Centres as SLAC's own code places them: 2x1 pixel grids in um through rows, up to the detector."""
    path = real_data / "xfel" / "run4-0-end.data"
    geometry = read_slac_geometry(path)
    columns = np.arange(388)
    x = np.where(columns >= 194, 219.84 + 109.92 * (columns - 194), -219.84 - 109.92 * (193 - columns)) / 1000
    y = (92 - np.arange(185)) * 0.10992
    centres = read_slac(path).detector.pixel_centres()
    for q in range(4):
        quad = next(row for row in geometry.rows if (row.object, row.index) == ("QUAD:V1", q)).matrix
        for row in geometry.children("QUAD:V1", q):
            grid = np.stack([*np.meshgrid(x, y), np.zeros((185, 388)), np.ones((185, 388))], axis=-1)
            placed = (grid @ (quad @ row.matrix).T)[..., :3]
            for a in (0, 1):
                found = centres[(q * 8 + row.index) * 2 + a]
                np.testing.assert_allclose(found, placed[:, a * 194 : (a + 1) * 194], rtol=0, atol=1e-9)


def test_children_out_of_order(real_data: Path, tmp_path: Path) -> None:
    lines = (real_data / "xfel" / "run4-0-end.data").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("QUAD:V1       2"))
    lines[at], lines[at + 4] = lines[at + 4], lines[at]
    path = tmp_path / "x.data"
    path.write_text("\n".join(lines))
    right = read_slac(real_data / "xfel" / "run4-0-end.data")
    with pytest.warns(DataWarning, match=r"QUAD:V1 2 .*order"):
        assert read_slac(path) == right
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_slac(path, order="file").sensors[16] == right.sensors[20]


def write_calib(folder: Path) -> None:
    """A calibration folder whose sensors are where simple numbers say."""
    tables = {
        "center": [np.full((4, 8), 200.0), np.full((4, 8), 300.0), np.zeros((4, 8))],
        "center_corr": [np.zeros((4, 8))] * 3,
        "rotation": [np.full((4, 8), 90.0)],
        "tilt": [np.full((4, 8), 0.25)],
        "marg_gap_shift": [np.array([[15, 40, 0, 38], [15, 40, 0, 38], [0, 0, 0, 0]])],
        "offset": [np.array([[0, 0, 834, 834], [0, 834, 834, 0], [0, 0, 0, 0]])],
        "offset_corr": [np.zeros((3, 4))],
        "quad_rotation": [np.array([[180, 90, 0, 270]])],
        "quad_tilt": [np.zeros((1, 4))],
    }
    for name, arrays in tables.items():
        (folder / name).mkdir(parents=True)
        text = "\n\n".join("\n".join(" ".join(map(str, row)) for row in array) for array in arrays)
        (folder / name / "0-end.data").write_text(text + "\n")


def test_old_calibration_folder(tmp_path: Path) -> None:
    """Angles are those of sensors that stand up, quadrants turned; the whole is centred; ASICs are 197 pixels apart."""
    write_calib(tmp_path)
    made = read_slac(tmp_path)
    panels = made.detector.panels
    assert made.sensors[0].angle == pytest.approx((90 + 180 + 0.25 - 90) % 360)
    assert made.sensors[16].angle == pytest.approx(0.25)
    centre = sum(np.array(panel.position(92.5, 97)) for panel in panels) / 64
    np.testing.assert_allclose(centre, 0, atol=1e-9)
    apart = panels[1].position(92.5, 97) - panels[0].position(92.5, 97)
    assert np.linalg.norm(apart) == pytest.approx(0.11 * 197)


def test_calibration_folder_that_lacks_a_table(tmp_path: Path) -> None:
    write_calib(tmp_path)
    (tmp_path / "tilt" / "0-end.data").write_text("1 2 3\n")
    with pytest.raises(FormatError, match="tilt"):
        read_slac(tmp_path)
    (tmp_path / "tilt" / "0-end.data").unlink()
    with pytest.raises(FormatError, match="tilt"):
        read_slac(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only\n",
        "a 0 b 0 1 2 3\n",
        "a 0 b 0 1 2 3 0 0 0 0 0 x\n",
        "a 0 b 0 1 2 3 0 0 0 0 0 nan\n",
        "a x b 0 1 2 3 0 0 0 0 0 0\n",
    ],
)
def test_damaged_rows(text: str) -> None:
    with pytest.raises(FormatError):
        parse(text)


def test_an_object_twice() -> None:
    with pytest.raises(FormatError, match="twice"):
        parse("IP 0 A 0 1 2 3 0 0 0 0 0 0\n" * 2)


def test_other_detectors_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="4 quadrants"):
        from_rows(parse("IP 0 RAIL 0 1 2 3 0 0 0 0 0 0\nRAIL 0 JUNGFRAU:V1 0 1 2 3 0 0 0 0 0 0\n"))


def test_a_detector_that_holds_itself() -> None:
    rows = [SlacRow("A", 0, "B", i, (0, 0, 0), (0, 0, 0), (0, 0, 0)) for i in range(32)]
    text = text_of([*rows, SlacRow("B", 0, "A", 0, (0, 0, 0), (0, 0, 0), (0, 0, 0))])
    with pytest.raises(BraggioError):
        from_rows(parse(text))


@pytest.mark.parametrize(
    "angles", [(10, 20, 30), (90.5, -0.3, 0.2), (0, 0, 0), (180, 0, 0), (269.9, 0.1, -0.1), (33, 90, 0)]
)
def test_rows_and_matrices_are_inverse(angles: tuple[float, float, float]) -> None:
    row = SlacRow("A", 0, "B", 0, (1, 2, 3), (0, 0, 0), angles)
    again = SlacRow.of(("A", 0), ("B", 0), row.matrix)
    np.testing.assert_allclose(again.matrix, row.matrix, atol=1e-9)
    assert all(rot % 90 == 0 and abs(tilt) <= 45 for rot, tilt in zip(again.rot, again.tilt, strict=True))


def test_axis_and_angle_of_any_rotation() -> None:
    random = np.random.default_rng(0)
    for angle in (*random.uniform(0, 180, 50), 180.0, 1e-7, 179.9999999):
        matrix = rotation(random.normal(size=3), angle)
        axis, found = axis_angle(matrix)
        np.testing.assert_allclose(rotation(axis, found), matrix, atol=1e-9)


def test_crystfel(real_data: Path) -> None:
    """Corners and directions in CrystFEL's frame (x and z opposite), every pixel of the raw array once."""
    geometry = read_slac(real_data / "xfel" / "run4-0-end.data", distance=100.0)
    panels: dict[str, dict[str, str]] = {}
    for line in crystfel_text(geometry).splitlines():
        name, equals, value = line.partition(" = ")
        if equals and "/" in name:
            panel, _, key = name.partition("/")
            panels.setdefault(panel, {})[key] = value
    assert len(panels) == 64
    covered = np.zeros((1480, 1552), int)
    for panel in panels.values():
        covered[int(panel["min_ss"]) : int(panel["max_ss"]) + 1, int(panel["min_fs"]) : int(panel["max_fs"]) + 1] += 1
    assert (covered == 1).all()
    first = geometry.detector.panels[0]
    assert float(panels["q0s0a0"]["corner_x"]) == pytest.approx(-first.origin[0] / 0.10992)
    assert float(panels["q0s0a0"]["corner_y"]) == pytest.approx(first.origin[1] / 0.10992)


def test_rows_of_a_tilted_base() -> None:
    """x, y and turn of the whole go into the row of the rail."""
    flat = Cspad(Placement((1.0, 2.0, 0.0), (0, 0, 1), 90.0), (Placement(),) * 4, (Placement(),) * 32)
    rail = to_rows(flat)[-2]
    assert (rail.parent, rail.object, rail.shift, rail.rot) == ("RAIL", "CSPAD:V1", (1000, 2000, 1_000_000), (90, 0, 0))


def test_comments_may_be_utf_8(tmp_path: Path) -> None:
    """Its bytes, read one by one, have letters that Python takes for the end of a line."""
    flat = Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32)
    write_slac(tmp_path / "a.data", flat)
    text = "# in Å …\r\n".encode() + (tmp_path / "a.data").read_bytes()
    (tmp_path / "b.data").write_bytes(text)
    assert looks_like(text) and read_slac(tmp_path / "b.data") == read_slac(tmp_path / "a.data")


@pytest.mark.parametrize(
    "row",
    ["P{i} 0 O{i} 0", "P{j} 0 P{i} 0", "P 0 P{i} 0"],
    ids=["strangers", "a chain", "a family and twins at its end"],
)
def test_many_rows_are_refused_at_once(row: str) -> None:
    rows = [row.format(i=i, j=i + 1) + " 0" * 9 + "\n" for i in range(50_000)]
    begun = time.monotonic()
    with pytest.raises(FormatError) as caught:
        from_rows(parse("".join([*rows, rows[-1]] if row.startswith("P 0") else rows)))
    assert time.monotonic() - begun < 20 and len(str(caught.value)) < 300
