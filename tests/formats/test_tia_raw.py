"""TIA raw: ten bytes and pixels. Every code, every size that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from makers import TIA_CODES, pixels, tia, tia_header

import braggio
from braggio.errors import DataWarning, FormatError, TruncatedError, UnsupportedError


@pytest.mark.parametrize(("dtype", "code"), TIA_CODES.items())
def test_codes_1_to_8(dtype: str, code: int) -> None:
    """pyami lists 8 and refuses it; it is float64."""
    array = pixels((3, 5), dtype)
    with braggio.open(tia(array)) as stack:
        assert (stack.header["data_type"], stack.header["nx"], stack.header["ny"]) == (code, 5, 3)
        assert stack.dtype == dtype
        np.testing.assert_array_equal(stack.read(), array)


@pytest.mark.parametrize("code", [0, -1, 11, 255, 256, 1536, -32768, 32767])
def test_codes_that_are_none(code: int) -> None:
    with pytest.raises(FormatError, match="data_type: .*expected 1 to 8"):
        braggio.open(tia_header(code, 2, 2) + bytes(64), format="tia_raw")


@pytest.mark.parametrize("code", [9, 10])
def test_complex_codes_are_named(code: int) -> None:
    with pytest.raises(UnsupportedError, match="complex, not an image"):
        braggio.open(tia_header(code, 2, 2) + bytes(64), format="tia_raw")


@pytest.mark.parametrize(("nx", "ny"), [(0, 2), (2, 0), (0, 0), (-2, 2), (2, -2), (-2, -2), (-(2**31), -(2**31))])
def test_sizes_that_cannot_be(nx: int, ny: int) -> None:
    """pyami reads ny = -1 as 'all the rest'."""
    with pytest.raises(FormatError, match="n[xy]: expected at least 1"):
        braggio.open(tia_header(6, nx, ny) + bytes(64), format="tia_raw")


@pytest.mark.parametrize("size", range(10))
def test_shorter_than_its_header(size: int) -> None:
    with pytest.raises(TruncatedError, match="10 bytes"):
        braggio.open(tia_header(6, 1, 1)[:size], format="tia_raw")


def test_one_byte_short_and_one_byte_long(tmp_path: Path) -> None:
    """The message has both sizes."""
    path = tmp_path / "a.bin"
    data = tia(pixels((3, 5), "int32"))
    path.write_bytes(data[:-1])
    with pytest.raises(TruncatedError, match=r"a.bin.*70 bytes.*69 bytes"):
        braggio.open(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(FormatError, match=r"a.bin.*1 trailing.*70 bytes.*71 bytes"):
        braggio.open(path)
    with pytest.warns(DataWarning, match="a.bin.*1 trailing"):
        assert braggio.read(path, permissive=True).shape == (3, 5)


def test_flip_reverses_rows_and_says_so() -> None:
    """ncempy and rosettasciio show rows last first; our default is the file's order, as Leginon's."""
    array = pixels((300, 500), "int32")
    with braggio.open(tia(array)) as plain, braggio.open(tia(array), flip=True) as flipped:
        assert (plain.header["flip"], flipped.header["flip"]) == (False, True)
        np.testing.assert_array_equal(plain.read(), array)
        np.testing.assert_array_equal(flipped.read(), array[::-1])


def test_written_bytes_are_those_of_the_specification(tmp_path: Path) -> None:
    for dtype in TIA_CODES:
        array = pixels((3, 5), dtype)
        braggio.write(tmp_path / f"{dtype}.bin", array)
        assert (tmp_path / f"{dtype}.bin").read_bytes() == tia(array)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    for array in (np.zeros((2, 3, 3), "int32"), np.zeros((3, 3), "complex64"), np.zeros((3, 3), "float16")):
        with pytest.raises(UnsupportedError, match="1 frame of"):
            braggio.write(tmp_path / "a.bin", array)
    assert list(tmp_path.iterdir()) == []


def test_wide_integers_are_narrowed_or_refused(tmp_path: Path) -> None:
    """numpy's default integers: written as the 32-bit type that holds them all, never wrapped."""
    for values, dtype in (([[-5, 7]], "int32"), ([[0, 2**32 - 1]], "uint32")):
        braggio.write(tmp_path / "a.bin", np.array(values, "int64"), overwrite=True)
        found = braggio.read(tmp_path / "a.bin")
        assert (found.dtype, found.tolist()) == (dtype, values)
    with pytest.raises(FormatError, match="32 bits"):
        braggio.write(tmp_path / "b.bin", np.array([[-1, 2**32 - 1]]))


def test_real_frames_have_the_known_minima(real_data: Path) -> None:
    minima = [int(braggio.read(real_data / "microed" / f"preview_{i:03d}.bin").min()) for i in range(1, 6)]
    assert minima == [-351, -323, -350, -314, -333]
