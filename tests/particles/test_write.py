"""Protects: what is written reads back to the same table; every converted image knows its row."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from particle_makers import star

import braggio
from braggio.errors import DataWarning, GeometryError, LimitError, MetadataError, OutputError
from braggio.formats.cryosparc import read_cs, write_cs
from braggio.formats.star import read_tables
from braggio.model.columns import Coded
from braggio.particles import (
    ImageGrid,
    convert,
    convert_job,
    convert_paired,
    ctf_1d,
    electron_wavelength,
    mean_ctf,
    pair,
    read,
    restack,
)
from braggio.particles.angles import (
    euler_to_matrix,
    euler_to_vector,
    matrix_to_euler,
    vector_to_euler,
    vector_to_matrix,
)

ANGLES = st.tuples(st.floats(-180, 180), st.floats(0, 180), st.floats(-180, 180))


def same(first, second, skip=()) -> None:
    for name in set(first.columns) | set(second.columns):
        if name not in skip:
            assert np.array_equal(first[name], second[name]), name
    assert (
        first.stacks == second.stacks
        and np.array_equal(first.index, second.index)
        and np.array_equal(first.stack_id, second.stack_id)
    )


# ---- star and cs


def test_star_to_star_is_loss_free(maker) -> None:
    optics = ["7 300 2.7 0.1 1.5 8", "2 200.123456789 1.4 0.07 1.1 8", "5 1 1 1 1 8"]
    table = read(maker.table(["1@a.mrcs", "2@b.mrcs", "3@a.mrcs"], groups=[7, 2, 7], optics=optics))
    table.to_star("b.star", precision="exact")
    same(read("b.star"), table, skip=["OpticsGroupName"])
    written = read_tables("b.star")["optics"].columns["rlnOpticsGroup"]
    assert written.tolist() == [2, 7]  # group 5 is used by no one


def test_select_prunes_the_optics(maker) -> None:
    table = read(
        maker.table(["1@a.mrcs", "2@b.mrcs"], groups=[7, 2], optics=["7 300 2.7 0.1 1.5 8", "2 200 1.4 0.07 1.1 8"])
    )
    table.select([1]).to_star("b.star")
    assert read_tables("b.star")["optics"].columns["rlnVoltage"].tolist() == [200]
    assert read("b.star")["OpticsGroup"].tolist() == [2]


def test_groups_that_differ_inside_are_numbered_anew_and_told(maker) -> None:
    write_cs(
        "a.cs",
        {
            "uid": np.arange(3, dtype=np.uint64),
            "ctf/exp_group_id": np.zeros(3, np.uint32),
            "ctf/accel_kv": np.array([300, 200, 300], np.float32),
        },
    )
    table = read("a.cs", strict=False)
    with pytest.warns(DataWarning, match="renumbered 1 to 2"):
        table.to_star("b.star")
    assert read("b.star", strict=False)["Voltage"].tolist() == [300, 200, 300]
    assert read("b.star", strict=False)["OpticsGroup"].tolist() == [1, 2, 1]


def test_cs_to_star_to_cs_is_the_same_file(real_data, tmp_path) -> None:
    original = read_cs(real_data / "particles" / "empiar_10076_7.cs")
    table = read(real_data / "particles" / "empiar_10076_7.cs")
    table.to_star(tmp_path / "a.star", precision="exact")
    back = read(tmp_path / "a.star")
    assert back["uid"].dtype == np.uint64 and np.array_equal(back["uid"], original["uid"])
    back.to_cs(tmp_path / "b.cs")
    again = read_cs(tmp_path / "b.cs")
    ctf = (
        "df1_A",
        "df2_A",
        "df_angle_rad",
        "phase_shift_rad",
        "cs_mm",
        "accel_kv",
        "amp_contrast",
        "bfactor",
        "scale",
        "exp_group_id",
    )
    for name in ("uid", "blob/idx", "blob/shape", "blob/psize_A", "blob/sign", *(f"ctf/{each}" for each in ctf)):
        assert np.array_equal(again[name], original[name]), name
    assert list(again["blob/path"]) == list(original["blob/path"])
    table.to_cs(tmp_path / "c.cs", format="csdat")
    direct = read_cs(tmp_path / "c.cs")
    assert set(direct) == set(original)
    for name, column in original.items():
        assert (
            column == direct[name]
            if isinstance(column, Coded)
            else np.array_equal(column, direct[name]) and column.dtype == direct[name].dtype
        )


def test_every_cryosparc_field_comes_back_from_a_star(real_data, tmp_path) -> None:
    """Names, dtypes and values of the 96 fields of a real file; only poses and shifts go through other numbers."""
    dtype = np.load(real_data / "particles" / "4k_dataset.cs").dtype
    rng = np.random.default_rng(0)
    original: dict = {"blob/path": Coded.of(["J1/a.mrc"] * 4), "blob/idx": np.arange(4, dtype=np.uint32)}
    for name in dtype.names:
        base, shape = dtype[name].base, (4, *dtype[name].shape)
        if base.kind == "S":
            original[name] = Coded.of(["a", "01", "b c", "a"])
        elif base.itemsize == 8:
            original[name] = rng.integers(0, 2**64, shape, np.uint64)
        elif base.kind == "u":
            original[name] = rng.integers(0, 2**31, shape).astype(np.uint32)
        else:
            original[name] = rng.normal(1, 0.1, shape).astype(base)
    original["location/micrograph_uid"][:] = np.arange(4)  # small ones look like any integer
    write_cs(tmp_path / "a.cs", original)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        read(tmp_path / "a.cs", strict=False).to_star(tmp_path / "b.star", precision="exact")
        read(tmp_path / "b.star", strict=False).to_cs(tmp_path / "c.cs")
    again = read_cs(tmp_path / "c.cs")
    assert set(original) <= set(again)
    for name, column in original.items():
        if isinstance(column, Coded):
            assert list(again[name]) == list(column), name
            continue
        assert again[name].dtype == column.dtype and again[name].shape == column.shape, name
        np.testing.assert_allclose(again[name], column, rtol=1e-6 if "pose" in name or "shift" in name else 0)


def test_columns_of_a_star_come_back_from_a_cs(maker) -> None:
    path = maker.folder / "a.star"
    labels = [
        "ImageName",
        "DefocusU",
        "DefocusV",
        "DefocusAngle",
        "Voltage",
        "SphericalAberration",
        "BeamTiltX",
        "BeamTiltY",
    ]
    text = star(particles=([*labels, "MyScore", "FreeName"], ["1@a.mrcs 1 2 3 300 2.7 0.25 -0.5 0.5 007"]))
    path.write_text(text.replace("_rlnFreeName", "_FreeName").replace(" 007", ' "007"'))
    read(path).to_cs("b.cs")
    fields = read_cs("b.cs")
    assert fields["ctf/tilt_A"][0] == pytest.approx(2.7e7 * np.sin([0.25e-3, -0.5e-3]), rel=1e-6)
    read("b.cs").to_star("c.star")
    columns = read_tables("c.star")["particles"].columns
    assert columns["rlnMyScore"].tolist() == [0.5] and list(columns["FreeName"]) == ["007"]
    back = read("c.star")
    assert back["BeamTiltX"] == pytest.approx(0.25, rel=1e-5) and back["BeamTiltY"] == pytest.approx(-0.5, rel=1e-5)


def test_orientations_and_origins_go_both_ways(maker) -> None:
    rng = np.random.default_rng(0)
    angles = np.stack([rng.uniform(-180, 180, 20), rng.uniform(1, 179, 20), rng.uniform(-180, 180, 20)], axis=1)
    table = read(maker.table([f"{i + 1}@a.mrcs" for i in range(20)]))
    for name, column in zip(("AngleRot", "AngleTilt", "AnglePsi"), angles.T, strict=True):
        table.columns[name] = column
    table.columns["OriginXAngst"], table.columns["OriginYAngst"] = rng.normal(0, 3, (2, 20))
    table.columns["RandomSubset"], table.columns["ClassNumber"] = np.arange(20) % 2 + 1, np.arange(20) + 1
    table.to_cs("a.cs")
    fields = read_cs("a.cs")
    assert (
        fields["alignments3D/split"].tolist() == (np.arange(20) % 2).tolist() and fields["alignments3D/class"][0] == 0
    )
    back = read("a.cs")
    for name in ("AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst"):
        np.testing.assert_allclose(back[name], table[name], atol=1e-4)
    assert back["RandomSubset"].tolist() == table["RandomSubset"].tolist()


def test_2d_poses_are_psi_alone(maker) -> None:
    write_cs("a.cs", {"uid": np.arange(2, dtype=np.uint64), "alignments2D/pose": np.array([0, np.pi / 2], np.float32)})
    table = read("a.cs", strict=False)
    assert table["AnglePsi"] == pytest.approx([0, 90], rel=1e-6) and "AngleRot" not in table


@given(ANGLES)
def test_euler_angles_survive_every_path(angles) -> None:
    matrix = euler_to_matrix(np.array([angles]))
    assert np.allclose(matrix[0] @ matrix[0].T, np.eye(3)) and np.isclose(np.linalg.det(matrix[0]), 1)
    assert np.allclose(euler_to_matrix(matrix_to_euler(matrix)), matrix, atol=1e-7)
    assert np.allclose(vector_to_matrix(euler_to_vector(np.array([angles]))), matrix, atol=1e-7)
    assert np.allclose(euler_to_matrix(vector_to_euler(euler_to_vector(np.array([angles])))), matrix, atol=1e-7)


def test_known_rotation() -> None:
    """psi alone is a rotation about z, passive: the vector (0, 0, psi)."""
    assert np.allclose(euler_to_vector(np.array([[0.0, 0.0, 30.0]])), [[0, 0, np.pi / 6]])
    assert np.allclose(vector_to_euler(np.array([[0.0, np.pi / 2, 0.0]])), [[0, 90, 0]])


# ---- conversion


@pytest.fixture
def table(maker):
    maker.pixels = {name: maker.stack(name, seed=i) for i, name in enumerate(("a.mrcs", "b.mrcs"))}
    maker.names = ["3@b.mrcs", "1@a.mrcs", "2@b.mrcs", "4@a.mrcs", "1@b.mrcs"]
    return read(maker.table(maker.names))


@pytest.mark.parametrize("metadata", ["star", "cs", "both"])
def test_batches_hold_the_right_images_and_say_where_they_come_from(maker, table, metadata: str) -> None:
    report = restack(table, "out", batch_size=2, metadata=metadata)
    assert [batch["images"] for batch in report.batches] == [2, 2, 1] and report.grid == ImageGrid(8, 1.5)
    assert sorted(os.listdir("out")) == sorted([*report.outputs, "particles.braggio.json"])
    row = 0
    for batch in report.batches:
        stem = os.path.join("out", batch["stem"])
        again = read(f"{stem}.star" if metadata != "cs" else f"{stem}.cs", base="out")
        assert again.check().ok and again.unique("ImagePixelSize") == 1.5
        ((_, pixels),) = again.images()
        content = np.load(f"{stem}.npz", allow_pickle=False)
        for i in range(again.n):
            number, name = maker.names[row].split("@")
            assert np.array_equal(pixels[i], maker.pixels[name][int(number) - 1])
            assert (
                again["SourceRow"][i] == row == content["row"][i]
                and again["DefocusU"][i] == 10000 + row == content["defocusU"][i]
            )
            assert again["ImageOriginalName"][i] == f"{int(number):06d}@{name}"
            assert content["files"][i] == name and content["idxs"][i] == int(number) - 1
            row += 1
    assert row == 5 and json.loads(Path("out/particles.braggio.json").read_bytes())["images"] == 5


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("kind", ["mean", "max"])
def test_downsampling_updates_grid_and_pixel_size(table, factor: int, kind: str) -> None:
    report = convert(table, "out", downsample_factor=factor, downsample_type=kind)
    content = np.load("out/particles_000000.npz")
    assert report.grid == ImageGrid(8 // factor, 1.5 * factor)
    assert (
        content["n_pixels"] == 8 // factor
        and content["pixel_size"] == 1.5 * factor
        and content["ref_pixel_size"] == 1.5
    )
    assert (
        content["n_inplanes"] == 16 // factor and content["radius_max"] == 2 / factor and content["dist_radii"] == 0.25
    )
    with mrcfile.open("out/particles_000000.mrcs") as mrc:
        assert mrc.voxel_size.x == pytest.approx(1.5 * factor) and mrc.data.shape == (5, 8 // factor, 8 // factor)
        assert np.abs(mrc.data).max() == 1


def test_odd_factors_and_factors_that_do_not_fit(maker) -> None:
    maker.stack("a.mrcs", box=9)
    table = read(maker.table(["1@a.mrcs"], optics=["1 300 2.7 0.1 1.5 9"]))
    assert convert(table, "out", downsample_factor=3).grid.n_pixels == 3
    with pytest.raises(LimitError, match="a factor of 9, found 2"):
        convert(table, "out2", downsample_factor=2)
    assert not os.path.exists("out2")


def test_npz_keys_are_the_seeds_and_hold_no_objects(table) -> None:
    convert(table, "out")
    content = np.load("out/particles_000000.npz", allow_pickle=False)
    seed = "n_pixels pixel_size radius_max dist_radii n_inplanes precision "
    seed += "viewing_distance defocusU defocusV defocusAngle phaseShift sphericalAberration "
    seed += "voltage amplitudeContrast ref_pixel_size files idxs ctfBfactor "
    seed += "ctfScalefactor n_images "
    assert set(seed.split()) <= set(content.files) and content["defocusAngle"][2] == pytest.approx(np.deg2rad(2))
    assert all(content[name].dtype.kind != "O" for name in content.files)


def test_outputs_do_not_depend_on_when_they_are_made(table) -> None:
    convert(table, "one", batch_size=2)
    convert(table, "two", batch_size=2, threads=3)
    for name in os.listdir("one"):
        if name.endswith(".json"):
            continue
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name


def test_nothing_is_written_when_something_is_wrong(maker, table) -> None:
    os.mkdir("out")
    with pytest.raises(MetadataError, match="descriptor: expected n_pixels 8"):
        convert(table, "out", descriptor=ImageGrid(16, 1.5))
    with pytest.raises(MetadataError, match="descriptor: expected pixel_size 1.5"):
        convert(table, "out", descriptor=ImageGrid(8, 1.1))
    maker.stack("b.mrcs", images=2)
    with pytest.raises(MetadataError, match="1 index"):
        convert(table, "out")
    os.unlink("b.mrcs")
    with pytest.raises(FileNotFoundError):
        convert(table, "out")
    assert os.listdir("out") == []


def test_several_pixel_sizes_are_listed(maker) -> None:
    maker.stack("a.mrcs", pixel_size=1.0)
    table = read(maker.table(["1@a.mrcs"] * 3, groups=[1, 1, 2], optics=["1 300 2.7 0.1 1.1 8", "2 300 2.7 0.1 2.2 8"]))
    with pytest.raises(
        MetadataError, match=r"ImagePixelSize: expected one value in all rows, found 2: 1.1 \(2\), 2.2 \(1\)"
    ):
        convert(table, "out")
    assert convert(table, "out", pixel_size=1.7).grid.pixel_size == 1.7


def test_existing_outputs_are_refused_and_kept(table) -> None:
    convert(table, "out")
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    with pytest.raises(OutputError, match="exists"):
        convert(table, "out", normalize=None)
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before
    convert(table, "out", normalize=None, overwrite=True)


def test_outputs_never_take_the_place_of_their_inputs(table) -> None:
    first = convert(table, "out")
    star_file = next(name for name in first.outputs if name.endswith(".star"))
    Path("link").symlink_to("out")
    again = read(Path("out", star_file), base="out")
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    for folder in ("out", "link"):
        with pytest.raises(OutputError, match="is an input"):
            convert(again, folder, overwrite=True)
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before
    assert convert(again, "else", overwrite=True).images == first.images


def test_images_without_contrast_are_counted(maker) -> None:
    braggio.write("a.mrcs", np.zeros((2, 8, 8), np.float32), format="mrc", pixel_size=1.5)
    with pytest.warns(DataWarning, match="2 images without contrast"):
        assert convert(read(maker.table(["1@a.mrcs", "2@a.mrcs"])), "out").flat == 2


# ---- generic pairs and job folders


def generic(maker, name: str, rows: int, first: int = 0) -> str:
    from particle_makers import star

    labels = "DefocusU DefocusV DefocusAngle Voltage SphericalAberration".split()
    (maker.folder / name).write_text(star(images=(labels, [f"{first + i} 2 3 300 2.7" for i in range(rows)])))
    return name


def test_pairs_are_never_mixed(maker) -> None:
    stacks = {f"{name}.mrc": maker.stack(f"{name}.mrc", images=n, seed=n) for name, n in (("a", 3), ("b", 5))}
    stars = [generic(maker, "a.star", 3), generic(maker, "b.star", 5, 100)]
    report = convert_paired(stars, list(stacks), "out", batch_size=4, normalize=None)
    assert [(batch["input"], batch["images"], batch["first_row"]) for batch in report.batches] == [
        ("a.star", 3, 0),
        ("b.star", 4, 0),
        ("b.star", 1, 4),
    ]
    assert report.grid.pixel_size == 1.5
    content = np.load("out/particles_000002.npz")
    assert content["defocusU"].tolist() == [104] and content["stack_start"] == 4 and content["stack_end"] == 5
    with mrcfile.open("out/particles_000001.mrcs") as mrc:
        assert np.array_equal(mrc.data, stacks["b.mrc"][:4])


@pytest.mark.parametrize("rows", [2, 4, 7])
def test_counts_are_checked_before_anything_is_written(maker, rows: int) -> None:
    maker.stack("a.mrc", images=3)
    maker.stack("b.mrc", images=5)
    stars = [generic(maker, "a.star", 3), generic(maker, "b.star", rows)]
    with pytest.raises(MetadataError, match=f"b.star: rows: expected 5, the images of b.mrc, found {rows}"):
        convert_paired(stars, ["a.mrc", "b.mrc"], "out", batch_size=1)
    with pytest.raises(MetadataError, match="found 2 and 1"):
        convert_paired(stars, ["a.mrc"], "out")
    assert not os.path.exists("out")


def job(maker, images=(3, 2), rows: int | None = None, kind=("restack", "restacked"), **changes) -> str:
    rows = sum(images) if rows is None else rows
    fields = {"uid": np.arange(rows, dtype=np.uint64), "ctf/df1_A": np.arange(rows, dtype=np.float32)}
    fields |= {
        name: np.full(rows, value, np.float32)
        for name, value in {
            "ctf/df2_A": 1,
            "ctf/df_angle_rad": 0,
            "ctf/cs_mm": 2.7,
            "ctf/accel_kv": 300,
            "ctf/amp_contrast": 0.1,
            "ctf/phase_shift_rad": 0,
        }.items()
    }
    (maker.folder / "J15").mkdir(exist_ok=True)
    write_cs("J15/J15_passthrough_particles.cs", fields, overwrite=True)
    maker.batches = [
        maker.stack(f"J15/{kind[0]}/batch_{i:06d}_{kind[1]}.mrc", images=n, seed=i) for i, n in enumerate(images)
    ]
    return "J15"


@pytest.mark.parametrize("kind", [("restack", "restacked"), ("downsample", "downsample")])
def test_job_folders(maker, kind) -> None:
    folder = job(maker, kind=kind)
    table = read(folder)
    assert table.n == 5 and table.unique("ImagePixelSize") == 1.5
    ((rows, pixels),) = table.images()
    assert np.array_equal(pixels, np.concatenate(maker.batches)) and table["DefocusU"].tolist() == rows.tolist()
    assert convert_job(folder, "out").images == 5


def test_job_folders_that_do_not_add_up(maker) -> None:
    for rows in (4, 6):
        with pytest.raises(MetadataError, match=f"rows: expected 5, the images of 2 batches, found {rows}"):
            convert_job(job(maker, rows=rows), "out")
    job(maker, images=(3, 2, 1))
    os.unlink("J15/restack/batch_000001_restacked.mrc")
    with pytest.raises(MetadataError, match="expected 0 to 2, found 1 missing, 1 first"):
        convert_job("J15", "out")
    os.mkdir("J16")
    with pytest.raises(MetadataError, match="restack/batch_000000_restacked.mrc or downsample"):
        read("J16")
    os.mkdir("other")
    with pytest.raises(MetadataError, match="a cryoSPARC job J<n>"):
        read("other")
    assert not os.path.exists("out")


def test_pair_says_what_differs(maker) -> None:
    maker.stack("a.mrc", images=3)
    with pytest.raises(MetadataError):
        pair(generic(maker, "a.star", 2), "a.mrc")


# ---- CTF


def test_ctf_values(maker) -> None:
    """At zero frequency the CTF is the amplitude contrast; its first zero lies where chi is pi."""
    table = read(maker.table(["1@a.mrcs"]))
    assert ctf_1d(table, [0.0])[0, 0] == pytest.approx(0.1)
    assert electron_wavelength(300) == pytest.approx(0.0196875, rel=1e-4) and electron_wavelength(200) == pytest.approx(
        0.0250793, rel=1e-4
    )
    k = np.linspace(0.001, 0.2, 20000)
    values = ctf_1d(table, k)[0]
    zero = k[np.flatnonzero(np.diff(np.sign(values)))[0]]
    length = float(electron_wavelength(300))
    chi = np.pi * length * 9500 * zero**2 - np.pi / 2 * 2.7e7 * length**3 * zero**4 + np.arcsin(0.1)
    assert chi == pytest.approx(np.pi, rel=1e-3)
    mean, squares = mean_ctf(table, k)
    np.testing.assert_allclose(mean, values)
    np.testing.assert_allclose(squares, values**2)
    table.columns["Voltage"] = np.zeros(1)
    with pytest.raises(GeometryError, match="Voltage, row 0"):
        ctf_1d(table, k)


def test_grids_that_cannot_be() -> None:
    for size in (0.0, -1.0, float("nan")):
        with pytest.raises(GeometryError):
            ImageGrid(8, size)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ImageGrid(256, 1.0).polar()["n_inplanes"] == 512


# ---- what cryoSPARC's types cannot hold


def test_classes_and_groups_that_uint32_cannot_hold_come_back(maker) -> None:
    """RELION's picking writes class 0 and -9999; as uint32 they would be 4294967295 and 4294957297."""
    labels = "ImageName DefocusU DefocusV DefocusAngle Voltage SphericalAberration AnglePsi ClassNumber RandomSubset"
    rows = ["1@a.mrcs 1 2 3 300 2.7 5 0 1 5000000000", "2@a.mrcs 1 2 3 300 2.7 5 -9999 nan -1"]
    (maker.folder / "a.star").write_text(star(particles=([*labels.split(), "OpticsGroup"], rows)))
    first = read("a.star")
    first.to_cs("a.cs")
    again = read("a.cs")
    for name, expected in (("ClassNumber", [0, -9999]), ("OpticsGroup", [5000000000, -1])):
        assert first[name].tolist() == again[name].tolist() == expected
    assert np.array_equal(again["RandomSubset"], [1, np.nan], equal_nan=True)
    assert "alignments2D/class" not in read_cs("a.cs") and "ctf/exp_group_id" not in read_cs("a.cs")


def cs_with(path, **more) -> None:
    fields = {"uid": np.array([1, 2], np.uint64), "blob/path": Coded.of(["a.mrc"] * 2)}
    fields["blob/idx"] = np.arange(2, dtype=np.uint32)
    names = ("df1_A", "df2_A", "df_angle_rad", "accel_kv", "cs_mm", "phase_shift_rad", "amp_contrast")
    fields |= {f"ctf/{name}": np.full(2, 1, np.float32) for name in names}
    write_cs(path, fields | {name.replace("__", "/"): column for name, column in more.items()})


@pytest.mark.parametrize("kind", ["S", "U"])
def test_fields_of_several_texts_pass_through_a_star(maker, kind: str) -> None:
    texts = np.array([["a b", "1"], ["é", "22"]])
    cs_with("a.cs", my__names=np.char.encode(texts, "utf-8") if kind == "S" else texts)
    read("a.cs").to_star("a.star")
    read("a.star").to_cs("b.cs")
    assert np.array_equal(np.char.decode(read_cs("b.cs")["my/names"], "utf-8"), texts)


@pytest.mark.parametrize("field", ["ctf/exp_group_id", "location/micrograph_psize_A", "location/micrograph_path"])
def test_a_quantity_is_one_value_a_row(maker, field: str) -> None:
    kind = "S3" if field.endswith("path") else np.float32
    cs_with("a.cs", **{field.replace("/", "__"): np.ones((2, 2), kind)})
    with pytest.raises(MetadataError, match=f"a.cs: {field}: expected one value a row"):
        read("a.cs")


def test_shifts_without_a_pixel_size_stay_pixels(maker) -> None:
    pixels = np.array([[1, 2], [3, 4]], np.float32)
    zero = np.array([1.5, 0], np.float32)
    cs_with(
        "a.cs",
        alignments3D__pose=np.zeros((2, 3), np.float32),
        alignments3D__shift=pixels,
        alignments3D__psize_A=zero,
    )
    with pytest.warns(DataWarning, match="shift stays in pixels: alignments3D/psize_A is not above 0 in 1 rows"):
        table = read("a.cs")
    assert "OriginXAngst" not in table
    table.to_star("a.star")
    read("a.star").to_cs("b.cs")
    assert np.array_equal(read_cs("b.cs")["alignments3D/shift"], pixels)


def test_origins_in_pixels_follow_the_binning(maker) -> None:
    """A RELION 3.0 table without pixel size, whose stack has one: its origins are pixels of the input."""
    maker.stack("a.mrcs", images=1)
    labels = "ImageName DefocusU DefocusV DefocusAngle Voltage SphericalAberration OriginX OriginY".split()
    (maker.folder / "a.star").write_text(star(particles=(labels, ["1@a.mrcs 1 2 3 300 2.7 2 -1"])))
    restack(read("a.star"), "out", downsample_factor=2)
    table = read("out/particles_000000.star")
    assert (table.unique("OriginXAngst"), table.unique("OriginYAngst")) == (3.0, -1.5)
    assert table.unique("ImagePixelSize") == 3.0 and "OriginX" not in table


def test_no_particles_keep_their_columns(maker) -> None:
    maker.table(["1@a.mrcs"])
    table = read("p.star").select([])
    table.to_star("none.star")
    again = read("none.star")
    assert again.n == 0 and {"Voltage", "ImagePixelSize"} <= set(again.columns)
    assert "Voltage" in again.from_optics


def test_a_pixel_size_of_0_is_refused(maker) -> None:
    maker.stack("a.mrcs")
    with pytest.raises(GeometryError, match="pixel_size: expected above 0 A, found 0"):
        restack(read(maker.table(["1@a.mrcs"])), "out", pixel_size=0.0)
    assert not (maker.folder / "out").exists()


def test_batches_of_one_number_are_refused(maker) -> None:
    folder = job(maker)
    (maker.folder / folder / "restack/batch_000001_restacked.mrcs").write_bytes(b"")
    with pytest.raises(MetadataError, match=r"batch_000001_restacked\.mrc and batch_000001_restacked\.mrcs"):
        read(folder)


def test_a_job_is_read_leniently_too(maker) -> None:
    folder = job(maker)
    uid = read_cs(f"{folder}/{folder}_passthrough_particles.cs")["uid"]
    write_cs(f"{folder}/{folder}_passthrough_particles.cs", {"uid": uid}, overwrite=True)
    assert read(folder, strict=False).n == 5
    with pytest.raises(MetadataError, match="5 required fields missing"):
        read(folder)


@pytest.mark.parametrize("label", ["cs/alignments3D/psize_A", "cs/alignments3D/psize_A[0]"])
def test_a_pixel_size_of_shifts_that_is_no_number_is_named(maker, label: str) -> None:
    labels = "ImageName AngleRot AngleTilt AnglePsi OriginXAngst OriginYAngst".split()
    text = star(particles=(labels, ["1@a.mrcs 1 2 3 4 5"])).replace("#", "").splitlines()
    at = next(i for i, line in enumerate(text) if line.startswith("1@"))
    text[at:] = [f"_{label}", text[at] + (" 1.5" if label.endswith("]") else " 1.x")]
    (maker.folder / "a.star").write_text("\n".join(text) + "\n")
    with pytest.raises(MetadataError, match=r"a\.cs: alignments3D/psize_A: expected one number a row"):
        read("a.star", strict=False).to_cs("a.cs")
