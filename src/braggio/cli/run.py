"""``braggio run``: carry out a plan, or a shard of it; run it again to go on."""

from __future__ import annotations

import argparse
import os
import warnings
from typing import TYPE_CHECKING

from braggio.cli.options import add_durability, add_reporting, duration, positive

if TYPE_CHECKING:
    from braggio.batch.run import RunReport
    from braggio.batch.work import Outcome
    from braggio.cli.session import Session

EPILOG = """What is done is left alone, what fails does not stop the rest. SIGINT, SIGTERM and SIGUSR1 end the run after
the tasks under way, a second signal at once; then the exit code is 75: run it again.

Engines:
  local              processes of this machine; those that die are replaced
  none               this process
  dask://host:port   the workers of a Dask scheduler

Shards: --shard 2/8 does every eighth task; --shard auto asks the Slurm array, the Slurm step or MPI.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio run``."""
    parser.add_argument("plan", help="file of braggio plan")
    parser.add_argument("-j", "--nproc", type=positive, metavar="N", help="processes (default: what is granted)")
    parser.add_argument("--engine", default="local", metavar="ENGINE", help="local, none or dask://host:port")
    parser.add_argument("--shard", metavar="K/N", help="the K-th of N parts, or auto")
    parser.add_argument("--max-time", type=duration, metavar="3h50m", help="begin no task after this time")
    parser.add_argument("--max-failures", type=positive, metavar="N", help="end after N failed tasks")
    parser.add_argument(
        "--wait",
        type=duration,
        default=0.0,
        metavar="10m",
        help="wait for parts of other shards (default: do not)",
    )
    parser.add_argument("--checksum", action="store_true", help="note the CRC-32 of every output, for braggio verify")
    parser.add_argument("-f", "--force", action="store_true", help="replace outputs that others have made")
    add_durability(parser, moving=True)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Carry out the plan."""
    import multiprocessing

    from braggio.batch.plan import read_plan
    from braggio.batch.run import run_plan
    from braggio.batch.shards import Shard, waiting_for_auto
    from braggio.batch.stop import Stop
    from braggio.errors import DataWarning
    from braggio.recipes import packages_of, perform

    warnings.simplefilter("ignore", DataWarning)  # outcomes tell them, whatever process they are from
    plan = read_plan(arguments.plan)
    if arguments.shard is None and waiting_for_auto(os.environ):
        session.warn("this is one of several processes, and each does the whole plan; --shard auto shares it out")
    multiprocessing.set_forkserver_preload(packages_of(plan.tasks))  # a worker then starts in 0.03 s, not in 0.3
    stop = Stop(arguments.max_time)
    with stop.on_signals(), session.progress(os.path.basename(arguments.plan), unit="task") as progress:
        report = run_plan(
            plan,
            perform,
            engine=arguments.engine,
            jobs=arguments.nproc,
            shard=Shard.parse(arguments.shard or "1/1"),
            overwrite=arguments.force,
            checksum=arguments.checksum,
            durable=arguments.durable,
            move_source=arguments.move_source,
            max_failures=arguments.max_failures,
            wait=arguments.wait,
            stop=stop,
            on_outcome=lambda outcome: tell(outcome, session),
            progress=progress,
        )
    _summarise(report, session)


def tell(outcome: Outcome, session: Session) -> None:
    """One line per task."""
    for text in outcome.warnings:
        session.warn(f"{outcome.name}: {text}")
    if outcome.status == "done":
        session.done(f"{outcome.name}: done", task=outcome.name, id=outcome.id)
    elif outcome.status == "busy":
        session.skipped(f"{outcome.name}: another run is at work on it", task=outcome.name, id=outcome.id)
    else:
        session.failed(f"{outcome.name}: {outcome.message}", task=outcome.name, id=outcome.id, kind=outcome.error)


def _summarise(report: RunReport, session: Session) -> None:
    counts = {
        "done": len(report.done),
        "failed": len(report.failed),
        "done before": len(report.skipped),
        "left": report.left,
    }
    session.event("run", ", ".join(f"{count} {name}" for name, count in counts.items()), **counts)
    if report.left:
        session.resumable()
