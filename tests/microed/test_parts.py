"""A series in parts is the series: the same files and record, whatever the parts, and no part takes another's work."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import entries, noisy, ser, tia, tree, write_series

from braggio.batch.parts import Part
from braggio.errors import BraggioError, FormatError, LimitError, MetadataError, OutputError
from braggio.microed import SmvOptions, convert_series
from braggio.microed.conversion import Conversion
from braggio.microed.parts import frame_count, join_parts, scan_part, write_part

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")

PLAIN = SmvOptions()


def in_parts(
    files: Any, out: Path, count: int, order: Sequence[int] | None = None, overwrite: bool = False, **options: Any
) -> None:
    """All steps, the parts in any order."""
    numbers, how = order or range(1, count + 1), {"overwrite": overwrite}
    for step in (scan_part, write_part):
        for number in numbers:
            made = step(files, out, Part(number, count), SmvOptions(**options), **how)
            assert made
            assert all(path.is_file() for path in made)
    join_parts(files, out, count, SmvOptions(**options), **how)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_parts_make_the_same_tree(data: st.DataObject) -> None:
    """Gaps, filled or not, clipped pixels and rounded floats too; parts may be empty."""
    frames = data.draw(st.integers(1, 9), "frames")
    numbers = sorted(data.draw(st.sets(st.integers(1, 30), min_size=frames, max_size=frames), "numbers"))
    count = data.draw(st.integers(1, 11), "parts")
    order = data.draw(st.permutations(range(1, count + 1)), "order")
    dtype = data.draw(st.sampled_from(["int32", "float32"]), "dtype")
    mrc, fill = data.draw(st.booleans(), "mrc"), data.draw(st.booleans(), "fill")
    name = data.draw(st.sampled_from([None, "b"]), "name")
    rng = np.random.default_rng(frames)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number in numbers:
            pixels = rng.normal(0, 40000, (5, 7)).astype(dtype)
            files.append(Path(folder, f"a_{number}.bin"))
            files[-1].write_bytes(tia(pixels))
        whole, parts = Path(folder, "whole"), Path(folder, "parts")
        options = {"voltage": 200, "mrc": mrc, "osc_range": 0.5, "osc_start": -3.0, "fill_gaps": fill, "name": name}
        convert_series(files, whole, **options)
        in_parts(files, parts, count, order, **options)
        assert tree(parts) == tree(whole)
        assert entries(parts) == entries(whole)


def test_frames_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.ser").write_bytes(ser([noisy(-100 - i, seed=i) for i in range(7)]))
    assert frame_count(tmp_path / "a.ser") == 7
    convert_series(tmp_path / "a.ser", tmp_path / "whole")
    in_parts(tmp_path / "a.ser", tmp_path / "parts", 3)
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")


def test_a_part_that_fails_leaves_the_work_of_others(tmp_path: Path) -> None:
    """And goes on once its frame is good; what was scanned before is not scanned again."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(6)])
    convert_series(files, tmp_path / "whole")
    times = [(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns) for path in files]
    content = files[4].read_bytes()
    files[4].write_bytes(content[:-1])
    os.utime(files[4], ns=times[4])
    out = tmp_path / "out"
    (scanned,) = scan_part(files, out, Part(1, 2), PLAIN)
    with pytest.raises(BraggioError, match=files[4].name):
        scan_part(files, out, Part(2, 2), PLAIN)
    assert not [name for name in entries(out) if not name.startswith(".")]
    files[4].write_bytes(content)
    os.utime(files[4], ns=times[4])
    again = scan_part(files, out, Part(2, 2), PLAIN)
    assert again[0].parent != scanned.parent or scanned.is_file()  # the size is part of what names the conversion
    in_parts(files, out, 2)
    assert tree(out) == tree(tmp_path / "whole")


def test_steps_that_come_too_soon(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    out = tmp_path / "out"
    scan_part(files, out, Part(1, 2), PLAIN)
    with pytest.raises(MetadataError, match="scan-2-of-2"):
        write_part(files, out, Part(1, 2), PLAIN)
    scan_part(files, out, Part(2, 2), PLAIN)
    made = write_part(files, out, Part(1, 2), PLAIN)
    with pytest.raises(MetadataError, match="write-2-of-2"):
        join_parts(files, out, 2, PLAIN)
    write_part(files, out, Part(2, 2), PLAIN)
    made[0].unlink()
    with pytest.raises(MetadataError, match="no whole file"):
        join_parts(files, out, 2, PLAIN)
    write_part(files, out, Part(1, 2), PLAIN)
    assert len(join_parts(files, out, 2, PLAIN).frames) == 4


@pytest.mark.parametrize("content", [b"", b"[{}]", b"{}", b"[5]", b'[{"count": 1}]', b"\xff", b"[" * 100_000])
def test_a_damaged_note_is_an_error(content: bytes, tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    for number in (1, 2):
        (note,) = scan_part(files, tmp_path / "out", Part(number, 2), PLAIN)
    note.write_bytes(content)
    with pytest.raises((FormatError, MetadataError)):
        write_part(files, tmp_path / "out", Part(1, 2), PLAIN)


def test_a_note_of_too_few_frames_is_an_error(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    for number in (1, 2):
        (note,) = scan_part(files, tmp_path / "out", Part(number, 2), PLAIN)
    note.write_text(json.dumps(json.loads(note.read_bytes())[:1]))
    with pytest.raises(FormatError):
        write_part(files, tmp_path / "out", Part(1, 2), PLAIN)


def test_outputs_of_others_are_refused_by_every_step(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    out = tmp_path / "out"
    out.mkdir()
    victim = out / files[1].with_suffix(".img").name
    victim.write_bytes(b"precious")
    for step in (scan_part, write_part):
        with pytest.raises(OutputError, match="exists"):
            step(files, out, Part(1, 2), PLAIN)
    with pytest.raises(OutputError, match="exists"):
        join_parts(files, out, 2, PLAIN)
    assert tree(out) == {victim.name: b"precious"}
    in_parts(files, out, 2, overwrite=True)
    assert victim.read_bytes() != b"precious"


def test_a_policy_that_refuses_the_series_refuses_its_parts(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [np.array([[0, 70000 * (i == 3)]], np.int32) for i in range(4)])
    for number in (1, 2):
        scan_part(files, tmp_path / "out", Part(number, 2), SmvOptions(policy="lossless"))
    with pytest.raises(LimitError):
        write_part(files, tmp_path / "out", Part(1, 2), SmvOptions(policy="lossless"))


def test_parts_share_the_folder_and_a_whole_run_does_not(tmp_path: Path) -> None:
    """The lock is shared among parts; a whole run of the same series is refused meanwhile, and takes nothing."""

    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    out = tmp_path / "out"
    with Conversion.of(files, out, PLAIN).begin(overwrite=False, shared=True) as staging:
        scan_part(files, out, Part(1, 2), PLAIN)
        with pytest.raises(OutputError, match="under way"):
            convert_series(files, out)
        assert staging.path("scan-1-of-2.json").is_file()
    scan_part(files, out, Part(2, 2), PLAIN)
    threads = [
        threading.Thread(target=write_part, args=(files, out, Part(number, 2), PLAIN)) for number in (1, 2, 1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    join_parts(files, out, 2, PLAIN)
    convert_series(files, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


def test_a_series_that_is_there_already(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    convert_series(files, tmp_path)
    before = tree(tmp_path)
    assert scan_part(files, tmp_path, Part(1, 2), PLAIN) == write_part(files, tmp_path, Part(1, 2), PLAIN) == []
    assert len(join_parts(files, tmp_path, 2, PLAIN).frames) == 4
    assert tree(tmp_path) == before


@pytest.mark.parametrize(("number", "count"), [(0, 2), (3, 2), (1, 0)])
def test_parts_that_cannot_be(number: int, count: int) -> None:
    with pytest.raises(MetadataError):
        Part(number, count)
