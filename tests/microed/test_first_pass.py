"""Writing while scanning changes how often a file is read, and nothing else."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import leginon_pixels, noisy, ser, tree, write_series

from braggio.errors import FormatError, LimitError
from braggio.microed import convert_series, write
from braggio.microed.conversion import Conversion

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")

REACHED_AT = 10  # the frame of `series` whose minimum reaches the cut


def series(folder: Path, dtype: Any = np.int32) -> list[Path]:
    frames = [noisy(-9000 if i + 1 == REACHED_AT else -100 - i, dtype=dtype, seed=i) for i in range(30)]
    return write_series(folder, frames)


@pytest.fixture
def two_passes(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if no offset were certain before the end."""
    monkeypatch.setattr(Conversion, "certain_offset", lambda self, minimum=0.0: None)
    return monkeypatch


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"policy": "zero"},
        {"mrc": True},
        {"offset": 150},
        {"offset": 150, "pedestal": 7.5, "policy": "median"},
        {"offset": 9001, "policy": "lossless"},
        {"max_offset": 120},
        {"flip": True, "header_bytes": 1024, "voltage": 200},
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "int16", "float32"])
def test_the_same_files_as_two_readings(
    dtype: str, options: dict[str, Any], threads: int, tmp_path: Path, two_passes: pytest.MonkeyPatch
) -> None:
    files = series(tmp_path / "raw", dtype)
    expected = convert_series(files, tmp_path / "out", **options)
    before = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    two_passes.undo()
    assert convert_series(files, tmp_path / "out", threads=threads, **options) == expected
    assert tree(tmp_path / "out") == before


def written_ahead(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> set[int]:
    """Numbers of the frames that a conversion writes in its first pass."""
    passes: list[write.FirstPass] = []
    begin = write.FirstPass.__init__
    monkeypatch.setattr(write.FirstPass, "__init__", lambda self, *given: (passes.append(self), begin(self, *given))[1])
    convert_series(*arguments, **options)
    monkeypatch.undo()
    return {ref.number for each in passes for ref in each.written}


def test_frames_are_read_once_when_the_cut_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = series(tmp_path / "raw")
    assert written_ahead(monkeypatch, files, tmp_path / "out") == set(range(17, 31))  # the second group has reached it
    assert written_ahead(monkeypatch, files, tmp_path / "given", offset=9) == set(range(1, 31))
    for policy in ("median", "lossless"):
        assert written_ahead(monkeypatch, files, tmp_path / policy, policy=policy) == set()
    pixels = [np.fromfile(tmp_path / "out" / f"f_{i:03d}.img", "<u2", offset=512) for i in range(1, 31)]
    raw = [np.fromfile(path, "<i4", offset=10) for path in files]
    for found, frame in zip(pixels, raw, strict=True):
        np.testing.assert_array_equal(found, leginon_pixels(frame, 2000))


def test_compressed_frames_and_stacks(tmp_path: Path, two_passes: pytest.MonkeyPatch) -> None:
    files = []
    for path in series(tmp_path / "raw"):
        files.append(path.with_name(f"{path.name}.gz"))
        files[-1].write_bytes(gzip.compress(path.read_bytes(), 1))
    stack = tmp_path / "s.ser"
    stack.write_bytes(ser([noisy(-100 - i, seed=i) for i in range(5)]))
    expected = [convert_series(each, tmp_path / "out", offset=120) for each in (files, stack)]
    before = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    two_passes.undo()
    assert [convert_series(each, tmp_path / "out", offset=120) for each in (files, stack)] == expected
    assert tree(tmp_path / "out") == before


def test_an_error_after_frames_were_written_leaves_nothing(tmp_path: Path) -> None:
    files = series(tmp_path / "raw", np.float32)
    frame = noisy(-100, dtype=np.float32)
    frame[3, 4] = np.nan
    write_series(tmp_path / "raw", [frame], numbers=[30])
    with pytest.raises(FormatError, match=r"f_030\.bin: frame 30: .*row 3, column 4"):
        convert_series(files, tmp_path / "out", offset=150)
    assert not (tmp_path / "out").exists()


def test_lossless_refuses_what_a_given_offset_clips(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match=r"f_010\.bin: frame 10"):
        convert_series(series(tmp_path / "raw"), tmp_path / "out", offset=150, policy="lossless")
    assert not (tmp_path / "out").exists()


def test_progress_counts_every_frame_twice(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    convert_series(series(tmp_path / "raw"), tmp_path / "out", progress=lambda *each: told.append(each))
    assert told == [(done, 60) for done in range(1, 61)]
