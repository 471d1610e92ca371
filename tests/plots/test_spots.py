"""Pictures of a spot search: boxes are around the spots, and the same search gives the same bytes."""

import numpy as np
import pytest
from laue import made
from plots import pixels

from braggio.errors import OutputError
from braggio.laue import find_spots
from braggio.plots.figure import BLUE, SKY, VERMILLION
from braggio.plots.spots import draw_counts, draw_overlay, draw_stats

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


@pytest.fixture(scope="module")
def searched():
    frames, _ = made.stack(frames=20, spots=4)
    return frames, find_spots(frames)


def test_pictures(searched, tmp_path):
    frames, report = searched
    stats = report.stats
    draw_overlay(tmp_path / "a.png", frames[3], report.columns, 3)
    draw_overlay(tmp_path / "b.png", frames[3], report.columns, 3)
    draw_stats(tmp_path / "stats.png", {"avg": stats.avg, "std": stats.std, "iqr": stats.iqr, "max": stats.max})
    draw_counts(tmp_path / "counts.png", report.counts)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert pixels.of_colour(pixels.read(tmp_path / "a.png"), VERMILLION).sum() > 100  # the boxes
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png", "stats.png", "counts.png"}


def test_nothing_is_replaced_unless_told(searched, tmp_path):
    frames, report = searched
    draws = {
        "overlay.png": lambda path, **said: draw_overlay(path, frames[3], report.columns, 3, **said),
        "stats.png": lambda path, **said: draw_stats(path, {"avg": report.stats.avg}, **said),
        "counts.png": lambda path, **said: draw_counts(path, report.counts, **said),
    }
    for name, draw in draws.items():
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(OutputError, match="File exists"):
            draw(tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"mine"
        draw(tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes()[1:4] == b"PNG"


def test_a_box_is_around_its_spot(tmp_path):
    """X is the row: a spot at the lower left of a wide frame."""
    frame = np.zeros((30, 60))
    frame[20:25, 5:10] = 100
    columns = {
        "frame2spotsBE": np.array([[0, 1]]),
        "box": np.array([[18, 27, 3, 12]]),
        "XY": np.array([[22.0, 7.0]]),
    }
    draw_overlay(tmp_path / "a.png", frame, columns, 0)
    image = pixels.read(tmp_path / "a.png")
    image = image[: int(image.shape[0] * 0.88), : int(image.shape[1] * 0.8)]  # without legend and colour bar
    box, cross = (pixels.of_colour(image, colour) for colour in (VERMILLION, SKY))
    middle = pixels.middle(box)
    assert pixels.middle(cross) == pytest.approx(middle, abs=2)
    assert middle[0] > image.shape[0] / 2 and middle[1] < image.shape[1] / 2
    row, column = (round(each) for each in middle)
    assert image[row - 8 : row + 9, column - 8 : column + 9].min() < 10  # dark inside


def test_units_and_names_are_said(searched, tmp_path):
    _, report = searched
    stats = report.stats
    draw_stats(tmp_path / "a.svg", {"avg": stats.avg, "arg": stats.arg})
    text = (tmp_path / "a.svg").read_text()
    for word in ("avg", "trimmed mean (counts)", "frame of the maximum", "Y (column, pixels)", "X (row, pixels)"):
        assert f">{word}<" in text


def test_bars_of_counts_have_their_heights(tmp_path):
    draw_counts(tmp_path / "a.png", [1, 0, 2])
    blue = pixels.of_colour(pixels.read(tmp_path / "a.png"), BLUE)
    heights = blue.sum(axis=0)
    columns = np.nonzero(blue.any(axis=0))[0]
    left, right = heights[columns[0] + 20], heights[columns[-1] - 20]
    assert right == pytest.approx(2 * left, abs=4)
    draw_counts(tmp_path / "a.svg", [1, 0, 2])
    assert ">3 spots in 3 masks<" in (tmp_path / "a.svg").read_text()
    draw_counts(tmp_path / "none.png", [])
