"""``braggio clean``: remove what interrupted runs of a plan have left behind."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio clean``."""
    parser.add_argument("plan", help="file of braggio plan")
    parser.add_argument(
        "--other-hosts", action="store_true", help="also part files of other machines: only when no run is under way"
    )
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Remove part files and staging folders that nobody works on; finished outputs stay."""
    from braggio.batch.clean import clean
    from braggio.batch.plan import read_plan

    for path in clean(read_plan(arguments.plan).out, other_hosts=arguments.other_hosts):
        session.done(f"{path}: removed", path=path)
