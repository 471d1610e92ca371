"""Carrying out a plan: what is done is left alone, what fails stops nothing else, and the next run goes on."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from braggio.batch.clean import clean_notes
from braggio.batch.cpus import cpu_count
from braggio.batch.engines import Engine, Order, Perform, engine_of, on_executor
from braggio.batch.plan import Plan, Task
from braggio.batch.receipts import Receipts, settled
from braggio.batch.shards import Shard
from braggio.batch.sources import finish_removals
from braggio.batch.work import Outcome
from braggio.batch.workers import Progress

AHEAD = 64  # tasks handed to a given executor at a time
LOOK = 1.0  # seconds between looks at what other shards have done


@dataclass(frozen=True)
class RunReport:
    """A run of a plan, or of a shard of it.

    Attributes
    ----------
    done, failed : tuple of Outcome
    skipped : tuple of str
        Names of tasks that were done before.
    left : int
        Tasks not done and not failed: the run was asked to end, too many had failed, tasks that they come after are not
        done, or another run is at work on them.
    """

    done: tuple[Outcome, ...]
    failed: tuple[Outcome, ...]
    skipped: tuple[str, ...]
    left: int


def run_plan(
    plan: Plan,
    perform: Perform,
    *,
    engine: str = "local",
    jobs: int | None = None,
    executor: Executor | None = None,
    shard: Shard | None = None,
    overwrite: bool = False,
    checksum: bool = False,
    durable: bool = False,
    move_source: bool = False,
    max_failures: int | None = None,
    wait: float = 0.0,
    stop: Callable[[], bool] | None = None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    progress: Progress | None = None,
) -> RunReport:
    """Carry out the tasks of a plan that are not done.

    The bytes do not depend on the engine, on `jobs` or on shards.

    Parameters
    ----------
    plan : Plan
    perform : callable
        Carries out one order; a function at the top of a module, so that other processes find it.
    engine : str
        ``local`` (processes of this machine), ``none`` (this process) or ``dask://host:port``.
    jobs : int, optional
        Processes of the local engine; `cpu_count` by default.
    executor : concurrent.futures.Executor, optional
        Used instead of an engine.
    shard : Shard, optional
        Which tasks; all by default.
    overwrite : bool
        Outputs of others may be replaced.
    checksum : bool
        Receipts hold the CRC-32 of every output, which is read again for it.
    durable : bool
        The disk has the outputs before the receipt is written, and the receipt before a task counts as done.
    move_source : bool
        The inputs are removed when all outputs are on the disk and were read back, and the inputs can be made of them
        again; else they are kept, and a warning says why. Implies `durable`.
    max_failures : int, optional
        After so many the run ends.
    wait : float
        Seconds to wait, whenever nothing else is left, for tasks of other shards that tasks of this one come after.
    stop : callable, optional
        Asked before each task; see `braggio.batch.stop.Stop`.
    on_outcome : callable
        Called with each `Outcome`, as they come.
    progress : callable, optional
        Called with (tasks ended, tasks).

    Returns
    -------
    RunReport
    """
    receipts = Receipts(plan.out)
    if move_source:
        finish_removals(receipts.out)
    tasks = (shard or Shard()).of(plan.tasks)
    moving = {task.name: task for task in plan.tasks if move_source and task.name not in plan.followers}
    names = settled(plan, receipts) - {name for name, task in moving.items() if _source_is_there(task)}
    before = [task for task in tasks if task.name in names]
    for task in before:
        receipts.tidy(task)  # a run may have been cut off right after the receipt
    _forget_steps(plan, receipts)
    todo = [task for task in tasks if task.name not in names]
    shared = _shared(list(moving.values()))
    how = {"overwrite": overwrite, "checksum": checksum, "durable": durable or move_source}

    def order_of(task: Task) -> Order:
        of_sources = {"move_source": task.name in moving, "shared": shared.get(task.name, "")}
        return {"task": task.to_json(), "id": task.id, "out": plan.out, **how, **of_sources}

    ended: list[Outcome] = []
    failures = 0

    def stopped() -> bool:
        return (stop is not None and stop()) or (max_failures is not None and failures >= max_failures)

    with _engine(engine, jobs, executor) as chosen:
        for ready in _waves(plan, todo, receipts, stopped, wait):
            for outcome in chosen(perform, [order_of(task) for task in ready], stopped):
                ended.append(outcome)
                failures += outcome.status == "failed"
                on_outcome(outcome)
                if progress is not None:
                    progress(len(ended), len(todo))
    _forget_steps(plan, receipts)
    clean_notes(plan.out, {task.id for task in tasks})
    return RunReport(
        tuple(outcome for outcome in ended if outcome.status == "done"),
        tuple(outcome for outcome in ended if outcome.status == "failed"),
        tuple(task.name for task in before),
        len(todo) - sum(outcome.status != "busy" for outcome in ended),
    )


def _waves(
    plan: Plan, todo: Sequence[Task], receipts: Receipts, stopped: Callable[[], bool], wait: float
) -> Iterator[list[Task]]:
    """Tasks that can be begun, as long as there are some; each once."""
    left = list(todo)
    end: float | None = None
    while left and not stopped():
        done = settled(plan, receipts) if any(task.after for task in left) else set()
        if ready := [task for task in left if done.issuperset(task.after)]:
            yield ready
            left = [task for task in left if not done.issuperset(task.after)]
            end = None
            continue
        end = time.monotonic() + wait if end is None else end
        if time.monotonic() >= end or _hopeless(plan, left, done, receipts):
            return
        time.sleep(min(LOOK, wait))


def _hopeless(plan: Plan, left: Sequence[Task], done: set[str], receipts: Receipts) -> bool:
    """Say whether every task that is left comes after one that has failed."""
    tasks = {task.name: task for task in plan.tasks}
    lost: set[str] = set()
    for task in left:
        if any(name in lost or receipts.failure(tasks[name]) for name in task.after if name not in done):
            lost.add(task.name)
    return len(lost) == len(left)


def _forget_steps(plan: Plan, receipts: Receipts) -> None:
    """Receipts of tasks that others have used up would speak of files that are no more."""
    if plan.followers:
        done = settled(plan, receipts)
        for task in plan.tasks:
            if task.name in plan.followers and done.issuperset(plan.followers[task.name]):
                receipts.forget(task)


def _source_is_there(task: Task) -> bool:
    return any(os.path.lexists(each.path) for each in task.inputs)


def _shared(tasks: Sequence[Task]) -> dict[str, str]:
    """An input of each task that another of them reads too."""
    readers = Counter(each.path for task in tasks for each in task.inputs)
    return {task.name: each.path for task in tasks for each in task.inputs if readers[each.path] > 1}


@contextmanager
def _engine(name: str, jobs: int | None, executor: Executor | None) -> Iterator[Engine]:
    if executor is not None:
        yield on_executor(executor, AHEAD)
    else:
        with engine_of(name, jobs or cpu_count()) as engine:
            yield engine
