"""The pixels: every byte as a slow re-statement of Leginon's writer makes it, whatever type, shape, thread or level."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from makers import leginon_pixels, noisy, pixels, ser, tree, write_series

import braggio
from braggio._core import cpu_levels
from braggio.errors import LimitError, OptionError, OutputError
from braggio.microed import convert_series, scan_series

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def expect(report: Any, frames: list[np.ndarray]) -> None:
    """Each SMV file is header and Leginon's pixels; the counts and positions of the losses are those of the frames."""
    for described, frame, path in zip(report.frames, frames, report.outputs, strict=False):
        data = path.read_bytes()
        assert data[512:] == leginon_pixels(frame, report.offset).astype("<u2").tobytes()
        with braggio.open(path) as stack:
            assert stack.frame_shape == frame.shape
            assert (stack.header["LEGINON_OFFSET"], stack.header["IMAGE_PEDESTAL"]) == (
                report.offset,
                pytest.approx(report.pedestal),
            )
        total = np.rint(frame.astype("float64") + report.offset)
        assert (described.clipped_low, described.clipped_high) == ((total < 0).sum(), (total > 65535).sum())
        assert [list(place) for place in described.low_positions] == np.argwhere(total < 0).tolist()
        assert [list(place) for place in described.high_positions] == np.argwhere(total > 65535).tolist()


def test_worked_example_from_files(tmp_path: Path) -> None:
    """Minima -10000, -145, -200: offset 2000, pedestal 1855, and the one pixel below -2000 lost."""
    frames = [noisy(minimum, seed=i) for i, minimum in enumerate((-10000, -145, -200))]
    frames[0][frames[0] < -145] = -100
    frames[0][2, 5] = -10000
    report = convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out")
    assert (report.offset, report.pedestal) == (2000, 1855)
    assert report.clipped_per_frame == [(1, 0), (0, 0), (0, 0)]
    expect(report, frames)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_every_type_as_leginon_would(dtype: str, tmp_path: Path) -> None:
    """Unsigned frames do not wrap (numpy's -uint16(5) is 65531), wide ones clamp, floats round half to even."""
    frames = [pixels((9, 14), dtype, i) for i in range(3)]
    if dtype.startswith("float"):
        frames = [np.round(frame * 8) / 8 for frame in frames]
        frames[0].ravel()[:6] = [0.5, 1.5, 2.5, -0.5, 70000.5, 65535.5]
    report = convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out")
    minima = [frame.min() for frame in frames]
    assert report.offset == -max(int(np.floor(min(minima))), -2000)
    assert report.pedestal == pytest.approx(report.offset + float(max(minima)))
    expect(report, frames)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_positive_minima_are_subtracted(dtype: str, tmp_path: Path) -> None:
    """Minima 5 and 7: Leginon's offset is -5, and the pedestal 2."""
    frames = [np.full((4, 5), value, dtype) for value in (5, 7)]
    report = convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out")
    assert (report.offset, report.pedestal) == (-5, 2)
    expect(report, frames)
    assert any("at least 0" in text for text in report.warnings)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 8), (8, 5), (301, 503)], ids=str)
def test_frames_that_are_not_square_are_kept_whole(shape: tuple[int, int], tmp_path: Path) -> None:
    """Never cropped: SIZE1 is columns and SIZE2 is rows."""
    frames = [noisy(-50 - i, shape, seed=i) for i in range(2)]
    report = convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out")
    expect(report, frames)
    header = braggio.info(report.outputs[0])["header"]
    assert (header["SIZE1"], header["SIZE2"]) == (shape[1], shape[0])
    assert report.shape == shape


def test_policies(tmp_path: Path) -> None:
    frames = [noisy(minimum, seed=i) for i, minimum in enumerate((-2600, -145, -200))]
    files = write_series(tmp_path / "raw", frames)
    expected = {"leginon": (2000, 1855), "median": (2600, 2400), "lossless": (2600, 2455), "zero": (2000, 2000)}
    for policy, numbers in expected.items():
        report = convert_series(files, tmp_path / policy, policy=policy)
        assert (report.offset, report.pedestal, report.policy) == (*numbers, policy)
        expect(report, frames)


def test_given_numbers_replace_the_policy(tmp_path: Path) -> None:
    """A given offset moves the pedestal with it; a given pedestal moves nothing."""
    files = write_series(tmp_path / "raw", frames := [noisy(-100, seed=1), noisy(-50, seed=2)])
    assert convert_series(files, tmp_path / "a", offset=500).pedestal == 450
    report = convert_series(files, tmp_path / "b", offset=10, pedestal=3.5)
    assert (report.offset, report.pedestal) == (10, 3.5)
    expect(report, frames)
    assert sum(low for low, _ in report.clipped_per_frame) > 0
    report = convert_series(files, tmp_path / "c", max_offset=70)
    assert (report.offset, report.pedestal) == (70, 20)
    expect(report, frames)


def test_lossless_refuses_a_fraction_and_a_clip(tmp_path: Path) -> None:
    for i, frame in enumerate((np.array([[0.5, 1.0]], "float32"), np.array([[-5, 65531]], "int32"))):
        with pytest.raises(LimitError):
            convert_series(write_series(tmp_path / f"raw{i}", [frame]), tmp_path / f"out{i}", policy="lossless")


def test_the_same_bytes_for_threads_and_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and record, SMV and MRC, with losses on both sides."""
    frames = [pixels((90, 131), "int32", i) // 2**14 for i in range(7)]
    files = write_series(tmp_path / "raw", frames, numbers=[1, 2, 3, 5, 6, 7, 11])
    trees = []
    for i, (level, threads) in enumerate([(level, threads) for level in cpu_levels() for threads in (1, 2, 3, 4)]):
        monkeypatch.setenv("BRAGGIO_CPU", level)
        convert_series(files, tmp_path / str(i), threads=threads, mrc=True, voltage=200)
        trees.append(tree(tmp_path / str(i)))
    assert all(each == trees[0] for each in trees)
    assert len(trees[0]) == 15


def test_flip_turns_rows_and_is_recorded(tmp_path: Path) -> None:
    frames = [noisy(-50, seed=i) for i in range(2)]
    report = convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out", flip=True)
    assert report.flip
    expect(report, [frame[::-1] for frame in frames])


def test_many_losses_are_counted_all_and_listed_some(tmp_path: Path) -> None:
    frame = np.full((60, 70), -5000, "int32")
    frame[0, 0] = 0
    report = convert_series(write_series(tmp_path / "raw", [frame]), tmp_path / "out")
    assert report.frames[0].clipped_low == 60 * 70 - 1
    assert len(report.frames[0].low_positions) == report.position_limit
    assert report.frames[0].low_positions[0] == (0, 1)
    assert any("clipped" in text for text in report.warnings)


def test_mrc_files_are_exact_and_of_one_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """int16 only when every frame fits; mrcfile is content with each."""
    frames = [noisy(-100, seed=1), noisy(-100, seed=2)]
    for name, peak, mode in (("a", 32767, "int16"), ("b", 32768, "float32")):
        frames[1][0, 0] = peak
        report = convert_series(
            write_series(tmp_path / f"raw_{name}", frames), tmp_path / name, mrc=True, pixel_size=0.028
        )
        assert report.mrc_mode == mode
        for frame, path in zip(frames, report.outputs[2:], strict=True):
            with mrcfile.open(path) as theirs:
                assert theirs.data.dtype == mode
                np.testing.assert_array_equal(theirs.data, frame)
                assert float(theirs.voxel_size.x) == pytest.approx(280000)
            assert mrcfile.validate(str(path)), capsys.readouterr().out
            assert braggio.read(path).dtype == np.int32


def test_mrc_files_of_a_stack_keep_its_pixel_size(tmp_path: Path) -> None:
    braggio.write(tmp_path / "a.mrc", np.ones((2, 3, 4), np.int16), pixel_size=2.5)
    report = convert_series(tmp_path / "a.mrc", tmp_path / "out", mrc=True)
    for path in report.outputs[2:]:
        assert braggio.open(path).pixel_size == (2.5, 2.5, 2.5)  # type: ignore[attr-defined]


def test_mrc_that_would_round_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    frames = [np.array([[0, 2**24 + 1]], "int32")]
    with pytest.raises(LimitError, match="2\\^24"):
        convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out", mrc=True)
    assert not any((tmp_path / "out").glob("**/*"))


def test_a_ser_file_is_a_series(tmp_path: Path) -> None:
    """Frames numbered from 1, dated by the series' own clock."""
    frames = [noisy(-100 - i, seed=i) for i in range(3)]
    (tmp_path / "scan_7.ser").write_bytes(ser(frames, times=[1_000_000_000, 1_000_000_001, 1_000_000_002]))
    report = convert_series(tmp_path / "scan_7.ser", tmp_path / "out", mrc=True, osc_start=5.0, osc_range=0.5)
    assert [path.name for path in report.outputs[:3]] == ["scan_7_001.img", "scan_7_002.img", "scan_7_003.img"]
    assert report.date_source == "series"
    assert braggio.info(report.outputs[1])["header"]["DATE"] == "Sun Sep 09 01:46:41 2001"
    assert [frame.osc_start for frame in report.frames] == [5.0, 5.5, 6.0]
    expect(report, frames)


def test_scan_series_agrees_with_numpy(tmp_path: Path) -> None:
    frames = [noisy(-100 - i, (40, 50), seed=i) for i in range(4)]
    calls: list[tuple[int, int]] = []
    found = scan_series(write_series(tmp_path, frames), threads=3, progress=lambda *call: calls.append(call))
    assert [(s.count, s.min, s.max, s.mean) for s in found] == [(f.size, f.min(), f.max(), f.mean()) for f in frames]
    assert [s.std for s in found] == pytest.approx([f.std() for f in frames])
    assert calls == [(i, 4) for i in range(1, 5)]


def test_real_series(real_data: Path, tmp_path: Path) -> None:
    """A real acquisition: offset 351, pedestal 37, nothing lost; the .ser file gives the pixels of its .bin files."""
    folder = real_data / "microed"
    files = sorted(folder.glob("preview_*.bin"))
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    report = convert_series(files, tmp_path / "bin", threads=2)
    assert (report.offset, report.pedestal) == (351, 37)
    assert set(report.clipped_per_frame) == {(0, 0)}
    expect(report, [braggio.read(path) for path in files])
    series = convert_series(next(folder.glob("*.ser")), tmp_path / "ser")
    assert [path.read_bytes()[512:] for path in series.outputs] == [path.read_bytes()[512:] for path in report.outputs]
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before


def test_blank_images_fill_the_gaps(tmp_path: Path) -> None:
    """Every pixel 65535, headers of the missing frames, the date of the frame before; all else as without."""
    frames = [noisy(-100, seed=i) for i in range(3)]
    files = write_series(tmp_path / "raw", frames, numbers=(2, 5, 6))
    for second, file in enumerate(files):
        os.utime(file, (1_700_000_000 + second, 1_700_000_000 + second))
    plain = convert_series(files, tmp_path / "plain", osc_start=10, osc_range=0.5)
    report = convert_series(files, tmp_path / "filled", osc_start=10, osc_range=0.5, fill_gaps=True, mrc=True)
    assert [(blank.number, blank.output, blank.osc_start) for blank in report.blanks] == [
        (3, "f_003.img", 10.5),
        (4, "f_004.img", 11.0),
    ]
    assert report.gaps == (3, 4)
    assert any("2 blank image(s)" in warning for warning in report.warnings)
    for path in plain.outputs:
        assert (tmp_path / "filled" / path.name).read_bytes() == path.read_bytes()
    for number, start in ((3, 10.5), (4, 11.0)):
        with braggio.open(tmp_path / f"filled/f_{number:03d}.img") as stack:
            assert (stack.read(0) == 65535).all()
            assert stack.header["OSC_START"] == start
            assert stack.header["DATE"] == "Tue Nov 14 22:13:20 2023"
    assert sorted(path.name for path in (tmp_path / "filled").glob("*.mrc")) == ["f_002.mrc", "f_005.mrc", "f_006.mrc"]
    assert set(report.outputs) == set((tmp_path / "filled").glob("f_*.*"))


def test_too_many_blank_images_are_a_mistake_of_the_numbers(tmp_path: Path) -> None:
    """2 frames with numbers 1 and 5000 would fill a disk."""
    files = write_series(tmp_path / "raw", [noisy(-100, seed=i) for i in range(2)], numbers=(1, 5000))
    with pytest.raises(LimitError, match="fill_gaps: .*expected at most 100 missing frames, found 4998"):
        convert_series(files, tmp_path / "out", fill_gaps=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("prefix", "numbers", "expected"),
    [
        ("a b_", (1, 2), ["lyso_001.img", "lyso_002.img"]),
        ("x", (7,), ["lyso_007.img"]),
        ("x", (99, 100), ["lyso_099.img", "lyso_100.img"]),
    ],
)
def test_another_name(tmp_path: Path, prefix: str, numbers: tuple[int, ...], expected: list[str]) -> None:
    """Of images and record, with the digits of the inputs."""
    files = write_series(tmp_path / "raw", [noisy(-100)] * len(numbers), numbers=numbers, prefix=prefix)
    report = convert_series(files, tmp_path / "out", name="lyso")
    assert [path.name for path in report.outputs] == expected
    assert (report.name, report.record.name) == ("lyso", "lyso.braggio.json")
    assert convert_series(files, tmp_path / "out", name="lyso") == report  # done before
    with pytest.raises(OutputError):
        convert_series(files, tmp_path / "out", name="lyso", osc_range=2)


def test_names_end_in_a_number(tmp_path: Path) -> None:
    """dxtbx opens no image whose name ends in no digit."""
    (tmp_path / "dark.ser").write_bytes(ser([noisy(-1)]))
    (tmp_path / "p_7.ser").write_bytes(ser([noisy(-1)]))
    (tmp_path / "film.ser").write_bytes(ser([noisy(-1)] * 2))
    for given, expected in (("dark", "dark_001.img"), ("p_7", "p_7.img"), ("film", "film_001.img")):
        report = convert_series(tmp_path / f"{given}.ser", tmp_path / "out")
        assert report.outputs[0].name == expected
    assert convert_series(tmp_path / "p_7.ser", tmp_path / "out2", name="q").outputs[0].name == "q_001.img"
    assert convert_series(tmp_path / "dark.ser", tmp_path / "out2", name="q2").outputs[0].name == "q2.img"


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "a\0b", "a\nb"])
def test_names_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    files = write_series(tmp_path / "raw", [noisy(-1)])
    with pytest.raises(OptionError, match="name: expected a file name"):
        convert_series(files, tmp_path / "out", name=name)
