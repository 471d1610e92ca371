"""Contact sheets: what is drawn is the frame, dark where it is bright, circled where it was clipped."""

import numpy as np
import pytest
from plots import pixels

from braggio.errors import OutputError
from braggio.plots.contact_sheet import MAX_MARKS, draw_sheet, tile
from braggio.plots.figure import VERMILLION


def test_a_spot_is_dark():
    frame = np.random.default_rng(2).normal(0, 1, (64, 64))
    frame[20:23, 30:33] += 500
    made = tile(frame, "spot")
    places = made.contrast.place(made.pixels)
    assert places[21, 31] >= 0.95 and np.median(places) < 0.1


@pytest.mark.parametrize("frame", [np.zeros((8, 8)), np.full((8, 8), np.nan), np.array([[np.inf, 1.0]])])
def test_flat_and_broken_frames_are_drawn(tmp_path, frame):
    draw_sheet(tmp_path / "a.png", [tile(frame, "broken")])
    assert pixels.read(tmp_path / "a.png").shape[0] > 256


def test_sheet_holds_every_tile_and_mark(tmp_path):
    tiles = [tile(np.zeros((32, 32)), f"frame {i}", size=32, marks=[(16, 16)] if i == 4 else []) for i in range(5)]
    draw_sheet(tmp_path / "sheet.png", tiles, size=32)
    assert pixels.of_colour(pixels.read(tmp_path / "sheet.png"), VERMILLION).any()
    before = (tmp_path / "sheet.png").read_bytes()
    with pytest.raises(OutputError):
        draw_sheet(tmp_path / "sheet.png", tiles[:1], size=32)
    assert (tmp_path / "sheet.png").read_bytes() == before
    draw_sheet(tmp_path / "sheet.png", tiles, size=32, overwrite=True)
    assert (tmp_path / "sheet.png").read_bytes() == before  # the same bytes every time


@pytest.mark.parametrize("place", [(0, 0), (0, 63), (63, 0), (30, 50)])
def test_a_mark_is_around_its_pixel_and_whole_at_the_edges(tmp_path, place):
    frame = np.zeros((64, 64))
    frame[place] = 1000
    draw_sheet(tmp_path / "a.png", [tile(frame, "")], size=256)
    plain = pixels.read(tmp_path / "a.png")
    draw_sheet(tmp_path / "b.png", [tile(frame, "", marks=[place])], size=256)
    circle = pixels.of_colour(pixels.read(tmp_path / "b.png"), VERMILLION)
    rows, columns = np.nonzero(circle)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=2) and 10 < np.ptp(rows) < 25
    dark = np.zeros(circle.shape, bool)
    dark[1:-1, 1:-1] = (plain.max(axis=-1) < 10)[1:-1, 1:-1]
    assert pixels.middle(circle) == pytest.approx(pixels.middle(dark), abs=2)


def test_captions_are_whole_under_small_tiles(tmp_path):
    """Long names are broken into lines; the same sheet without captions is as wide."""
    for size in (32, 256):
        tiles = [tile(np.zeros((16, 16)), f"a_very_long_name_of_a_series_of_frames_{i:04d}.img [3]") for i in range(4)]
        draw_sheet(tmp_path / f"{size}.png", tiles, size=size, title="what " * 50)
        assert pixels.margin(pixels.read(tmp_path / f"{size}.png")) >= 4
        draw_sheet(tmp_path / f"{size}.svg", tiles, size=size)
        assert (tmp_path / f"{size}.svg").read_text().count("[3]") >= 4


def test_marks_have_a_limit():
    assert len(tile(np.zeros((4, 4)), "", marks=[(0, 0)] * 500).marks) == MAX_MARKS
