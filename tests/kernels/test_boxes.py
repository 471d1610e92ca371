"""Protects: boxes are those of numpy.pad and slices, for any place, size, dtype and rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio.kernels.boxes import copy_boxes

DTYPES = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "float16", "float32", "float64")
MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


def padded(image, corner, shape, edges, fill):
    """By numpy: the image with enough around it, and a slice."""
    margin = 60
    kind = {"constant_values": fill} if edges == "constant" else {}
    whole = np.pad(image, margin, mode=MODES[edges], **kind)
    top, left = corner[0] + margin, corner[1] + margin
    return whole[top : top + shape[0], left : left + shape[1]]


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    corners=st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), max_size=4),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    edges=st.sampled_from(sorted(MODES)),
    dtype=st.sampled_from(DTYPES),
)
def test_as_numpy_pads(size, corners, shape, edges, dtype):
    image = np.random.default_rng(0).integers(0, 100, size).astype(dtype)
    boxes = copy_boxes(image, np.array(corners, np.int64).reshape(-1, 2), shape, edges=edges, fill=7)
    assert boxes.dtype == image.dtype and boxes.shape == (len(corners), *shape)
    for box, corner in zip(boxes, corners, strict=True):
        np.testing.assert_array_equal(box, padded(image, corner, shape, edges, 7))


def test_far_outside():
    image = np.arange(12.0).reshape(3, 4)
    for edges, expected in (("constant", 0.0), ("replicate", 11.0)):
        assert (copy_boxes(image, [[1 << 39, 1 << 39]], (2, 2), edges=edges) == expected).all()
    for corner in ([1 << 41, 0], [0, -(1 << 41)], [-(1 << 63), 0], np.array([0, (1 << 64) - 1], np.uint64)):
        with pytest.raises(ValueError, match="2\\^40"):
            copy_boxes(image, [corner], (2, 2))


def test_nan_fill_and_out():
    image = np.ones((2, 2), np.float32)
    out = np.empty((1, 3, 3), np.float32)
    assert copy_boxes(image, [[0, 0]], (3, 3), fill=np.nan, out=out) is out
    assert np.isnan(out).sum() == 5


@pytest.mark.parametrize(
    ("image", "corners", "shape", "options", "named"),
    [
        (np.zeros(3), [[0, 0]], (1, 1), {}, "2-D"),
        (np.zeros((0, 3)), [[0, 0]], (1, 1), {}, "2-D"),
        (np.zeros((2, 2), complex), [[0, 0]], (1, 1), {}, "complex"),
        (np.zeros((2, 2)), [[0.5, 0]], (1, 1), {}, "corners"),
        (np.zeros((2, 2)), [0, 0], (1, 1), {}, "corners"),
        (np.zeros((2, 2)), [[0, 0]], (0, 1), {}, "shape"),
        (np.zeros((2, 2)), [[0, 0]], (1, 1), {"edges": "wrap"}, "edges"),
        (np.zeros((2, 2), np.uint8), [[0, 0]], (1, 1), {"fill": 0.5}, "fill"),
        (np.zeros((2, 2), np.uint8), [[0, 0]], (1, 1), {"fill": 300}, "fill"),
        (np.zeros((2, 2)), [[0, 0]], (1, 1), {"out": np.zeros((1, 2, 1))}, "out"),
    ],
)
def test_refusals(image, corners, shape, options, named):
    with pytest.raises(ValueError, match=named):
        copy_boxes(image, corners, shape, **options)
