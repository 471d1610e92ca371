"""Where tasks are carried out: in this process, in a pool that survives its workers, on Dask, on any executor."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Any

from braggio.batch.work import Outcome
from braggio.errors import DataWarning, MetadataError, UnsupportedError

Order = Mapping[str, Any]
Perform = Callable[[Order], Outcome]
Engine = Callable[[Perform, Sequence[Order], Callable[[], bool]], Iterator[Outcome]]

DEATHS = 3  # of workers, while a task was under way: then it is tried alone, and after as many deaths given up
LOSSES = 3  # of a task by its engine: then it is given up
POLL = 0.2  # seconds between looks at whether to stop
DASK_RETRIES = 100  # a worker that is killed costs its tasks one each
_PR_SET_PDEATHSIG = 1


def in_process(perform: Perform, orders: Sequence[Order], stopped: Callable[[], bool]) -> Iterator[Outcome]:
    """One after the other, here."""
    for order in orders:
        if stopped():
            return
        yield perform(order)


def on_executor(executor: Executor, ahead: int) -> Engine:
    """On any executor, at most `ahead` tasks handed over at a time."""

    def engine(perform: Perform, orders: Sequence[Order], stopped: Callable[[], bool]) -> Iterator[Outcome]:
        yield from _submitted(executor, perform, list(orders), stopped, ahead, Counter())

    return engine


def on_pool(jobs: int) -> Engine:
    """On `jobs` processes of this machine. Workers that die are replaced, and their tasks done again."""

    def engine(perform: Perform, orders: Sequence[Order], stopped: Callable[[], bool]) -> Iterator[Outcome]:
        left = {order["id"]: order for order in orders}
        deaths: Counter[str] = Counter()
        while left and not stopped():
            suspects = [name for name in left if deaths[name] >= DEATHS]
            if suspects:
                yield from _alone(perform, left.pop(suspects[0]), deaths)
                continue
            try:
                with _pool(jobs) as pool:
                    for outcome in _submitted(pool, perform, list(left.values()), stopped, 2 * jobs, deaths):
                        del left[outcome.id]
                        yield outcome
                return
            except BrokenExecutor:
                continue

    return engine


def _alone(perform: Perform, order: Order, deaths: Counter[str]) -> Iterator[Outcome]:
    """A task that was under way whenever a worker died, in a pool of its own, to see whether it kills its worker."""
    for _ in range(DEATHS):
        try:
            with _pool(1) as pool:
                yield pool.submit(perform, order).result()
                return
        except BrokenExecutor:
            deaths[order["id"]] += 1
    yield Outcome(
        order["task"]["name"],
        order["id"],
        "failed",
        "WorkerDied",
        f"{order['task']['name']}: the process that did this task died {deaths[order['id']]} times",
    )


def _submitted(
    executor: Executor,
    perform: Perform,
    orders: list[Order],
    stopped: Callable[[], bool],
    ahead: int,
    deaths: Counter[str],
) -> Iterator[Outcome]:
    """Outcomes as they come. When the executor breaks, tasks under way count one death each."""
    waiting: dict[Future[Outcome], Order] = {}
    ended: SimpleQueue[Future[Outcome]] = SimpleQueue()  # to wait for all of them anew each time costs 0.4 ms
    lost: Counter[str] = Counter()
    rest = iter(orders)
    try:
        while True:
            while len(waiting) < ahead and not stopped() and (order := next(rest, None)) is not None:
                future = executor.submit(perform, order)
                waiting[future] = order
                future.add_done_callback(ended.put)
            if not waiting:
                return
            with suppress(Empty):
                future = ended.get(timeout=POLL)
                if future in waiting:  # else it was cancelled
                    order = waiting[future]
                    outcome = _outcome(future, order, lost)
                    del waiting[future]
                    if outcome is None:
                        rest = chain([order], rest)
                    else:
                        yield outcome
            if stopped():
                for future in [future for future in waiting if future.cancel()]:
                    del waiting[future]
    except BrokenExecutor:
        deaths.update(order["id"] for order in waiting.values())
        raise
    finally:
        for future in waiting:
            future.cancel()


def _outcome(future: Future[Outcome], order: Order, lost: Counter[str]) -> Outcome | None:
    """None: the engine has lost the task, and it is to be handed over again.

    Dask gives up a task that was waiting on four workers that died, whatever killed them and whatever its retries.
    """
    try:
        return future.result()
    except BrokenExecutor:
        raise
    except Exception as error:  # noqa: BLE001 - the engine's own: a worker lost for good, a task that could not be sent
        lost[order["id"]] += 1
        if lost[order["id"]] < LOSSES:
            return None
        text = f"{order['task']['name']}: {' '.join(str(error).splitlines())}"
        return Outcome(order["task"]["name"], order["id"], "failed", type(error).__name__, text)


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    # Not forked: threads and locks of this process must not be copied.
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_worker() -> None:
    """Signals of the terminal are the driver's to handle, and warnings travel in outcomes; no driver, no work."""
    warnings.simplefilter("ignore", DataWarning)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # the parent is the server that forks workers,
    threading.Thread(target=_die_with_driver, daemon=True).start()  # which lives as long as one of them does


def _die_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def engine_of(name: str, jobs: int) -> Iterator[Engine]:
    """The engine of that name: ``none``, ``local`` or ``dask://host:port``.

    Raises
    ------
    MetadataError, UnsupportedError
        There is no such engine, or Dask is not installed.
    """
    if name == "none" or (name == "local" and jobs == 1):
        yield in_process
    elif name == "local":
        yield on_pool(jobs)
    elif name.startswith(("dask://", "tcp://", "tls://")):
        try:
            distributed: Any = import_module("distributed")
        except ImportError as error:
            raise UnsupportedError("pip install 'braggio[dask]'", field="engine", found=name) from error
        with distributed.Client(name.replace("dask://", "tcp://", 1)) as client:
            workers = sum(client.nthreads().values()) or 1
            yield on_executor(client.get_executor(retries=DASK_RETRIES, pure=False), 4 * workers)
    else:
        raise MetadataError(field="engine", expected="local, none or dask://host:port", found=repr(name))
