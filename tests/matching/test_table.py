"""Protects: the tables' formulas, picking's options, refinement, and what merges with what."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.stats
from matching_makers import maps, write_result
from scipy.spatial.transform import Rotation

from braggio.errors import GeometryError, MetadataError, OptionError, UnsupportedError
from braggio.formats.match_table import read_table, table_text
from braggio.matching import (
    box_offset,
    concatenate,
    match_table,
    open_result,
    pick,
    refined_table,
    rotated,
    scaled_score,
)
from braggio.matching.gev import fit_gev, gev_cutoff, upper_quantile
from braggio.matching.pvalue import pvalue_scores
from braggio.matching.tabulate import provenance_path, provenance_text
from braggio.model.matches import GENERATIONS


@pytest.fixture
def result(tmp_path):
    return open_result(write_result(tmp_path))


def test_formulas(result):
    table = match_table(result)
    assert table["pos_y"].tolist() == [10, 25] and table["pos_x"].tolist() == [12, 33]
    assert table["pos_x_img"].tolist() == [16, 37]
    np.testing.assert_array_equal(table["pos_x_img_angstrom"], np.array([16, 37]) * 1.5)
    np.testing.assert_array_equal(table["scaled_mip"], result["scaled_mip"][[10, 25], [12, 33]])
    np.testing.assert_array_equal(table["psi"], result["orientation_psi"][[10, 25], [12, 33]])
    assert table["total_correlations"].tolist() == [1000, 1000]
    frame = table.to_dataframe()
    assert frame["mip"].dtype == "float32" and frame["pos_x"].dtype == "int64" and frame["mag_matrix"][0] is None


@pytest.mark.parametrize("width", [39, 36, 34, 11])
def test_widths(result, width):
    table = match_table(result, width=width)
    assert tuple(table.columns) == GENERATIONS[width]
    assert match_table(result, pick(result, max_peaks=0), width=width).n == 0


def test_options(result):
    table = match_table(result, half_template_shift=False, exclude=["mip", "mag_matrix"])
    assert table["pos_x_img"].tolist() == table["pos_x"].tolist()
    assert len(table.columns) == 37 and "mip" not in table
    with pytest.raises(MetadataError, match="nonsense"):
        match_table(result, exclude=["nonsense"])
    with pytest.raises(UnsupportedError, match="width"):
        match_table(result, width=40)


def test_zernikes_and_matrix(tmp_path):
    optics = {"odd_zernikes": {"Z31c": 1.5, "Z31s": 0.0}, "mag_matrix": [1.0, 0, 0.01, 1]}
    table = match_table(open_result(write_result(tmp_path, optics=optics)))
    assert table["odd_zernikes"][0] == '{"Z31c": 1.5, "Z31s": 0.0}' and json.loads(table["odd_zernikes"][0])
    assert table["mag_matrix"][0] == "[1.0, 0.0, 0.01, 1.0]"
    again = read_table(table_text(table).encode())
    assert again["odd_zernikes"][0] == table["odd_zernikes"][0]


def test_nothing_above_the_cutoff(tmp_path):
    result = open_result(write_result(tmp_path, maps(peaks=[])))
    table = match_table(result, pick(result, cutoff=100))
    assert table.n == 0 and read_table(table_text(table).encode()).n == 0
    assert {str(dtype) for dtype in table.to_dataframe().dtypes} >= {"float32", "int64", "float64"}


def test_picking_options(result):
    assert len(pick(result, max_peaks=1)) == 1
    assert pick(result, border=11).y.tolist() == [25]
    mask = np.zeros((40, 50), bool)
    mask[25, 33] = True
    peaks = pick(result, mask=mask)
    assert peaks.y.tolist() == [25] and peaks.provenance["masked_pixels"] == 1999
    assert pick(result, metric="mip", cutoff=15).score.tolist() == [30.0, 20.0]
    assert pick(result, cutoff=1e9).cutoff == 1e9
    assert pick(result, false_positives=5).cutoff < pick(result).cutoff
    with pytest.raises(OptionError, match="metric"):
        pick(result, metric="best")
    with pytest.raises(MetadataError, match="n_correlations"):
        pick(np.zeros((3, 3)))


def test_provenance(result, tmp_path):
    peaks = pick(result)
    (tmp_path / "a.provenance.json").write_bytes(provenance_text(peaks.provenance))
    facts = json.loads((tmp_path / "a.provenance.json").read_text())
    assert provenance_path("x/a.csv") == "x/a.provenance.json"
    assert facts["metric"] == "zscore" and facts["cutoff"] == peaks.cutoff and facts["n_correlations"] == 1000


def test_concatenation(result):
    table = match_table(result)
    whole = concatenate([table, table.select([]), table])
    assert whole["particle_index"].tolist() == [0, 1, 2, 3] and whole["mip"].dtype == np.float32
    assert whole["micrograph_path"].tolist() == ["search_micrograph.mrc"] * 4
    with pytest.raises(MetadataError, match="table 1"):
        concatenate([table, match_table(result, width=36)])


# ---- other metrics


def test_gev_fit_is_scipys():
    rng = np.random.default_rng(0)
    for shape in (0.2, 0.0, -0.1):
        values = scipy.stats.genextreme.rvs(shape, 4.0, 0.5, size=20000, random_state=rng)
        expected = scipy.stats.genextreme.fit(values)
        np.testing.assert_allclose(fit_gev(values), expected, atol=2e-3)
        quantile = scipy.stats.genextreme.isf(1e-6, *expected)
        assert upper_quantile(1e-6, *expected) == pytest.approx(quantile, rel=1e-9)


def test_gev_is_reproducible():
    noise = np.random.default_rng(2).gumbel(4, 0.3, (300, 300)).astype(np.float32)
    assert gev_cutoff(noise, sample=1000, seed=3) == gev_cutoff(noise, sample=1000, seed=3)
    assert gev_cutoff(noise, sample=1000, seed=3)[0] != gev_cutoff(noise, sample=1000, seed=4)[0]
    with pytest.raises(MetadataError, match="at least 100"):
        gev_cutoff(np.full((20, 20), 3.0, np.float32))


def test_pvalues_by_definition():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 70)).astype(np.float32)
    mip = (z + rng.normal(size=z.shape, scale=0.5)).astype(np.float32)
    scores, facts = pvalue_scores(z, mip)
    n = z.size
    first, second = (scipy.stats.norm.ppf((scipy.stats.rankdata(v) - 0.5) / n) for v in (z, mip))
    values, vectors = np.linalg.eig(np.array([[first @ first, first @ second], [first @ second, second @ second]]) / n)
    a, b = np.sqrt(values[values.argmax()]), np.sqrt(values[values.argmin()])
    angle = np.arctan2(vectors[1, values.argmax()], vectors[0, values.argmax()])
    gamma = np.arctan2(1, 0.5 * np.sin(2 * angle) * (b / a - a / b))
    radius = ((first * np.cos(angle) + second * np.sin(angle)) / a) ** 2
    radius += ((second * np.cos(angle) - first * np.sin(angle)) / b) ** 2
    p = np.where((first > 0) & (second > 0), np.exp(-radius / 2) * gamma / (2 * np.pi), 1)
    np.testing.assert_allclose(scores.ravel(), -np.log(p), rtol=1e-5, atol=1e-6)
    assert facts["pixels"] == n
    either, _ = pvalue_scores(z, mip, quadrant=3)
    assert (either > 0).sum() > (scores > 0).sum()


def test_pvalues_of_local_maxima():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 200)).astype(np.float32)
    z[100, 120] = 9
    scores, facts = pvalue_scores(z, z + 1, population="local maxima")
    assert np.unravel_index(scores.argmax(), z.shape) == (100, 120)
    assert 10 < facts["pixels"] < 1000 and (scores > 0).sum() < 1000
    with pytest.raises(UnsupportedError, match="population"):
        pvalue_scores(z, z, population="some")


def test_picking_by_other_metrics(result):
    assert pick(result, metric="gev").y.tolist() == [10, 25]
    peaks = pick(result, metric="pvalue", cutoff=5.0)
    assert 10 in peaks.y and peaks.provenance["population"] == "all pixels"


# ---- refinement


def test_refined_formulas(result):
    table = match_table(result)
    found = refined_table(
        table,
        correlation=[9.0, 8.0],
        mean=[1.0, 0.0],
        spread=[4.0, 0.0],
        shift=[[1, -2], [0, 3]],
        angle_offset=[[0, 0, 5.0], [0, 0, 0]],
        defocus_offset=[50.0, -50.0],
        pixel_size_offset=[0.01, 0.0],
    )
    assert tuple(found.columns) == GENERATIONS[51]
    assert found["refined_scaled_mip"].tolist() == [2.0, 0.0]
    assert found["refined_pos_y"].tolist() == [11, 25] and found["refined_pos_x"].tolist() == [10, 36]
    assert found["refined_pos_x_img"].tolist() == [14, 40]
    np.testing.assert_allclose(found["refined_pos_x_img_angstrom"], np.array([14, 40]) * 1.5)
    np.testing.assert_allclose(found["refined_relative_defocus"], table["relative_defocus"] + [50, -50])
    np.testing.assert_allclose(found["refined_pixel_size"], [1.51, 1.5])
    np.testing.assert_array_equal(found["correlation_variance"], table["correlation_variance"])
    again = refined_table(found, correlation=[9.0, 8.0], shift=[[1, 1], [1, 1]], defocus_offset=[1.0, 1.0], width=48)
    assert tuple(again.columns) == GENERATIONS[48]
    assert again["refined_pos_y"].tolist() == [12, 26] and again["pos_y"].tolist() == [10, 25]
    np.testing.assert_allclose(again["refined_relative_defocus"], found["refined_relative_defocus"] + 1)


def test_the_double_root_is_there_for_comparison():
    assert scaled_score(9.0, 1.0, 4.0, compat="leopard") == 4.0
    with pytest.raises(UnsupportedError, match="compat"):
        scaled_score(1, 1, 1, compat="other")


def test_rotations():
    rng = np.random.default_rng(0)
    old = rng.uniform([0, 0, 0], [360, 180, 360], (200, 3))
    offset = rng.uniform(-20, 20, (200, 3))
    old[:3] = [[10, 0, 20], [10, 180, 20], [0, 90, 0]]
    offset[:2] = 0
    found = rotated(old, offset)
    expected = Rotation.from_euler("ZYZ", offset, degrees=True) * Rotation.from_euler("ZYZ", old, degrees=True)
    np.testing.assert_allclose(
        Rotation.from_euler("ZYZ", found, degrees=True).as_matrix(), expected.as_matrix(), atol=1e-9
    )
    assert (found[:, [0, 2]] >= 0).all() and (found[:, [0, 2]] < 360).all()
    assert (found[:, 1] >= 0).all() and (found[:, 1] <= 180).all()


@pytest.mark.parametrize(("box", "template"), [(24, 16), (25, 16), (24, 17), (16, 16)])
def test_an_unmoved_particle_is_in_the_middle_of_its_window(box, template):
    """For odd differences too, where a centre that is rounded the other way moves every particle by a pixel."""
    middle = (box - template) // 2
    assert box_offset([[middle, middle]], (box, box), (template, template)).tolist() == [[0, 0]]
    with pytest.raises(GeometryError, match="box"):
        box_offset([[0, 0]], (8, 8), (9, 9))


def test_refinement_refuses_other_numbers(result):
    with pytest.raises(MetadataError, match="correlation"):
        refined_table(match_table(result), correlation=[1.0])
