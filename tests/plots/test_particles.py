"""Pictures of particles: images in greys around their mean, and a CTF with ticks that can be read."""

import re

import numpy as np
import pytest
from plots import pixels

from braggio.errors import OutputError
from braggio.plots.figure import BLUE
from braggio.plots.particles import draw_ctf, draw_images


def test_images_are_grey_around_their_mean(tmp_path):
    """Whatever the scale of the values: half of the pixels are darker than the middle grey."""
    noise = np.random.default_rng(6).normal(size=(160, 160))
    draw_images(tmp_path / "a.png", [noise * 1e-3 + 7], ["row 0"], title="a.star: 1 of 9 particles")
    draw_images(tmp_path / "b.png", [noise * 1e6 - 7], ["row 0"], title="a.star: 1 of 9 particles")
    image = pixels.read(tmp_path / "a.png")
    assert np.abs(image.astype(int) - pixels.read(tmp_path / "b.png")).max() <= 1
    inside = image[-180:-50, 15:150]
    assert np.median(inside) == pytest.approx(127, abs=5) and inside.min() < 60 and inside.max() > 190
    with pytest.raises(OutputError):
        draw_images(tmp_path / "a.png", [noise], ["row 0"])


def test_constant_and_broken_images_are_drawn(tmp_path):
    draw_images(tmp_path / "a.png", [np.ones((8, 8)), np.full((8, 8), np.nan)], ["0", "1"])
    with pytest.raises(ValueError, match="argument"):
        draw_images(tmp_path / "b.png", [np.ones((8, 8))], [])


def test_ctf_has_units_and_readable_ticks(tmp_path):
    frequency = np.linspace(0, 0.5, 200)
    defocus = np.array([15000.0, 15100.0, 15200.0, np.nan])
    draw_ctf(tmp_path / "a.svg", frequency, np.cos(60 * frequency), defocus, title="a.star")
    text = (tmp_path / "a.svg").read_text()
    for label in ("spatial frequency (1/Å)", "resolution (Å)", "mean CTF", "mean defocus (µm underfocus)"):
        assert f">{label}<" in text
    assert ">particles (of 3)<" in text
    numbers = re.findall(r">([\d.]+)<", text)
    assert {"0.0", "0.1", "0.5", "2", "5", "10", "0", "1", "1.5000", "1.5100"} <= set(numbers)
    with pytest.raises(OutputError):
        draw_ctf(tmp_path / "a.svg", frequency, frequency, defocus)


@pytest.mark.parametrize("defocus", [np.zeros(0), np.array([1.0]), np.full(5, 20000.0)])
def test_a_ctf_of_few_particles(tmp_path, defocus):
    draw_ctf(tmp_path / "a.png", np.array([0.0, 0.1]), np.zeros(2), defocus)
    image = pixels.read(tmp_path / "a.png")
    assert pixels.of_colour(image, BLUE).any() and pixels.margin(image) >= 2
