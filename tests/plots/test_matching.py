"""Pictures of template matching: every peak is circled, at the edges too, and no text is cut."""

import math

import numpy as np
import pytest
from plots import pixels

from braggio.errors import OutputError
from braggio.kernels.accumulate import Histogram
from braggio.plots.figure import ORANGE
from braggio.plots.matching import MAX_EDGE, draw_peaks, draw_survival


def scores(shape, peaks):
    values = np.random.default_rng(4).normal(size=shape).astype(np.float32)
    for peak in peaks:
        values[peak] = 30
    return values


@pytest.mark.parametrize("peak", [(0, 0), (0, 59), (39, 0), (39, 59), (20, 30)])
def test_a_peak_is_circled_and_whole_at_the_corners(tmp_path, peak):
    draw_peaks(tmp_path / "a.png", scores((40, 60), [peak]), [peak[0]], [peak[1]], cutoff=7.0)
    image = pixels.read(tmp_path / "a.png")
    left = pixels.of_colour(image, ORANGE)[:, : int(image.shape[1] * 0.55)]
    rows, columns = np.nonzero(left)
    assert 10 < np.ptp(rows) < 25 and np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2)
    white = (image[:, : int(image.shape[1] * 0.55)] == 255).all(axis=-1)
    row, column = (round(each) for each in pixels.middle(left))
    assert white[row - 1 : row + 2, column - 1 : column + 2].any()  # the peak itself


@pytest.mark.parametrize("shape", [(20, 400), (400, 20), (1, 300)])
def test_no_text_is_cut_beside_narrow_maps(tmp_path, shape):
    name = "scaled_mip of a_long_name_of_a_micrograph_2026-01-01_0001_aligned_and_dose_weighted.mrc"
    draw_peaks(tmp_path / "a.png", scores(shape, []), [0], [5], title=name)
    assert pixels.margin(pixels.read(tmp_path / "a.png")) >= 2
    draw_peaks(tmp_path / "a.svg", scores(shape, []), [0], [5], title=name)
    text = (tmp_path / "a.svg").read_text()
    for word in ("1 peak", "x (pixels)", "y (pixels)", "score", "pixels"):
        assert f"{word}<" in text


def test_large_maps_keep_every_peak(tmp_path):
    peak = (3, 2 * MAX_EDGE + 1)
    values = np.zeros((10, 2 * MAX_EDGE + 2), np.float32)
    values[peak] = 9
    draw_peaks(tmp_path / "a.svg", values, [peak[0]], [peak[1]])
    assert "maximum of blocks of pixels" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_maps_without_anything_are_drawn(tmp_path, fill):
    values = np.full((8, 8), fill, np.float32)
    none = np.zeros(0, int)
    draw_peaks(tmp_path / "a.png", values, none, none, cutoff=math.inf)
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(OutputError):
        draw_peaks(tmp_path / "a.png", values, none, none)
    draw_peaks(tmp_path / "a.png", values, none, none, cutoff=math.inf, overwrite=True)
    assert (tmp_path / "a.png").read_bytes() == before


def test_survival(tmp_path):
    values = np.random.default_rng(5).normal(size=100_000)
    counts, edges = np.histogram(values, bins=64, range=(-6, 6))
    histogram = Histogram(edges, counts.astype(np.int64), 0, 0)
    draw_survival(tmp_path / "a.svg", histogram)
    text = (tmp_path / "a.svg").read_text()
    for word in ("Survival of 100,000 correlations", "measured", "normal noise", "one correlation", "correlation"):
        assert f">{word}<" in text
    with pytest.raises(OutputError):
        draw_survival(tmp_path / "a.svg", histogram)
