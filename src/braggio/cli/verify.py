"""``braggio verify``: SMV series against their raw frames, and plans against their receipts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.microed import FrameCheck

_SHOWN = 10  # clipped pixels named in a line; --json names all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio verify``."""
    parser.add_argument(
        "places",
        nargs="+",
        metavar="FOLDER|RECORD|PLAN",
        help="folders of SMV series, their .braggio.json records, or plans (.jsonl)",
    )
    parser.add_argument("--checksum", action="store_true", help="of plans: read every output and compare its CRC-32")
    parser.add_argument("--raw", metavar="DIR", help="folder of the raw frames, where they have moved")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Check every frame of every record; a bad one does not stop the others."""
    from braggio.microed.verify import records, verify_series

    for place in arguments.places:
        if place.endswith(".jsonl"):
            with session.item(input=place):
                _verify_plan(place, session, checksum=arguments.checksum)
            continue
        with session.item(input=place):
            for record in records(place):
                with session.item(input=record), session.progress(Path(record).name) as progress:
                    for check in verify_series(record, raw=arguments.raw, progress=progress):
                        _report(check, session)


def _verify_plan(path: str, session: Session, *, checksum: bool) -> None:
    from braggio.batch.plan import read_plan
    from braggio.batch.receipts import Receipts
    from braggio.batch.sources import removed

    plan = read_plan(path)
    receipts = Receipts(plan.out)
    for task in (each for each in plan.tasks if each.name not in plan.followers):
        problems = receipts.problems(task, checksum=checksum)
        for each in () if removed(receipts.out, task.id) else task.inputs:
            with session.item(task=task.name, id=task.id):
                each.require_unchanged()
        for problem in problems:
            session.failed(problem, task=task.name, id=task.id)
        if not problems:
            session.done(f"{task.name}: ok", task=task.name, id=task.id, outputs=receipts.outputs(task))


def _report(check: FrameCheck, session: Session) -> None:
    facts = {
        "output": check.output,
        "input": check.input,
        "number": check.number,
        "low_positions": check.low_positions.tolist(),
        "high_positions": check.high_positions.tolist(),
    }
    if not check.ok:
        session.failed(check.problem, **facts)
        return
    low, high = _clipped(check.low_positions.tolist(), 0), _clipped(check.high_positions.tolist(), 65535)
    session.done(f"{check.output}: ok{low}{high}", **facts)


def _clipped(positions: list[list[int]], value: int) -> str:
    if not positions:
        return ""
    text = " ".join(f"(row {row}, column {column})" for row, column in positions[:_SHOWN])
    more = " ..." if len(positions) > _SHOWN else ""
    return f"; {len(positions)} clipped at {value}: {text}{more}"
