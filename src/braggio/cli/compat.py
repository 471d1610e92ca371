"""``braggio compat``: command lines of cctbx.xfel as they are typed there, key=value and all."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.cli.options import UsageError, add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session

# program: (what it does here, its keys, the key of a word without =)
PROGRAMS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "cxi.print_pickle": ("braggio pickle print", (), ""),
    "cxi.slaccalib2cbfheader": ("braggio metrology slac2cbf", ("metrology", "out"), "metrology"),
    "cxi.cbfheader2slaccalib": ("braggio metrology cbf2slac", ("cbf_header", "out_metrology_file"), "cbf_header"),
    "cxi.display_metrology": ("braggio metrology show", ("metrology", "out"), "metrology"),
    "cxi.pickle2cbf": ("braggio pickle2cbf", ("pickle_file", "metrology", "out", "verbose"), "pickle_file"),
}
DEFAULTS = {
    "cxi.cbfheader2slaccalib": {"out_metrology_file": "0-end.data"},
}

INTERMIXED = True
EPILOG = "programs:\n" + "\n".join(f"  {name:26} as {text}" for name, (text, *_) in PROGRAMS.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio compat``."""
    parser.add_argument("program", choices=tuple(PROGRAMS), metavar="PROGRAM", help="of cctbx.xfel, see below")
    parser.add_argument("words", nargs="*", metavar="WORD", help="its arguments: files and key=value")
    parser.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Run the command of braggio that does the same."""
    program = arguments.program
    if program == "cxi.print_pickle":
        _delegate("pickle", ["print", *arguments.words], arguments, session)
        return
    given = keys(program, arguments.words)
    if program == "cxi.pickle2cbf":
        words = [_needed(given, "pickle_file", program)]
        for option, key in (("-m", "metrology"), ("-o", "out")):
            if value := given.get(key):
                words += [option, value]
        _delegate("pickle2cbf", words, arguments, session)
        return
    if program == "cxi.cbfheader2slaccalib":
        source, output, action = _needed(given, "cbf_header", program), given["out_metrology_file"], "cbf2slac"
    else:
        source = _needed(given, "metrology", program)
        action = "slac2cbf" if program == "cxi.slaccalib2cbfheader" else "show"
        output = given.get("out") or (f"{Path(source).stem}.{'cbf' if action == 'slac2cbf' else 'png'}")
    _delegate("metrology", [action, source, "-o", str(output)], arguments, session)


def keys(program: str, words: list[str]) -> dict[str, str]:
    """The key=value words of a program; a word without = is its main file.

    Examples
    --------
    >>> keys("cxi.slaccalib2cbfheader", ["0-end.data", "out=tmp.cbf"])
    {'metrology': '0-end.data', 'out': 'tmp.cbf'}
    """
    _, known, main = PROGRAMS[program]
    given: dict[str, str] = dict(DEFAULTS.get(program, {}))
    main_word: str | None = None
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            if main_word is not None:
                raise UsageError(f"{program} takes one file, not {main_word} and {word}")
            key, value, main_word = main, word, word
        key = key.rpartition(".")[2]
        matches = [each for each in known if each == key] or [each for each in known if each.startswith(key)]
        if len(matches) != 1:
            raise UsageError(f"{program} has no parameter {key!r}; it has {', '.join(known)}")
        given[matches[0]] = value
    return given


def _needed(given: dict[str, str], key: str, program: str) -> str:
    value = given.get(key)
    if not value:
        raise UsageError(f"{program} needs {key}=FILE")
    return value


def _delegate(command: str, words: list[str], arguments: argparse.Namespace, session: Session) -> None:
    from importlib import import_module

    module = import_module(f"braggio.cli.{command}")
    parser = argparse.ArgumentParser(prog=f"braggio compat {arguments.program}")
    module.add_arguments(parser)
    force = ["--force"] if arguments.force and command != "pickle" else []
    module.run(parser.parse_args([*words, *force]), session)
