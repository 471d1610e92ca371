"""Masks in bits against numpy, and morphology against its definition: shifted masks joined."""

import numpy as np
import pytest
import scipy.ndimage as nd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braggio._core import BitMask, cpu_levels
from braggio.errors import LimitError, UnsupportedError
from braggio.kernels import dilate, erode
from braggio.kernels.mask import connectivity, packed, unpacked

WIDTHS = [1, 2, 3, 5, 8, 63, 64, 65, 127, 128, 129, 191, 192, 193]


@pytest.fixture(params=cpu_levels())
def level(request, monkeypatch):
    """Every instruction level of this machine gives the same bits."""
    monkeypatch.setenv("BRAGGIO_CPU", request.param)


def test_bits_round_trip(level):
    for width in WIDTHS:
        mask = np.random.default_rng(width).random((9, width)) < 0.5
        bits = packed(mask)
        assert np.array_equal(unpacked(bits), mask) and bits.count() == mask.sum()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_threshold_equals_numpy(level, dtype):
    rng = np.random.default_rng(0)
    info = np.iinfo(dtype) if dtype[0] != "f" else None
    for width in WIDTHS:
        draw = [
            rng.integers(info.min, info.max, (11, width), dtype, True)
            if info
            else rng.normal(size=(11, width)).astype(dtype)
            for _ in range(2)
        ]
        draw[1][::2] = draw[0][::2]  # equality passes
        bits = BitMask(11, width)
        bits.threshold(*draw)
        assert np.array_equal(unpacked(bits), draw[0] >= draw[1])


@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=70)),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([1, 2]),
)
def test_steps_add_up_and_erosion_is_dilation_of_the_rest(mask, first, second, reach):
    both = dilate(mask, first + second, (2, reach))
    assert np.array_equal(dilate(dilate(mask, first, (2, reach)), second, (2, reach)), both)
    framed = np.pad(~mask, 4, constant_values=True)  # what lies outside is background
    rest = dilate(framed, first, (2, reach))[4:-4, 4:-4]
    assert np.array_equal(erode(mask, first, (2, reach)), ~rest)


def test_wrong_arguments():
    with pytest.raises(UnsupportedError, match="rank 3"):
        erode(np.zeros((2, 2)), structure=(3, 1))
    with pytest.raises(UnsupportedError, match="2,2"):
        erode(np.zeros((2, 2)), structure="square")
    with pytest.raises(UnsupportedError, match="cross or square"):
        connectivity(np.eye(3))
    with pytest.raises(ValueError, match="iterations"):
        dilate(np.zeros((2, 2)), -1)
    with pytest.raises(LimitError):
        BitMask(1 << 20, 1 << 20)
    with pytest.raises(ValueError, match="shape"):
        BitMask(3, 3).threshold(np.zeros((3, 4)), np.zeros((3, 4)))
    assert connectivity(nd.generate_binary_structure(2, 1)) == 1
