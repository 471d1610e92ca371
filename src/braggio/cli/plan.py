"""``braggio plan``: what would be converted, as a file that any engine carries out."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from braggio.cli.options import UsageError, add_reporting, positive

if TYPE_CHECKING:
    from braggio.cli.session import Session

INTERMIXED = True
EPILOG = """Parameters are those of the Python function of the recipe, as NAME=VALUE; a value is JSON, or else text:
  smv        braggio.microed.convert_series: voltage=200 distance=1500 beam_center=[1024,1020] mrc=true
  spots      braggio.laue.find_spots: n_sigma=3 masks=false
  particles  braggio.particles.convert: batch_size=1024 downsample_factor=2
  xtc        braggio.xtc.DumpOptions: address=cspad file_format=npz max_events=1000
  matching   braggio.matching.pick and match_table: metric=zscore cutoff=7.5 width=39

Example:
  braggio plan smv raw/ -o smv/ voltage=200 distance=1500 > night.plan.jsonl
  braggio run night.plan.jsonl -j 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio plan``."""
    parser.add_argument("recipe", help="smv, spots, particles, xtc or matching")
    parser.add_argument("places", nargs="+", metavar="PLACE", help="folders, files or patterns; and NAME=VALUE")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder of the outputs")
    parser.add_argument("-p", "--plan", metavar="FILE", help="write the plan here (default: standard output)")
    parser.add_argument(
        "--split", type=positive, metavar="N", help="smv, spots: tasks of at most N frames; the outputs are the same"
    )
    parser.add_argument("-f", "--force", action="store_true", help="replace an existing plan")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Write the plan."""
    from braggio.batch.plan import make_plan
    from braggio.errors import GeometryError, LimitError, OptionError
    from braggio.recipes import tasks_of

    places, params = split_parameters(arguments.places)
    try:
        tasks = tasks_of(arguments.recipe, places, params, split=arguments.split)
    except (OptionError, GeometryError, LimitError) as error:  # wrong usage, as a misspelt flag is
        raise UsageError(str(error)) from None
    plan = make_plan(arguments.output, tasks)
    if arguments.plan is None:
        _print(plan.to_text(), session)
        return
    plan.write(arguments.plan, overwrite=arguments.force)
    session.done(f"{arguments.plan}: {len(plan.tasks)} task(s)", plan=arguments.plan, tasks=len(plan.tasks))


def _print(text: str, session: Session) -> None:
    if session.json:  # events and the lines of a plan would make neither
        session.event("plan", "", content=text)
    else:
        sys.stdout.write(text)


def split_parameters(words: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Places, and parameters from words like ``voltage=200``.

    Examples
    --------
    >>> split_parameters(["raw/", "voltage=200", "policy=zero", "mrc=true"])
    (['raw/'], {'voltage': 200, 'policy': 'zero', 'mrc': True})
    """
    places, params = [], {}
    for word in words:
        name, equals, text = word.partition("=")
        if equals and name.isidentifier():
            try:
                params[name] = json.loads(text)
            except ValueError:
                params[name] = text
        else:
            places.append(word)
    return places, params
