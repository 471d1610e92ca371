"""Detector images: pixels where the panels stand, and the beam of the header."""

import numpy as np
import pytest

from braggio.formats.cbf import write_cbf
from braggio.xfel import image_fields, write_image_pickle
from braggio.xfel.picture import is_detector_image, read_detector_image


def test_of_an_image_pickle(tmp_path):
    pixels = np.arange(12, dtype=np.int32).reshape(3, 4)
    known = {"distance": 90.0, "wavelength": 1.5, "pixel_size": 0.5, "beam_center": (1.0, 0.5)}
    fields = image_fields(pixels, timestamp="2014-12-01T07:36Z01.249", address="MfxEndstation-0|Rayonix-0", **known)
    write_image_pickle(tmp_path / "a.pickle", fields)
    image = read_detector_image(tmp_path / "a.pickle")
    assert is_detector_image(tmp_path / "a.pickle")
    assert (image.image == pixels).all() and image.mask.all()
    assert image.beam == (1.0, 2.0)  # row and column; the pickle has x and y
    assert (image.pixel_size, image.distance, image.wavelength) == (0.5, 90.0, 1.5)


def test_of_a_cbf_that_says_nothing(tmp_path):
    pixels = np.array([[5, -1], [-2, 0]], np.int32)
    write_cbf(tmp_path / "a.cbf", pixels)
    image = read_detector_image(tmp_path / "a.cbf")
    assert (image.image == pixels).all() and image.mask.tolist() == [[True, False], [False, True]]
    assert image.beam is None and image.distance is None


@pytest.mark.parametrize(
    ("name", "beam", "geometry"),
    [
        ("DLS_I03_smargon_0001.cbf.gz", (1200.48, 1229.30), (0.172, 291.47, 0.97625)),
        ("dlsnxs2cbf_therm_0001.cbf.gz", (2300.41, 2216.06), (0.075, 213.96, 0.98027)),
    ],
)
def test_of_real_mini_cbfs(real_data, name, beam, geometry):
    image = read_detector_image(real_data / "xfel" / name)
    assert image.beam == pytest.approx(beam)
    assert (image.pixel_size, image.distance, image.wavelength) == pytest.approx(geometry)


def test_of_a_real_cspad(real_data):
    image = read_detector_image(real_data / "xfel" / "idx-20130301060858601.cbf")
    assert image.mask.sum() == pytest.approx(64 * 185 * 194, rel=0.01)
    row, column = image.beam
    assert not image.mask[round(row), round(column)]  # the beam goes through the hole in the middle
    assert image.wavelength == pytest.approx(1.272444)
