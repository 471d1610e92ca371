"""CBF files to image pickles: what an image pickle cannot say is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from braggio.errors import GeometryError, MetadataError
from braggio.formats.cbf import write_cbf
from braggio.formats.image_pickle import image_fields, read_image_pickle, write_image_pickle
from braggio.xfel.convert import cbf_to_pickle, pickle_to_cbf

pytestmark = pytest.mark.usefixtures("never_unpickle")
TIME = "2014-12-01T07:36Z01.249"
MINI = {
    "Pixel_size": "172e-6 m x 172e-6 m",
    "Detector_distance": "0.2 m",
    "Wavelength": "0.9795 A",
    "Beam_xy": "(1.5, 1.0) pixels",
}
THIRD = b"X-Binary-Size-Second-Dimension: 2\r\n"


def third_axis_of_one(path: Path) -> None:
    """As CBFlib states it when it is told of three axes."""
    data = path.read_bytes()
    assert data.count(THIRD) == 1
    path.write_bytes(data.replace(THIRD, THIRD + b"X-Binary-Size-Third-Dimension: 1\r\n"))


def test_a_third_axis_of_one_is_none(tmp_path: Path) -> None:
    pixels = np.arange(6, dtype=np.int32).reshape(2, 3)
    write_cbf(tmp_path / "mini.cbf", pixels, header=MINI)
    write_image_pickle(tmp_path / "a.pickle", image_fields(pixels, timestamp=TIME))
    pickle_to_cbf(tmp_path / "a.pickle", tmp_path / "full.cbf")
    for name in ("mini", "full"):
        third_axis_of_one(tmp_path / f"{name}.cbf")
        cbf_to_pickle(tmp_path / f"{name}.cbf", tmp_path / f"{name}.pickle")
        assert read_image_pickle(tmp_path / f"{name}.pickle").data.tolist() == pixels.tolist()


def test_pixels_that_are_not_square_are_refused(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3), np.int32)
    write_cbf(tmp_path / "mini.cbf", pixels, header=MINI | {"Pixel_size": "172e-6 m x 100e-6 m"})
    write_image_pickle(tmp_path / "a.pickle", image_fields(pixels, timestamp=TIME))
    pickle_to_cbf(tmp_path / "a.pickle", tmp_path / "full.cbf")
    full = (tmp_path / "full.cbf").read_bytes()
    (tmp_path / "full.cbf").write_bytes(full.replace(b"ELEMENT_S ELEMENT_S 0.0 0.11", b"ELEMENT_S ELEMENT_S 0.0 0.05"))
    for name in ("mini", "full"):
        with pytest.raises(GeometryError, match="expected square pixels"):
            cbf_to_pickle(tmp_path / f"{name}.cbf", tmp_path / f"{name}.pickle")
        assert not (tmp_path / f"{name}.pickle").exists()


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("Pixel_size", "0 m x 0 m"),
        ("Pixel_size", "1e400 m x 1e400 m"),
        ("Detector_distance", "1e400 m"),
        ("Count_cutoff", "1e400 counts"),
    ],
)
def test_numbers_that_no_reader_takes_are_not_written(tmp_path: Path, field: str, line: str) -> None:
    write_cbf(tmp_path / "a.cbf", np.zeros((2, 3), np.int32), header=MINI | {field: line})
    with pytest.raises(MetadataError, match=r"a\.cbf: [A-Z_]+: expected"):
        cbf_to_pickle(tmp_path / "a.cbf", tmp_path / "a.pickle")
    assert not (tmp_path / "a.pickle").exists()


def test_numbers_may_end_in_a_point(tmp_path: Path) -> None:
    write_cbf(tmp_path / "a.cbf", np.zeros((2, 3), np.int32), header=MINI | {"Wavelength": "1. A"})
    cbf_to_pickle(tmp_path / "a.cbf", tmp_path / "a.pickle")
    assert read_image_pickle(tmp_path / "a.pickle").wavelength == 1
