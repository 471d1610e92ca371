"""TIA series: offsets of 32 and 64 bits, times, aborted series; RosettaSciIO and ncempy, which turn rows round."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from makers import TIA_CODES, pixels, ser

import braggio
from braggio.errors import FormatError, TruncatedError, UnsupportedError

FRAMES = [pixels((4, 6), "int32", i) for i in range(3)]


def patched(data: bytes, fmt: str, at: int, value: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into("<" + fmt, changed, at, value)
    return bytes(changed)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("dtype", TIA_CODES)
def test_every_type_and_both_offset_widths(dtype: str, wide: bool) -> None:
    frames = [pixels((4, 6), dtype, i) for i in range(3)]
    with braggio.open(ser(frames, wide=wide, times=[10, 20, 30])) as stack:
        assert stack.dtype == dtype
        np.testing.assert_array_equal(stack.to_array(), np.stack(frames))
        assert stack.header["time"] == [10, 20, 30]


def test_an_aborted_series_has_its_valid_elements(tmp_path: Path) -> None:
    """Fewer elements than places; times come from the second half of the tables all the same."""
    with braggio.open(ser(FRAMES, [5, 6, 7], spare=4)) as stack:
        assert stack.nframes == 3
        assert stack.header["total_number_elements"] == 7
        assert stack.header["time"] == [5, 6, 7]


def test_flip_reverses_rows_and_says_so() -> None:
    with braggio.open(ser(FRAMES), flip=True) as stack:
        assert stack.header["flip"] is True
        np.testing.assert_array_equal(stack.to_array(), np.stack(FRAMES)[:, ::-1])


@pytest.mark.parametrize(
    ("fmt", "at", "value", "kind"),
    [
        ("H", 0, 0x4D4D, FormatError),
        ("H", 2, 0x0198, FormatError),
        ("H", 4, 0x0100, UnsupportedError),
        ("i", 6, 0x4120, UnsupportedError),
        ("i", 6, 7, FormatError),
        ("i", 14, 0, FormatError),
        ("i", 18, 0, FormatError),
        ("i", 18, -1, FormatError),
        ("i", 18, 4, FormatError),
        ("Q", 22, 1 << 40, TruncatedError),
    ],
)
def test_header_fields_that_cannot_be(fmt: str, at: int, value: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        braggio.open(patched(ser(FRAMES), fmt, at, value), format="ser")


def element_header(data: bytes, index: int) -> int:
    table = struct.unpack_from("<Q", data, 22)[0]
    return int(struct.unpack_from("<Q", data, table + 8 * index)[0]) + 40


@pytest.mark.parametrize(("at", "fmt", "value"), [(0, "h", 5), (2, "i", 5), (6, "i", 3)])
def test_elements_of_different_kinds_are_refused(at: int, fmt: str, value: int) -> None:
    data = ser(FRAMES)
    with pytest.raises(UnsupportedError, match="element 1"):
        braggio.open(patched(data, fmt, element_header(data, 1) + at, value))


@pytest.mark.parametrize(("at", "fmt", "value"), [(0, "h", 5), (2, "i", 5), (6, "i", 3)])
def test_an_element_that_does_not_reach_its_tag_is_refused(at: int, fmt: str, value: int) -> None:
    """TIA writes pixels, then at once the tag: a smaller frame means a damaged header, also of a single image."""
    data = ser(FRAMES[:1])
    with pytest.raises(FormatError):
        braggio.open(patched(data, fmt, element_header(data, 0) + at, value))


def test_overlapping_elements_do_not_pass_for_a_series() -> None:
    """A table that points twice at one element would show a frame twice."""
    data = ser(FRAMES)
    table = struct.unpack_from("<Q", data, 22)[0]
    with pytest.raises(FormatError):
        braggio.open(patched(data, "Q", table + 8, struct.unpack_from("<Q", data, table)[0]))


def test_real_series_in_every_reader(real_data: Path) -> None:
    """Rows in file order; rosettasciio shows the same pixels upside down; the .bin files are its elements."""
    path = real_data / "microed" / "128x128x5-diffraction_preview_1.ser"
    ours = braggio.read(path)
    assert ours.shape == (5, 128, 128)
    raw = [braggio.read(real_data / "microed" / f"preview_{i:03d}.bin") for i in range(1, 6)]
    np.testing.assert_array_equal(ours, np.stack(raw))
    np.testing.assert_array_equal(braggio.read(path, flip=True), ours[:, ::-1])


def test_real_series_against_rosettasciio(real_data: Path) -> None:
    tia = pytest.importorskip("rsciio.tia")
    path = real_data / "microed" / "128x128x5-diffraction_preview_1.ser"
    theirs = tia.file_reader(str(path))[0]["data"]
    np.testing.assert_array_equal(braggio.read(path, flip=True), theirs)


def test_real_series_against_ncempy(real_data: Path) -> None:
    from ncempy.io.ser import fileSER

    path = real_data / "microed" / "128x128x5-diffraction_preview_1.ser"
    ours = braggio.read(path)
    with fileSER(str(path)) as theirs:
        for i in range(5):
            data = theirs.getDataset(i)[0]
            assert np.array_equal(data, ours[i]) or np.array_equal(data, ours[i][::-1])


def test_made_series_against_ncempy(tmp_path: Path) -> None:
    """The maker of these tests makes what others read, too."""
    from ncempy.io.ser import fileSER

    path = tmp_path / "x.ser"
    path.write_bytes(ser(FRAMES))
    with fileSER(str(path)) as theirs:
        for i, frame in enumerate(FRAMES):
            data = theirs.getDataset(i)[0]
            assert np.array_equal(data, frame) or np.array_equal(data, frame[::-1])
