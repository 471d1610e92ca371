"""Options that several commands share, spelt the same everywhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from braggio.options import Kind, Option, Options

    AnyOptions = TypeVar("AnyOptions", bound=Options)


class UsageError(ValueError):
    """A command was given words that cannot be meant together: exit code 2, as argparse has it."""


Actions = dict[str, tuple[str, Any, Any]]  # name: what it does, adds its options, does it


def add_actions(parser: argparse.ArgumentParser, actions: Actions) -> None:
    """The actions of a command, each with options of its own."""
    group = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (text, add, _) in actions.items():
        action = group.add_parser(name, help=text, description=text, allow_abbrev=False)
        add(action)
        add_reporting(action)


def add_options(parser: argparse.ArgumentParser, options: type[Options], *, leave: Iterable[str] = ()) -> None:
    """A flag for each option, under its own name; those in `leave` are the command's to add."""
    from dataclasses import fields

    from braggio.options import kind_of_each, option_of_each

    kinds, abouts = kind_of_each(options), option_of_each(options)
    groups: dict[str, Any] = {"": parser}
    for each in fields(options):
        about = abouts[each.name]
        if each.name not in leave:
            if about.group not in groups:
                groups[about.group] = parser.add_argument_group(about.group)
            _add_flag(groups[about.group], each.name, each.default, kinds[each.name], about)


def _add_flag(group: Any, name: str, default: Any, kind: Kind, about: Option) -> None:
    dashed = name.replace("_", "-")
    if kind.type is bool:
        flag = f"--no-{dashed}" if default else f"--{dashed}"
        action = "store_false" if default else "store_true"
        group.add_argument(flag, *about.flags, dest=name, action=action, default=None, help=about.help)
        return
    words: dict[str, Any] = {"type": _parser_of(kind, about)}
    if kind.choices:
        words = {"choices": kind.choices, "type": kind.type}
    elif kind.length and isinstance(about.metavar, tuple):
        words |= {"nargs": "+" if kind.length < 0 else kind.length, "metavar": about.metavar}
    else:
        words["metavar"] = about.metavar or about.unit.upper() or ("TEXT" if kind.type is str else "N")
    unit = f", {about.unit}" if about.unit else ""
    shown = "" if default in (None, "") or kind.length else f" (default {default})"
    letters = [flag for flag in about.flags if not flag.startswith("--")]
    flags = [*letters, f"--{dashed}", *(flag for flag in about.flags if flag not in letters)]
    group.add_argument(*flags, dest=name, help=f"{about.help}{unit}{shown}", **words)


def _parser_of(kind: Kind, about: Option) -> Callable[[str], Any]:
    """A function of one word, whose name is what argparse calls the value in "invalid ... value"."""
    import datetime

    one: Callable[[str], Any] = datetime.datetime.fromisoformat if kind.type is datetime.datetime else kind.type
    joined = kind.length and not isinstance(about.metavar, tuple)

    def parse(text: str) -> Any:
        if kind.optional and text == "auto":
            return None
        return tuple(map(one, text.split("x"))) if joined else one(text)

    parse.__name__ = about.metavar if isinstance(about.metavar, str) and about.metavar else kind.type.__name__
    return parse


def options_of(arguments: argparse.Namespace, options: type[AnyOptions]) -> AnyOptions:
    """The options that a command was given; those it was not given have their defaults.

    Raises
    ------
    OptionError
        A value is out of range.
    """
    found = {name: getattr(arguments, name, None) for name in options.names()}
    return options.of({name: value for name, value in found.items() if value is not None})


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
        "-j",
        "--threads",
        "--nproc",
        type=positive,
        default=1,
        metavar="N",
        help="threads (default 1); same bytes for any N",
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
