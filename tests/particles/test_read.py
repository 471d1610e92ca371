"""Protects: one table from star and cs, with the right units, order and rows."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from particle_makers import OPTICS, PARTICLES, star

from braggio.errors import DataWarning, FormatError, MetadataError, UnsafeError
from braggio.formats.cryosparc import write_cs
from braggio.model.columns import Coded
from braggio.model.particles import DEFAULTS, QUANTITIES, REQUIRED
from braggio.particles import read
from braggio.particles.optics import join_optics

BASE = "DefocusU DefocusV DefocusAngle Voltage SphericalAberration".split()
ROW = "9000 8000 30 300 2.7"


def cs_fields(rows: int = 3, **changes):
    fields = {
        "uid": np.arange(rows, dtype=np.uint64) + 7,
        "blob/path": Coded.of([f">J1/{i % 2}.mrc" for i in range(rows)]),
        "blob/idx": np.arange(rows, dtype=np.uint32),
        "ctf/df1_A": np.full(rows, 9000, np.float32),
        "ctf/df2_A": np.full(rows, 8000, np.float32),
        "ctf/df_angle_rad": np.full(rows, np.pi / 6, np.float32),
        "ctf/cs_mm": np.full(rows, 2.7, np.float32),
        "ctf/accel_kv": np.full(rows, 300, np.float32),
        "ctf/amp_contrast": np.full(rows, 0.07, np.float32),
        "ctf/phase_shift_rad": np.full(rows, np.pi / 2, np.float32),
        **changes,
    }
    return {name: column for name, column in fields.items() if column is not None}


def test_real_star_and_cs_are_the_same_table(real_data) -> None:
    folder = real_data / "particles"
    from_star = read(folder / "empiar_10076_7.star", folder=folder)
    from_cs = read(folder / "empiar_10076_7.cs", folder=folder)
    for name in (*REQUIRED, *DEFAULTS, "ImagePixelSize"):
        np.testing.assert_allclose(from_star[name], from_cs[name], rtol=1.2e-7, atol=1e-7)  # float32 in the .cs
    assert from_star.stacks == from_cs.stacks == ("empiar_10076_7.mrc",)
    assert from_star.index.tolist() == from_cs.index.tolist() == list(range(7))
    assert abs(from_star.unique("ImagePixelSize") - 1.309998) < 1e-6
    for (rows, ours), (_, theirs) in zip(from_star.images(), from_cs.images(), strict=True):
        assert np.array_equal(ours, theirs) and rows.tolist() == list(range(7))


def test_other_real_files(real_data) -> None:
    folder = real_data / "particles"
    generic = read(folder / "particle_data.star")
    assert generic.n == 483 and generic.stack_id is None and generic.defaults == DEFAULTS
    indexed = read(folder / "relion_style_particles.star")
    assert indexed.n == 106 and indexed.stacks == ("100parts.mrcs",) and indexed.unique("ImagePixelSize") == 0.725
    assert indexed.defaults == {"CtfScalefactor": 1.0}
    with pytest.raises(MetadataError, match="no '@'"):
        read(folder / "one_loop.star")
    with pytest.raises(MetadataError, match="pass block= to choose"):
        read(folder / "rln3.1_data_style.star")
    with (
        pytest.warns(DataWarning, match="poses are those of alignments3D"),
        pytest.raises(MetadataError, match=r"DefocusU \(ctf/df1_A\): 5 required fields missing"),
    ):
        read(folder / "4k_dataset.cs")


@pytest.mark.parametrize("missing", BASE)
def test_a_missing_required_field_is_named_with_what_is_there(maker, missing: str) -> None:
    labels = [label for label in BASE if label != missing]
    path = maker.folder / "a.star"
    path.write_text(star(particles=(labels, ["1 2 3 4"])))
    with pytest.raises(MetadataError) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text and missing in text and labels[0] in text
    assert missing not in read(path, strict=False)


def test_defaults_are_those_of_the_seed_and_recorded(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=([*BASE, "PhaseShift"], [f"{ROW} 5"])))
    table = read(path)
    assert table.defaults == {"AmplitudeContrast": 0.1, "CtfBfactor": 0.0, "CtfScalefactor": 1.0}
    assert [table.unique(name) for name in DEFAULTS] == [5.0, 0.1, 0.0, 1.0]


def test_labels_with_and_without_prefix(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=(BASE, [ROW])).replace("_rln", "_"))
    assert read(path).unique("Voltage") == 300
    path.write_text(star(particles=([*BASE, "X"], [f"{ROW} 1"])).replace("_rlnX", "_Voltage"))
    with pytest.raises(MetadataError, match="Voltage: expected one column, found Voltage and rlnVoltage"):
        read(path)


def test_units_and_radians(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=(BASE, [ROW])))
    table = read(path)
    assert table.units["DefocusAngle"] == "deg" and table.units["DefocusU"] == "A" and table.units["Voltage"] == "kV"
    assert table.ctf()["DefocusAngle"] == 30 and table.ctf(radians=True)["DefocusAngle"] == pytest.approx(np.pi / 6)
    assert QUANTITIES["AmplitudeContrast"].cryosparc == "ctf/amp_contrast"


# ---- the join with the optics


def joined(maker, optics, rows, optics_labels=OPTICS, labels=PARTICLES):
    path = maker.folder / "a.star"
    path.write_text(star(optics=(optics_labels, optics), particles=(labels, rows)))
    return read(path)


OPTICS_ROWS = ["7 300 2.7 0.1 1.5 8", "2 200 1.4 0.07 1.1 8"]


def test_order_and_group_numbers_are_kept(maker) -> None:
    groups = [2, 7, 7, 2, 7]
    table = joined(maker, OPTICS_ROWS, [f"{i + 1}@a.mrcs {i} 2 3 {group}" for i, group in enumerate(groups)])
    assert table["DefocusU"].tolist() == [0, 1, 2, 3, 4] and table["OpticsGroup"].tolist() == groups
    assert table["Voltage"].tolist() == [200, 300, 300, 200, 300]
    with pytest.raises(MetadataError, match=r"2: 200.0 \(2\), 300.0 \(3\)"):
        table.unique("Voltage")


def test_optics_after_the_particles(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=(PARTICLES, ["1@a 1 2 3 2"]), optics=(OPTICS, OPTICS_ROWS)))
    assert read(path).unique("Voltage") == 200


def test_undefined_groups_are_listed(maker) -> None:
    with pytest.raises(
        MetadataError, match=r"OpticsGroup: expected one of the optics groups 7, 2, found 3, 4 in 3 rows, row 1 first"
    ):
        joined(maker, OPTICS_ROWS, [f"1@a 1 2 3 {group}" for group in (7, 3, 4, 3)])


def test_double_groups(maker) -> None:
    with pytest.raises(
        MetadataError, match="optics group 7: expected one row, found rows 0 and 1, which differ in Voltage"
    ):
        joined(maker, ["7 300 2.7 0.1 1.5 8", "7 200 2.7 0.1 1.5 8"], ["1@a 1 2 3 7"])
    with pytest.warns(DataWarning, match="1 optics rows stand twice"):
        assert joined(maker, [OPTICS_ROWS[0]] * 2, ["1@a 1 2 3 7"]).n == 1


def test_particle_values_win_with_a_warning(maker) -> None:
    with pytest.warns(DataWarning, match="Voltage: the particles' value differs from their optics group's in 1 rows"):
        table = joined(maker, OPTICS_ROWS, ["1@a 1 2 3 7 120", "1@a 1 2 3 7 300"], labels=[*PARTICLES, "Voltage"])
    assert table["Voltage"].tolist() == [120, 300]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joined(maker, OPTICS_ROWS, ["1@a 1 2 3 7 300"], labels=[*PARTICLES, "Voltage"])


def test_no_group_column(maker) -> None:
    with pytest.warns(DataWarning, match="the only optics group is applied to all"):
        assert joined(maker, OPTICS_ROWS[:1], ["1@a 1 2 3"], labels=PARTICLES[:-1]).unique("Voltage") == 300
    with pytest.warns(DataWarning, match="no OpticsGroup in the optics"):
        joined(maker, ["300 2.7 0.1 1.5 8"], ["1@a 1 2 3 1"], optics_labels=OPTICS[1:])
    with pytest.raises(MetadataError, match="there are 2 optics groups"):
        joined(maker, OPTICS_ROWS, ["1@a 1 2 3"], labels=PARTICLES[:-1])


def test_text_groups_join_on_text() -> None:
    found = join_optics(
        {"OpticsGroup": Coded.of(["b", "a"])}, {"OpticsGroup": Coded.of(["a", "b"]), "V": np.array([1, 2])}
    )
    assert found.columns["V"].tolist() == [2, 1] and found.from_optics == ("V",)
    mixed = join_optics({"OpticsGroup": np.array([2, 1])}, {"OpticsGroup": Coded.of(["1", "2"]), "V": np.array([1, 2])})
    assert mixed.columns["V"].tolist() == [2, 1]


def test_empty_optics_are_no_optics(maker) -> None:
    path = maker.folder / "b.star"
    path.write_text(star(optics=(OPTICS, []), particles=(["ImageName", *BASE], [f"1@a {ROW}"])))
    assert read(path).unique("Voltage") == 300


def test_optics_written_as_a_list(maker) -> None:
    path = maker.folder / "b.star"
    optics = "data_optics\n_rlnOpticsGroup 7\n_rlnOpticsGroupName one\n_rlnVoltage 300\n_rlnSphericalAberration 2.7\n\n"
    path.write_text(optics + star(particles=(PARTICLES, ["1@a.mrcs 1 2 3 7"])))
    assert read(path).unique("Voltage") == 300 and read(path)["OpticsGroupName"].tolist() == ["one"]
    path.write_text(optics + star(particles=(PARTICLES, ["1@a.mrcs 1 2 3 8"])))
    with pytest.raises(MetadataError, match="expected one of the optics groups 7, found 8"):
        read(path)


# ---- pixel size


@pytest.mark.parametrize(
    ("labels", "values", "expected"),
    [
        ("ImagePixelSize MicrographPixelSize", "1.1 2.2", 1.1),
        ("MicrographPixelSize MicrographOriginalPixelSize", "2.2 3.3", 2.2),
        ("MicrographOriginalPixelSize TomoTiltSeriesPixelSize", "3.3 4.4", 3.3),
        ("TomoTiltSeriesPixelSize", "4.4", 4.4),
        ("DetectorPixelSize Magnification", "5 38168", 5e4 / 38168),
        ("ImagePixelSize DetectorPixelSize Magnification", "1.1 5 38168", 1.1),
    ],
)
def test_pixel_size_precedence(maker, labels: str, values: str, expected: float) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=(["ImageName", *BASE, *labels.split()], [f"1@a {ROW} {values}"])))
    assert read(path).unique("ImagePixelSize") == pytest.approx(expected, rel=1e-15)


def test_relion_30_origins_become_angstrom(maker) -> None:
    path = maker.folder / "a.star"
    labels = ["ImageName", *BASE, "OriginX", "OriginY", "DetectorPixelSize", "Magnification"]
    path.write_text(star(particles=(labels, [f"1@a {ROW} 2 -3 10 50000"])))
    table = read(path)
    assert table.unique("OriginXAngst") == 4 and table.unique("OriginYAngst") == -6 and "OriginX" not in table
    path.write_text(star(particles=(labels, [f"1@a {ROW} 2 -3 10 0"])))
    with pytest.raises(MetadataError, match="Magnification: expected above 0"):
        read(path)


# ---- image names


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("000000@a.mrcs", "counts from 1"),
        ("1@a@b.mrcs", "two '@'"),
        ("a.mrcs", "no '@'"),
        ("x@a.mrcs", "no number"),
        ("99999999999@a.mrcs", "no number below 2^31"),
        ("000001@", "no path after the '@'"),
        ("@a", "no number"),
    ],
)
def test_bad_image_names_are_refused_with_their_row(maker, name: str, problem: str) -> None:
    with pytest.raises(MetadataError) as caught:
        read(maker.table(["000001@a.mrcs", name, name]))
    assert (
        "ImageName, row 1" in str(caught.value) and problem in str(caught.value) and "2 such rows" in str(caught.value)
    )


def test_generic_mode_ignores_what_the_seed_ignores(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=([*BASE, "AngleRot", "ImagePixelSize"], [f"{ROW} 1 2"])))
    table = read(path)
    assert "AngleRot" not in table and "ImagePixelSize" not in table and table.stack_id is None
    with pytest.raises(MetadataError, match="image names, or indexed=False"):
        read(path, indexed=True)


def test_unknown_columns_are_kept_and_columns_selects(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=(["ImageName", *BASE, "MyScore", "Other"], [f"1@a {ROW} 0.5 x"])))
    assert read(path).unique("MyScore") == 0.5 and list(read(path)["Other"]) == ["x"]
    some = read(path, columns=["MyScore"])
    assert "MyScore" in some and "Other" not in some and "DefocusU" in some
    with pytest.raises(MetadataError, match="MyScor"):
        read(path, columns=["MyScor"])


# ---- folders


def test_where_stacks_are(maker) -> None:
    table = read(maker.table(["1@x/a.mrcs", "2@y/b.mrcs"]))
    assert [str(path) for path in table.resolve()] == ["x/a.mrcs", "y/b.mrcs"]
    assert [str(path) for path in table.resolve(base="/data")] == ["/data/x/a.mrcs", "/data/y/b.mrcs"]
    assert [str(path) for path in table.resolve(folder="F")] == ["F/a.mrcs", "F/b.mrcs"]


def test_equal_names_in_different_folders_are_refused_with_folder(maker) -> None:
    table = read(maker.table(["1@x/a.mrcs", "2@y/a.mrcs"]))
    with pytest.raises(MetadataError, match="a.mrcs: .* found x/a.mrcs and y/a.mrcs"):
        table.resolve(folder="F")
    assert len(table.resolve()) == 2
    same = read(maker.table(["1@x/a.mrcs", "2@./x/a.mrcs"]))
    assert len(set(same.resolve(folder="F"))) == 1


@pytest.mark.parametrize("path", ["/etc/passwd", "../a.mrcs", "x/../../a.mrcs", "./../a"])
def test_paths_that_climb_out_need_a_word(maker, path: str) -> None:
    table = read(maker.table([f"1@{path}"]))
    with pytest.raises(UnsafeError, match="allow_outside"):
        table.resolve()
    assert table.resolve(allow_outside=True) and table.resolve(folder="F")


# ---- cryoSPARC


def test_cs_units_indices_and_decorated_paths(maker) -> None:
    write_cs("a.cs", cs_fields())
    table = read("a.cs")
    assert table["DefocusAngle"] == pytest.approx(30, rel=1e-7) and table["PhaseShift"] == pytest.approx(90, rel=1e-7)
    assert (
        table.stacks == ("J1/0.mrc", "J1/1.mrc")
        and table.index.tolist() == [0, 1, 2]
        and table.stack_id.tolist() == [0, 1, 0]
    )
    assert table["uid"].tolist() == [7, 8, 9] and table["AmplitudeContrast"][0] == np.float32(0.07)


def test_cs_values_differ_by_row(maker) -> None:
    write_cs("a.cs", cs_fields(**{"ctf/accel_kv": np.array([300, 200, 300], np.float32)}))
    assert read("a.cs")["Voltage"].tolist() == [300, 200, 300]


def test_cs_expected_fields(maker) -> None:
    write_cs("a.cs", cs_fields(**{"ctf/amp_contrast": None}))
    with pytest.warns(DataWarning, match=r"ctf/amp_contrast is not there; AmplitudeContrast 0.1 is used"):
        assert read("a.cs").defaults["AmplitudeContrast"] == 0.1
    write_cs("b.cs", cs_fields(**{"blob/idx": None}))
    with pytest.raises(MetadataError, match="blob/path, blob/idx: expected both, found only blob/path"):
        read("b.cs")


@pytest.mark.parametrize(
    ("field", "column", "said"),
    [
        ("blob/idx", np.array([0.5, 1, 2]), "blob/idx: expected one integer a row, found float64"),
        ("blob/idx", np.array([0, -1, 2]), "blob/idx, row 1: expected at least 0, found -1"),
        ("blob/path", np.arange(3), "blob/path: expected texts, found int64"),
        ("uid", np.array([7.0, 8.0, 9.0]), "uid: expected one integer a row"),
        ("ctf/df1_A", Coded.of(["a", "b", "c"]), "ctf/df1_A: expected one number a row, found texts"),
        (
            "ctf/df1_A",
            np.zeros((3, 2), np.float32),
            r"ctf/df1_A: expected one number a row, found float32 of shape \(2,",
        ),
        ("alignments3D/pose", np.zeros((3, 2), np.float32), "alignments3D/pose: expected 3 numbers a row"),
        ("alignments2D/pose", np.zeros((3, 2), np.float32), "alignments2D/pose: expected one number a row"),
    ],
)
def test_cs_fields_of_another_kind_are_refused(maker, field: str, column, said: str) -> None:
    write_cs("a.cs", cs_fields(**{field: column}))
    with pytest.raises(MetadataError, match=f"a.cs: {said}"):
        read("a.cs")


def test_cs_poses_that_are_none_stay_none(maker) -> None:
    pose = np.array([[0, 0, 1], [np.nan, 0, 0], [0, np.inf, 0]], np.float32)
    write_cs("a.cs", cs_fields(**{"alignments3D/pose": pose}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read("a.cs")
    for name in ("AngleRot", "AngleTilt", "AnglePsi"):
        assert np.isnan(table[name]).tolist() == [False, True, True]


def test_passthrough(maker) -> None:
    fields = cs_fields()
    ctf = {
        name: column[::-1].copy() if isinstance(column, np.ndarray) else column
        for name, column in fields.items()
        if name.startswith(("uid", "ctf"))
    }
    write_cs("a.cs", {name: column for name, column in fields.items() if not name.startswith("ctf")})
    write_cs("b.cs", ctf)
    table = read(["a.cs", "b.cs"])
    assert table.n == 3 and table["uid"].tolist() == [7, 8, 9] and table.unique("Voltage") == 300
    write_cs("c.cs", {name: column[:2] for name, column in ctf.items()})
    with pytest.raises(MetadataError, match="1 of them missing"):
        read(["a.cs", "c.cs"])
    with pytest.warns(DataWarning, match="1 rows of a.cs have no passthrough row"):
        assert read(["a.cs", "c.cs"], how="inner").row.tolist() == [1, 2]


def test_select_keeps_provenance(maker) -> None:
    table = read(maker.table([f"{i + 1}@a.mrcs" for i in range(5)]))
    part = table.select(np.array([4, 1]))
    assert part.row.tolist() == [4, 1] and part["DefocusU"].tolist() == [10004, 10001] and part.index.tolist() == [4, 1]
    assert table.select(slice(1, 3)).n == 2 and table.select(table["DefocusU"] > 10002).row.tolist() == [3, 4]
    frame = table.to_pandas()
    assert frame["stack"].tolist() == ["a.mrcs"] * 5 and frame["row"].tolist() == list(range(5))


def test_a_lenient_reading_keeps_what_generic_mode_ignores(maker) -> None:
    path = maker.folder / "a.star"
    path.write_text(star(particles=(["CoordinateX", "AnglePsi", "ImagePixelSize"], ["10 30 1.5"])))
    assert read(path, strict=False).unique("AnglePsi") == 30
    assert "AnglePsi" not in read(path, strict=False, indexed=False)


def test_a_pipe_is_refused_by_name(maker) -> None:
    os.mkfifo(maker.folder / "a.star")
    with pytest.raises(FormatError, match=r"a\.star: file: expected a regular file"):
        read(maker.folder / "a.star")
