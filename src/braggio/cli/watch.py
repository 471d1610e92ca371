"""``braggio watch``: convert files as they appear in a folder."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.cli.options import add_durability, add_reporting, duration, positive

if TYPE_CHECKING:
    from braggio.batch.plan import Task
    from braggio.cli.session import Session

INTERMIXED = True
EPILOG = """A file is taken when its header and its size agree and nothing has changed it for --settle seconds; a series
of files when no new frame has come for --series-timeout seconds, or when there are --frames of them. Everything is
converted once; what was done before a restart is left alone. Stop it with Ctrl-C or SIGTERM.

Example:
  braggio watch /data/tonight --recipe smv -o smv/ voltage=200 distance=1500
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio watch``."""
    parser.add_argument("folder", metavar="DIR", help="folder to watch")
    parser.add_argument("params", nargs="*", metavar="NAME=VALUE", help="parameters of the recipe, see braggio plan")
    parser.add_argument("--recipe", required=True, help="smv, spots, particles, xtc or matching")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument(
        "--interval",
        "--check_interval",
        type=duration,
        default=5.0,
        metavar="S",
        help="seconds between looks (default 5)",
    )
    parser.add_argument("--settle", type=duration, default=5.0, metavar="S", help="seconds without change (default 5)")
    parser.add_argument(
        "--series-timeout", type=duration, default=60.0, metavar="S", help="seconds without a new frame (default 60)"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="a series of N files is whole")
    parser.add_argument("--once", "--no_wait", action="store_true", help="convert what is there now, and end")
    parser.add_argument("-j", "--nproc", type=positive, default=1, metavar="N", help="processes (default 1)")
    add_durability(parser, moving=True)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Look, convert what is ready, wait, look again."""
    from braggio.batch.plan import make_plan
    from braggio.batch.run import run_plan
    from braggio.batch.sources import finish_removals
    from braggio.batch.stop import Stop
    from braggio.batch.watch import Patience, Watch
    from braggio.cli.plan import split_parameters
    from braggio.cli.run import tell
    from braggio.errors import DataWarning, MetadataError
    from braggio.options import require_choice
    from braggio.recipes import RECIPES, perform, tasks_of, whole

    warnings.simplefilter("ignore", DataWarning)  # outcomes tell them
    places, params = split_parameters(arguments.params)
    if places:
        raise MetadataError(field="parameter", expected="NAME=VALUE", found=repr(places[0]))
    patience = Patience(arguments.settle, arguments.series_timeout, arguments.frames)

    require_choice("recipe", arguments.recipe, RECIPES)
    told: set[str] = set()

    def find() -> list[Task]:
        try:
            return tasks_of(arguments.recipe, [arguments.folder], params)
        except MetadataError:
            if arguments.once:
                raise
            return []  # nothing has come yet
        except OSError as error:  # a file that went between two looks at it
            if arguments.once:
                raise
            if str(error) not in told:
                told.add(str(error))
                session.warn(f"{arguments.folder} is looked at again: {error}")
            return []

    if arguments.move_source:
        finish_removals(Path(arguments.output))  # before what is left of a series passes for a shorter one
    watch = Watch(find, whole, patience, series=RECIPES[arguments.recipe].series)
    stop = Stop()
    with stop.on_signals():
        while not stop():
            tasks = watch.ready(once=arguments.once)
            if tasks:
                plan = make_plan(arguments.output, tasks)
                run_plan(
                    plan,
                    perform,
                    jobs=arguments.nproc,
                    durable=arguments.durable,
                    move_source=arguments.move_source,
                    stop=stop,
                    on_outcome=lambda outcome: tell(outcome, session),
                )
            if arguments.once:
                if not tasks:
                    break
                continue
            end = time.monotonic() + arguments.interval
            while not stop() and time.monotonic() < end:
                time.sleep(min(0.2, arguments.interval))
