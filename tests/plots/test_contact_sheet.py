"""Contact sheets: what is drawn is the frame, dark where it is bright, circled where it was clipped."""

import numpy as np
import pytest

from braggio.errors import OutputError
from braggio.plots.contact_sheet import MARK, reduced, shaded, tile, write_contact_sheet


@pytest.mark.parametrize(("shape", "size"), [((1, 1), 64), ((7, 300), 64), ((513, 512), 256), ((3, 2), 64)])
def test_reduced_keeps_the_mean_of_whole_blocks(shape, size):
    frame = np.random.default_rng(1).normal(size=shape)
    small = reduced(frame, size)
    assert max(small.shape) <= 2 * size
    assert small.min() >= frame.min() and small.max() <= frame.max()
    if shape == (512, 512):
        assert small.mean() == pytest.approx(frame.mean())


def test_a_spot_is_dark():
    frame = np.random.default_rng(2).normal(0, 1, (64, 64))
    frame[20:23, 30:33] += 500
    shades = shaded(frame)
    assert shades[21, 31] == 0 and np.median(shades) > 128


@pytest.mark.parametrize("frame", [np.zeros((8, 8)), np.full((8, 8), np.nan), np.array([[np.inf, 1.0]])])
def test_flat_and_broken_frames_are_drawn(frame):
    assert shaded(frame).dtype == np.uint8


def test_sheet_holds_every_tile_and_mark(tmp_path):
    from PIL import Image

    tiles = [tile(np.zeros((32, 32)), f"frame {i}", size=32, marks=[(16, 16)] if i == 4 else []) for i in range(5)]
    write_contact_sheet(tmp_path / "sheet.png", tiles, size=32)
    with Image.open(tmp_path / "sheet.png") as image:
        assert (np.asarray(image) == MARK).all(axis=-1).any()
    before = (tmp_path / "sheet.png").read_bytes()
    with pytest.raises(OutputError):
        write_contact_sheet(tmp_path / "sheet.png", tiles[:1], size=32)
    assert (tmp_path / "sheet.png").read_bytes() == before
    write_contact_sheet(tmp_path / "sheet.png", tiles, size=32, overwrite=True)
    assert (tmp_path / "sheet.png").read_bytes() == before  # the same bytes every time
