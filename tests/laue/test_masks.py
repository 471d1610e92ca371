"""One call for a mask: what it encodes zlib reads, and it is what the plain arrays hold."""

import zlib

import numpy as np
import pytest
import scipy.ndimage as nd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braggio._core import BitMask, SpotPass, deflate_shuffled

ARRAYS = {"masks_raw", "masks_filtered", "masks_synced", "masks/labels"}
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=70)


def search(frames, limits, allowed=None, *, erosions=0, dilations=0, **options):
    shape = limits.shape
    bits = BitMask(*shape)
    bits.pack(np.ones(shape, np.uint8) if allowed is None else allowed)
    made = SpotPass(
        bits, erosions=erosions, dilations=dilations, filter_connectivity=2, label_connectivity=2, min_pixels=1
    )
    return made.find(frames, limits, **options)


def plain(payload, shape, dtype):
    return np.zeros(shape, dtype) if payload is None else np.frombuffer(zlib.decompress(payload), dtype).reshape(shape)


@settings(max_examples=100, deadline=None)
@given(st.data(), SHAPES, st.sampled_from([0.0, 0.002, 0.05, 0.5, 1.0]), st.integers(1, 3))
def test_streams_hold_the_arrays(data, shape, density, count):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    frames = [(rng.random(shape) < density).astype(np.uint16) for _ in range(count)]
    limits = np.ones(shape, np.uint16)
    erosions, dilations = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 2))
    arrays = search(frames, limits, erosions=erosions, dilations=dilations, arrays=ARRAYS)
    streams = search(frames, limits, erosions=erosions, dilations=dilations, arrays=ARRAYS, gzip=True)
    filtered = []
    for frame in frames:
        mask = frame.astype(bool)
        mask = nd.binary_erosion(mask, np.ones((3, 3))) if erosions else mask
        filtered.append(nd.binary_dilation(mask, np.ones((3, 3)), dilations) if dilations else mask)
    synced = np.any(filtered, axis=0)
    labels, number = nd.label(synced, np.ones((3, 3)))
    expected = {"masks_raw": frames, "masks_filtered": filtered, "masks_synced": [synced], "masks/labels": [labels]}
    for name, images in expected.items():
        dtype = np.int32 if name == "masks/labels" else np.uint8
        for found in (arrays[name], streams[name]):
            found = found if isinstance(found, list) else [found]
            assert len(found) == len(images)
            for payload, image in zip(found, images, strict=True):
                assert payload is None or isinstance(payload, bytes) or payload.dtype == dtype
                image_found = payload if isinstance(payload, np.ndarray) else plain(payload, shape, dtype)
                assert np.array_equal(image_found, image)
                assert payload is not None or not image.any()
    assert arrays["count"] == streams["count"] == number
    assert arrays["passed"] == [int(frame.sum()) for frame in frames]


def test_many_labels():
    """Labels of more than one byte, and of more than two, and a stream of many blocks."""
    frame = np.zeros((601, 900), np.uint8)
    frame[::2, ::2] = 1
    found = search([frame], np.ones_like(frame), arrays=ARRAYS, gzip=True)
    labels, count = nd.label(frame, np.ones((3, 3)))
    assert found["count"] == count > 1 << 17
    assert np.array_equal(plain(found["masks/labels"], frame.shape, np.int32), labels)
    assert np.array_equal(plain(found["masks_raw"][0], frame.shape, np.uint8), frame)


def test_streams_are_no_larger_than_those_of_zlib():
    rng = np.random.default_rng(0)
    noise = (rng.random((512, 512)) < 0.05).astype(np.uint8)
    blobs = nd.binary_dilation(rng.random((512, 512)) < 2e-4, np.ones((3, 3)), 4).astype(np.uint8)
    for frame in (noise, blobs):
        found = search([frame], np.ones_like(frame), arrays=ARRAYS, gzip=True)
        assert len(found["masks_raw"][0]) <= len(zlib.compress(frame, 1))
        assert len(found["masks/labels"]) <= len(zlib.compress(nd.label(frame, np.ones((3, 3)))[0].astype(np.int32), 1))


def test_frames_are_taken_one_at_a_time():
    """A sequence that reads its frames when asked; its errors come through, and nothing of it is kept."""

    class Frames:
        def __init__(self, broken):
            self.asked = []
            self.broken = broken

        def __len__(self):
            return 3

        def __getitem__(self, index):
            self.asked.append(index)
            if index == self.broken:
                raise OSError("frame 2 is gone")
            return np.full((5, 5), index, np.int16)

    frames = Frames(broken=None)
    found = search(frames, np.ones((5, 5), np.int16))
    assert [int(spots["sum"].sum()) for spots in found["spots"]] == [0, 25, 50]
    assert found["passed"] == [0, 25, 25] and frames.asked == [0, 1, 2, 0, 1, 2]
    with pytest.raises(OSError, match="frame 2 is gone"):
        search(Frames(broken=2), np.ones((5, 5), np.int16))


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        ([], {}, "at least one"),
        ([np.zeros((4, 5), np.uint16)], {}, "shape of the mask"),
        ([np.zeros((5, 5), np.int16)], {}, "dtype of the frames"),
        ([np.zeros((5, 10), np.uint16)[:, ::2]], {}, "C-contiguous"),
        ([np.zeros((5, 5), np.uint16)], {"noise": np.zeros((5, 5))}, "needs a background"),
        ([np.zeros((5, 5), np.uint16)], {"background": np.zeros((5, 5), np.float32)}, "float64"),
        ([np.zeros((5, 5), np.uint16)], {"saturation": np.zeros(2, np.uint16)}, "one value"),
    ],
)
def test_what_does_not_fit_is_refused(frames, options, message):
    with pytest.raises(ValueError, match=message):
        search(frames, np.ones((5, 5), np.uint16), **options)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.float64]),
        hnp.array_shapes(max_dims=2, max_side=200),
        elements={"allow_nan": False},
        fill=st.just(3),
    )
)
def test_shuffled_numbers_are_those_of_zlib(values):
    shuffled = np.ascontiguousarray(values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T).tobytes()
    assert zlib.decompress(deflate_shuffled(values)) == shuffled


def test_shuffled_noise_in_many_blocks():
    values = np.random.default_rng(1).normal(300, 5, (300, 1000))
    shuffled = values.reshape(-1).view(np.uint8).reshape(-1, 8).T.tobytes()
    stream = deflate_shuffled(values)
    assert zlib.decompress(stream) == shuffled and len(stream) < 1.01 * len(zlib.compress(shuffled, 1))
    assert zlib.decompress(deflate_shuffled(np.empty(0))) == b""
