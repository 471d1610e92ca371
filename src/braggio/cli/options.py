"""Options that several commands share, spelt the same everywhere."""

from __future__ import annotations

import argparse
from typing import Any


class UsageError(ValueError):
    """A command was given words that cannot be meant together: exit code 2, as argparse has it."""


Actions = dict[str, tuple[str, Any, Any]]  # name: what it does, adds its options, does it


def add_actions(parser: argparse.ArgumentParser, actions: Actions) -> None:
    """The actions of a command, each with options of its own."""
    group = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (text, add, _) in actions.items():
        action = group.add_parser(name, help=text, description=text)
        add(action)
        add_reporting(action)


def add_reporting(parser: argparse.ArgumentParser) -> None:
    """How the command reports."""
    group = parser.add_argument_group("reporting")
    group.add_argument("--json", action="store_true", help="one JSON object a line on standard output")
    group.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    group.add_argument(
        "--progress", choices=("auto", "never", "json"), default="auto", help="progress on standard error"
    )


def add_overwriting(
    parser: argparse.ArgumentParser, *, update: str = "replace them when their inputs or options have changed"
) -> None:
    """What happens to outputs that exist; `update` says when -u replaces them."""
    group = parser.add_argument_group("outputs that exist (refused by default)").add_mutually_exclusive_group()
    group.add_argument("-f", "--force", action="store_true", help="replace them")
    group.add_argument("-n", "--no-clobber", action="store_true", help="leave them, and count the item as skipped")
    group.add_argument("-u", "--update", action="store_true", help=update)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def add_durability(parser: argparse.ArgumentParser, *, moving: bool = False) -> None:
    """What a power cut must not take, and whether sources go."""
    parser.add_argument(
        "--durable", action="store_true", help="wait until the disk has the outputs before they get their names"
    )
    if moving:
        parser.add_argument(
            "--move-source",
            action="store_true",
            help="remove the sources of SMV series after --durable and a full comparison; lossy series keep theirs",
        )


def add_opening(parser: argparse.ArgumentParser) -> None:
    """How input files are opened."""
    parser.add_argument(
        "--permissive",
        "--allow-trailing",
        action="store_true",
        help="accept trailing bytes and the like, with a warning",
    )


def add_threads(parser: argparse.ArgumentParser) -> None:
    """How many frames at once."""
    parser.add_argument(
        "-j", "--nproc", type=positive, default=1, metavar="N", help="threads (default 1); same bytes for any N"
    )


def positive(text: str) -> int:
    """An integer of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def duration(text: str) -> float:
    """Seconds, of a text as 90, 90s or 3h50m."""
    from braggio.batch.stop import seconds

    return seconds(text)
