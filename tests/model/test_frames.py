"""The frame stack as an object: numpy indexing of files, arrays from it, context, repr."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from makers import mrc, pixels, tia

import braggio
from braggio.formats import ArrayFrames
from braggio.model.frames import FrameStack

VOLUME = pixels((5, 4, 6), "int16")


class Counting(FrameStack):
    """A stack that remembers which frames were read."""

    def __init__(self) -> None:
        self.path, self.format, self.header = None, "test", {}
        self.dtype, self.nframes, self.frame_shape = VOLUME.dtype, 5, (4, 6)
        self.seen: list[int] = []

    def read_into(self, index: int, out: np.ndarray) -> None:
        self.seen.append(index)
        out[...] = VOLUME[index]


KEYS: list[Any] = [
    0,
    -1,
    np.int64(2),
    slice(None),
    slice(1, 4),
    slice(None, None, -2),
    slice(3, 1),
    (1, 2),
    (1, slice(1, 3)),
    (1, slice(None), 2),
    (slice(1, 3), 0),
    (slice(None), slice(None), 5),
    (slice(2, 2), 1),
    Ellipsis,
    (Ellipsis, 1),
    [0, 3],
    (np.array([True, False, True, False, False]),),
    (None, 1),
    (2, Ellipsis, 1),
    (),
    (-2, -1, -1),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_is_numpys(key: Any) -> None:
    with braggio.open(mrc(VOLUME)) as stack:
        found = stack[key]
    np.testing.assert_array_equal(found, VOLUME[key])
    assert np.shape(found) == np.shape(VOLUME[key])


@pytest.mark.parametrize("key", [5, -6, (0, 4), (0, 0, 6), (0, 0, 0, 0), "a", 1.5], ids=repr)
def test_bad_indices_are_index_errors(key: Any) -> None:
    with braggio.open(mrc(VOLUME)) as stack, pytest.raises((IndexError, TypeError)):
        stack[key]


@pytest.mark.parametrize(
    ("key", "frames"),
    [(3, [3]), (-1, [4]), (slice(1, 3), [1, 2]), ((slice(None, None, 2), 1), [0, 2, 4]), (slice(3, 1), [])],
)
def test_only_the_named_frames_are_read(key: Any, frames: list[int]) -> None:
    stack = Counting()
    stack[key]
    assert stack.seen == frames


def test_a_single_image_is_two_dimensional() -> None:
    image = pixels((4, 6), "int32")
    with braggio.open(tia(image)) as stack:
        assert (stack.shape, stack.ndim, len(stack), stack.nframes) == ((4, 6), 2, 1, 1)
        for key in (0, (1, 2), slice(1, 3), (Ellipsis, 0), (slice(None), slice(None, None, 2))):
            np.testing.assert_array_equal(stack[key], image[key])


def test_numpy_takes_a_stack() -> None:
    with braggio.open(mrc(VOLUME)) as stack:
        np.testing.assert_array_equal(np.asarray(stack), VOLUME)
        assert np.asarray(stack, dtype="float64").dtype == np.float64
        assert (stack.shape, stack.ndim, len(stack)) == ((5, 4, 6), 3, 5)
        with pytest.raises(ValueError, match="copy"):
            stack.__array__(copy=False)


def test_frames_are_independent_arrays() -> None:
    with braggio.open(mrc(VOLUME)) as stack:
        first, *_ = list(stack)
        first[:] = 0
        np.testing.assert_array_equal(stack.read(0), VOLUME[0])


def test_array_frames_of_every_kind() -> None:
    """Arrays in memory are stacks: any order, 64-bit integers narrowed, booleans as 0 and 1."""
    for array in (
        VOLUME,
        VOLUME.astype(">i2"),
        VOLUME[:, ::2, ::-1],
        VOLUME.astype("int64"),
        VOLUME > 0,
        VOLUME[0].astype("uint64") % 9,
    ):
        stack = ArrayFrames(array)
        np.testing.assert_array_equal(stack.to_array(), array)
        assert stack.shape == array.shape
    for bad in (np.array([["a"]]), np.array([[None]]), np.zeros((2, 2), "datetime64[s]")):
        with pytest.raises(ValueError, match="numeric"):
            ArrayFrames(bad)


def test_array_frames_keep_their_own_memory_alive() -> None:
    stack = ArrayFrames(np.arange(1_000_000, dtype="int32").reshape(1000, 1000))
    np.empty(1_000_000, "int32").fill(7)
    assert stack.read(0)[999, 999] == 999_999


def test_repr_is_one_line() -> None:
    with braggio.open(mrc(VOLUME)) as stack:
        assert repr(stack) == "<mrc: 5 x 4 x 6 int16>"
