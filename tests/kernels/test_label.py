"""label, label_stats, erode and dilate against scipy.ndimage: every width, layout and density."""

import numpy as np
import pytest
import scipy.ndimage as nd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braggio._core import cpu_levels
from braggio.errors import LimitError
from braggio.kernels import dilate, erode, label, label_stats

WIDTHS = [1, 2, 3, 5, 8, 63, 64, 65, 127, 128, 129, 191, 192, 193]


@pytest.fixture(params=cpu_levels())
def level(request, monkeypatch):
    """Every instruction level of this machine gives the same bits."""
    monkeypatch.setenv("BRAGGIO_CPU", request.param)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("reach", [1, 2])
def test_equals_scipy(level, width, reach):
    structure = nd.generate_binary_structure(2, reach)
    rng = np.random.default_rng(width)
    for density in (0.001, 0.05, 0.3, 0.5, 0.6, 0.95, 1.0):
        for height in (1, 2, 17):
            mask = rng.random((height, width)) < density
            labels, count = label(mask, (2, reach))
            expected, number = nd.label(mask, structure)
            assert count == number and np.array_equal(labels, expected)
            for steps in (1, 2, 5):
                assert np.array_equal(erode(mask, steps, (2, reach)), nd.binary_erosion(mask, structure, steps))
                assert np.array_equal(dilate(mask, steps, (2, reach)), nd.binary_dilation(mask, structure, steps))
            assert np.array_equal(erode(mask, 0, (2, reach)), mask)


@settings(max_examples=300, deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)), st.sampled_from([1, 2]))
def test_any_small_mask(mask, reach):
    """The cases cc3d gets wrong (odd widths, 8-connected) are among these."""
    labels, count = label(mask, (2, reach))
    expected, number = nd.label(mask, nd.generate_binary_structure(2, reach))
    assert count == number and np.array_equal(labels, expected)


def test_shapes_that_join_late():
    """Spirals and combs: runs that turn out to be one component only at the end."""
    spiral = np.zeros((33, 33), bool)
    for i in range(0, 16, 2):
        spiral[i, i : 33 - i] = spiral[i : 33 - i, 32 - i] = spiral[32 - i, i : 33 - i] = spiral[i + 2 : 33 - i, i] = (
            True
        )
        spiral[i + 2, i] = True
    comb = np.zeros((20, 200), bool)
    comb[:, ::2] = True
    comb[-1] = True
    for mask in (spiral, comb, spiral.T, comb[::-1], ~spiral):
        for reach in (1, 2):
            labels, count = label(mask, (2, reach))
            expected, number = nd.label(mask, nd.generate_binary_structure(2, reach))
            assert count == number and np.array_equal(labels, expected)


def test_any_layout_and_dtype():
    mask = np.random.default_rng(0).random((40, 70)) < 0.4
    expected = nd.label(mask, np.ones((3, 3)))[0]
    for other in (mask.astype(np.uint8) * 7, mask.astype(float) * -0.5, np.asfortranarray(mask), mask.tolist()):
        assert np.array_equal(label(other)[0], expected)
    assert np.array_equal(label(mask[::-2, ::3])[0], nd.label(mask[::-2, ::3], np.ones((3, 3)))[0])
    out = np.full(mask.shape, 9, np.int32)
    assert label(mask, out=out)[0] is out and np.array_equal(out, expected)
    narrow = np.full(mask.shape, 9, np.uint16)
    assert label(mask, out=narrow)[0] is narrow and np.array_equal(narrow, expected)
    assert label(mask, dtype=np.uint16)[0].dtype == np.uint16 and np.array_equal(label(mask, dtype="u2")[0], expected)
    assert label(np.zeros((0, 5)))[1] == 0 and label(np.zeros((5, 0)))[1] == 0


def test_more_labels_than_the_dtype_holds():
    mask = np.zeros((512, 514), bool)
    mask[:510:2, ::2] = True  # 255 times 257 are as many as fit
    labels, count = label(mask, dtype=np.uint16)
    assert count == 65535 and np.array_equal(labels, label(mask)[0])
    mask[510, 0] = True
    with pytest.raises(LimitError, match="at most 65535 in uint16"):
        label(mask, dtype=np.uint16)
    with pytest.raises(ValueError, match="int32 or uint16"):
        label(mask, dtype=np.float32)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", ">u2", "i4", "u4", "f4", "f8", "i8"])
def test_statistics_equal_scipy(dtype):
    rng = np.random.default_rng(0)
    mask = rng.random((50, 91)) < 0.3
    image = rng.integers(0, 120, (50, 91)).astype(dtype)
    found = label_stats(mask, image)
    labels, count = nd.label(mask, np.ones((3, 3)))
    index = np.arange(1, count + 1)
    assert np.array_equal(found.n_pixels, nd.sum_labels(np.ones(mask.shape), labels, index))
    assert np.array_equal(found.sum, nd.sum_labels(image, labels, index))
    assert np.array_equal(found.max, nd.maximum(image, labels, index))
    for i, (rows, columns) in enumerate(nd.find_objects(labels)):
        assert tuple(found.box[i]) == (rows.start, rows.stop, columns.start, columns.stop)
        pixels = np.flatnonzero(labels.ravel() == i + 1)
        begin, end = found.pixel_list_BE[i]
        assert np.array_equal(found.pixel_list[begin:end], pixels)
        assert found.argmax[i] == pixels[np.argmax(image.ravel()[pixels])]


def test_sums_do_not_overflow():
    """5 million saturated pixels: the sum is beyond 32 bits."""
    image = np.full((2048, 2048), 65535, np.uint16)
    assert label_stats(np.ones(image.shape), image).sum.tolist() == [65535 << 22]
    image = np.full((64, 64), -(1 << 31), np.int32)
    assert label_stats(np.ones(image.shape), image).sum.tolist() == [-(1 << 43)]


def test_small_components_are_dropped_and_the_rest_renumbered():
    mask = [[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]]
    labels, count = label(mask, min_pixels=2)
    assert count == 2 and labels.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [2, 2, 2, 0]]
    found = label_stats(mask, mask, min_pixels=3)
    assert found.n_pixels.tolist() == [3] and found.pixel_list.tolist() == [8, 9, 10]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="2-D, not 3-D"):
        label(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="shape of the mask"):
        label_stats(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="int32"):
        label(np.zeros((2, 2)), out=np.zeros((2, 2), np.uint8))
