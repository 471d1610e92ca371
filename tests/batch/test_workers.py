"""Threads that keep order, hand each call a state of its own, and stop at the first error."""

from __future__ import annotations

import threading
import time

import pytest

from braggio.batch.workers import ahead, in_order


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
def test_an_error_of_preparing_comes_after_the_items_before_it(threads: int) -> None:
    """Which error a user sees must not depend on how far ahead files are opened, or on threads."""
    done = []

    def prepare(item: int) -> int:
        if item == 20:
            raise KeyError("twenty")
        return item

    def work(item: int, _: object) -> None:
        done.append(item)
        if item == 25:
            raise ValueError("never reached")

    with pytest.raises(KeyError, match="twenty"):
        in_order(work, ahead(prepare, range(40)), threads=threads, state=object, total=40)
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_work_comes_before_one_of_preparing_a_later_item(threads: int) -> None:
    def prepare(item: int) -> int:
        if item == 20:
            raise KeyError("twenty")
        return item

    def work(item: int, _: object) -> None:
        time.sleep(0.002)
        if item == 19:
            raise ValueError("nineteen")

    with pytest.raises(ValueError, match="nineteen"):
        in_order(work, ahead(prepare, range(40)), threads=threads, state=object, total=40)


def test_after_a_large_item_nothing_is_prepared_until_it_is_asked_for() -> None:
    """Compressed files are held in memory one at a time."""
    prepared: list[int] = []

    def prepare(item: int) -> int:
        prepared.append(item)
        return item

    items = ahead(prepare, range(40), large=lambda item: item >= 3)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert prepared == [0, 1, 2, 3]
    assert next(items) == 3
    assert prepared == [0, 1, 2, 3]
    assert next(items) == 4
    assert prepared == [0, 1, 2, 3, 4]
