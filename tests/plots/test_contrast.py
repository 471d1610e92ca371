"""Contrast: what is above background is seen, whatever the background is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from braggio.plots.contrast import Contrast, above_background, of_quantiles, of_spread, reduced

FINITE = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])


@given(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=6), elements=FINITE))
def test_no_contrast_collapses(values):
    for contrast in (above_background(values), of_quantiles(values, 0.01, 0.99), of_spread(values, 3)):
        assert np.isfinite([contrast.low, contrast.high]).all() and contrast.high > contrast.low
        assert contrast.place([contrast.low, contrast.high]).tolist() == pytest.approx([0, 1])
        ticks = contrast.ticks() if contrast.knee else []
        assert ticks == sorted(ticks) and all(contrast.low <= tick <= contrast.high for tick in ticks)


def test_a_sparse_frame_has_many_greys():
    """Counts of 0 nearly everywhere: percentiles of all pixels would be 0, and the picture black and white."""
    frame = np.random.default_rng(1).poisson(0.002, (1000, 1000)).astype(float)
    frame[::50, ::50] = np.arange(400).reshape(20, 20)
    contrast = above_background(frame)
    assert contrast.low == 0 and contrast.high > 300
    greys = np.unique((contrast.place(frame[::50, ::50]).clip(0, 1) * 255).astype(np.uint8))
    assert len(greys) > 100
    assert contrast.place(1.0) > 0.05  # one count is seen


def test_noise_without_spots_is_linear_and_spots_are_not():
    noise = np.random.default_rng(2).normal(100, 5, (200, 200))
    assert above_background(noise).knee is None
    noise[:4, :40] = 5000
    contrast = above_background(noise)
    assert contrast.scale == "asinh scale" and contrast.place(115) > 0.2 and contrast.extend == "min"


def test_the_scale_of_matplotlib_is_the_same():
    contrast = Contrast(-3.0, 4000.0, 2.0)
    values = np.array([-3.0, 0.0, 7.5, 900.0, 4000.0])
    norm = contrast.norm()
    assert norm(values).tolist() == pytest.approx(contrast.place(values).tolist())
    assert norm.inverse(norm(values)).tolist() == pytest.approx(values.tolist())


def test_spread_is_that_of_the_finite_pixels():
    assert of_spread(np.array([1.0, 3.0, np.nan]), 2) == Contrast(0.0, 4.0)


@pytest.mark.parametrize(("shape", "size"), [((1, 1), 64), ((7, 300), 64), ((513, 512), 256), ((512, 512), 256)])
def test_reduced_keeps_the_mean_of_whole_blocks(shape, size):
    frame = np.random.default_rng(1).normal(size=shape)
    small = reduced(frame, size)
    assert max(small.shape) <= size
    assert small.min() >= frame.min() and small.max() <= frame.max()
    if shape == (512, 512):
        assert small.mean() == pytest.approx(frame.mean())


def test_reduced_leaves_out_what_is_no_pixel():
    frame = np.array([[1.0, 3.0, np.nan, 5.0], [np.nan, 2.0, np.nan, np.nan]])
    assert reduced(frame, 2)[0].tolist() == [2.0, pytest.approx(np.nan, nan_ok=True)]
    assert reduced(np.array([[3 + 4j]]), 1).tolist() == [[5.0]]
    assert np.isinf(reduced(np.array([[np.inf, 1.0]]), 1)).all()
