"""A function over many items in threads, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Result = TypeVar("Result")
State = TypeVar("State")

AHEAD = 16  # open files too
Progress = Callable[[int, int], None]  # (done, total), called from the calling thread


def in_order(
    work: Callable[[Item, State], Result],
    items: Iterable[Item],
    *,
    threads: int,
    state: Callable[[], State],
    progress: Progress | None = None,
    total: int | None = None,
) -> list[Result]:
    """``[work(item, a_state) for item in items]``, at most `threads` at once, each with a state of its own.

    The first error, in the order of the items, stops the work: items not yet begun are dropped, those under way finish.
    `total`, the number of items, lets an iterator be asked for them one at a time.

    Examples
    --------
    >>> in_order(lambda item, state: item * 2, [1, 2, 3], threads=2, state=dict)
    [2, 4, 6]
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    if total is None:
        items = list(items)
        total = len(items)
    results: list[Result] = []
    for result in streamed(work, items, threads=min(threads, total), state=state):
        results.append(result)
        if progress is not None:
            progress(len(results), total)
    return results


def ahead(
    prepare: Callable[[Item], Ready], items: Iterable[Item], *, large: Callable[[Ready], bool] = lambda _: False
) -> Iterator[Ready]:
    """``map(prepare, items)``, a few items ahead, but none after one that is `large`.

    Once megabytes of pixels have gone through the caches, a Python function takes more than twice as long as right
    after itself: opening 16 files in a row took 125 us a file, each between two frames of 16 MB 300.

    An error of `prepare` comes after the items before it.

    Examples
    --------
    >>> list(ahead(str, range(3)))
    ['0', '1', '2']
    """
    remaining = iter(items)
    while True:
        ready: list[Ready] = []
        try:
            for item in islice(remaining, AHEAD):
                ready.append(prepare(item))
                if large(ready[-1]):
                    break
        except Exception:
            yield from ready
            raise
        yield from ready
        if not ready:
            return


def _one_by_one(
    work: Callable[[Item, State], Result], items: Iterable[Item], state: Callable[[], State]
) -> Iterator[Result]:
    only = state()
    for item in items:
        yield work(item, only)


def streamed(
    work: Callable[[Item, State], Result], items: Iterable[Item], *, threads: int, state: Callable[[], State]
) -> Iterator[Result]:
    """As `in_order`, one result at a time and never more than a few ahead: for results too large to keep.

    `items` may be an iterator too: it is asked for the next item when there is room for one.

    Examples
    --------
    >>> list(streamed(lambda item, state: item * 2, [1, 2, 3], threads=2, state=dict))
    [2, 4, 6]
    """
    if threads <= 1:
        yield from _one_by_one(work, items, state)
        return
    free = [state() for _ in range(threads)]

    def run(item: Item) -> Result:
        mine = free.pop()
        try:
            return work(item, mine)
        finally:
            free.append(mine)

    with ThreadPoolExecutor(threads, thread_name_prefix="braggio") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            yield from _results(items, lambda item: pool.submit(run, item), waiting, most=2 * threads)
        finally:
            for future in waiting:
                future.cancel()


def _results(
    items: Iterable[Item], submit: Callable[[Item], Future[Result]], waiting: deque[Future[Result]], *, most: int
) -> Iterator[Result]:
    """What the futures give, in order; an error of `items` itself comes after what is under way."""
    remaining = iter(items)
    failure: Exception | None = None
    while failure is None:
        try:
            waiting.append(submit(next(remaining)))
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001  raised below
            failure = error
        if len(waiting) > most:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
    if failure is not None:
        raise failure
