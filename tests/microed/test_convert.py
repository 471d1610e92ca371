"""A conversion as a whole: names, headers, dates, records, reruns, overwriting, progress."""

from __future__ import annotations

import datetime
import gzip
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import LEGINON_KEYS, entries, noisy, ser, tia, tree, write_series

import braggio
from braggio.errors import BraggioError, DataWarning, MetadataError, OutputError
from braggio.microed import convert_series, verify_series
from braggio.microed.report import read_record

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
GIVEN: dict[str, Any] = {
    "voltage": 200,
    "distance": 1500.0,
    "pixel_size": 0.028,
    "osc_start": -30.0,
    "osc_range": 0.5,
    "beam_center": (8, 6),
}


@pytest.fixture
def raw(tmp_path: Path) -> list[Path]:
    """Four frames with numbers 1, 2, 5 and 10."""
    return write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)], numbers=[1, 2, 5, 10])


def header(path: Path) -> dict[str, Any]:
    return dict(braggio.info(path)["header"])


def test_outputs_are_named_after_the_inputs(tmp_path: Path) -> None:
    """Numbers padded to one length, which XDS needs; only these files and the record appear."""
    files = []
    (tmp_path / "raw").mkdir()
    for number in (1, 9, 10, 100):
        files += write_series(tmp_path / "raw", [noisy(-10)], numbers=[number], prefix="x_")
        files[-1] = files[-1].rename(files[-1].with_name(f"x_{number}.bin"))
    report = convert_series(files, tmp_path / "out", mrc=True)
    stems = ["x_001", "x_009", "x_010", "x_100"]
    assert entries(tmp_path / "out") == sorted(
        [f"{stem}{end}" for stem in stems for end in (".img", ".mrc")] + ["x.braggio.json"]
    )
    assert [frame.number for frame in report.frames] == [1, 9, 10, 100]
    assert report.record.name == "x.braggio.json"


def test_angles_follow_frame_numbers_over_a_gap(raw: list[Path], tmp_path: Path) -> None:
    """Frames 3, 4, 6..9 are missing: reported, warned of, and the others keep their angles."""
    with pytest.warns(DataWarning, match=r"f: 6 frame number\(s\) missing: 3, 4, 6, 7, 8, 9"):
        report = convert_series(raw, tmp_path / "out", **GIVEN)
    assert report.gaps == (3, 4, 6, 7, 8, 9)
    assert [frame.osc_start for frame in report.frames] == [-30.0, -29.5, -28.0, -25.5]
    for frame, path in zip(report.frames, report.outputs, strict=True):
        found = header(path)
        assert found["OSC_START"] == found["PHI"] == frame.osc_start
        assert found["OSC_RANGE"] == 0.5


def test_header_of_a_described_series(raw: list[Path], tmp_path: Path) -> None:
    """Leginon's keys only, the given values in the readers' conventions, 512 bytes."""
    report = convert_series(
        raw, tmp_path / "out", exposure_time=1.5, gain=28.0, binning=(2, 2), beamline="CETAD_TUI", **GIVEN
    )
    found = header(report.outputs[0])
    assert set(found) <= LEGINON_KEYS
    assert found["HEADER_BYTES"] == 512
    assert {
        key: found[key]
        for key in (
            "DISTANCE",
            "PIXEL_SIZE",
            "BEAM_CENTER_X",
            "BEAM_CENTER_Y",
            "TIME",
            "ACC_TIME",
            "GAIN",
            "BIN",
            "BEAMLINE",
        )
    } == {
        "DISTANCE": 1500.0,
        "PIXEL_SIZE": 0.028,
        "BEAM_CENTER_X": pytest.approx(6 * 0.028),
        "BEAM_CENTER_Y": pytest.approx(8 * 0.028),
        "TIME": 1.5,
        "ACC_TIME": 1500,
        "GAIN": 28.0,
        "BIN": "2x2",
        "BEAMLINE": "CETAD_TUI",
    }
    assert found["WAVELENGTH"] == pytest.approx(0.02507934, abs=1e-8)
    assert report.defaulted == ()


def test_what_was_filled_in_is_said(raw: list[Path], tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="nobody gave.*WAVELENGTH.*BEAM_CENTER_X"):
        report = convert_series(raw, tmp_path / "out")
    assert "DISTANCE" in report.defaulted
    assert len(report.warnings) == 2


def test_an_offset_that_takes_the_range_is_said(raw: list[Path], tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match=r"offset 103 takes 26% of the range up to 400"):
        convert_series(raw, tmp_path / "out", saturation=400)


def test_dates_are_never_now(raw: list[Path], tmp_path: Path) -> None:
    """The time of each input's last change, unless given: the same bytes tomorrow."""
    for i, path in enumerate(raw):
        os.utime(path, (1_100_000_000 + i, 1_100_000_000.75 + i))
    report = convert_series(raw, tmp_path / "a")
    assert report.date_source == "mtime"
    assert [header(path)["DATE"] for path in report.outputs[:2]] == [
        "Tue Nov 09 11:33:20 2004",
        "Tue Nov 09 11:33:21 2004",
    ]
    zone = datetime.timezone(datetime.timedelta(hours=-5))
    report = convert_series(raw, tmp_path / "b", date=datetime.datetime(2019, 3, 1, 20, 0, tzinfo=zone))
    assert report.date_source == "given"
    assert {header(path)["DATE"] for path in report.outputs} == {"Sat Mar 02 01:00:00 2019"}


def test_the_output_is_a_function_of_the_input(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another time, zone and folder: the same bytes, the record included."""
    convert_series(raw, tmp_path / "a", mrc=True, **GIVEN)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        convert_series(raw, tmp_path / "b", mrc=True, **GIVEN)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_record_reads_back_as_the_report(raw: list[Path], tmp_path: Path) -> None:
    report = convert_series(raw, tmp_path / "out", mrc=True, **GIVEN)
    assert read_record(report.record) == report
    assert report.outputs == [tmp_path / "out" / path.name for path in report.outputs]
    assert all(path.is_file() for path in report.outputs)


def test_inputs_are_never_touched(raw: list[Path], tmp_path: Path) -> None:
    """Bytes, times and the folder; also when the outputs go beside them."""
    before = [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in raw]
    convert_series(raw, raw[0].parent, mrc=True)
    convert_series(raw, raw[0].parent, mrc=True, overwrite=True, offset=7)
    assert [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in raw] == before


@pytest.mark.parametrize(("suffix", "mrc"), [(".img", False), (".mrc", True)])
@pytest.mark.parametrize("via_link", [False, True])
def test_an_output_that_would_replace_an_input_is_refused(
    suffix: str, mrc: bool, via_link: bool, tmp_path: Path
) -> None:
    """SMV and MRC files are inputs too: converting them in place would destroy them, whatever `overwrite` says."""
    folder = tmp_path / "raw"
    folder.mkdir()
    files = [folder / f"a_{i}{suffix}" for i in (1, 2)]
    for i, path in enumerate(files):
        braggio.write(path, np.full((3, 4), 10 + i, "uint16"))
    before = tree(folder)
    out = folder
    if via_link:
        out = tmp_path / "link"
        out.symlink_to(folder)
    with pytest.raises(braggio.BraggioError):
        convert_series(files, out, mrc=mrc, overwrite=True)
    assert tree(folder) == before


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}


def test_a_finished_series_is_not_done_again(raw: list[Path], tmp_path: Path) -> None:
    """The same call again returns the same report and touches nothing, with or without `overwrite`."""
    first = convert_series(raw, tmp_path / "out", mrc=True, **GIVEN)
    before = stamps(tmp_path / "out")
    for options in ({}, {"overwrite": True}, {"threads": 3}):
        assert convert_series(raw, tmp_path / "out", mrc=True, **options, **GIVEN) == first
    assert stamps(tmp_path / "out") == before


@pytest.mark.parametrize("change", ["parameter", "input", "frame added"])
def test_another_task_in_the_same_place(change: str, raw: list[Path], tmp_path: Path) -> None:
    """Refused without `overwrite`, and the earlier outputs stay; with it they are replaced, the record too."""
    out = tmp_path / "out"
    convert_series(raw, out, **GIVEN)
    before = tree(out)
    options = dict(GIVEN)
    if change == "parameter":
        options["osc_range"] = 0.25
    elif change == "input":
        write_series(raw[0].parent, [noisy(-500, seed=8)], numbers=[1])
        os.utime(raw[0], (1_500_000_000, 1_500_000_000))  # the clock of a file system ticks every few milliseconds
    else:
        raw = raw + write_series(raw[0].parent, [noisy(-500, seed=8)], numbers=[11])
    with pytest.raises(OutputError, match="overwrite"):
        convert_series(raw, out, **options)
    assert tree(out) == before
    report = convert_series(raw, out, overwrite=True, **options)
    assert tree(out).keys() == {path.name for path in report.outputs} | {report.record.name}
    assert all(check.ok for check in verify_series(report))
    assert tree(out) != before


def test_files_of_others_are_not_ours_to_replace(raw: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "f_005.img").write_bytes(b"precious")
    (out / "notes.txt").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"f_005.img.*overwrite"):
        convert_series(raw, out)
    assert tree(out) == {"f_005.img": b"precious", "notes.txt": b"mine"}
    convert_series(raw, out, overwrite=True)
    assert (out / "notes.txt").read_bytes() == b"mine"


def test_an_output_that_was_lost_is_made_again(raw: list[Path], tmp_path: Path) -> None:
    """The record alone does not make a series whole; nor does a file that was cut."""
    report = convert_series(raw, tmp_path / "out", mrc=True)
    good = tree(tmp_path / "out")
    report.outputs[1].unlink()
    os.truncate(report.outputs[2], 100)
    os.truncate(report.outputs[6], 1100)
    convert_series(raw, tmp_path / "out", mrc=True, overwrite=True)
    assert tree(tmp_path / "out") == good


def test_progress_covers_both_passes(raw: list[Path], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    convert_series(raw, tmp_path / "out", progress=lambda *call: calls.append(call), threads=2)
    assert calls == [(i, 8) for i in range(1, 9)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("error", [ValueError, RuntimeError, BrokenPipeError])
def test_an_error_of_the_progress_call_leaves_nothing(error: type[Exception], threads: int, tmp_path: Path) -> None:
    """A closed terminal in the middle of the second pass: no worker goes on, no staging folder stays."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, (200, 200), seed=i) for i in range(12)])

    def progress(done: int, total: int) -> None:
        if done == 14:
            raise error("stop")

    with pytest.raises(error, match="stop"):
        convert_series(files, tmp_path / "out", threads=threads, progress=progress)
    time.sleep(0.05)
    assert (
        entries(tmp_path) == sorted(["raw", *[f"raw/{path.name}" for path in files]]) or entries(tmp_path / "out") == []
    )


def test_memory_stays_small(tmp_path: Path) -> None:
    """Frames of 16 MB go through blocks of 256 KiB."""
    import tracemalloc

    frame = noisy(-100, (2000, 2000))
    files = write_series(tmp_path / "raw", [frame, frame])
    convert_series(files, tmp_path / "warm")
    tracemalloc.start()
    try:
        convert_series(files, tmp_path / "out", mrc=True)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_an_output_of_another_series_is_not_replaced(tmp_path: Path) -> None:
    """TIA leaves ``x_1.ser`` beside an exported ``x_1.bin``; overwriting is for earlier runs of the same series."""
    files = write_series(tmp_path / "raw", [noisy(-100), noisy(-50)], prefix="x_")
    report = convert_series(files, tmp_path / "out")
    name = report.frames[0].output
    (tmp_path / "raw" / name).with_suffix(".ser").write_bytes(ser([noisy(-20)]))
    with pytest.raises(OutputError, match=f"{name}: is of the series in"):
        convert_series((tmp_path / "raw" / name).with_suffix(".ser"), tmp_path / "out", overwrite=True)
    assert all(check.ok for check in verify_series(report))
    convert_series(files, tmp_path / "out", overwrite=True, voltage=200)


def test_series_that_share_a_folder(tmp_path: Path) -> None:
    """Two series side by side, converted into one folder, each with its record; names a_ and a- included."""
    for prefix in ("a_1_", "a_10_", "b-", "b_"):
        files = write_series(tmp_path / "raw", [noisy(-10), noisy(-20)], prefix=prefix)
        convert_series(files, tmp_path / "out")
    records = sorted((tmp_path / "out").glob("*.braggio.json"))
    assert len(records) == 4
    for record in records:
        assert all(check.ok for check in verify_series(record))


def test_a_folder_with_some_frames_compressed(tmp_path: Path) -> None:
    frames = [noisy(-100 - i, seed=i) for i in range(12)]
    files = write_series(tmp_path / "raw", frames)
    plain = convert_series(tmp_path / "raw", tmp_path / "plain")
    for i in (2, 7):
        files[i].with_name(files[i].name + ".gz").write_bytes(gzip.compress(files[i].read_bytes()))
        files[i].unlink()
    mixed = convert_series(tmp_path / "raw", tmp_path / "mixed", threads=3)
    assert [path.name for path in mixed.outputs] == [path.name for path in plain.outputs]
    for one, other in zip(plain.outputs, mixed.outputs, strict=True):
        assert one.read_bytes()[512:] == other.read_bytes()[512:]


def test_the_files_of_a_longer_series_go_when_a_shorter_one_replaces_it(tmp_path: Path) -> None:
    """DIALS would take those that stay, with another offset, for frames of the new one."""
    files = write_series(tmp_path / "raw", [noisy(-100 * i, seed=i) for i in range(1, 5)])
    out = tmp_path / "out"
    convert_series(files, out, mrc=True)
    (out / "f_009.img").write_bytes(b"somebody else's")
    with pytest.warns(DataWarning, match="6 file.s. of the series that this one replaces removed: f_003.img"):
        convert_series(files[:2], out, overwrite=True)
    assert entries(out) == ["f.braggio.json", "f_001.img", "f_002.img", "f_009.img"]
    (out / "f_009.img").unlink()
    convert_series(files[:2], tmp_path / "clean")
    assert tree(out) == tree(tmp_path / "clean")


def test_a_replaced_file_that_is_an_input_stays(tmp_path: Path) -> None:
    raw = write_series(tmp_path, [noisy(-100, seed=i) for i in range(3)])
    convert_series(raw, tmp_path)
    (tmp_path / "f_003.img").unlink()
    os.link(raw[2], tmp_path / "f_003.img")
    content = raw[2].read_bytes()
    convert_series([raw[0], raw[2]], tmp_path / "other")
    with pytest.warns(DataWarning, match="f_002.img"):
        convert_series([raw[0], raw[2].rename(tmp_path / "f_004.bin")], tmp_path, overwrite=True)
    assert (tmp_path / "f_003.img").read_bytes() == content
    assert not (tmp_path / "f_002.img").exists()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("at", [3, 12])
def test_an_input_that_is_written_again_between_the_passes(at: int, threads: int, tmp_path: Path) -> None:
    """Its minimum was another, and NaN was looked for in the first pass only."""
    files = write_series(tmp_path / "raw", [noisy(-100, seed=i, dtype=np.float32) for i in range(12)])
    out = tmp_path / "out"

    def progress(done: int, total: int) -> None:
        if done == at:
            files[10].write_bytes(tia(np.full((12, 17), np.nan, np.float32)))

    with pytest.raises(BraggioError, match="f_011.bin"):
        convert_series(files, out, threads=threads, progress=progress)
    assert not out.exists()


@pytest.mark.parametrize("header_bytes", [0, 511, 513, (1 << 24) + 512, 10**12])
def test_headers_that_no_reader_would_take(header_bytes: int, tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100)])
    with pytest.raises(MetadataError, match="HEADER_BYTES"):
        convert_series(files, tmp_path / "out", header_bytes=header_bytes)
    assert not (tmp_path / "out").exists()
