"""What the commands that make one file of each file share: which output is whose, and going on past a bad one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from braggio.cli.options import UsageError
from braggio.errors import OutputError

if TYPE_CHECKING:
    from braggio.cli.session import Session


def convert_each(
    arguments: argparse.Namespace, session: Session, suffix: str, convert: Callable[[str, str], None]
) -> None:
    """Call ``convert(file, output)`` for each of ``files``; one that fails does not stop the others.

    Parameters
    ----------
    arguments : argparse.Namespace
        With ``files`` and ``output``.
    session : Session
        What is told of each.
    suffix : str
        Of an output that is not named: the file's own name with this ending.
    convert : callable
        Writes one output.
    """
    if arguments.output and len(arguments.files) > 1:
        raise UsageError("--output takes one input")
    inputs = {os.path.realpath(file) for file in arguments.files}
    made: set[str] = set()
    for file in arguments.files:
        with session.item(input=file):
            output = arguments.output or os.path.splitext(file.removesuffix(".gz"))[0] + suffix
            place = os.path.realpath(output)
            if place in inputs or place in made:
                taken = "an input" if place in inputs else "the output of another input"
                raise OutputError(f"not written for {file}: it is {taken}", path=output)
            convert(file, output)
            made.add(place)
            session.done(output, input=file, output=output)
