"""Outlines of panels: they fill the page, with labels, first pixels and axes in millimetres."""

import re

import numpy as np
import pytest
from plots import pixels

from braggio.errors import OutputError, UnsupportedError
from braggio.plots.detector import MAX_LABELS, Outline, draw_outlines
from braggio.plots.figure import VERMILLION


def square(label, x, y, edge=10.0, group=0):
    corners = np.array([[x, y], [x + edge, y], [x + edge, y - edge], [x, y - edge]])
    return Outline(label, corners, (x, y), group)


def test_panels_far_from_the_origin_fill_the_page(tmp_path):
    """SLAC files measure from a corner of the detector: half of the page would be empty around 0, 0."""
    outlines = [square("0,0", 500, 500), square("0,1", 520, 500), square("1,0", 500, 520), square("1,1", 520, 520)]
    draw_outlines(tmp_path / "a.png", outlines, title="far.data")
    image = pixels.read(tmp_path / "a.png")
    starts = np.nonzero(pixels.of_colour(image, VERMILLION)[:-60])
    assert np.ptp(starts[0]) > 0.5 * image.shape[0] and np.ptp(starts[1]) > 0.5 * image.shape[1]
    assert pixels.margin(image) >= 3


def test_an_svg_holds_every_panel_and_label(tmp_path):
    outlines = [square(f"p<{i}>", 20 * i - 30, 5, group=i) for i in range(4)]
    draw_outlines(tmp_path / "a.svg", outlines, title="a.geom")
    text = (tmp_path / "a.svg").read_text()
    assert re.findall(r'id="(panel_\d+)"', text) == [f"panel_{i}" for i in range(4)]
    for word in ("p&lt;3&gt;", "a.geom", "x (mm)", "y (mm)", "first pixel", "x = y = 0 (beam)"):
        assert f">{word}<" in text
    draw_outlines(tmp_path / "b.svg", [square("0", 100, 100)])
    assert "(beam)" not in (tmp_path / "b.svg").read_text()


def test_x_is_to_the_right_and_y_up(tmp_path):
    """Three small panels: the one at high x and the one at high y stand apart as they should."""
    fills = {0: "#D6E6F4", 1: "#FBE8C8", 2: "#D3EEE5"}
    draw_outlines(tmp_path / "a.png", [square("", 0, 0), square("", 40, 0, group=1), square("", 0, 40, group=2)])
    image = pixels.read(tmp_path / "a.png")
    origin, right, up = (pixels.middle(pixels.of_colour(image, fill, tolerance=0)) for fill in fills.values())
    assert right[1] > origin[1] + 100 and right[0] == pytest.approx(origin[0], abs=2)
    assert up[0] < origin[0] - 100 and up[1] == pytest.approx(origin[1], abs=2)
    assert right[1] - origin[1] == pytest.approx(origin[0] - up[0], rel=0.02)  # a millimetre is a millimetre


def test_many_panels_have_no_labels(tmp_path):
    draw_outlines(tmp_path / "a.svg", [square("name", i, 0, edge=0.5) for i in range(MAX_LABELS + 1)])
    assert ">name<" not in (tmp_path / "a.svg").read_text()


def test_refusals(tmp_path):
    with pytest.raises(UnsupportedError, match=r"expected .png or .svg, found .gif"):
        draw_outlines(tmp_path / "a.gif", [square("0", 0, 0)])
    draw_outlines(tmp_path / "a.png", [square("0", 0, 0)])
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(OutputError):
        draw_outlines(tmp_path / "a.png", [square("1", 0, 0)])
    assert (tmp_path / "a.png").read_bytes() == before
