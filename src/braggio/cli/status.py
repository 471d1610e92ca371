"""``braggio status``: how far a plan is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session

EPILOG = "The exit code is 0 when everything is done, else 75. A task that is begun is under way, or was cut off.\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio status``."""
    parser.add_argument("plan", help="file of braggio plan")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Count the tasks."""
    from dataclasses import asdict

    from braggio.batch.plan import read_plan
    from braggio.batch.receipts import Receipts, status

    plan = read_plan(arguments.plan)
    found = status(plan)
    lines = [", ".join(f"{len(names)} {kind}" for kind, names in asdict(found).items()) + f" of {len(plan.tasks)}"]
    receipts = Receipts(plan.out)
    failures = [(task.name, receipts.failure(task)) for task in plan.tasks if task.name in found.failed]
    lines += [f"  {name}: {failure.get('message')}" for name, failure in failures if failure]
    session.event("status", "\n".join(lines), **asdict(found))
    if not found.complete:
        session.resumable()
