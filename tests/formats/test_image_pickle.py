"""Image pickles: the reference files, the coordinate note, round trips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from braggio.errors import BraggioError, FormatError, GeometryError, MetadataError, OutputError
from braggio.formats.image_pickle import (
    ImagePickle,
    default_name,
    image_fields,
    read_image_pickle,
    write_image_pickle,
)
from braggio.storage import pickled

pytestmark = pytest.mark.usefixtures("never_unpickle")
TIME = "2014-12-01T07:36Z01.249"
SMALL = [[0, 1, -1, 255], [256, -256, 65535, 65536], [-65536, 16777215, -(2**31), 2**31 - 1]]


def test_the_image_of_the_seed(real_data: Path) -> None:
    """Every value that its page names."""
    image = read_image_pickle(real_data / "xfel" / "idx-20141201073601249.pickle.gz")
    assert (image.data.shape, image.data.dtype, image.data.min(), image.data.max()) == (
        (1765, 1765),
        np.int32,
        -104526,
        106065,
    )
    assert image.version == "CXI 10.1"
    assert len(image.active_areas) == 64
    assert image.active_areas[0].tolist() == [715, 439, 909, 624]
    assert image.translated_areas[0].tolist() == [725, 449, 917, 632]
    panel = image.detector.panels[0]
    assert (panel.origin, panel.fast, panel.slow) == ((-97.075, 97.075, -119.002), (1, 0, 0), (0, -1, 0))
    assert image.moved_data()[725, 449] == image.data[716, 440]  # shifted by (9, 9) within the margin
    assert default_name(image) == "idx-20141201073601249.pickle"


@pytest.mark.parametrize("name", ["small_int_p2.pickle", "small_int_p4.pickle"])
def test_small_images_of_both_protocols(real_data: Path, name: str, tmp_path: Path) -> None:
    image = read_image_pickle(real_data / "xfel" / name)
    assert image.data.tolist() == SMALL
    assert (image.address, image.distance, image.wavelength, image.pixel_size) == (
        "MfxEndstation-0|Rayonix-0",
        135.5,
        1.3,
        0.177,
    )
    for protocol in (2, 4):
        path = tmp_path / f"{protocol}.pickle"
        write_image_pickle(path, image, protocol=protocol)
        again = read_image_pickle(path)
        assert list(again.fields) == list(image.fields)
        assert {key: value for key, value in again.fields.items() if not isinstance(value, np.ndarray)} == {
            key: value for key, value in image.fields.items() if not isinstance(value, np.ndarray)
        }
        assert again.data.tolist() == SMALL


@pytest.mark.parametrize(("protocol", "head"), [(2, b"\x80\x02}q"), (4, b"\x80\x04\x95")])
def test_the_first_bytes_are_those_that_dxtbx_knows(tmp_path: Path, protocol: int, head: bytes) -> None:
    path = tmp_path / "x.pickle"
    write_image_pickle(path, image_fields(np.zeros((2, 3), np.int32), timestamp=TIME), protocol=protocol)
    assert path.read_bytes().startswith(head)


def test_legacy_address_is_guessed_from_the_distance() -> None:
    fields = image_fields(np.zeros((2, 3), np.int32), timestamp=TIME)
    del fields["DETECTOR_ADDRESS"]
    assert read_image_pickle(pickled.dumps(fields)).address == "CxiDs1-0|Cspad-0"
    assert read_image_pickle(pickled.dumps(fields | {"DISTANCE": 2000.0})).address == "CxiDsd-0|Cspad-0"


def test_double_pixels_and_defaults(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(0, 15, (20, 30))
    path = tmp_path / "x.pickle"
    write_image_pickle(path, image_fields(data, timestamp=TIME, pixel_size=0.1))
    image = read_image_pickle(path)
    assert (image.data == data).all()
    assert image.beam_center == (1.5, 1.0)
    assert image.active_areas.tolist() == [[0, 0, 20, 30]]
    assert image.trusted_range == (-400.0, 90000.0)


def test_refusals(tmp_path: Path) -> None:
    fields = image_fields(np.zeros((2, 3), np.int32), timestamp=TIME)
    for changed in (
        fields | {"SIZE1": 3},
        fields | {"DATA": np.zeros(6, np.int32)},
        fields | {"DATA": "pixels"},
        fields | {"ACTIVE_AREAS": np.zeros(3, np.int32)},
    ):
        with pytest.raises(FormatError):
            read_image_pickle(pickled.dumps(changed))
    with pytest.raises(FormatError, match="SIZE1"):
        read_image_pickle(pickled.dumps([1]))
    with pytest.raises(MetadataError, match="DISTANCE"):
        _ = read_image_pickle(pickled.dumps(fields | {"DISTANCE": "far"})).distance
    for bad in ("2014-12-01", "2014-13-01T07:36Z01.249", "now"):
        with pytest.raises(MetadataError, match="TIMESTAMP"):
            image_fields(np.zeros((2, 3), np.int32), timestamp=bad)
    with pytest.raises(FormatError, match="32-bit"):
        image_fields(np.full((2, 2), 2**40), timestamp=TIME)
    with pytest.raises(BraggioError):
        write_image_pickle(tmp_path / "x.pickle", image_fields(np.full((2, 2), np.nan), timestamp=TIME))
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_survives(tmp_path: Path) -> None:
    path = tmp_path / "x.pickle"
    path.write_bytes(b"kept")
    fields = image_fields(np.zeros((2, 3), np.int32), timestamp=TIME)
    with pytest.raises(OutputError):
        write_image_pickle(path, fields)
    with pytest.raises(FormatError):
        write_image_pickle(path, fields | {"SIZE1": 9}, overwrite=True)
    assert path.read_bytes() == b"kept"
    write_image_pickle(path, fields, overwrite=True)
    assert read_image_pickle(path).data.shape == (2, 3)


def test_an_address_that_is_no_text_is_refused() -> None:
    fields = image_fields(np.zeros((2, 2), np.int32), timestamp="2014-12-01T07:36Z01.249")
    with pytest.raises(MetadataError, match="DETECTOR_ADDRESS: expected text, found b'CxiDs1'"):
        _ = ImagePickle(fields | {"DETECTOR_ADDRESS": b"CxiDs1"}).version


def test_areas_in_an_error_are_plain_numbers() -> None:
    fields = image_fields(np.zeros((2, 2), np.int32), timestamp=TIME, active_areas=[0, 0, 9, 9])
    with pytest.raises(GeometryError, match=r"found \(0, 0, 9, 9\)"):
        ImagePickle(fields).moved_data()
