"""``braggio cbf2pickle``: CBF files to image pickles."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from braggio.cli.filewise import convert_each
from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio cbf2pickle``."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="CBF files: mini-CBF, one panel, or a CSPAD")
    parser.add_argument("-o", "--output", metavar="FILE", help="the pickle of one file (default: <name>.pickle)")
    parser.add_argument("--address", metavar="TEXT", help="DETECTOR_ADDRESS")
    parser.add_argument("--timestamp", metavar="TEXT", help="TIMESTAMP, as 2014-12-01T07:36Z01.249")
    parser.add_argument("--protocol", type=int, choices=(2, 4), default=2, help="2 (default) is read by every Python")
    parser.add_argument("--verify", choices=("raise", "warn", "skip"), default="raise", help="a wrong MD5")
    parser.add_argument("-f", "--force", action="store_true", help="replace outputs that exist")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Convert each file; one that fails does not stop the others."""
    from braggio.xfel.convert import cbf_to_pickle

    convert = partial(
        cbf_to_pickle,
        address=arguments.address,
        timestamp=arguments.timestamp,
        protocol=arguments.protocol,
        verify=arguments.verify,
        overwrite=arguments.force,
    )
    convert_each(arguments, session, ".pickle", convert)
