"""Processes from start to end: importing braggio, and the command line's help."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.runner import Case, Context, Goal

COMMAND = Path(sysconfig.get_path("scripts")) / "braggio"


def cases(context: Context) -> Iterator[Case | str]:
    variants = {
        "import braggio": process(sys.executable, "-c", "import braggio"),
        "python -c pass": process(sys.executable, "-c", "pass"),
        "import numpy": process(sys.executable, "-c", "import numpy"),
    }
    goals = [Goal("python -c pass", over=10)]
    if COMMAND.is_file() and subprocess.run([COMMAND, "--help"], capture_output=True, check=False).returncode == 0:
        variants["braggio --help"] = process(COMMAND, "--help")
        goals.append(Goal("python -c pass", at_most=2, ours="braggio --help"))
    else:
        yield "braggio --help is left out: there is no such command here, or it fails"
    yield Case("start-up", variants, bytes=0, check=lambda: None, goals=goals)


def process(*command: str | Path) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
