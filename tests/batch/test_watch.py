"""Nothing is converted before it is whole, and everything once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from makers import noisy, tia, write_series

from braggio.batch.plan import Task, inputs_of
from braggio.batch.watch import Patience, Watch
from braggio.recipes import tasks_of, whole


def aged(paths: list[Path], seconds: float) -> list[Path]:
    """Files last changed so long ago."""
    for path in paths:
        os.utime(path, (time.time() - seconds, time.time() - seconds))
    return paths


def watching(folder: Path, patience: Patience) -> Watch:
    return Watch(lambda: tasks_of("smv", [str(folder)], {}), whole, patience, series=True)


def test_a_series_is_given_once_when_no_frame_comes_any_more(tmp_path: Path) -> None:
    paths = aged(write_series(tmp_path, [noisy(-1), noisy(-2)]), 30)
    watch = watching(tmp_path, Patience(settle=5, series_timeout=60))
    assert watch.ready() == []
    aged(paths, 61)
    assert [len(task.inputs) for task in watch.ready()] == [2]
    assert watch.ready() == []


def test_enough_frames_need_no_timeout_but_settle(tmp_path: Path) -> None:
    paths = aged(write_series(tmp_path, [noisy(-1), noisy(-2)]), 1)
    watch = watching(tmp_path, Patience(settle=5, frames=2))
    assert watch.ready() == []
    aged(paths, 6)
    assert len(watch.ready()) == 1


def test_a_file_shorter_than_its_header_says_is_not_whole(tmp_path: Path) -> None:
    content = tia(noisy(-5))
    path = tmp_path / "f_001.bin"
    watch = watching(tmp_path, Patience(settle=0, series_timeout=0))
    for size in (12, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        aged([path], 100)
        assert not whole(str(path))
        assert watch.ready(once=True) == []
    path.write_bytes(content)
    aged([path], 100)
    assert len(watch.ready()) == 1


@pytest.mark.parametrize(
    ("quiet", "once", "expected"), [(4, True, False), (6, True, True), (6, False, False), (61, False, True)]
)
def test_patience(quiet: float, once: bool, expected: bool, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, [noisy(-1)])
    task = Task("smv", "f", inputs_of([path]))
    now = task.inputs[0].mtime_ns / 1e9 + quiet
    assert Patience(settle=5, series_timeout=60).over(task, series=True, now=now, once=once) is expected


def test_tasks_of_one_name_come_one_by_one(tmp_path: Path) -> None:
    """In one plan they would be refused, and the watch would end."""
    for name in ("a.1.star", "a.2.star"):
        (tmp_path / name).write_text("data_\n")
    watch = Watch(lambda: tasks_of("particles", [str(tmp_path)], {}), whole, Patience(settle=0), series=False)
    looks = [[Path(task.inputs[0].path).name for task in watch.ready()] for _ in range(3)]
    assert looks == [["a.1.star"], ["a.2.star"], []]


def test_a_folder_of_an_inputs_name_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.star").mkdir()
    (tmp_path / "b.star").write_text("data_\n")
    assert [task.name for task in tasks_of("particles", [str(tmp_path)], {})] == ["b"]
