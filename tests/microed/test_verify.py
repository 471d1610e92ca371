"""Verification finds whatever was changed since, names the place, and looks at every frame."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from makers import noisy, pixels, ser, tia, write_series

from braggio.errors import BraggioError, MetadataError
from braggio.microed import SeriesReport, convert_series, verify_series
from braggio.microed.verify import records

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


@pytest.fixture
def report(tmp_path: Path) -> SeriesReport:
    frames = [noisy(-100 - i, seed=i) for i in range(3)]
    frames[2][4, 5], frames[2][6, 7] = -9000, 70000
    return convert_series(
        write_series(tmp_path / "raw", frames), tmp_path / "out", osc_start=-30.0, osc_range=0.5, voltage=200
    )


def patch(path: Path, at: int, new: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(new)] = new
    path.write_bytes(data)


def test_a_fresh_series_is_right(report: SeriesReport) -> None:
    """By report and by record; clipped pixels are listed, and are no fault."""
    for given in (report, report.record, str(report.record)):
        checks = verify_series(given)
        assert [(check.ok, check.problem, check.differing) for check in checks] == [(True, "", 0)] * 3
    assert checks[2].low_positions.tolist() == [[4, 5]]
    assert checks[2].high_positions.tolist() == [[6, 7]]
    assert checks[0].low_positions.shape == checks[0].high_positions.shape == (0, 2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("policy", ["leginon", "median", "zero"])
def test_every_type_is_right_when_fresh(dtype: str, policy: str, tmp_path: Path) -> None:
    """A pedestal of a float series has more digits than the header: that is no fault."""
    frames = [pixels((7, 9), dtype, i) for i in range(3)]
    report = convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out", policy=policy, flip=True)
    assert [check.problem for check in verify_series(report)] == [""] * 3


def test_a_reversed_series_is_right_when_fresh(tmp_path: Path) -> None:
    """Its headers have the angles with the other sign."""
    files = write_series(tmp_path / "raw", [noisy(-5, seed=i) for i in range(3)])
    report = convert_series(files, tmp_path / "out", osc_start=20, osc_range=-0.5)
    assert [check.problem for check in verify_series(report.record)] == [""] * 3


def test_blank_images_must_be_blank(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-5, seed=i) for i in range(3)], numbers=(1, 3, 5))
    report = convert_series(files, tmp_path / "out", fill_gaps=True)
    checks = verify_series(report.record)
    assert [(check.number, check.problem, check.input != "") for check in checks] == [
        *((number, "", True) for number in (1, 3, 5)),
        *((number, "", False) for number in (2, 4)),
    ]
    patch(tmp_path / "out" / "f_002.img", 512 + 2 * 20, b"\0\0")
    patch(tmp_path / "out" / "f_004.img", 30, b"?")
    pixel, header = verify_series(report.record)[-2:]
    assert "row 1, column 3: expected 65535, found 0 (1 differ)" in pixel.problem
    assert "f_004.img" in header.problem
    (tmp_path / "out" / "f_004.img").unlink()
    assert "f_004.img" in verify_series(report.record)[-1].problem


def test_one_changed_pixel(report: SeriesReport) -> None:
    """Named with its place and both values; the other frames are right."""
    path = report.outputs[1]
    before = path.read_bytes()[512 + 2 * 20]
    patch(path, 512 + 2 * 20, bytes([before ^ 1]))
    checks = verify_series(report)
    assert [check.ok for check in checks] == [True, False, True]
    assert checks[1].differing == 1
    assert "row 1, column 3" in checks[1].problem
    assert path.name in checks[1].problem


@pytest.mark.parametrize("key", ["LEGINON_OFFSET", "IMAGE_PEDESTAL", "OSC_START", "WAVELENGTH", "SIZE1"])
def test_a_changed_header(key: str, report: SeriesReport) -> None:
    """A single digit of any number that the record knows."""
    data = report.outputs[0].read_bytes()
    at = data.index(f"{key}=".encode()) + len(key) + 1
    while not data[at : at + 1].isdigit():
        at += 1
    patch(report.outputs[0], at, b"7" if data[at : at + 1] != b"7" else b"6")
    checks = verify_series(report)
    assert [check.ok for check in checks] == [False, True, True]
    assert key in checks[0].problem or key == "SIZE1"


@pytest.mark.parametrize("key", ["OSC_RANGE", "DISTANCE", "PIXEL_SIZE", "BEAM_CENTER_X", "DATE"])
def test_a_changed_header_value_beyond_the_scan(key: str, report: SeriesReport) -> None:
    """What dials.import reads decides the model: no key may change unseen."""
    data = report.outputs[0].read_bytes()
    at = data.index(f"{key}=".encode()) + len(key) + 1
    while not data[at : at + 1].isdigit():
        at += 1
    patch(report.outputs[0], at, b"7" if data[at : at + 1] != b"7" else b"6")
    assert [check.ok for check in verify_series(report)] == [False, True, True]


@pytest.mark.parametrize("harm", ["missing", "truncated", "grown", "empty", "other shape", "a folder"])
def test_a_damaged_output(harm: str, report: SeriesReport) -> None:
    path = report.outputs[1]
    data = path.read_bytes()
    path.unlink()
    if harm == "a folder":
        path.mkdir()
    elif harm != "missing":
        path.write_bytes(
            {
                "truncated": data[:-1],
                "grown": data + b"\0",
                "empty": b"",
                "other shape": data.replace(b"SIZE1=17", b"SIZE1=12").replace(b"SIZE2=12", b"SIZE2=17"),
            }[harm]
        )
    checks = verify_series(report)
    assert [check.ok for check in checks] == [True, False, True]
    assert path.name in checks[1].problem
    assert "\n" not in checks[1].problem


@pytest.mark.parametrize("harm", ["missing", "changed", "other shape", "not a number", "complex", "text", "a folder"])
def test_a_damaged_input(harm: str, report: SeriesReport) -> None:
    """Each is a frame that is not right, not a crash: the other frames are still looked at."""
    path = Path(report.frames[1].input)
    frame = noisy(-101, seed=1)
    path.unlink()
    if harm == "a folder":
        path.mkdir()
    elif harm != "missing":
        changed = frame.copy()
        changed[0, 0] += 1
        hole = frame.astype("float32")
        hole[0, 0] = np.nan
        path.write_bytes(
            {
                "changed": tia(changed),
                "other shape": tia(frame[1:]),
                "not a number": tia(hole),
                "complex": b"\x09" + tia(frame)[1:],
                "text": b"hello",
            }[harm]
        )
    checks = verify_series(report)
    assert [check.ok for check in checks] == [True, False, True]
    assert checks[1].problem


def test_a_series_file_that_became_shorter(tmp_path: Path) -> None:
    path = tmp_path / "a.ser"
    path.write_bytes(ser([noisy(-5, seed=i) for i in range(3)]))
    report = convert_series(path, tmp_path / "out")
    path.write_bytes(ser([noisy(-5, seed=i) for i in range(2)]))
    assert [check.ok for check in verify_series(report)] == [True, True, False]


def test_moved_inputs(report: SeriesReport, tmp_path: Path) -> None:
    shutil.move(tmp_path / "raw", tmp_path / "archive")
    assert not any(check.ok for check in verify_series(report))
    assert all(check.ok for check in verify_series(report, raw=tmp_path / "archive"))


def test_relative_inputs_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted with relative names, verified from another folder."""
    write_series(tmp_path / "raw", [noisy(-5)])
    monkeypatch.chdir(tmp_path)
    convert_series("raw", "out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert all(check.ok for check in verify_series(tmp_path / "out" / "f.braggio.json"))


def test_flipped_and_ser_series(tmp_path: Path) -> None:
    (tmp_path / "a.ser").write_bytes(ser([noisy(-5, seed=i) for i in range(3)]))
    report = convert_series(tmp_path / "a.ser", tmp_path / "out", flip=True)
    assert all(check.ok for check in verify_series(report))


def test_progress(report: SeriesReport) -> None:
    calls: list[tuple[int, int]] = []
    verify_series(report, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_records(report: SeriesReport, tmp_path: Path) -> None:
    assert records(tmp_path / "out") == [report.record] == records(report.record)
    with pytest.raises(MetadataError, match="record"):
        records(tmp_path / "raw")
    with pytest.raises((BraggioError, OSError)):
        verify_series(tmp_path / "none.braggio.json")


def test_verifying_changes_nothing(report: SeriesReport, tmp_path: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")}
    verify_series(report)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")} == before
    assert not [name for name in os.listdir(report.folder) if name.startswith(".")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o111)
    with pytest.raises(PermissionError):
        records(tmp_path / "out")
