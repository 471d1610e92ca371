"""Protects: boxes are those of numpy.pad about the right pixel, in arrays and in files, from any micrographs."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest
import starfile
from makers import entries
from matching_makers import maps, write_result

import braggio
from braggio.errors import (
    DataWarning,
    FormatError,
    GeometryError,
    LimitError,
    MetadataError,
    OutputError,
    UnsupportedError,
)
from braggio.matching import (
    absolute_defocus,
    box_corners,
    concatenate,
    euler_angles,
    extract,
    match_table,
    open_result,
    pixel_size,
    read_table,
    refined_table,
    star_tables,
    write_stack,
    write_star,
    write_table,
)
from braggio.model.columns import Coded
from braggio.model.matches import MatchTable

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def places(y, x, **more):
    return MatchTable({"pos_y": np.asarray(y), "pos_x": np.asarray(x)} | more)


@pytest.mark.parametrize("box", [4, 5, 8, 9, 31])
@pytest.mark.parametrize("template", [1, 3, 4])
@pytest.mark.parametrize("edges", sorted(MODES))
def test_boxes_are_those_of_numpy(box, template, edges):
    image = np.random.default_rng(0).normal(size=(20, 26)).astype(np.float32)
    y, x = np.array([0, 16, 8, 19]), np.array([0, 22, 9, 25])
    boxes, rows = extract(image, places(y, x), box, template, edges=edges)
    margin = 40
    whole = np.pad(image, margin, mode=MODES[edges])
    assert rows.tolist() == [0, 1, 2, 3]
    for found, top, left in zip(boxes, y, x, strict=True):
        top, left = top - (box - template) // 2 + margin, left - (box - template) // 2 + margin
        np.testing.assert_array_equal(found, whole[top : top + box, left : left + box])


def test_edges_that_refuse_or_drop():
    image = np.zeros((20, 26), np.float32)
    table = places([0, 5], [5, 5])
    boxes, rows = extract(image, table, 8, 4, edges="drop")
    assert boxes.shape == (1, 8, 8) and rows.tolist() == [1]
    with pytest.raises(LimitError, match="particle 0.*within 20 x 26.*row -2, column 3"):
        extract(image, table, 8, 4, edges="error")
    boxes, rows = extract(image, table.select([]), 8, 4)
    assert boxes.shape == (0, 8, 8)
    with pytest.raises(UnsupportedError, match="edges"):
        extract(image, table, 8, 4, edges="wrap")


def test_centres_and_refined_positions():
    table = places([10], [12])
    assert box_corners(table, (8, 8), (4, 4)).tolist() == [[8, 10]]
    assert box_corners(table, (8, 8), (4, 4), position="centre").tolist() == [[6, 8]]
    refined = table.with_columns({"refined_pos_y": np.array([11]), "refined_pos_x": np.array([9])})
    assert box_corners(refined, (8, 8), (4, 4)).tolist() == [[9, 7]]
    with pytest.raises(GeometryError, match="4 x 4.*3 x 8"):
        box_corners(table, (3, 8), (4, 4))
    with pytest.raises(MetadataError, match="whole pixels"):
        box_corners(places([1.5], [2.0]), (8, 8), (4, 4))


def test_getters(tmp_path):
    table = match_table(open_result(write_result(tmp_path)))
    refined = refined_table(
        table,
        correlation=[1.0, 1.0],
        defocus_offset=[10.0, 20.0],
        pixel_size_offset=[0.1, 0],
        angle_offset=np.ones((2, 3)),
    )
    u, v = absolute_defocus(refined)
    np.testing.assert_allclose(u, 5000 + table["relative_defocus"] + [10, 20])
    np.testing.assert_allclose(v, 4800 + table["relative_defocus"] + [10, 20])
    np.testing.assert_allclose(pixel_size(refined), [1.6, 1.5])
    np.testing.assert_allclose(euler_angles(refined)[:, 0], refined["refined_phi"])
    refined["refined_relative_defocus"][0] = np.nan
    with pytest.warns(DataWarning, match="1 of 2"):
        assert absolute_defocus(refined)[0][0] == 5000 + table["relative_defocus"][0]


@pytest.fixture
def two_micrographs(tmp_path):
    """Tables of two searches whose micrographs differ in shape, as one."""
    tables = []
    for name, shape in (("a", (40, 50)), ("b", (30, 60))):
        values = maps(shape, peaks=[(1, 2, 30.0), (20, 20, 25.0)], seed=ord(name))
        path = write_result(tmp_path, values, name=name, optics={"voltage": 300.0 if name == "a" else 200.0})
        tables.append(match_table(open_result(path)))
    return concatenate(tables)


def test_a_stack_of_two_micrographs(tmp_path, two_micrographs):
    table = two_micrographs.select([2, 0, 3, 1])  # mixed: the stack goes micrograph by micrograph
    report = write_stack(table, tmp_path / "out" / "p.mrcs", 13, template=8, base=str(tmp_path))
    assert (report.particles, report.dropped, report.padded, report.micrographs) == (4, 0, 2, 2)
    assert entries(tmp_path / "out") == ["p.mrcs", "p.mrcs.provenance.json", "p.star"]
    with mrcfile.open(report.stack) as stack:
        pixels = stack.data.copy()
        np.testing.assert_allclose(stack.voxel_size.x, 1.5)
    star = starfile.read(report.star)
    particles, optics = star["particles"], star["optics"]
    assert particles["rlnMicrographName"].tolist() == ["b_micrograph.mrc"] * 2 + ["a_micrograph.mrc"] * 2
    assert particles["rlnImageName"][3] == "000004@p.mrcs"
    assert optics["rlnVoltage"].tolist() == [200.0, 300.0] and particles["rlnOpticsGroup"].tolist() == [1, 1, 2, 2]
    assert optics["rlnImageSize"].tolist() == [13, 13]
    for number, (y, x) in enumerate([(1, 2), (20, 20)] * 2):
        image = braggio.read(tmp_path / particles["rlnMicrographName"][number])
        whole = np.pad(image, 20)
        np.testing.assert_array_equal(pixels[number], whole[y + 18 : y + 31, x + 18 : x + 31])
        assert (particles["rlnCoordinateY"][number], particles["rlnCoordinateX"][number]) == (y + 4, x + 4)


def test_particles_reads_the_star(tmp_path, two_micrographs):
    """The other system takes what this one writes: images, CTF and all."""
    report = write_stack(two_micrographs, tmp_path / "p.mrcs", 12, template=8, base=str(tmp_path))
    particles = braggio.particles.read(report.star, base=str(tmp_path))
    assert particles.n == 4 and particles.check().ok
    np.testing.assert_allclose(particles["DefocusU"], absolute_defocus(two_micrographs)[0])


def test_integers_stay_integers(tmp_path):
    image = np.random.default_rng(0).integers(-300, 300, (47, 57)).astype(np.int16)
    table = match_table(open_result(write_result(tmp_path, micrograph=image)))
    report = write_stack(table, tmp_path / "p.mrcs", 8, template=8, base=str(tmp_path), edges="error")
    with mrcfile.open(report.stack) as stack:
        assert stack.data.dtype == np.int16
        np.testing.assert_array_equal(stack.data[0], image[10:18, 12:20])


def test_outputs_that_exist_stay(tmp_path, two_micrographs):
    options = {"template": 8, "base": str(tmp_path)}
    write_stack(two_micrographs, tmp_path / "p.mrcs", 8, **options)
    before = (tmp_path / "p.mrcs").read_bytes()
    with pytest.raises(OutputError):
        write_stack(two_micrographs, tmp_path / "p.mrcs", 10, **options)
    assert (tmp_path / "p.mrcs").read_bytes() == before
    write_stack(two_micrographs, tmp_path / "p.mrcs", 10, **options, overwrite=True)
    assert braggio.read(tmp_path / "p.mrcs").shape == (4, 10, 10)
    (tmp_path / "b_micrograph.mrc").write_bytes(b"short")
    with pytest.raises(FormatError):
        write_stack(two_micrographs, tmp_path / "p.mrcs", 12, **options, overwrite=True)
    assert braggio.read(tmp_path / "p.mrcs").shape == (4, 10, 10)


def test_what_cannot_be_written(tmp_path, two_micrographs):
    with pytest.raises(MetadataError, match=r"a_micrograph\.mrc"):
        write_stack(two_micrographs, tmp_path / "p.mrcs", 8, template=8, base=str(tmp_path / "nowhere"))
    with pytest.raises(MetadataError, match="none of 4"):
        write_stack(two_micrographs, tmp_path / "p.mrcs", 100, template=8, base=str(tmp_path), edges="drop")
    assert not list(tmp_path.glob("p.*")) and not list(tmp_path.glob(".p*"))


def test_star_of_coordinates(tmp_path, two_micrographs):
    write_table(tmp_path / "a.csv", two_micrographs)
    write_star(tmp_path / "a.star", read_table(tmp_path / "a.csv"))
    found = starfile.read(tmp_path / "a.star")["particles"]
    np.testing.assert_allclose(found["rlnAngleRot"], two_micrographs["phi"])
    np.testing.assert_allclose(found["rlnAngleTilt"], two_micrographs["theta"])
    np.testing.assert_allclose(found["rlnAnglePsi"], two_micrographs["psi"])
    assert "rlnImageName" not in found
    write_star(tmp_path / "empty.star", two_micrographs.select([]))
    assert braggio.formats.star.scan(tmp_path / "empty.star")[1].rows == 0


def test_optics_that_differ_make_groups(two_micrographs):
    sizes = two_micrographs["refined_pixel_size"].copy()
    sizes[1] = 1.6
    table = two_micrographs.with_columns(
        {"refined_pixel_size": sizes, "mag_matrix": Coded.of(["", "", "", "[1.0, 0.1, 0.0, 1.0]"])}
    )
    tables = star_tables(table)
    assert tables["particles"].columns["rlnOpticsGroup"].tolist() == [1, 2, 3, 4]
    assert tables["optics"].columns["rlnMagMat01"].tolist() == [0.0, 0.0, 0.0, 0.1]
    assert tables["optics"].columns["rlnMagMat00"].tolist() == [1.0] * 4
    with pytest.raises(MetadataError, match="row 0"):
        star_tables(table.with_columns({"mag_matrix": Coded.of(["[1, x]"] * 4)}))
    with pytest.warns(DataWarning, match="Zernike"):
        star_tables(table.with_columns({"odd_zernikes": Coded.of(['{"Z31c": 1.0}'] * 4)}))


@pytest.mark.parametrize("side", [(1 << 14) + 1, 10**26])
def test_boxes_beyond_all_measure_are_refused(side):
    with pytest.raises(LimitError, match="box: expected at most 16384 to a side"):
        box_corners(places([1], [1]), (side, side), (4, 4))


def test_a_stack_never_replaces_a_file_of_another_kind(tmp_path):
    result = write_result(tmp_path)
    write_table(tmp_path / "t.csv", match_table(open_result(result)))
    before = (tmp_path / "t.csv").read_bytes()
    with pytest.raises(UnsupportedError, match="a stack, .mrcs"):
        write_stack(read_table(tmp_path / "t.csv"), tmp_path / "t.csv", 10, template=8, base=tmp_path, overwrite=True)
    assert (tmp_path / "t.csv").read_bytes() == before


def test_a_table_and_its_stack_may_have_one_name(tmp_path):
    table = match_table(open_result(write_result(tmp_path)))
    write_table(tmp_path / "p.csv", table)
    (tmp_path / "p.provenance.json").write_text("of the table")
    write_stack(table, tmp_path / "p.mrcs", 10, template=8, base=tmp_path)
    assert (tmp_path / "p.provenance.json").read_text() == "of the table"


@pytest.mark.parametrize(
    ("column", "value", "label"),
    [
        ("psi", np.nan, "rlnAnglePsi in row 1"),
        ("relative_defocus", np.inf, "rlnDefocusU in row 1"),
        ("voltage", np.nan, "rlnVoltage in row 1"),
        ("refined_pixel_size", 0.0, "rlnImagePixelSize in row 1: expected a number above 0"),
        ("refined_pixel_size", -1.0, "rlnImagePixelSize in row 1: expected a number above 0"),
    ],
)
def test_a_star_holds_numbers_only(tmp_path, column, value, label):
    table = match_table(open_result(write_result(tmp_path)))
    values = table[column].copy()
    values[1] = value
    with pytest.raises(MetadataError, match=label):
        write_star(tmp_path / "p.star", table.with_columns({column: values}))
    assert not (tmp_path / "p.star").exists()


@pytest.mark.parametrize("dtype", [np.int16, np.float16, np.float32])
@pytest.mark.parametrize("fill", [1e300, np.inf, np.nan])
def test_fills_that_are_no_pixels(dtype, fill):
    image = np.ones((4, 4), dtype)
    if dtype != np.int16 and fill != 1e300:
        assert np.array_equal(extract(image, places([-1], [0]), 2, 2, fill=fill)[0][0, 0, 0], dtype(fill), True)
        return
    with pytest.raises(ValueError, match=f"fill must be a value of {np.dtype(dtype)}"):
        extract(image, places([-1], [0]), 2, 2, fill=fill)


def test_a_stack_never_replaces_a_micrograph(tmp_path, two_micrographs):
    before = (tmp_path / "b_micrograph.mrc").read_bytes()
    with pytest.raises(OutputError, match=r"b_micrograph\.mrc: is a micrograph of the table"):
        write_stack(two_micrographs, tmp_path / "b_micrograph.mrc", 8, template=8, base=str(tmp_path), overwrite=True)
    assert (tmp_path / "b_micrograph.mrc").read_bytes() == before
