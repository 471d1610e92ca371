"""Threads that keep order, hand each call a state of its own, and stop at the first error."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from braggio.batch.workers import TOGETHER, in_groups, in_order, open_files, prepared


@pytest.mark.parametrize("threads", [1, 2, 4, 50])
def test_results_are_in_order(threads: int) -> None:
    def work(item: int, _: object) -> int:
        time.sleep(0.001 * (item % 3))
        return item * item

    assert in_order(work, range(20), threads=threads, state=object) == [item * item for item in range(20)]


@pytest.mark.parametrize("threads", [1, 4])
def test_nothing_to_do(threads: int) -> None:
    assert in_order(lambda item, state: item, [], threads=threads, state=object) == []


def test_never_two_calls_on_one_state() -> None:
    """And no more states than threads: scratch buffers are not shared and not wasted."""
    made: list[dict[str, int]] = []
    clash = []

    def state() -> dict[str, int]:
        made.append({"users": 0})
        return made[-1]

    def work(item: int, mine: dict[str, int]) -> None:
        mine["users"] += 1
        time.sleep(0.001)
        if mine["users"] != 1:
            clash.append(item)
        mine["users"] -= 1

    in_order(work, range(40), threads=4, state=state)
    assert clash == []
    assert len(made) == 4


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_in_item_order_wins(threads: int) -> None:
    def work(item: int, _: object) -> None:
        if item == 2:
            time.sleep(0.05)
            raise KeyError("two")
        if item == 3:
            raise ValueError("three")

    with pytest.raises(KeyError, match="two"):
        in_order(work, range(8), threads=threads, state=object)


@pytest.mark.parametrize("threads", [1, 3])
def test_after_an_error_no_work_goes_on(threads: int) -> None:
    """No call runs once `in_order` has raised: a caller may remove the folder that the calls wrote to."""
    running = []

    def work(item: int, _: object) -> None:
        running.append(item)
        time.sleep(0.01)
        if item == 0:
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        in_order(work, range(200), threads=threads, state=object)
    seen = len(running)
    assert seen < 50
    time.sleep(0.05)
    assert len(running) == seen


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_progress_call_stops_the_work_too(threads: int) -> None:
    """As Ctrl-C or a closed terminal does, in the calling thread."""
    running = []

    def work(item: int, _: object) -> None:
        running.append(item)
        time.sleep(0.01)

    def progress(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_order(work, range(200), threads=threads, state=object, progress=progress)
    seen = len(running)
    assert seen < 50
    time.sleep(0.05)
    assert len(running) == seen


@pytest.mark.parametrize("threads", [1, 3])
def test_progress_counts_up_in_the_calling_thread(threads: int) -> None:
    calls: list[tuple[int, int, int]] = []
    in_order(
        lambda item, _: item,
        range(5),
        threads=threads,
        state=object,
        progress=lambda a, b: calls.append((a, b, threading.get_ident())),
    )
    assert calls == [(i, 5, threading.get_ident()) for i in range(1, 6)]


@pytest.mark.parametrize("threads", [0, -3])
def test_threads_must_be_some(threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        in_order(lambda item, _: item, [1], threads=threads, state=object)


@pytest.mark.parametrize("threads", [1, 3])
def test_groups_give_a_result_for_each_item(threads: int) -> None:
    calls: list[tuple[int, int]] = []
    found = in_groups(
        lambda items, _: [item * item for item in items],
        prepared(int, "0123456789" * 5, threads=threads),
        threads=threads,
        state=object,
        progress=lambda done, total: calls.append((done, total)),
        total=50,
    )
    assert found == [int(digit) ** 2 for digit in "0123456789" * 5]
    assert calls[-1] == (50, 50)
    assert calls == sorted(calls)


def failing_at(number: int, error: Exception) -> Callable[[int], int]:
    def prepare(item: int) -> int:
        if item == number:
            raise error
        return item

    return prepare


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_preparing_comes_after_the_items_before_it(threads: int) -> None:
    """Which error a user sees must not depend on how far ahead files are opened, or on threads."""
    done: list[int] = []

    def work(items: list[int], _: object) -> list[None]:
        done.extend(items)
        return [None for _ in items]

    groups = prepared(failing_at(20, KeyError("twenty")), range(40), threads=threads)
    with pytest.raises(KeyError, match="twenty"):
        in_groups(work, groups, threads=threads, state=object, total=40)
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_work_comes_before_one_of_preparing_a_later_item(threads: int) -> None:
    def work(items: list[int], _: object) -> list[int]:
        time.sleep(0.002)
        if 19 in items:
            raise ValueError("nineteen")
        return items

    groups = prepared(failing_at(20, KeyError("twenty")), range(40), threads=threads)
    with pytest.raises(ValueError, match="nineteen"):
        in_groups(work, groups, threads=threads, state=object, total=40)


def test_an_item_that_is_alone_ends_its_group_and_nothing_is_prepared_until_it_is_asked_for() -> None:
    """Compressed files are held in memory one at a time."""
    seen: list[int] = []

    def prepare(item: int) -> int:
        seen.append(item)
        return item

    groups = prepared(prepare, range(40), threads=1, alone=lambda item: item >= 3)
    assert next(groups) == [0, 1, 2, 3]
    assert seen == [0, 1, 2, 3]
    assert next(groups) == [4]
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("count", [0, 1, 5, 100, 1000])
@pytest.mark.parametrize("threads", [1, 2, 7, 64, 500])
def test_groups_are_small_and_hold_every_item_in_order(threads: int, count: int) -> None:
    """As many as are under way or waiting, twice the threads, must not need more files than a process may open."""
    groups = list(prepared(int, range(count), threads=threads))
    assert [item for group in groups for item in group] == list(range(count))
    largest = max(map(len, groups), default=0)
    assert largest <= TOGETHER
    assert largest == 1 or 2 * threads * largest <= open_files()
    assert threads == 1 or not groups or len(groups[-1]) == 1


def test_few_files_allowed_are_few_open(tmp_path: Path) -> None:
    """As many as wait or are under way stay below what the process may open, whatever the threads."""
    script = """
import resource, sys
from braggio.batch.workers import in_groups, prepared
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
for threads in (1, 2, 4, 16, 200):
    groups = prepared(lambda name: open(name), [sys.argv[1]] * 500, threads=threads)
    in_groups(lambda files, _: [file.close() for file in files], groups, threads=threads, state=object, total=500)
"""
    (tmp_path / "a").touch()
    subprocess.run([sys.executable, "-c", script, tmp_path / "a"], check=True)
