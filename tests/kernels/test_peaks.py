"""Protects: peaks are those of the definition (brute force), ties stand in raster order, at every instruction level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from braggio.kernels.peaks import pick_peaks


def brute_force(scores, cutoff, radius, border=0, max_peaks=None, mask=None):
    """The definition, pixel by pixel."""
    height, width = scores.shape
    limit = np.float32(cutoff)
    found = []
    for y in range(height):
        for x in range(width):
            inside = border <= y < height - border and border <= x < width - border
            if scores[y, x] > limit and inside and (mask is None or mask[y, x]):
                found.append((-float(scores[y, x]), y, x))
    kept = []
    for _, y, x in sorted(found):
        if all(not np.sqrt(float((y - b) ** 2 + (x - a) ** 2)) < radius for b, a in kept) and (y, x) not in kept:
            kept.append((y, x))
    return kept[:max_peaks]


def found(*arguments, **options):
    y, x = pick_peaks(*arguments, **options)
    return list(zip(y.tolist(), x.tolist(), strict=True))


SCORES = arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 80)),
    elements=st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 2.5, -3.0, np.inf, -np.inf, np.nan]).map(np.float32),
)


@given(
    scores=SCORES,
    cutoff=st.sampled_from([-np.inf, -1.0, 0.0, 1.5, 1.4999999999, np.inf]),
    radius=st.sampled_from([0.0, 0.5, 1.0, 1.0001, 2.0, 2**0.5, 5.0, 7.3, 100.0, 1e300, np.inf]),
    border=st.integers(0, 5),
    max_peaks=st.sampled_from([None, 0, 1, 3]),
    masked=st.booleans(),
)
def test_as_defined(scores, cutoff, radius, border, max_peaks, masked):
    mask = np.random.default_rng(0).random(scores.shape) < 0.7 if masked else None
    options = {"radius": radius, "border": border, "max_peaks": max_peaks, "mask": mask}
    assert found(scores, cutoff, **options) == brute_force(scores, cutoff, radius, border, max_peaks, mask)


@pytest.mark.parametrize("width", [1, 63, 64, 65, 127, 1023, 1025, 2049])
def test_noise_of_any_width(level, width):
    scores = np.random.default_rng(width).normal(size=(20, width)).astype(np.float32)
    assert found(scores, 1.0, radius=3.0) == brute_force(scores, 1.0, 3.0)


def test_a_plateau_is_thinned_in_raster_order():
    """400 equal peaks come out as they are read; torch.sort gives some other order."""
    scores = np.zeros((20, 20), np.float32)
    scores[:] = 9.0
    assert found(scores, 1.0, radius=0.5) == [(y, x) for y in range(20) for x in range(20)]
    assert found(scores, 1.0, radius=5.0)[:4] == [(0, 0), (0, 5), (0, 10), (0, 15)]


def test_what_is_suppressed_suppresses_nothing():
    scores = np.float32([[9, 8, 7]])
    assert found(scores, 1.0, radius=1.5) == [(0, 0), (0, 2)]


def test_a_neighbour_at_the_radius_stays():
    scores = np.zeros((1, 12), np.float32)
    scores[0, [0, 5]] = 9, 8
    assert found(scores, 1.0, radius=5.0) == [(0, 0), (0, 5)]
    assert found(scores, 1.0, radius=np.nextafter(5.0, 6.0)) == [(0, 0)]


def test_the_cutoff_is_compared_in_float32():
    cutoff = 7.775000000001
    scores = np.float32([[cutoff, np.nextafter(np.float32(cutoff), np.float32(9))]])
    assert found(scores, cutoff, radius=0.5) == [(0, 1)]


def test_a_large_map_against_the_sort_and_suppress_form():
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 1, (700, 801)).astype(np.float32)
    y, x = pick_peaks(scores, 2.0, radius=5.0)
    order = np.lexsort((np.arange(scores.size), -scores.ravel()))
    order = order[scores.ravel()[order] > 2]
    gone = np.zeros(scores.shape, bool)
    dy, dx = np.mgrid[-4:5, -4:5]
    near = dy**2 + dx**2 < 25
    kept = []
    for index in order:
        row, column = divmod(int(index), scores.shape[1])
        if gone[row, column]:
            continue
        kept.append(index)
        rows, columns = row + dy[near], column + dx[near]
        inside = (rows >= 0) & (rows < scores.shape[0]) & (columns >= 0) & (columns < scores.shape[1])
        gone[rows[inside], columns[inside]] = True
    assert (y * scores.shape[1] + x).tolist() == kept


@pytest.mark.parametrize(
    ("scores", "options", "named"),
    [
        (np.zeros(3), {}, "2-D"),
        (np.zeros((2, 2), complex), {}, "real"),
        (np.zeros((2, 2)), {"radius": np.nan}, "radius"),
        (np.zeros((2, 2)), {"radius": -1}, "radius"),
        (np.zeros((2, 2)), {"border": -1}, "border"),
        (np.zeros((2, 2)), {"mask": np.zeros((2, 2))}, "mask"),
        (np.zeros((2, 2)), {"mask": np.zeros((2, 3), bool)}, "mask"),
    ],
)
def test_refusals(scores, options, named):
    with pytest.raises(ValueError, match=named):
        pick_peaks(scores, 1.0, **options)


def test_empty_and_one_pixel():
    assert found(np.zeros((0, 5)), 0.0) == []
    assert found(np.ones((1, 1)), 0.0, border=1) == []
    assert found(np.ones((1, 1)), 0.0) == [(0, 0)]


def test_threads_change_nothing() -> None:
    """A map large enough to be shared, with ties over the edges of the shares, a border and a mask."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 200, (1500, 1600)).astype(np.float32)
    mask = rng.random(scores.shape) < 0.9
    alone = pick_peaks(scores, 190, radius=7, border=3, mask=mask)
    assert len(alone[0]) > 1000
    for threads in (2, 3, 5):
        shared = pick_peaks(scores, 190, radius=7, border=3, mask=mask, threads=threads)
        assert all(np.array_equal(a, b) for a, b in zip(alone, shared, strict=True))
