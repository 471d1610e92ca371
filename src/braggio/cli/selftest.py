"""``braggio selftest``: versions and limits, and the demo series converted and checked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio selftest``."""
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Report, convert, verify."""
    import platform
    import tempfile
    from importlib.metadata import version

    from braggio import __version__, demo_files, microed
    from braggio._core import cpu_levels
    from braggio.batch.cpus import cpu_count, granted

    versions = {name: version(name) for name in ("numpy", "numba", "pandas", "h5py", "mrcfile", "starfile")}
    limits = ", ".join(f"{name} {number}" for name, number in granted().items())
    session.event(
        "versions",
        f"braggio {__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in versions.items()),
        braggio=__version__,
        python=platform.python_version(),
        **versions,
    )
    session.event(
        "machine",
        f"instruction level {cpu_levels()[-1]}; {cpu_count()} processor(s): the least of {limits}",
        levels=cpu_levels(),
        cpus=cpu_count(),
        granted=granted(),
    )
    with tempfile.TemporaryDirectory() as folder:
        report = microed.convert_series(demo_files(), folder, voltage=200, mrc=True)
        for check in microed.verify_series(report):
            if check.ok:
                session.done(f"demo frame {check.number}: ok", number=check.number)
            else:
                session.failed(check.problem, number=check.number)
