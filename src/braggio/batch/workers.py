"""A function over many items in threads, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")

Progress = Callable[[int, int], None]  # (done, total), called from the calling thread


def in_order(
    work: Callable[[Item, State], Result],
    items: Sequence[Item],
    *,
    threads: int,
    state: Callable[[], State],
    progress: Progress | None = None,
) -> list[Result]:
    """``[work(item, a_state) for item in items]``, at most `threads` at once, each with a state of its own.

    The first error, in the order of the items, stops the work: items not yet begun are dropped, those under way finish.

    Examples
    --------
    >>> in_order(lambda item, state: item * 2, [1, 2, 3], threads=2, state=dict)
    [2, 4, 6]
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    results: list[Result] = []
    for result in _outcomes(work, items, min(threads, len(items)), state):
        results.append(result)
        if progress is not None:
            progress(len(results), len(items))
    return results


def _outcomes(
    work: Callable[[Item, State], Result], items: Sequence[Item], threads: int, state: Callable[[], State]
) -> Iterator[Result]:
    if threads <= 1:
        yield from _one_by_one(work, items, state)
        return
    free = [state() for _ in range(threads)]  # list.pop and append are atomic: one state per running call

    def run(item: Item) -> Result:
        mine = free.pop()
        try:
            return work(item, mine)
        finally:
            free.append(mine)

    with ThreadPoolExecutor(threads, thread_name_prefix="braggio") as pool:
        futures: list[Future[Result]] = [pool.submit(run, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


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
            for item in items:
                waiting.append(pool.submit(run, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
