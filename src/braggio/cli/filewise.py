"""What the commands that make one file of each file share: which output is whose, and going on past a bad one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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
        raise ValueError("--output takes one input")
    for file in arguments.files:
        with session.item(input=file):
            output = arguments.output or str(Path(file.removesuffix(".gz")).with_suffix(suffix))
            convert(file, output)
            session.done(output, input=file, output=output)
