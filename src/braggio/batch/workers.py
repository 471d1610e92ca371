"""A function over many items in threads, results in order."""

from __future__ import annotations

import resource
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Result = TypeVar("Result")
State = TypeVar("State")

TOGETHER = 8  # about 0.1 s of work where frames have 16 MB: as long as Ctrl-C waits
Progress = Callable[[int, int], None]  # (done, total), called from the calling thread


def in_order(
    work: Callable[[Item, State], Result],
    items: Iterable[Item],
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
    items = list(items)

    def alone(group: list[Item], mine: State) -> list[Result]:
        return [work(group[0], mine)]

    groups = ([item] for item in items)
    return in_groups(alone, groups, threads=threads, state=state, progress=progress, total=len(items))


def in_groups(
    work: Callable[[list[Item], State], list[Result]],
    groups: Iterable[list[Item]],
    *,
    threads: int,
    state: Callable[[], State],
    progress: Progress | None = None,
    total: int,
) -> list[Result]:
    """As `in_order`, for `work` that takes several of `total` items at once and gives a result for each.

    Examples
    --------
    >>> in_groups(lambda items, state: [2 * item for item in items], [[1, 2], [3]], threads=2, state=dict, total=3)
    [2, 4, 6]
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    threads = min(threads, total, max(1, open_files() // 4))
    results: list[Result] = []
    for found in streamed(work, groups, threads=threads, state=state):
        for result in found:
            results.append(result)
            if progress is not None:
                progress(len(results), total)
    return results


def prepared(
    prepare: Callable[[Item], Ready],
    items: Sequence[Item],
    *,
    threads: int,
    alone: Callable[[Ready], bool] = lambda _: False,
) -> Iterator[list[Ready]]:
    """``map(prepare, items)`` in groups for `in_groups`; an item that is `alone`, as too large, is the last of its own.

    Once megabytes of pixels have gone through the caches, a Python function takes more than twice as long as right
    after itself: opening 16 files in a row took 125 us a file, each between two frames of 16 MB 300. So what can be is
    done for a group in a row. Groups get shorter towards the end, where threads would wait for the one with the last.

    An error of `prepare` comes after the items before it.

    Examples
    --------
    >>> list(prepared(str, range(12), threads=1))
    [['0', '1', '2', '3', '4', '5', '6', '7'], ['8', '9', '10', '11']]
    >>> [len(group) for group in prepared(str, range(12), threads=2)]
    [3, 3, 2, 1, 1, 1, 1]
    """
    most = max(1, min(TOGETHER, open_files() // (2 * threads)))
    done = 0
    while done < len(items):
        share = -(-(len(items) - done) // (2 * threads)) if threads > 1 else most
        ready: list[Ready] = []
        try:
            for item in items[done : done + min(share, most)]:
                ready.append(prepare(item))
                if alone(ready[-1]):
                    break
        except Exception:
            if ready:
                yield ready
            raise
        done += len(ready)
        yield ready


def open_files() -> int:
    """How many files the groups that wait may keep open: half of what the system allows this process, at most 512."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(1024, allowed if allowed != resource.RLIM_INFINITY else 1024) // 2


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
