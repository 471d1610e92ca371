"""Runs that end before they are done, or meet each other: the next run makes the same tree as an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from makers import entries, noisy, tree, write_series

from braggio.batch import staging
from braggio.batch.workers import TOGETHER
from braggio.errors import BraggioError, MetadataError, OutputError, TruncatedError
from braggio.microed import convert_series, verify_series

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")

RUN = """
import sys, warnings
import braggio
braggio.microed.convert_series, braggio.formats.formats()
warnings.simplefilter("ignore")
print("ready", flush=True)
sys.stdin.readline()
offset = int(sys.argv[3]) if len(sys.argv) > 3 else None
options = {"mrc": True, "threads": 2, "offset": offset, "overwrite": offset is not None}
braggio.microed.convert_series(sys.argv[1], sys.argv[2], **options)
"""


def started(*arguments: object) -> subprocess.Popen[str]:
    """A process that converts as soon as it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Ten times killed without warning: what is there is absent or whole, and the same call finishes the work."""
    frames = [noisy(-100 - i, (256, 300), seed=i) for i in range(40)]
    write_series(tmp_path / "raw", frames)
    start = time.perf_counter()
    clean = convert_series(tmp_path / "raw", tmp_path / "clean", mrc=True, threads=2)
    length = time.perf_counter() - start
    expected = tree(tmp_path / "clean")
    rng = random.Random(1)
    seen = set()
    for i in range(10):
        out = tmp_path / f"out{i}"
        process = started(tmp_path / "raw", out)
        go(process)
        time.sleep(rng.uniform(0, 1.3 * length))
        process.kill()
        process.communicate()
        visible = {name: data for name, data in tree(out).items() if not name.startswith(".")} if out.exists() else {}
        assert visible.items() <= expected.items()
        assert clean.record.name not in visible or visible == expected
        seen.add(len(visible) == len(expected))
        convert_series(tmp_path / "raw", out, mrc=True, threads=2)
        assert tree(out) == expected


@pytest.mark.parametrize("at", range(10))
def test_cut_off_at_each_rename(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing an earlier series: old or new files, a record only where it is true; the same call finishes."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    convert_series(files, tmp_path / "clean", mrc=True, offset=500)
    out = tmp_path / "out"
    convert_series(files, out, mrc=True)
    old, new = tree(out), tree(tmp_path / "clean")
    calls = 0
    real = os.replace

    def replace(source: str, target: str) -> None:
        nonlocal calls
        if calls == at:
            raise KeyboardInterrupt
        calls += 1
        real(source, target)

    monkeypatch.setattr(staging.os, "replace", replace)
    try:
        convert_series(files, out, mrc=True, offset=500, overwrite=True)
    except KeyboardInterrupt:
        for name, data in tree(out).items():
            assert name.startswith(".") or data in (old.get(name), new.get(name))
        if "f.braggio.json" in tree(out):
            visible = {name: data for name, data in tree(out).items() if not name.startswith(".")}
            assert visible in (old, new)
    monkeypatch.undo()
    convert_series(files, out, mrc=True, offset=500, overwrite=True)
    assert tree(out) == new


def test_the_earlier_call_does_not_take_a_mixture_for_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half replaced by another task, then called with the old parameters: refused or done again, not 'already done'."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    out = tmp_path / "out"
    convert_series(files, out)
    old = tree(out)
    real = os.replace

    def replace(source: str, target: str) -> None:
        if str(target).endswith("f_003.img"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(staging.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        convert_series(files, out, offset=500, overwrite=True)
    monkeypatch.undo()
    try:
        report = convert_series(files, out)
    except BraggioError:
        return
    assert all(check.ok for check in verify_series(report))
    assert {name: tree(out)[name] for name in old} == old


def test_interrupted_by_the_user_and_continued(tmp_path: Path) -> None:
    """Ctrl-C in the second pass keeps what is finished; the next run does not write it again."""
    count = 3 * TOGETHER  # frames that are written in one go are finished together
    files = write_series(tmp_path / "raw", [noisy(-100 - i, (100, 100), seed=i) for i in range(count)])
    out = tmp_path / "out"

    def progress(done: int, total: int) -> None:
        if done == count + TOGETHER + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_series(files, out, progress=progress)
    assert [name for name in entries(out) if not name.startswith(".")] == []
    kept = {path.name: path.stat().st_mtime_ns for path in out.rglob("*.img")}
    assert len(kept) == 2 * TOGETHER
    report = convert_series(files, out)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert entries(out) == sorted([*(path.name for path in report.outputs), report.record.name])
    convert_series(files, tmp_path / "clean")
    assert tree(out) == tree(tmp_path / "clean")


def test_a_part_of_another_task_is_not_taken_over(tmp_path: Path) -> None:
    """Interrupted, then an input changes: the frames are made anew, and no litter of the first run stays."""
    files = write_series(tmp_path / "raw", [noisy(-100, (50, 50), seed=i) for i in range(4)])
    out = tmp_path / "out"

    def progress(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_series(files, out, progress=progress)
    write_series(tmp_path / "raw", [noisy(-700, (50, 50), seed=7)], numbers=[4])
    os.utime(files[3], (1_500_000_000, 1_500_000_000))
    report = convert_series(files, out)
    assert report.offset == 700
    assert all(check.ok for check in verify_series(report))
    assert entries(out) == sorted([*(path.name for path in report.outputs), report.record.name])


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call returned or raised, all begun at one moment."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        gate.wait()
        try:
            return call()
        except BraggioError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_two_runs_of_one_task_at_a_time(tmp_path: Path) -> None:
    """At least one succeeds, the other succeeds or says why, and every time the tree is that of an undisturbed run."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, (60, 70), seed=i) for i in range(8)])
    convert_series(files, tmp_path / "clean", mrc=True)
    expected = tree(tmp_path / "clean")
    for i in range(25):
        out = tmp_path / f"out{i}"
        found = at_once(*[lambda out=out: convert_series(files, out, mrc=True)] * 2)
        assert any(not isinstance(each, BraggioError) for each in found), found
        assert tree(out) == expected, found


def test_a_run_that_meets_the_end_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other run of the task publishes everything just before this one gets its lock: no litter stays."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    convert_series(files, tmp_path / "clean", mrc=True)
    out = tmp_path / "out"
    locked, remove = staging._locked, staging.remove_unlocked

    def late(folder: Path, *, wait: bool, shared: bool = False) -> int:
        monkeypatch.setattr(staging, "_locked", locked)
        monkeypatch.setattr(staging, "remove_unlocked", lambda folder: None)  # the other has not come so far yet
        convert_series(files, out, mrc=True)
        monkeypatch.setattr(staging, "remove_unlocked", remove)
        return locked(folder, wait=wait, shared=shared)

    monkeypatch.setattr(staging, "_locked", late)
    convert_series(files, out, mrc=True)
    assert tree(out) == tree(tmp_path / "clean")


def test_killed_after_the_last_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record is there, the staging folder too: the next call finds nothing to convert and leaves no litter."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(4)])
    convert_series(files, tmp_path / "clean")
    monkeypatch.setattr(staging, "remove_unlocked", lambda folder: None)
    convert_series(files, tmp_path / "out")
    monkeypatch.undo()
    assert tree(tmp_path / "out") != tree(tmp_path / "clean")
    convert_series(files, tmp_path / "out")
    assert entries(tmp_path / "out") == entries(tmp_path / "clean")


@pytest.mark.parametrize("overwrite", [True, False])
def test_two_tasks_on_one_target_do_not_mix(overwrite: bool, tmp_path: Path) -> None:
    """The record is there and every file is of its task; without `overwrite` only one of them succeeds."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, (60, 70), seed=i) for i in range(8)])
    for i in range(25):
        out = tmp_path / f"out{i}"
        options = {"overwrite": overwrite, "mrc": True}
        found = at_once(
            lambda: convert_series(files, out, offset=300, **options),  # noqa: B023
            lambda: convert_series(files, out, offset=400, **options),  # noqa: B023
        )
        succeeded = [each for each in found if not isinstance(each, BraggioError)]
        assert succeeded, found
        assert overwrite or len(succeeded) == 1
        assert all(check.ok for check in verify_series(out / "f.braggio.json")), found
        assert not [name for name in entries(out) if name.startswith(".")]


def test_two_processes_on_one_task(tmp_path: Path) -> None:
    """The same over processes, where no lock of a thread helps."""
    write_series(tmp_path / "raw", [noisy(-100 - i, (256, 300), seed=i) for i in range(25)])
    convert_series(tmp_path / "raw", tmp_path / "clean", mrc=True)
    processes = [started(tmp_path / "raw", tmp_path / "out") for _ in range(2)]
    for process in processes:
        go(process)
    for process in processes:
        process.communicate()
    assert 0 in [process.returncode for process in processes]
    assert tree(tmp_path / "out") == tree(tmp_path / "clean")


def test_sigterm_leaves_nothing_visible(tmp_path: Path) -> None:
    """A queue's polite kill, in the middle."""
    write_series(tmp_path / "raw", [noisy(-100 - i, (256, 300), seed=i) for i in range(40)])
    process = started(tmp_path / "raw", tmp_path / "out")
    go(process)
    time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    if (tmp_path / "out").exists() and process.returncode != 0:
        assert [name for name in entries(tmp_path / "out") if not name.startswith(".")] == []


@pytest.mark.parametrize("at", [1, 12, 20, 25])
@pytest.mark.parametrize(
    ("options", "error"), [({"policy": "median"}, TruncatedError), ({"offset": 500}, (TruncatedError, MetadataError))]
)
def test_an_input_that_is_cut_while_it_is_read(
    at: int, options: dict[str, Any], error: type[BraggioError], tmp_path: Path
) -> None:
    """In either pass, of which the second reads no more where the offset is certain: an error that names the file, no
    new output, and the earlier series as it was."""
    files = write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(20)])
    out = tmp_path / "out"
    convert_series(files, out)
    before = tree(out)

    def progress(done: int, total: int) -> None:
        if done == at:
            os.truncate(files[19], 100)

    with pytest.raises(error, match="f_020.bin"):
        convert_series(files, out, **options, overwrite=True, progress=progress)
    assert tree(out) == before


def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    """One where even root may write nothing."""
    files = write_series(tmp_path / "raw", [noisy(-100)])
    with pytest.raises(OutputError, match="/proc/self/braggio"):
        convert_series(files, "/proc/self/braggio")


@pytest.mark.parametrize("at", ["f_001.img", "f_002.img", "f.braggio.json"])
def test_cut_off_while_it_replaces_a_longer_series(at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that goes on does not find the old record any more, and still knows what has to go."""
    files = write_series(tmp_path / "raw", [noisy(-100 * i, seed=i) for i in range(1, 5)])
    out = tmp_path / "out"
    convert_series(files, out)
    real = os.replace

    def replace(source: str, target: str) -> None:
        if str(target).endswith(at):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(staging.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        convert_series(files[:2], out, overwrite=True)
    monkeypatch.undo()
    convert_series(files[:2], out, overwrite=True)
    convert_series(files[:2], tmp_path / "clean")
    assert tree(out) == tree(tmp_path / "clean")
