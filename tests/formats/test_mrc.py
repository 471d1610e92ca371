"""MRC: the modes, the labels that keep a dtype, exact int32 or none, extended headers; checked against mrcfile."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from makers import MRC_MODES, mrc, pixels
from mrcfile.dtypes import get_ext_header_dtype

import braggio
from braggio.errors import DataWarning, FormatError, LimitError, UnsupportedError

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "complex64"]


def small(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values that an MRC mode holds exactly."""
    if dtype in ("int32", "uint32"):
        return pixels(shape, "uint16", seed).astype(dtype)
    if dtype == "float16":
        return pixels(shape, dtype, seed) / np.float16(64)  # mrcfile forms its sums in float16: they must not overflow
    return pixels(shape, dtype, seed)


def valid(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ok = mrcfile.validate(str(path))
    assert ok, capsys.readouterr().out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["image", "stack", "volume"])
def test_written_files_are_valid_for_mrcfile(
    dtype: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """mrcfile.validate is content, statistics included, and mrcfile reads the same values and the same kind."""
    array = small(dtype, (5, 7) if kind == "image" else (3, 5, 7))
    path = tmp_path / "x.mrc"
    braggio.write(path, array, volume=kind == "volume", pixel_size=1.5)
    valid(path, capsys)
    with mrcfile.open(path) as theirs:
        np.testing.assert_array_equal(theirs.data, array)
        assert bool(theirs.is_volume()) is (kind == "volume")
        assert bool(theirs.is_image_stack()) is (kind == "stack")
        assert theirs.voxel_size.x == theirs.voxel_size.y == pytest.approx(1.5)
    found = braggio.read(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32", "complex64"])
@pytest.mark.parametrize("kind", ["image", "stack", "volume"])
def test_files_of_mrcfile_are_read(dtype: str, kind: str, tmp_path: Path) -> None:
    array = small(dtype, (5, 7) if kind == "image" else (3, 5, 7))
    path = tmp_path / "x.mrc"
    with mrcfile.new(path) as theirs:
        theirs.set_data(array)
        if kind == "stack":
            theirs.set_image_stack()
        theirs.voxel_size = 2.25
    with braggio.open(path) as stack:
        assert stack.dtype == array.dtype
        assert stack.shape == array.shape
        np.testing.assert_array_equal(stack.to_array(), array)
        assert stack.pixel_size == pytest.approx((2.25, 2.25, 2.25 if kind == "volume" else stack.pixel_size[2]))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["empiar_10076_7.mrc"])
def test_real_stack_reads_like_mrcfile(name: str, real_data: Path) -> None:
    with mrcfile.open(real_data / "particles" / name) as theirs, braggio.open(real_data / "particles" / name) as ours:
        np.testing.assert_array_equal(ours.to_array(), theirs.data)


def test_real_maps_read_like_mrcfile(real_data: Path) -> None:
    for path in sorted((real_data / "matching" / "leopard_em_result").glob("*.mrc")):
        with mrcfile.open(path, permissive=True) as theirs:
            np.testing.assert_array_equal(np.squeeze(braggio.read(path)), np.squeeze(theirs.data))


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ([-32768, 32767], 1),
        ([-32769, 0], 2),
        ([0, 32768], 2),
        ([-(2**24), 2**24], 2),
    ],
)
def test_int32_takes_the_smallest_exact_mode(values: list[int], mode: int, tmp_path: Path) -> None:
    """int16 where all values fit, else float32 up to 2^24; and int32 comes back."""
    path = tmp_path / "x.mrc"
    braggio.write(path, np.array([values], "int32"))
    assert struct.unpack_from("<i", path.read_bytes(), 12) == (mode,)
    found = braggio.read(path)
    assert found.dtype == np.int32
    assert found.tolist() == [values]


@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1, 2**31 - 1, -(2**31)])
def test_int32_that_float32_would_round_is_refused(value: int, tmp_path: Path) -> None:
    """Wherever it stands in the stack; `lossy` rounds it, and the label does not claim otherwise."""
    stack = np.zeros((3, 40, 50), "int32")
    stack[2, 39, 49] = value
    path = tmp_path / "x.mrc"
    with pytest.raises(LimitError, match="lossy"):
        braggio.write(path, stack)
    assert list(tmp_path.iterdir()) == []
    braggio.write(path, stack, lossy=True)
    found = braggio.read(path)
    assert found.dtype == np.float32
    assert found[2, 39, 49] == np.float32(value)


def test_uint32_and_float64_follow_the_same_rule(tmp_path: Path) -> None:
    for array, good in (
        (np.array([[0, 65535]], "uint32"), True),
        (np.array([[2**24]], "uint32"), True),
        (np.array([[2**24 + 1]], "uint32"), False),
        (np.array([[0.5, 2.0**100]]), True),
        (np.array([[0.1]]), False),
        (np.array([[1e300]]), False),
    ):
        path = tmp_path / "x.mrc"
        if good:
            braggio.write(path, array, overwrite=True)
            assert braggio.read(path).dtype == array.dtype
            np.testing.assert_array_equal(braggio.read(path), array)
        else:
            with pytest.raises(LimitError):
                braggio.write(path, array, overwrite=True)


def test_header_statistics_are_exact(tmp_path: Path, level: str) -> None:
    """dmin, dmax, dmean, rms of all pixels of all frames, at each instruction level."""
    array = pixels((3, 90, 110), "int16", 4)
    path = tmp_path / "x.mrc"
    stats = braggio.formats.named("mrc").write(str(path), braggio.formats.ArrayFrames(array), overwrite=False)  # type: ignore[misc]
    header = braggio.info(path)["header"]
    assert (header["dmin"], header["dmax"]) == (array.min(), array.max()) == (stats.min, stats.max)
    assert header["dmean"] == np.float32(array.mean(dtype=np.float64))
    assert header["rms"] == pytest.approx(array.std(dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("values", [[[1.0, np.nan, 3.0], [np.inf, -np.inf, 2.0]], [[np.nan]], [[np.inf, np.nan]]])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_not_a_number_is_legal_and_no_statistics_are_determined(dtype: str, values: Any, tmp_path: Path) -> None:
    """mrcfile-validate holds the header against numpy's statistics of all pixels."""
    array = np.array(values, dtype)
    path = tmp_path / "x.mrc"
    stats = braggio.formats.named("mrc").write(str(path), braggio.formats.ArrayFrames(array), overwrite=False)  # type: ignore[misc]
    np.testing.assert_array_equal(braggio.read(path), array)
    header = braggio.info(path)["header"]
    assert (header["dmin"], header["dmax"], header["dmean"], header["rms"]) == (0, -1, -2, -1)
    finite = array[np.isfinite(array)].real
    assert stats.count == finite.size
    assert not finite.size or (stats.min, stats.max) == (finite.min(), finite.max())
    with np.errstate(invalid="ignore"):
        assert mrcfile.validate(str(path), print_file=io.StringIO())


def test_frames_without_a_finite_pixel_beside_others(tmp_path: Path) -> None:
    stack = np.stack([np.full((3, 4), np.nan, np.float32), np.arange(12, dtype=np.float32).reshape(3, 4)])
    stats = braggio.formats.named("mrc").write(str(tmp_path / "x.mrc"), braggio.formats.ArrayFrames(stack))  # type: ignore[misc]
    assert (stats.count, stats.min, stats.max, stats.mean) == (12, 0.0, 11.0, 5.5)


@pytest.mark.parametrize(
    ("stored", "label"),
    [
        ("uint16", "uint8"),
        ("int16", "uint32"),
        ("int16", "int8"),
        ("complex64", "int32"),
        ("float32", "int16"),
        ("uint16", "int16"),
    ],
)
def test_a_label_that_is_no_longer_true_is_refused(stored: str, label: str) -> None:
    """Another program may change pixels and keep our label: values that the dtype cannot hold are not wrapped round."""
    array = np.array([[-3 if stored == "int16" else 3, 40000 if stored == "uint16" else 300]], stored)
    if stored == "complex64":
        array = array + 2j
    if stored == "float32":
        array = array + np.float32(0.5)
    data = mrc(array.astype(stored), labels=[f"braggio: source dtype {label}"])
    with pytest.raises(FormatError, match="restore_dtype"):
        braggio.read(data)
    np.testing.assert_array_equal(braggio.read(data, restore_dtype=False), array)


def four_bit(nx: int) -> tuple[bytes, np.ndarray]:
    """A mode 101 stack: two pixels a byte, the first in the low half; a row fills whole bytes."""
    values = np.random.default_rng(0).integers(0, 16, (2, 3, nx)).astype("uint8")
    padded = np.pad(values, ((0, 0), (0, 0), (0, nx % 2)))
    packed = (padded[..., 0::2] | padded[..., 1::2] << 4).astype("uint8")
    return mrc(packed, mode=101, nx=nx), values


@pytest.mark.parametrize("nx", [1, 6, 7])
def test_four_bit_pixels(nx: int, tmp_path: Path) -> None:
    """Mode 101 reads as uint8, and as such can be written to any format and scanned."""
    data, values = four_bit(nx)
    with braggio.open(data) as stack:
        assert stack.shape == values.shape
        np.testing.assert_array_equal(stack.to_array(), values)
        braggio.write(tmp_path / "x.mrc", stack)
    np.testing.assert_array_equal(braggio.read(tmp_path / "x.mrc"), values)


def test_four_bit_image_to_smv(tmp_path: Path) -> None:
    data, values = four_bit(6)
    single = bytearray(data[: 1024 + 9])
    struct.pack_into("<i", single, 8, 1)
    with braggio.open(bytes(single)) as stack:
        braggio.write(tmp_path / "x.img", stack)
    np.testing.assert_array_equal(braggio.read(tmp_path / "x.img"), values[0])


def test_pyami_mode_5_is_uint8() -> None:
    array = pixels((3, 4), "uint8")
    np.testing.assert_array_equal(braggio.read(mrc(array, mode=5)), array)


def test_bytes_of_imod_are_unsigned_where_its_flags_say_so() -> None:
    """IMOD marks mode 0 with a stamp; without its bit for signed bytes the values are 0..255."""
    array = pixels((3, 4), "uint8")
    data = bytearray(mrc(array, mode=0))
    struct.pack_into("<ii", data, 152, 1146047817, 0)
    np.testing.assert_array_equal(braggio.read(bytes(data)), array)
    struct.pack_into("<ii", data, 152, 1146047817, 1)
    np.testing.assert_array_equal(braggio.read(bytes(data)), array.view("int8"))


@pytest.mark.parametrize(("mode", "what"), [(3, "complex int16"), (7, "int32"), (16, "RGB"), (-1, "-1"), (8, "8")])
def test_other_modes_are_named(mode: int, what: str) -> None:
    with pytest.raises(FormatError, match=what):
        braggio.open(mrc(np.zeros((2, 2), "float32"), mode=mode), format="mrc")


@pytest.mark.parametrize("stamp", [b"\x44\x44\0\0", b"\x44\x41\0\0", b"\0\0\0\0"])
def test_machine_stamps(stamp: bytes) -> None:
    """Both little-endian stamps, and none: the order in which the sizes make sense."""
    for order in "<>":
        data = bytearray(mrc(pixels((3, 4), "int16"), order=order))
        data[212:216] = stamp if order == "<" or stamp == b"\0\0\0\0" else b"\x11\x11\0\0"
        np.testing.assert_array_equal(braggio.read(bytes(data)), pixels((3, 4), "int16"))


def test_a_missing_magic_is_refused_unless_permissive() -> None:
    data = bytearray(mrc(pixels((3, 4), "int16")))
    data[208:212] = bytes(4)
    with pytest.raises(FormatError, match="MAP"):
        braggio.open(bytes(data), format="mrc")
    with pytest.warns(DataWarning, match="MAP"):
        np.testing.assert_array_equal(braggio.read(bytes(data), format="mrc", permissive=True), pixels((3, 4), "int16"))


@pytest.mark.parametrize("kind", ["FEI1", "FEI2"])
@pytest.mark.parametrize("padding", [0, 128])
@pytest.mark.parametrize("order", ["<", ">"])
def test_fei_metadata(kind: str, padding: int, order: str) -> None:
    """One record a frame, padded or not: the first record says how long each is."""
    dtype = get_ext_header_dtype(kind.encode(), order)
    assert dtype.itemsize == {"FEI1": 768, "FEI2": 888}[kind]
    records = np.zeros(3, dtype)
    records["Metadata size"] = dtype.itemsize + padding
    records["Alpha tilt"] = [-30.0, -29.5, -29.0]
    records["HT"] = 200000.0
    extended = b"".join(record.tobytes() + b"\0" * padding for record in records)
    data = mrc(pixels((3, 4, 5), "int16"), extended=extended, exttyp=kind.encode(), order=order)
    with braggio.open(data) as stack:
        found = stack.fei_metadata()  # type: ignore[attr-defined]
        np.testing.assert_array_equal(stack.to_array(), pixels((3, 4, 5), "int16"))
        assert stack.extended_header == extended  # type: ignore[attr-defined]
    assert found["Alpha tilt"].tolist() == [-30.0, -29.5, -29.0]
    assert set(found["HT"]) == {200000.0}


@pytest.mark.parametrize("size", [-1, 0, 2**31 - 1])
def test_fei_record_sizes_that_cannot_be(size: int) -> None:
    """A damaged first record gives at least itself, and never memory that is not there."""
    dtype = get_ext_header_dtype(b"FEI1", "<")
    records = np.zeros(2, dtype)
    records["Metadata size"] = size
    data = mrc(pixels((2, 4, 5), "int16"), extended=records.tobytes(), exttyp=b"FEI1")
    assert 1 <= len(braggio.open(data).fei_metadata()) <= 2  # type: ignore[attr-defined]


def test_fei_metadata_of_other_files_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="FEI1 or FEI2"):
        braggio.open(mrc(pixels((2, 2), "int16"))).fei_metadata()  # type: ignore[attr-defined]
    with pytest.raises(FormatError, match="768"):
        braggio.open(mrc(pixels((2, 2), "int16"), extended=b"\0" * 100, exttyp=b"FEI1")).fei_metadata()  # type: ignore[attr-defined]


def test_labels(tmp_path: Path) -> None:
    """Given ones are written, read and checked; a damaged count does not run past the ten places."""
    path = tmp_path / "x.mrc"
    braggio.write(path, np.zeros((2, 2), "float32"), labels=["first", "second " + "x" * 73])
    with braggio.open(path) as stack:
        assert stack.labels == ["first", "second " + "x" * 73]  # type: ignore[attr-defined]
    for bad in (["x" * 81], ["new\nline"], ["\xe9"], ["x"] * 11):
        with pytest.raises(LimitError, match="label"):
            braggio.write(tmp_path / "y.mrc", np.zeros((2, 2), "float32"), labels=bad)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.mrc"]
    data = bytearray(path.read_bytes())
    for count in (-1, 11, 2**31 - 1):
        struct.pack_into("<i", data, 220, count)
        assert len(braggio.open(bytes(data)).labels) <= 10  # type: ignore[attr-defined]


def test_modes_table_is_that_of_mrc2014() -> None:
    from braggio.formats.mrc import MODES

    assert MODES == MRC_MODES


def test_a_copy_keeps_pixel_size_and_dtype(tmp_path: Path) -> None:
    with braggio.open(mrc(pixels((2, 3, 4), "int16"), pixel_size=1.75)) as stack:
        braggio.write(tmp_path / "x.mrc", stack)
    with braggio.open(tmp_path / "x.mrc") as copy:
        assert copy.pixel_size[:2] == pytest.approx((1.75, 1.75))  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 3e38])
def test_a_pixel_size_that_cannot_be_is_refused(bad: float, tmp_path: Path) -> None:
    with pytest.raises(braggio.BraggioError):
        braggio.write(tmp_path / "x.mrc", np.zeros((2, 2), "float32"), pixel_size=bad)
    assert list(tmp_path.iterdir()) == []


def test_a_stored_type_that_cannot_be_is_named_with_the_choices(tmp_path: Path) -> None:
    """It was "integers of at most 2^24, found larger ones", of zeros."""
    for dtype, stored, choices in (("int32", "int8", "int16 or float32"), ("int16", "float32", "int16")):
        with pytest.raises(UnsupportedError, match=f"stored: expected {choices} for {dtype}, found '{stored}'"):
            braggio.write(tmp_path / "b.mrc", np.zeros((2, 2), dtype), stored=stored)
    assert not list(tmp_path.iterdir())


def test_a_value_beyond_float32_is_named_with_its_place(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.int32)
    array[1, 2, 3] = -(1 << 24) - 1
    with pytest.raises(LimitError, match="found -16777217 in frame 1, row 2, column 3"):
        braggio.write(tmp_path / "b.mrc", array)
