"""``braggio slurm-script``: a batch script that carries out a plan as an array of jobs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting, positive

if TYPE_CHECKING:
    from braggio.cli.session import Session

EPILOG = """Example:
  braggio slurm-script night.plan.jsonl --shards 200 --limit 30 --sbatch=--partition=short > night.sh
  sbatch night.sh
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio slurm-script``."""
    parser.add_argument("plan", help="file of braggio plan, as the nodes see it")
    parser.add_argument("--shards", type=positive, required=True, metavar="N", help="jobs of the array, at most 1000")
    parser.add_argument("--limit", type=positive, default=30, metavar="N", help="jobs at a time (default 30)")
    parser.add_argument("-j", "--nproc", type=positive, default=1, metavar="N", help="processors per job (default 1)")
    parser.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="a further #SBATCH option")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Print the script."""
    from braggio.batch.slurm import slurm_script

    text = slurm_script(
        arguments.plan,
        shards=arguments.shards,
        limit=arguments.limit,
        cpus=arguments.nproc,
        options=arguments.sbatch,
    )
    if session.json:  # events would be commands of the script
        session.event("script", "", content=text)
    else:
        sys.stdout.write(text)
