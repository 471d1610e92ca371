"""The programs that braggio's outputs are made for, as the system has them, bounded in time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MODELS = Path(__file__).parent / "peers" / "dxtbx_models.py"
SECONDS = 120  # for one call of a program

# The folders of this environment's Python are none of theirs.
SYSTEM_PATH = os.pathsep.join(["/usr/local/bin", "/usr/bin", "/bin"])
_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", "MPLBACKEND": "agg"}


class Dials:
    """DIALS of the system, run in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, command: str | Sequence[str], *, fails: bool = False) -> str:
        """Output of a shell line or of words; the return code must be 0 unless the command `fails`."""
        done = subprocess.run(
            command,
            shell=isinstance(command, str),
            executable="/bin/sh" if isinstance(command, str) else None,
            cwd=self.folder,
            env={**_ENVIRONMENT, "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert (done.returncode != 0) == fails, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def models(self, *lists: str | Path) -> dict[str, list[dict[str, Any]]]:
        """What dxtbx makes of each experiment of experiment lists: see dxtbx_models.py."""
        done = subprocess.run(
            ["/usr/bin/python3", MODELS, *lists],
            cwd=self.folder,
            env={**_ENVIRONMENT, "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
        return found
