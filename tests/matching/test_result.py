"""Protects: results open however their maps are stored; opening writes nothing; the reference is reproduced."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml
from makers import mrc, tree
from matching_makers import NAMES, maps, write_result

from braggio.errors import DataWarning, FormatError, GeometryError, MetadataError, UnsupportedError
from braggio.formats.match_table import table_text
from braggio.matching import check, match_table, open_result, orientation_count, peak_table, pick
from braggio.matching.cutoffs import correlations_of, cutoff, defocus_values
from braggio.model.matches import SearchConfig


def test_the_reference_table(real_data):
    """The table that Leopard-EM's own code writes of these maps, to the byte."""
    folder = real_data / "matching" / "leopard_em_result"
    with open_result(folder / "config_dump.yaml") as result:
        assert table_text(match_table(result)) == (folder / "expected_default.csv").read_text()
        minimal = table_text(peak_table(result, pick(result)))
        assert minimal == (folder / "expected_minimal_11col.csv").read_text()


def test_the_reference_checks(real_data):
    folder = real_data / "matching" / "leopard_em_result"
    report = check(open_result(folder / "config_dump.yaml"))
    assert report.ok, report.problems
    assert (report.spread, report.mode, report.position) == ("standard deviation", "valid", "corner")
    assert report.n_correlations == 7_922_400


def test_the_reference_in_same_mode(real_data, tmp_path):
    """Maps of same mode, cut to valid mode, give the same peaks; uncut, their mode and convention are seen."""
    folder = real_data / "matching" / "leopard_em_result"
    config = yaml.safe_load((folder / "config_dump.yaml").read_text())
    with np.load(folder / "same_mode_maps.npz") as stored:
        for name in NAMES:
            (tmp_path / f"{name}.mrc").write_bytes(mrc(stored[name]))
            config["match_template_result"][f"{name}_path"] = f"{name}.mrc"
    for name in ("micrograph", "template"):
        shutil.copy(folder / f"{name}.mrc", tmp_path)
    (tmp_path / "search.yaml").write_text(yaml.dump(config))
    same = open_result(tmp_path / "search.yaml")
    valid = same.apply_valid_cropping()
    assert (same.shape, valid.shape) == ((120, 140), (97, 117))
    peaks = pick(valid)
    with open_result(folder / "config_dump.yaml") as reference:
        expected = pick(reference)
        np.testing.assert_array_equal(peaks.y, expected.y)
        np.testing.assert_array_equal(peaks.x, expected.x)
        np.testing.assert_array_equal(valid["psi"], reference["orientation_psi"])
        np.testing.assert_array_equal(valid.values("psi", peaks.y, peaks.x), reference.values("psi", peaks.y, peaks.x))
    report = check(same)
    assert (report.mode, report.position) == ("same", "corner"), report


def test_reading_writes_nothing(tmp_path):
    path = write_result(tmp_path / "r")
    before = tree(tmp_path)
    result = open_result(path)
    check(result)
    match_table(result)
    assert tree(tmp_path) == before


def test_no_map_is_opened_before_it_is_needed(tmp_path):
    path = write_result(tmp_path)
    for name in NAMES[2:]:
        (tmp_path / f"search_{name}.mrc").unlink()
    assert len(pick(open_result(path))) == 2
    with pytest.raises(FileNotFoundError):
        match_table(open_result(path))


@pytest.mark.parametrize("names", [("mip", "scaled_mip"), ("mip", "scaled_mip_path"), ("mip_path", "scaled_mip")])
def test_maps_by_any_name(tmp_path, names):
    write_result(tmp_path)
    paths = {name: tmp_path / f"search_{name.removesuffix('_path')}.mrc" for name in names}
    result = open_result({**paths, "best_psi": tmp_path / "search_orientation_psi.mrc"})
    assert len(pick(result, n_correlations=1000)) == 2
    assert result["psi"].shape == (40, 50)


def test_a_configuration_in_json_and_of_the_result_alone(tmp_path):
    path = write_result(tmp_path)
    config = yaml.safe_load(path.read_text())
    (tmp_path / "a.json").write_text(json.dumps(config))
    assert table_text(match_table(open_result(tmp_path / "a.json"))) == table_text(match_table(open_result(path)))
    (tmp_path / "b.yaml").write_text(yaml.dump(config["match_template_result"]))
    assert len(pick(open_result(tmp_path / "b.yaml"))) == 2
    with pytest.raises(MetadataError, match="optics_group"):
        match_table(open_result(tmp_path / "b.yaml"))


@pytest.mark.parametrize("stored", ["big-endian", "float16", "extended", "int16", "volume", "gz"])
def test_maps_as_they_may_be_stored(tmp_path, stored):
    values = maps()
    if stored in ("float16", "int16"):
        kind = np.dtype(stored)
        values = {name: np.round(array).astype(kind) for name, array in values.items()}
    path = write_result(tmp_path, values)
    for name, array in values.items():
        target = tmp_path / f"search_{name}.mrc"
        if stored == "big-endian":
            target.write_bytes(mrc(array, order=">"))
        elif stored == "extended":
            target.write_bytes(mrc(array, extended=b"x" * 1234, exttyp=b"SERI"))
        elif stored == "volume":
            target.write_bytes(mrc(array[None], volume=True))
        elif stored == "gz":
            import gzip

            target.write_bytes(gzip.compress(mrc(array)))
    result = open_result(path)
    for name, array in values.items():
        np.testing.assert_array_equal(result[name], array.astype(np.float32))
    y, x = np.array([0, 39, 7]), np.array([49, 0, 3])
    np.testing.assert_array_equal(result.values("mip", y, x), values["mip"][y, x].astype(np.float32))


def test_relative_paths(tmp_path, monkeypatch):
    path = write_result(tmp_path / "maps")
    moved = tmp_path / "elsewhere" / "search.yaml"
    moved.parent.mkdir()
    shutil.move(path, moved)
    assert len(pick(open_result(moved, base=tmp_path / "maps"))) == 2
    monkeypatch.chdir(tmp_path / "maps")  # where the search itself would have found them
    assert len(pick(open_result(moved))) == 2


# ---- counts


def test_the_published_cutoff():
    assert round(cutoff(3585 * 3585, 1_584_480 * 13), 3) == 7.775
    for bad in ((0, 5), (5, 0)):
        with pytest.raises(MetadataError, match="at least 1"):
            cutoff(*bad)
    for false_positives in (0, -1, 25, np.nan):
        with pytest.raises(MetadataError, match="false_positives"):
            cutoff(5, 5, false_positives)


@pytest.mark.parametrize(
    ("search", "count"),
    [
        ({"psi_step": 1.5, "theta_step": 2.5, "symmetry": "C1"}, 1_584_480),
        ({"psi_step": 90, "theta_step": 90, "symmetry": "C1"}, 4 * 6),
    ],
)
def test_orientations(search, count):
    assert orientation_count(search) == count


def test_defoci():
    assert defocus_values({}) == defocus_values({"enabled": False, "defocus_step": 1}) == [0.0]
    search = {"enabled": True, "defocus_min": -300, "defocus_max": 300, "defocus_step": 200}
    assert defocus_values(search) == [-300.0, -100.0, 0.0, 100.0, 300.0]
    assert 0.0 not in defocus_values(search | {"skip_enforce_zero": True})
    with pytest.raises(MetadataError, match="defocus"):
        defocus_values(search | {"defocus_step": 0})


def test_a_count_that_was_not_saved():
    search = {"psi_step": 1.5, "theta_step": 2.5}
    assert correlations_of(SearchConfig(orientation_search=search))[0] == 1_584_480
    assert correlations_of(SearchConfig(total_orientations=7, total_defocus=3))[0] == 21
    with pytest.raises(MetadataError, match="total_projections"):
        correlations_of(SearchConfig())
    with pytest.raises(UnsupportedError, match="healpix"):
        correlations_of(SearchConfig(orientation_search=search | {"base_grid_method": "healpix"}))


def test_a_count_that_was_not_saved_is_said(tmp_path):
    path = write_result(tmp_path, total_projections=0)
    with pytest.raises(MetadataError, match="total_projections"):
        pick(open_result(path))
    assert len(pick(open_result(path), n_correlations=1000)) == 2
    config = yaml.safe_load(path.read_text()) | {"orientation_search_config": {"psi_step": 90.0, "theta_step": 90.0}}
    path.write_text(yaml.dump(config))
    with pytest.warns(DataWarning, match="24 taken from orientation"):
        assert match_table(open_result(path))["total_correlations"][0] == 24


# ---- bad input


def test_maps_of_different_shapes(tmp_path):
    values = maps()
    values["mip"] = values["mip"][:-1]
    path = write_result(tmp_path, values)
    with pytest.raises(GeometryError, match=r"mip 39 x 50, scaled_mip 40 x 50.*correlation_variance 40 x 50"):
        match_table(open_result(path))
    assert "one shape" in check(open_result(path)).problems[0]


def test_a_short_map(tmp_path):
    path = write_result(tmp_path)
    short = tmp_path / "search_scaled_mip.mrc"
    short.write_bytes(short.read_bytes()[:-5])
    with pytest.raises(FormatError, match=r"scaled_mip\.mrc"):
        pick(open_result(path))
    assert any("scaled_mip" in text for text in check(open_result(path)).problems)


def test_a_complex_map(tmp_path):
    path = write_result(tmp_path)
    (tmp_path / "search_scaled_mip.mrc").write_bytes(mrc(np.zeros((40, 50), np.complex64)))
    with pytest.raises(UnsupportedError, match=r"scaled_mip\.mrc.*mode.*4"):
        pick(open_result(path))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_pixels_that_are_no_numbers(tmp_path, bad):
    values = maps()
    values["scaled_mip"][3, 4] = values["scaled_mip"][5, 6] = bad
    path = write_result(tmp_path, values)
    with pytest.raises(FormatError, match="2 of 2000 pixels, first in row 3, column 4"):
        pick(open_result(path))
    peaks = pick(open_result(path), nan="mean")
    assert len(peaks) == 2 and peaks.provenance["replaced_pixels_of_scaled_mip"] == 2
    report = check(open_result(path))
    assert report.bad_pixels["scaled_mip"]["share"] == 2 / 2000
    assert any("scaled_mip" in text for text in report.problems)


def test_maps_without_a_number_have_no_mean(tmp_path):
    values = maps()
    values["scaled_mip"][:] = np.nan
    path = write_result(tmp_path, values)
    with pytest.raises(FormatError, match="search_scaled_mip.mrc: scaled_mip: expected numbers, found .* 2000 of 2000"):
        pick(open_result(path), nan="mean")


def test_counts_that_no_table_holds(tmp_path):
    result = open_result(write_result(tmp_path))
    for count in (0, -1, 1 << 62, 10**26):
        with pytest.raises(MetadataError, match="n_correlations: expected from 1"):
            result.with_correlations(count)


def test_scores_all_the_same_have_no_distribution():
    with pytest.raises(MetadataError, match="not all the same, found 2500, all 2"):
        pick(np.full((50, 50), 2, np.float32), metric="gev")


def test_a_constant_map(tmp_path):
    values = maps()
    values["mip"] = np.zeros_like(values["mip"])
    assert any("0 everywhere" in text for text in check(open_result(write_result(tmp_path, values))).problems)


def test_a_template_that_is_no_cube(tmp_path):
    path = write_result(tmp_path)
    (tmp_path / "search_template.mrc").write_bytes(mrc(np.zeros((16, 16, 20), np.float32), volume=True))
    with pytest.raises(GeometryError, match=r"template must be cubic.*\(16, 16, 20\)"):
        match_table(open_result(path))


def test_a_template_larger_than_the_image(tmp_path):
    path = write_result(tmp_path, box=60)
    with pytest.raises(GeometryError, match="40 x 50.*60 x 60"):
        open_result(path).apply_valid_cropping()
    path = write_result(tmp_path, micrograph=np.zeros((12, 64), np.float32), box=16)
    assert any("12 x 64" in text and "16 x 16" in text for text in check(open_result(path)).problems)


def test_an_odd_width_that_lost_a_column(tmp_path):
    path = write_result(tmp_path, micrograph=np.zeros((47, 57), np.float32))
    assert check(open_result(path)).mode == "valid"
    path = write_result(tmp_path, micrograph=np.zeros((40, 51), np.float32))
    report = check(open_result(path))
    assert report.mode == "same" and any("odd" in note for note in report.notes)


def test_shapes_that_fit_nothing(tmp_path):
    path = write_result(tmp_path, micrograph=np.zeros((44, 57), np.float32))
    report = check(open_result(path))
    assert report.mode == "unknown" and any("40 x 50" in text for text in report.problems)


# ---- what the maps follow


def test_a_variance_is_told_from_a_standard_deviation(tmp_path):
    values = maps()
    path = write_result(tmp_path / "std", values)
    assert check(open_result(path)).spread == "standard deviation"
    values["correlation_variance"] = values["correlation_variance"] ** 2
    path = write_result(tmp_path / "var", values)
    report = check(open_result(path))
    assert report.spread == "variance" and report.ok
    values["correlation_variance"] = values["correlation_variance"] * 3
    path = write_result(tmp_path / "neither", values)
    report = check(open_result(path))
    assert report.spread == "unknown" and any("median" in text for text in report.problems)


@pytest.mark.parametrize(("at", "position"), [("corner", "corner"), ("centre", "centre"), (None, "corner")])
def test_corners_are_told_from_centres(tmp_path, at, position):
    """Round particles in noise, at the peaks as one or the other reads them; without any, the convention holds."""
    rng = np.random.default_rng(4)
    box, shape = 16, (150, 170)
    ball = (sum((np.indices((box,) * 3) - box // 2) ** 2) < 25).astype(np.float32)
    places = [(y, x, 30.0) for y in range(10, 130, 24) for x in range(12, 150, 24)]
    image = rng.normal(size=shape).astype(np.float32)
    for y, x, _ in places:
        top, left = (y, x) if at == "corner" else (y - box // 2, x - box // 2)
        if at:
            image[top : top + box, left : left + box] -= 0.1 * ball.sum(axis=0)
    path = write_result(tmp_path, maps(shape, places), box=box, micrograph=image)
    (tmp_path / "search_template.mrc").write_bytes(mrc(ball, volume=True))
    report = check(open_result(path))
    assert (report.mode, report.position) == ("same", position), report
    assert any("convention" in note for note in report.notes) == (at is None)


def test_constant_maps_have_no_p_values(tmp_path):
    values = maps()
    values["mip"] = values["scaled_mip"] = np.zeros_like(values["mip"])
    with pytest.raises(MetadataError, match="population: expected scores that differ"):
        pick(open_result(write_result(tmp_path, values)), metric="pvalue")


def test_a_template_that_is_no_cube_is_a_problem(tmp_path):
    path = write_result(tmp_path)
    (tmp_path / "search_template.mrc").write_bytes(mrc(np.zeros((8, 6, 8), np.float32), volume=True))
    (problem,) = check(open_result(path)).problems
    assert "must be cubic" in problem


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_optics_are_finite(tmp_path, value):
    with pytest.raises(FormatError, match=r"search\.yaml: pixel_size: expected a finite number"):
        open_result(write_result(tmp_path, optics={"pixel_size": value}))
