"""``braggio relion-job``: a particle conversion as an External job of RELION."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_reporting, positive

if TYPE_CHECKING:
    from braggio.cli.session import Session

INTERMIXED = True
EPILOG = """RELION calls it with --o, --in_parts and --j; give the rest as parameters of the job:
  NAME=VALUE     of braggio.particles.convert, as batch_size=1024 downsample_factor=2

RELION_JOB_EXIT_SUCCESS or _FAILURE is written into the folder of the job last of all. RELION_JOB_ABORT_NOW there ends
the job after the batch under way, and RELION_JOB_EXIT_ABORTED is written.
"""


class _AbortedError(Exception):
    """RELION asks the job to end."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio relion-job``."""
    parser.add_argument("--o", required=True, metavar="DIR", help="folder of the job, External/jobNNN/")
    parser.add_argument("--in_parts", required=True, metavar="STAR", help="particles")
    parser.add_argument("--j", type=positive, default=1, metavar="N", help="threads, accepted for RELION")
    parser.add_argument("params", nargs="*", metavar="NAME=VALUE", help="of the conversion")
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Convert, then say how it ended."""
    from braggio.cli.plan import split_parameters
    from braggio.errors import MetadataError
    from braggio.particles import convert, read
    from braggio.recipes.particles import batch_options

    job = Path(arguments.o)
    job.mkdir(parents=True, exist_ok=True)
    for name in ("SUCCESS", "FAILURE", "ABORTED"):
        _exit_file(job, name).unlink(missing_ok=True)
    end = "FAILURE"
    try:
        places, params = split_parameters(arguments.params)
        if places:
            raise MetadataError(field="parameter", expected="NAME=VALUE", found=repr(places[0]))
        options, reading, threads = batch_options(params)
        table = read(arguments.in_parts, **reading)
        how = {"overwrite": True, "threads": threads, "progress": _polling(job)}
        report = convert(table, job / "particles", **how, **vars(options))
        session.done(f"{job}: {report.images} images", job=job, images=report.images)
        end = "SUCCESS"
    except _AbortedError:
        end = "ABORTED"
        session.failed(f"{job}: ended by RELION_JOB_ABORT_NOW", job=job)
    finally:
        _exit_file(job, end).touch()


def _exit_file(job: Path, end: str) -> Path:
    return job / f"RELION_JOB_EXIT_{end}"


def _polling(job: Path) -> Any:
    def progress(done: int, total: int) -> None:
        if (job / "RELION_JOB_ABORT_NOW").exists():
            raise _AbortedError

    return progress
