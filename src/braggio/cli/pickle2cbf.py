"""``braggio pickle2cbf``: image pickles to CBF."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from braggio.cli.filewise import convert_each
from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio pickle2cbf``."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="image pickles")
    parser.add_argument("-o", "--output", metavar="FILE", help="the CBF of one pickle (default: its name with .cbf)")
    parser.add_argument(
        "-m", "--metrology", metavar="FILE", help="SLAC geometry, folder or CBF: write the 64 tiles of a CSPAD"
    )
    parser.add_argument("--codec", choices=("byte_offset", "packed", "packed_v2", "none"), help="of the pixels")
    parser.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Convert each file; one that fails does not stop the others."""
    from braggio.xfel.convert import pickle_to_cbf

    convert = partial(
        pickle_to_cbf,
        metrology=arguments.metrology,
        codec=arguments.codec,
        overwrite=arguments.force,
    )
    convert_each(arguments, session, ".cbf", convert)
