"""The contract that every format of the table keeps, built in or new: samples for each, the same tests for all."""

from __future__ import annotations

import ast
import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import mrc, pixels, ser, smv, tia
from numpy.typing import NDArray

import braggio
from braggio.errors import BraggioError, DataWarning, FormatError
from braggio.formats import formats

Array = NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """A file made by hand and what it holds."""

    format: str
    label: str
    data: bytes
    expected: Array
    magic: int = 0  # a byte that no file of the format has otherwise
    fixed_end: bool = True
    explained: dict[str, range] = field(
        default_factory=dict
    )  # header fields of which one bit may change the data, and why

    def __str__(self) -> str:
        return f"{self.format}-{self.label}"


_IMAGE = pixels((3, 5), "int32", 1)
_U16 = pixels((4, 7), "uint16", 2)
_STACK = pixels((3, 2, 5), "float32", 3)
# ispg tells an image from a stack of one; the label tells the source dtype; neither changes a value.
_ISPG = {"ispg: image or stack of one": range(88, 92)}
# A 4-byte pixel is a 4-byte pixel: the ten bytes of a TIA header do not tell int32 from float32 in any other way.
_CODE = {"data_type: codes 3, 6 and 7 have one size": range(1)}
_SER_CODE = {"data_type of the only element": range(128, 129)}
_LABEL = {"nlabl: labels in use": range(220, 224), "label: source dtype": range(224, 304)}

SAMPLES = [
    Sample("tia_raw", "int32", tia(_IMAGE), _IMAGE, explained=_CODE),
    Sample("tia_raw", "uint8", tia(pixels((1, 9), "uint8")), pixels((1, 9), "uint8")),
    Sample("tia_raw", "float64", tia(pixels((2, 3), "float64")), pixels((2, 3), "float64")),
    Sample("smv", "little", smv(_U16), _U16),
    Sample("smv", "big", smv(_U16, big_endian=True), _U16),
    Sample("mrc", "image", mrc(_U16), _U16, magic=208, explained=_ISPG),
    Sample("mrc", "big-endian stack", mrc(_STACK, order=">"), _STACK, magic=208),
    Sample("mrc", "volume", mrc(_STACK, volume=True), _STACK, magic=208),
    Sample("mrc", "extended", mrc(_STACK, extended=b"x" * 96), _STACK, magic=208),
    Sample(
        "mrc",
        "labelled",
        mrc(np.array([[1, -2], [3, 4]], "int16"), labels=["braggio: source dtype int32"]),
        np.array([[1, -2], [3, 4]], "int32"),
        magic=208,
        explained=_ISPG | _LABEL,
    ),
    # fewer elements than the tables have places for is what an aborted acquisition leaves
    Sample(
        "ser", "64-bit", ser(list(_STACK)), _STACK, fixed_end=False, explained={"valid_number_elements": range(18, 22)}
    ),
    Sample(
        "ser",
        "32-bit",
        ser([_U16, _U16 + 1], wide=False),
        np.stack([_U16, _U16 + 1]),
        fixed_end=False,
        explained={"valid_number_elements": range(18, 22)},
    ),
    Sample("ser", "one image", ser([_IMAGE]), _IMAGE[np.newaxis], fixed_end=False, explained=_SER_CODE),
    Sample(
        "ser",
        "aborted",
        ser(list(_STACK), spare=4),
        _STACK,
        fixed_end=False,
        explained={"valid_number_elements": range(18, 22)},
    ),
]

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=str)
first_of_each = pytest.mark.parametrize(
    "sample", {sample.format: sample for sample in reversed(SAMPLES)}.values(), ids=str
)


def test_every_format_is_under_contract() -> None:
    """A format that is added to the table without samples here fails."""
    assert {candidate.name for candidate in formats()} <= {sample.format for sample in SAMPLES}


def same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def outcome(sample: Sample, data: bytes) -> str:
    """'same', 'refused' or 'different': what damaged bytes of a sample read as."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = braggio.read(data, format=sample.format)
    except BraggioError as error:
        return "refused" if "\n" not in str(error) else "refused in several lines"
    return "same" if same(found, sample.expected) else "different"


@each_sample
def test_reads_what_was_written_by_hand(sample: Sample) -> None:
    """Values, shape and dtype; and the format is known by content alone."""
    with braggio.open(sample.data) as stack:
        assert stack.format == sample.format
        assert stack.shape == sample.expected.shape
        assert stack.dtype == sample.expected.dtype
        assert stack.dtype.isnative
        assert same(stack.to_array(), sample.expected)


@each_sample
def test_every_truncation_is_refused(sample: Sample) -> None:
    """Cut at each byte: an error, or (a tag after the last pixel) the same data; never other data."""
    wrong = [cut for cut in range(len(sample.data)) if outcome(sample, sample.data[:cut]) == "different"]
    assert wrong == []
    if sample.fixed_end:
        assert [cut for cut in range(len(sample.data)) if outcome(sample, sample.data[:cut]) != "refused"] == []


@first_of_each
def test_truncation_of_a_large_file_is_refused(sample: Sample, tmp_path: Path) -> None:
    """The same on disk for a frame of several blocks."""
    big = pixels((300, 400), "uint16")
    data = {"tia_raw": tia, "smv": smv, "mrc": mrc, "ser": lambda array: ser([array])}[sample.format](big)
    path = tmp_path / "x.dat"
    for cut in (4096, 100_000, len(data) - 9000, len(data) - 9):
        path.write_bytes(data[:cut])
        with pytest.raises(FormatError, match="x.dat"):
            braggio.read(path, format=sample.format)


@each_sample
def test_no_single_bit_of_the_header_changes_data_silently(sample: Sample) -> None:
    """Every bit before the pixels: the same data, an error, or a field listed in `explained` with its reason."""
    end = len(sample.data) - sample.expected.nbytes if sample.fixed_end else len(sample.data)
    with braggio.open(sample.data) as stack:
        frames = [stack.layout.frame_offset(i) for i in range(stack.nframes)]  # type: ignore[attr-defined]
        size = stack.layout.frame_bytes  # type: ignore[attr-defined]
    changed = set()
    for at in range(end):
        if any(start <= at < start + size for start in frames):
            continue
        for bit in range(8):
            data = bytearray(sample.data)
            data[at] ^= 1 << bit
            if outcome(sample, bytes(data)) == "different":
                changed.add(at)
    assert changed - {at for places in sample.explained.values() for at in places} == set()


@each_sample
def test_wrong_magic_is_refused(sample: Sample) -> None:
    """Under the format's name, and without it: then the bytes are no known format."""
    data = bytearray(sample.data)
    data[sample.magic] = 0x7F
    with pytest.raises(FormatError):
        braggio.open(bytes(data), format=sample.format)
    with pytest.raises(FormatError):
        braggio.open(bytes(data))


@each_sample
def test_a_frame_alone_equals_the_frame_in_the_stack(sample: Sample) -> None:
    """By every way to ask for it, in any order."""
    with braggio.open(sample.data) as stack:
        whole = stack.to_array().reshape(stack.nframes, *stack.frame_shape)
        for i in reversed(range(stack.nframes)):
            assert same(stack.read(i), whole[i])
            assert same(stack.read(i - stack.nframes), whole[i])
        assert all(same(a, b) for a, b in zip(stack, whole, strict=True))
    assert same(braggio.read(sample.data, frames=0), whole[0])
    assert same(braggio.read(sample.data, frames=slice(None)), whole)


@each_sample
def test_frame_index_out_of_range(sample: Sample) -> None:
    with braggio.open(sample.data) as stack:
        for index in (stack.nframes, -stack.nframes - 1, 1 << 70):
            with pytest.raises(IndexError):
                stack.read(index)


@each_sample
def test_out_is_filled_and_returned_or_refused(sample: Sample) -> None:
    with braggio.open(sample.data) as stack:
        ny, nx = stack.frame_shape
        out = np.zeros((ny, nx), stack.dtype)
        assert stack.read(0, out=out) is out
        assert same(out, stack.read(0))
        read_only = np.zeros((ny, nx), stack.dtype)
        read_only.flags.writeable = False
        bad = [
            np.zeros((ny + 1, nx), stack.dtype),
            np.zeros((ny, nx, 1), stack.dtype),
            np.zeros((ny, nx), "complex128"),
            np.zeros((ny, 2 * nx), stack.dtype)[:, ::2],
            read_only,
        ]
        if stack.dtype.itemsize > 1:
            bad.append(np.zeros((ny, nx), stack.dtype.newbyteorder(">")))
        for wrong in bad:
            if (
                wrong.flags.c_contiguous
                and wrong.shape == (ny, nx)
                and wrong.dtype == stack.dtype
                and wrong.flags.writeable
            ):
                continue  # a single column is contiguous however it is sliced
            before = wrong.copy()
            with pytest.raises(ValueError, match="out|read-only"):
                stack.read(0, out=wrong)
            assert wrong.tobytes() == before.tobytes()


@each_sample
def test_header_prints_and_reparses(sample: Sample) -> None:
    """Plain Python values that print as literals; the same header every time."""
    with braggio.open(sample.data) as stack, braggio.open(sample.data) as again:
        assert ast.literal_eval(repr(dict(stack.header))) == dict(stack.header) == dict(again.header)


@each_sample
def test_trailing_bytes_are_refused_unless_permissive(sample: Sample) -> None:
    if not sample.fixed_end:
        pytest.skip(f"{sample.format} has no fixed end")
    data = sample.data + b"\0" * 3
    with pytest.raises(FormatError, match="trailing"):
        braggio.open(data, format=sample.format)
    with pytest.warns(DataWarning, match="trailing"):
        found = braggio.read(data, format=sample.format, permissive=True)
    assert same(found, sample.expected)


@each_sample
def test_all_kinds_of_input_read_alike(sample: Sample, tmp_path: Path) -> None:
    """A path as str and Path, bytes, bytearray, memoryview, file objects."""
    path = tmp_path / "name.without.promise"
    path.write_bytes(sample.data)
    with path.open("rb") as opened:
        inputs = [
            path,
            str(path),
            sample.data,
            bytearray(sample.data),
            memoryview(sample.data),
            io.BytesIO(sample.data),
            opened,
        ]
        for given in inputs:
            assert same(braggio.read(given), sample.expected)


@each_sample
def test_info_says_what_open_says(sample: Sample, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(sample.data)
    found = braggio.info(path)
    assert found["format"] == sample.format
    assert found["path"] == str(path)
    assert found["shape"] == sample.expected.shape
    assert found["dtype"] == str(sample.expected.dtype)


@first_of_each
def test_threads_share_a_stack(sample: Sample, tmp_path: Path) -> None:
    """One open file, eight threads, each frame often: every one is right."""
    path = tmp_path / "x"
    path.write_bytes(sample.data)
    with braggio.open(path) as stack, ThreadPoolExecutor(8) as pool:
        whole = stack.to_array().reshape(stack.nframes, *stack.frame_shape)
        found = pool.map(stack.read, [i % stack.nframes for i in range(400)])
        assert all(same(frame, whole[i % stack.nframes]) for i, frame in enumerate(found))


def test_frames_outlive_the_arguments() -> None:
    """The stack keeps the memory it reads from; the frames are copies."""
    stack = braggio.open(bytearray(tia(_IMAGE)))
    frame = stack.read(0)
    del stack
    assert same(frame, _IMAGE)


def test_big_endian_tia_is_named_as_such() -> None:
    """TIA raw is declared little-endian: the foreign order is an error that says what it seems to be."""
    with pytest.raises(FormatError, match="big-endian"):
        braggio.open(tia(_IMAGE, ">"), format="tia_raw")


WRITABLE: dict[str, tuple[tuple[str, ...], Callable[[Array], Array]]] = {
    "mrc": (("int8", "int16", "uint8", "uint16", "float16", "float32", "complex64"), lambda a: a),
    "smv": (
        ("uint8", "uint16", "int16", "int32", "uint32", "float32"),
        lambda a: (a.astype(float).round() % 30000).astype(a.dtype),
    ),
    "tia_raw": (("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"), lambda a: a),
}


def test_every_writer_is_under_contract() -> None:
    assert {candidate.name for candidate in formats() if candidate.write} <= set(WRITABLE)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (16, 130)], ids=str)
@pytest.mark.parametrize("name", WRITABLE)
def test_round_trip(name: str, shape: tuple[int, int], tmp_path: Path) -> None:
    """Every dtype that the format takes comes back with every value."""
    dtypes, suited = WRITABLE[name]
    for i, dtype in enumerate(dtypes):
        array = suited(pixels(shape, dtype, seed=i))
        path = tmp_path / f"{dtype}.x"
        braggio.write(path, array, format=name)
        found = braggio.read(path, format=name)
        assert found.shape == shape
        np.testing.assert_array_equal(found, array)
        if name != "smv":
            assert found.dtype == array.dtype


@pytest.mark.parametrize("name", WRITABLE)
def test_writing_takes_any_memory_order(name: str, tmp_path: Path) -> None:
    """Big-endian, Fortran-ordered and strided arrays, and lists, are written by value."""
    array = np.arange(24, dtype="int32").reshape(4, 6)
    for i, given in enumerate(
        (array.astype(">i4"), np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2], array.tolist())
    ):
        braggio.write(tmp_path / f"{i}.x", given, format=name)
        np.testing.assert_array_equal(braggio.read(tmp_path / f"{i}.x", format=name), array)


@pytest.mark.parametrize("name", WRITABLE)
def test_writing_refuses_an_existing_file(name: str, tmp_path: Path) -> None:
    """And leaves it alone; `overwrite` replaces it."""
    path = tmp_path / "x"
    path.write_bytes(b"precious")
    array = np.ones((2, 2), "uint16")
    with pytest.raises(braggio.errors.OutputError, match="exists"):
        braggio.write(path, array, format=name)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]
    braggio.write(path, array, format=name, overwrite=True)
    np.testing.assert_array_equal(braggio.read(path, format=name), array)


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_writing_replaces_only_files(name: str, kind: str, tmp_path: Path) -> None:
    """A folder, pipe or device under the target's name is not replaced, whatever `overwrite` says."""
    import os

    path = tmp_path / "x"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(braggio.errors.OutputError):
        braggio.write(path, np.ones((2, 2), "uint16"), format=name, overwrite=True)
    assert path.is_dir() if kind == "folder" else path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITABLE)
def test_what_is_read_can_be_written_over_itself(name: str, tmp_path: Path) -> None:
    """The new file is made aside, so the open old one stays readable."""
    path = tmp_path / "x"
    array = np.arange(30, dtype="uint16").reshape(5, 6)
    braggio.write(path, array, format=name)
    with braggio.open(path, format=name) as stack:
        braggio.write(path, stack, format=name, overwrite=True)
        np.testing.assert_array_equal(stack.read(0), array)
    np.testing.assert_array_equal(braggio.read(path, format=name), array)


def test_no_readable_format_means_a_complete_sentence(tmp_path: Path) -> None:
    """The names of all formats, and what the file seems to be."""
    path = tmp_path / "note"
    path.write_text("just a note\n")
    with pytest.raises(FormatError, match="MRC.*SMV.*TIA.*text"):
        braggio.open(path)
