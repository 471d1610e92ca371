"""Pictures of one frame: the beam and the rings are where the header says they are."""

import numpy as np
import pytest
from plots import pixels

import braggio
from braggio.errors import OutputError
from braggio.plots.contrast import above_background
from braggio.plots.figure import BLUE, GAP, VERMILLION
from braggio.plots.frame import MAX_EDGE, Beam, beam_of_smv, draw_frame, said


def test_the_cross_is_on_the_beam(tmp_path):
    """A dark block of 11 x 11 pixels around the beam has the same middle as the cross."""
    frame = np.zeros((100, 160))
    frame[25:36, 95:106] = 1000
    draw_frame(tmp_path / "a.png", frame)
    plain = pixels.read(tmp_path / "a.png")
    draw_frame(tmp_path / "b.png", frame, beam=Beam(30.5, 100.5))
    image = pixels.read(tmp_path / "b.png")
    cross = pixels.of_colour(image, VERMILLION)
    cross[-80:] = False  # the legend
    left, top, right, _ = edges_of_image(image)
    scale = (right - left) / 160
    assert pixels.middle(cross) == pytest.approx((top + 30.5 * scale, left + 100.5 * scale), abs=2)
    assert not pixels.of_colour(plain, VERMILLION).any()


def edges_of_image(image):
    """Left, top, right and bottom of the axes: the longest black lines."""
    dark = image.max(axis=-1) < 60
    rows, columns = (np.nonzero(dark.sum(axis=axis) > 0.4 * dark.shape[axis])[0] for axis in (1, 0))
    return columns[0], rows[0], columns[columns < image.shape[1] * 0.875][-1], rows[-1]


def test_rings_have_their_radius(tmp_path):
    beam = Beam(200.0, 200.0, pixel_size=0.1, distance=100.0, wavelength=1.0)
    rings = beam.rings((400, 400))
    assert len(rings) == 4
    for resolution, radius in rings:
        assert beam.resolution(radius) == pytest.approx(resolution)
        assert 2 * resolution * np.sin(np.arctan(radius * 0.1 / 100) / 2) == pytest.approx(1.0)  # Bragg
    draw_frame(tmp_path / "a.png", np.zeros((400, 400)), beam=beam)
    image = pixels.read(tmp_path / "a.png")
    left, top, right, bottom = edges_of_image(image)
    blue = pixels.of_colour(image, BLUE, tolerance=110)
    middle = (top + bottom) // 2
    found = np.nonzero(blue[middle, left:right])[0] * 400 / (right - left) - 200
    for _, radius in rings:
        assert np.abs(found - radius).min() < 1.5 and np.abs(found + radius).min() < 1.5


@pytest.mark.parametrize("unknown", ["pixel_size", "distance", "wavelength"])
def test_no_rings_without_a_geometry(unknown):
    known = {"pixel_size": 0.1, "distance": 100.0, "wavelength": 1.0} | {unknown: None}
    assert Beam(5, 5, **known).rings((10, 10)) == []


def test_the_beam_of_a_header_is_that_of_its_series(tmp_path):
    geometry = {"voltage": 200.0, "distance": 1500.0, "pixel_size": 0.028, "osc_range": 0.5}
    files = braggio.demo_files()
    with pytest.warns(braggio.DataWarning):
        report = braggio.microed.convert_series(files, tmp_path, beam_center=(70.0, 50.0), **geometry)
    with braggio.open(tmp_path / report.frames[0].output) as stack:
        beam = beam_of_smv(stack.header, stack.frame_shape)
    assert (beam.row, beam.column) == pytest.approx((50.0, 70.0))
    assert (beam.pixel_size, beam.distance) == (0.028, 1500.0) and beam.wavelength == pytest.approx(0.02507934)


def test_headers_without_a_beam():
    good = {"BEAM_CENTER_X": 1.0, "BEAM_CENTER_Y": 2.0, "PIXEL_SIZE": 0.1, "DISTANCE": 10.0, "WAVELENGTH": 1.0}
    assert beam_of_smv(good, (30, 30)) == Beam(10.0, 20.0, 0.1, 10.0, 1.0)
    assert beam_of_smv(good | {"BEAMLINE": "TIMEPIX_SU"}, (30, 30)) == Beam(2.0, 1.0, 0.1, 10.0, 1.0)
    assert beam_of_smv(good | {"TWOTHETA": 5.0}, (30, 30)) == Beam(10.0, 20.0, 0.1, None, 1.0)
    for name, value in {"PIXEL_SIZE": 0, "BEAM_CENTER_X": "nan", "BEAM_CENTER_Y": float("nan")}.items():
        assert beam_of_smv(good | {name: value}, (30, 30)) is None
    assert beam_of_smv(good, (9, 30)) is None
    assert beam_of_smv({}, (9, 30)) is None


def test_real_beam(real_data):
    """The cross is where the direct beam is brightest."""
    with braggio.open(real_data / "microed" / "TIMEPIX_SU_516-stdgoni_0001.img") as stack:
        beam, frame = beam_of_smv(stack.header, stack.frame_shape), stack.read(0).astype(float)
    around = frame[220:260, 230:265]
    rows, columns = np.mgrid[220:260, 230:265]
    weights = np.where(around > np.quantile(around, 0.98), around, 0)
    center = [(places * weights).sum() / weights.sum() for places in (rows, columns)]
    assert (beam.row, beam.column) == pytest.approx(center, abs=5)


def test_a_sparse_frame_is_drawn_in_many_greys(tmp_path):
    """As a photon counter gives it: 0 nearly everywhere, and spots of a few pixels."""
    rng = np.random.default_rng(3)
    frame = rng.poisson(0.01, (2 * MAX_EDGE, 2 * MAX_EDGE))
    for row, column, height in zip(*rng.integers(10, 1500, (2, 300)), rng.integers(5, 5000, 300), strict=True):
        frame[row : row + 4, column : column + 4] += height
    draw_frame(tmp_path / "a.png", frame)
    image = pixels.read(tmp_path / "a.png")
    left, top, right, bottom = edges_of_image(image)
    assert len(np.unique(image[top + 5 : bottom - 5, left + 5 : right - 5])) > 60


def test_gaps_are_pink_and_broken_frames_are_drawn(tmp_path):
    mask = np.ones((20, 20), bool)
    mask[8:12] = False
    draw_frame(tmp_path / "a.png", np.where(mask, np.arange(400).reshape(20, 20), np.nan))
    share = pixels.of_colour(pixels.read(tmp_path / "a.png"), GAP, tolerance=0).sum()
    left, top, right, bottom = edges_of_image(pixels.read(tmp_path / "a.png"))
    assert share == pytest.approx(0.2 * (right - left) * (bottom - top), rel=0.05)
    for index, frame in enumerate([np.zeros((8, 8)), np.full((8, 8), np.nan), np.array([[np.inf, 1.0]])]):
        draw_frame(tmp_path / f"{index}.png", frame)


def test_the_contrast_is_said(tmp_path):
    frame = np.zeros((1600, 10))
    frame[5] = 4
    draw_frame(tmp_path / "a.svg", frame, title="a.cbf")
    text = (tmp_path / "a.svg").read_text()
    assert "mean of 2 x 2 pixels" in text and "a.cbf" in text and "column (pixels)" in text
    assert said(above_background(frame)) == "linear scale; white: median, black: 99.9% of what is above it"


def test_overwrite(tmp_path):
    (tmp_path / "a.png").write_bytes(b"mine")
    with pytest.raises(OutputError):
        draw_frame(tmp_path / "a.png", np.zeros((3, 3)))
    draw_frame(tmp_path / "a.png", np.zeros((3, 3)), overwrite=True)
