"""Protects: every row gets its own image; what does not fit is told before the work."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from braggio.errors import DataWarning, LimitError, MetadataError, UnsupportedError
from braggio.particles import CheckError, MissingStackError, read
from braggio.particles.stream import images

NAMES = ["3@b.mrcs", "1@a.mrcs", "000002@b.mrcs", "4@a.mrcs", "1@b.mrcs", "2@a.mrcs"]


@pytest.fixture
def stacks(maker):
    return {"a.mrcs": maker.stack("a.mrcs", seed=1), "b.mrcs": maker.stack("b.mrcs", seed=2)}


def expected(stacks):
    return np.stack([stacks[name.split("@")[1]][int(name.split("@")[0]) - 1] for name in NAMES])


@pytest.mark.parametrize("order", ["row", "file"])
@pytest.mark.parametrize("batch", [1, 4, 100])
def test_rows_get_their_images(maker, stacks, order: str, batch: int) -> None:
    seen = []
    for rows, pixels in read(maker.table(NAMES)).images(batch=batch, order=order):
        assert len(rows) == len(pixels) <= batch and pixels.dtype == np.float32
        assert np.array_equal(pixels, expected(stacks)[rows])
        seen += rows.tolist()
    assert seen == (
        [0, 1, 2, 3, 4, 5]
        if order == "row"
        else sorted(range(6), key=lambda i: (NAMES[i].split("@")[1] != "b.mrcs", int(NAMES[i].split("@")[0])))
    )


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_mode_and_byte_order(maker, dtype: str, order: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 100, (3, 8, 8)).astype(dtype)
    with mrcfile.new("a.mrcs") as mrc:
        mrc.set_data(pixels)
    if order == ">":
        swap_file("a.mrcs", pixels)
    table = read(maker.table(["3@a.mrcs", "1@a.mrcs"]))
    ((_, found),) = table.images()
    assert np.array_equal(found, pixels[[2, 0]].astype(np.float32))
    ((_, half),) = table.images(dtype="float16", normalize="max")
    assert half.dtype == np.float16 and float(np.abs(half).max()) == 1.0


def swap_file(path: str, pixels: np.ndarray) -> None:
    with mrcfile.open(path, permissive=True) as mrc:
        head = mrc.header.astype(mrc.header.dtype.newbyteorder(">"))
    head["machst"] = (0x11, 0x11, 0, 0)
    with open(path, "wb") as file:
        file.write(head.tobytes() + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes())


def test_mode_0_of_older_programs(maker) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) + 150
    with mrcfile.new("a.mrcs") as mrc:
        mrc.set_data(pixels.view(np.int8))
    table = read(maker.table(["1@a.mrcs"]))
    assert next(table.images(mode0="uint8"))[1].max() == 213 and next(table.images())[1].max() < 0


def test_one_image_stacks_and_extended_headers(maker) -> None:
    pixels = maker.stack("a.mrcs", images=1)
    path = Path("a.mrcs")
    content = bytearray(path.read_bytes())
    content[92:96] = (512).to_bytes(4, "little")
    path.write_bytes(content[:1024] + bytes(512) + content[1024:])
    assert np.array_equal(next(read(maker.table(["1@a.mrcs"])).images())[1], pixels)


def test_more_stacks_than_open_files(maker) -> None:
    pixels = [maker.stack(f"s{i}.mrcs", images=1, seed=i) for i in range(70)]
    table = read(maker.table([f"1@s{i}.mrcs" for i in range(70)] * 2))
    before = len(os.listdir("/proc/self/fd"))
    for rows, found in table.images(batch=9):
        assert np.array_equal(found, np.concatenate(pixels * 2)[rows])
        assert len(os.listdir("/proc/self/fd")) <= before + 65
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@pytest.mark.parametrize("normalize", ["max", "std", None])
@pytest.mark.parametrize(("bin", "kind"), [(1, "mean"), (2, "mean"), (2, "max"), (4, "mean"), (4, "max"), (8, "mean")])
def test_bin_and_normalise_are_numpys(maker, level, normalize, bin: int, kind: str) -> None:
    raw = maker.stack("a.mrcs")
    ((_, found),) = read(maker.table([f"{i}@a.mrcs" for i in range(1, 5)])).images(
        bin=bin, bin_kind=kind, normalize=normalize
    )
    blocks = raw.astype(np.float64).reshape(4, 8 // bin, bin, 8 // bin, bin)
    wanted = blocks.mean(axis=(2, 4)) if kind == "mean" else blocks.max(axis=(2, 4))
    if normalize and bin < 8:
        wanted = wanted - wanted.mean(axis=(1, 2), keepdims=True)
        wanted /= (
            np.abs(wanted).max(axis=(1, 2), keepdims=True)
            if normalize == "max"
            else wanted.std(axis=(1, 2), keepdims=True)
        )
    if bin < 8 or normalize is None:
        np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)
    else:
        assert np.all(found == 0)


def test_the_result_does_not_depend_on_the_instructions(maker, monkeypatch) -> None:
    from braggio._core import cpu_levels

    maker.stack("a.mrcs", box=34)
    table = read(maker.table([f"{i}@a.mrcs" for i in range(1, 5)]))
    found = []
    for each in cpu_levels():
        monkeypatch.setenv("BRAGGIO_CPU", each)
        found.append(
            [
                next(table.images(normalize=n, bin=b))[1].tobytes()
                for n in ("max", "std", "background")
                for b in (1, 2, 17)
            ]
        )
    assert all(each == found[0] for each in found)


def test_background_is_outside_the_circle(maker) -> None:
    raw = maker.stack("a.mrcs", box=16).astype(np.float64)
    found = next(read(maker.table(["2@a.mrcs"])).images(normalize="background"))[1][0]
    y, x = np.mgrid[:16, :16] - 8
    outside = raw[1][y * y + x * x > 64]
    np.testing.assert_allclose(found, (raw[1] - outside.mean()) / outside.std(), rtol=1e-5, atol=1e-5)


def test_bad_requests(maker, stacks) -> None:
    table = read(maker.table(NAMES))
    for options, error in (
        ({"order": "x"}, ValueError),
        ({"missing": "x"}, ValueError),
        ({"dtype": "f8"}, ValueError),
        ({"batch": 0}, ValueError),
    ):
        with pytest.raises(error):
            images(table, **options)
    with pytest.raises(ValueError, match="bin must divide"):
        next(table.images(bin=3))
    with pytest.raises(LimitError, match="smaller batch"):
        importlib.import_module("braggio.particles.checks").require_memory(10, 9)


def test_missing_stacks(maker) -> None:
    maker.stack("a.mrcs")
    table = read(maker.table(["1@a.mrcs", "1@no.mrcs", "2@a.mrcs"]))
    with pytest.raises(FileNotFoundError, match="1 missing: no.mrcs") as caught:
        table.images()
    assert isinstance(caught.value, MissingStackError)
    assert [rows.tolist() for rows, _ in table.images(missing="drop")] == [[0, 2]]


def test_an_index_past_the_end_is_named(maker) -> None:
    maker.stack("a.mrcs")
    with pytest.raises(MetadataError, match=r"a.mrcs: image index \(0-based\): expected below 4, found 4"):
        next(read(maker.table(["5@a.mrcs"])).images())


# ---- check


def test_check_lists_all_problems_at_once(maker) -> None:
    maker.stack("a.mrcs")
    maker.stack("box.mrcs", box=10)
    maker.stack("size.mrcs", pixel_size=2.0)
    maker.stack("dtype.mrcs", dtype=np.int16)
    maker.stack("cut.mrcs")
    os.truncate("cut.mrcs", 1500)
    Path("junk.mrcs").write_text("no stack")
    names = [
        "1@a.mrcs",
        "9@a.mrcs",
        "2@a.mrcs",
        "3@a.mrcs",
        "1@no.mrcs",
        "2@no.mrcs",
        "1@box.mrcs",
        "1@size.mrcs",
        "1@dtype.mrcs",
        "1@cut.mrcs",
        "1@junk.mrcs",
    ]
    table = read(maker.table(names))
    report = table.check(raise_=False)
    assert report.counts == {"index": 1, "missing": 1, "box": 2, "pixel size": 1, "dtype": 1, "unreadable": 2}
    assert report.particles == 11 and report.stacks == 7
    missing = next(problem for problem in report.problems if problem.kind == "missing")
    assert missing.rows == 2 and missing.first_row == 4
    with pytest.raises(CheckError) as caught:
        table.check()
    assert caught.value.report == report and "\n" not in str(caught.value)


def test_check_names_values_that_are_none(maker) -> None:
    maker.stack("a.mrcs")
    path = maker.table(
        ["1@a.mrcs", "2@a.mrcs", "3@a.mrcs"], groups=[1, 2, 2], optics=["1 300 2.7 0.1 1.5 8", "2 0 2.7 inf nan 8"]
    )
    path.write_text(path.read_text().replace("10001 9001", "nan 9001"))
    report = read(path).check(raise_=False)
    found = {problem.stack: (problem.kind, problem.rows, problem.first_row) for problem in report.problems}
    assert found == {
        "DefocusU": ("value", 1, 1),
        "Voltage": ("value", 2, 1),
        "AmplitudeContrast": ("value", 2, 1),
        "ImagePixelSize": ("value", 2, 1),
    }
    with pytest.raises(CheckError, match="DefocusU: expected a finite number, found nan"):
        read(path).check()
    assert read(path).select([0]).check().ok


def test_check_reads_each_header_once(maker, monkeypatch) -> None:
    maker.stack("a.mrcs")
    module = importlib.import_module("braggio.particles.checks")
    calls = []
    real = module.stack_info
    monkeypatch.setattr(module, "stack_info", lambda path: calls.append(path) or real(path))
    assert read(maker.table(["1@a.mrcs"] * 50)).check().ok and len(calls) == 1


def test_check_tells_of_bytes_after_the_last_image(maker) -> None:
    maker.stack("a.mrcs")
    with open("a.mrcs", "ab") as file:
        file.write(b"tail")
    table = read(maker.table(["1@a.mrcs"]))
    with pytest.warns(DataWarning, match="a.mrcs: .*4 trailing bytes"):
        report = table.check()
    assert report.ok and len(report.oddities) == 1


def test_only_missing_is_also_a_file_not_found(maker) -> None:
    with pytest.raises(FileNotFoundError):
        read(maker.table(["1@no.mrcs"])).check()


def test_complex_stacks_are_refused(maker) -> None:
    """Their imaginary parts would be lost."""
    with mrcfile.new(maker.folder / "a.mrcs") as mrc:
        mrc.set_data(np.ones((2, 8, 8), np.complex64))
    table = read(maker.table(["1@a.mrcs"]))
    assert "expected real numbers, found 4 (complex)" in str(table.check(raise_=False))
    with pytest.raises(UnsupportedError, match=r"a\.mrcs: mode"):
        next(table.images())


def test_a_bad_header_names_its_file_once(maker) -> None:
    maker.stack("a.mrcs")
    data = bytearray((maker.folder / "a.mrcs").read_bytes())
    data[:12] = b"\xff\xff\xff\x7f" * 3
    (maker.folder / "a.mrcs").write_bytes(data)
    (problem,) = read(maker.table(["1@a.mrcs"])).check(raise_=False).problems
    assert problem.text.count("a.mrcs") == 1


def test_a_pixel_size_that_is_no_number_is_not_reported_as_one(maker) -> None:
    maker.stack("a.mrcs")
    report = read(maker.table(["1@a.mrcs"], optics=["1 300 2.7 0.1 nan 8"])).check(raise_=False)
    assert report.counts == {"value": 1} and report.pixel_size is None
