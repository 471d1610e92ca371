"""Carrying out a plan: what is done is left alone, what fails stops nothing else, and the next run goes on."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from braggio.batch.cpus import cpu_count
from braggio.batch.engines import Engine, Perform, engine_of, on_executor
from braggio.batch.plan import Plan, Task
from braggio.batch.receipts import Receipts
from braggio.batch.shards import Shard
from braggio.batch.sources import finish_removals
from braggio.batch.work import Outcome
from braggio.batch.workers import Progress

AHEAD = 64  # tasks handed to a given executor at a time


@dataclass(frozen=True)
class RunReport:
    """A run of a plan, or of a shard of it.

    Attributes
    ----------
    done, failed : tuple of Outcome
    skipped : tuple of str
        Names of tasks that were done before.
    left : int
        Tasks not begun, because the run was asked to end or too many had failed.
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
    before = [task for task in tasks if receipts.done(task) and not (move_source and _source_is_there(task))]
    for task in before:
        receipts.tidy(task)  # a run may have been cut off right after the receipt
    names = {task.name for task in before}
    todo = [task for task in tasks if task.name not in names]
    shared = _shared(plan) if move_source else {}
    how = {"overwrite": overwrite, "checksum": checksum, "durable": durable or move_source, "move_source": move_source}
    orders = [
        {"task": task.to_json(), "id": task.id, "out": plan.out, "shared": shared.get(task.name, ""), **how}
        for task in todo
    ]
    ended: list[Outcome] = []
    failures = 0

    def stopped() -> bool:
        return (stop is not None and stop()) or (max_failures is not None and failures >= max_failures)

    with _engine(engine, jobs, executor) as chosen:
        for outcome in chosen(perform, orders, stopped):
            ended.append(outcome)
            failures += outcome.status == "failed"
            on_outcome(outcome)
            if progress is not None:
                progress(len(ended), len(todo))
    return RunReport(
        tuple(outcome for outcome in ended if outcome.status == "done"),
        tuple(outcome for outcome in ended if outcome.status == "failed"),
        tuple(task.name for task in before),
        len(todo) - len(ended),
    )


def _source_is_there(task: Task) -> bool:
    return any(os.path.lexists(each.path) for each in task.inputs)


def _shared(plan: Plan) -> dict[str, str]:
    """An input of each task that another task reads too."""
    readers = Counter(each.path for task in plan.tasks for each in task.inputs)
    return {task.name: each.path for task in plan.tasks for each in task.inputs if readers[each.path] > 1}


@contextmanager
def _engine(name: str, jobs: int | None, executor: Executor | None) -> Iterator[Engine]:
    if executor is not None:
        yield on_executor(executor, AHEAD)
    else:
        with engine_of(name, jobs or cpu_count()) as engine:
            yield engine
