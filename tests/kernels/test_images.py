"""Protects: binned and normalised images are numpy's in float64, whatever the dtype, threads and output."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio.kernels import prepare_images
from braggio.kernels.images import BIN_KINDS, NORMALIZE


def by_numpy(images, factor, kind, normalize):
    n, ny, nx = images.shape
    blocks = images.astype(np.float64).reshape(n, ny // factor, factor, nx // factor, factor)
    found = blocks.mean(axis=(2, 4)) if kind == "mean" else blocks.max(axis=(2, 4))
    if normalize is None:
        return found
    n, ny, nx = found.shape
    y, x = np.mgrid[:ny, :nx]
    far = (y - ny // 2) ** 2 + (x - nx // 2) ** 2 > (min(ny, nx) / 2) ** 2
    of = np.ones((ny, nx), bool) if normalize != "background" else far
    found = found - found[:, of].mean(axis=1)[:, None, None]
    scale = np.abs(found).max(axis=(1, 2)) if normalize == "max" else found[:, of].std(axis=1)
    return found / scale[:, None, None]


@given(
    size=st.integers(4, 9),
    factor=st.integers(1, 3),
    kind=st.sampled_from(BIN_KINDS),
    normalize=st.sampled_from([None, *NORMALIZE]),
    dtype=st.sampled_from(["u1", "i1", "u2", ">i2", "i4", "u4", "i8", "u8", "f2", "f4", ">f8"]),
    seed=st.integers(0, 99),
)
def test_equals_numpy(size, factor, kind, normalize, dtype, seed):
    images = np.random.default_rng(seed).integers(0, 120, (2, size * factor, size * factor)).astype(dtype)
    found, flat = prepare_images(images, bin=factor, bin_kind=kind, normalize=normalize)
    assert found.dtype == np.float32 and flat == 0
    np.testing.assert_allclose(found, by_numpy(images, factor, kind, normalize), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("bin", [1, 2])
def test_the_result_does_not_depend_on_the_threads(bin: int) -> None:
    raw = np.random.default_rng(3).normal(3, 20, (35, 256, 256)).astype(np.float32)
    raw[[4, 30]] = 7  # no contrast
    one, flat = prepare_images(raw, bin=bin, normalize="max")
    assert flat == 2
    for threads in (2, 3, 100):
        more, count = prepare_images(raw, bin=bin, normalize="max", threads=threads)
        assert np.array_equal(one, more) and count == 2
    with pytest.raises(ValueError, match="threads must be at least 1"):
        prepare_images(raw, threads=0)


def test_wrong_arguments():
    raw = np.zeros((1, 4, 6), np.float32)
    for options, named in (
        ({"bin": 3}, "bin must divide the images of 4 x 6"),
        ({"bin": 0}, "bin must divide"),
        ({"bin_kind": "men"}, "bin_kind: did you mean mean.: expected mean or max, found 'men'"),
        ({"normalize": "mx"}, "normalize: .*expected max or std or background or None, found 'mx'"),
        ({"out": np.zeros((1, 4, 5), np.float32)}, r"out must be .* of shape \(1, 4, 6\), not float32 \(1, 4, 5\)"),
        ({"out": raw}, "out must not overlap images"),
    ):
        with pytest.raises(ValueError, match=named):
            prepare_images(raw, **options)
