"""``braggio pickle print|scan``: image and integration pickles, looked at without unpickling them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio._core import Source
    from braggio.cli.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio pickle``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="print|scan")
    for name, text in (
        ("print", "print what pickles hold, in the words of cxi.print_pickle"),
        ("scan", "list the names and opcodes of pickles without loading them"),
    ):
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("files", nargs="+", metavar="FILE", help="pickles, gzip-compressed or in a tar archive too")
        if name == "print":
            action.add_argument("--break", dest="stop", action="store_true", help=argparse.SUPPRESS)
            action.add_argument("--permissive", action="store_true", help="accept bytes after a pickle, with a warning")
        else:
            action.add_argument("--opcodes", action="store_true", help="every opcode, not only names")
        add_reporting(action)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Print or scan each file; one that fails does not stop the others."""
    if getattr(arguments, "stop", False):
        raise ValueError("--break would hand a pickle to an interactive Python; load it with braggio.xfel.load_pickle")
    for file in arguments.files:
        with session.item(input=file):
            _each_member(arguments, session, file)


def _each_member(arguments: argparse.Namespace, session: Session, file: str) -> None:
    from braggio.errors import about
    from braggio.storage.pickled import extent, members
    from braggio.storage.source import inflate

    for name, stored in members(file):
        with session.item(input=name), about(name):
            source = inflate(stored, extent)
            if arguments.action == "print":
                _print(session, name, source, arguments.permissive)
            else:
                _scan(session, name, source, arguments.opcodes)


def _print(session: Session, name: str, source: Source, permissive: bool) -> None:
    from braggio.storage.pickled import loads
    from braggio.xfel.report import describe, facts

    value = loads(source, permissive=permissive)
    if session.json:
        session.done("", **facts(value, name))
    else:
        session.done("\n" + describe(value, name))


def _scan(session: Session, name: str, source: Source, opcodes: bool) -> None:
    from braggio.errors import UnsafeError, printable
    from braggio.storage.pickled import scan

    found = scan(source)
    lines = [f"{printable(name)}: {len(found.steps)} opcodes, {found.size} of {source.size} bytes"]
    names: dict[tuple[str, bool], int] = {}
    for _, module, each, allowed in found.globals:
        key = f"{module}.{each}", allowed
        names[key] = names.get(key, 0) + 1
    lines += [
        f"  {'allowed' if allowed else 'REFUSED'}  {printable(each)} ({n})" for (each, allowed), n in names.items()
    ]
    if opcodes:
        lines += [
            f"  {at:8d}  {opcode}" + ("" if argument is None else f" {printable(str(argument))}")
            for at, opcode, argument in found.steps
        ]
    facts = {
        "input": name,
        "opcodes": len(found.steps),
        "size": found.size,
        "globals": [
            {"offset": at, "name": f"{module}.{each}", "allowed": allowed}
            for at, module, each, allowed in found.globals
        ],
        "refused": found.refused,
    }
    if opcodes:
        facts["steps"] = found.steps
    if not found.refused:
        session.done("\n".join(lines), **facts)
        return
    session.event("scan", "\n".join(lines), **facts)
    raise UnsafeError(
        path=name, field="pickle", expected="the classes of cctbx pickles", found=", ".join(found.refused)
    )
