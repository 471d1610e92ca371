"""The series that ships with the package is what its README says."""

import numpy as np

import braggio
from braggio.microed import find_series


def test_demo_series_has_the_traits_it_is_for():
    """Signed int32, a missing frame, and one cosmic-ray minimum: the demo shows each of them."""
    [series] = find_series(braggio.demo_files()[0].parent)
    assert series.numbers == (1, 2, 3, 5, 6) and series.gaps == (4,)
    frames = {number: braggio.read(path) for number, path in zip(series.numbers, series.files, strict=True)}
    assert [int(frame.min()) for frame in frames.values()] == [-145, -138, -2874, -151, -140]
    assert all(frame.dtype == np.int32 and frame.shape == (128, 128) for frame in frames.values())
    assert frames[3][71, 40] == -2874 and np.sort(frames[3], axis=None)[1] == -138


def test_every_frame_has_spots():
    """A picture of noise would teach nobody anything."""
    for path in braggio.demo_files():
        frame = braggio.read(path)
        assert (frame > 10 * np.median(np.abs(frame))).sum() > 50
