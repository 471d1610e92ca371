"""Removing what interrupted runs have left: part files and staging folders that nobody works on."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from braggio.batch.plan import FOLDER
from braggio.batch.staging import remove_unlocked

# .<name>.<host>.<process>.<16 hexadecimal digits>.part, see publish.hpp
_PART = re.compile(r"^\..+\.(?P<process>\d+)\.[0-9a-f]{16}\.part$", re.DOTALL)
_STAGING = re.compile(r"^\..+\.[0-9a-f]{16}\.part$", re.DOTALL)


def clean(out: str | os.PathLike[str], *, other_hosts: bool = False) -> list[Path]:
    """Remove leftovers below `out`; returns what has gone.

    Parameters
    ----------
    out : path-like
        Folder of outputs.
    other_hosts : bool
        Also the part files of other machines, whose processes cannot be asked: only when no run is under way.
    """
    removed = []
    for folder, folders, files in os.walk(out):
        for name in files:
            path = Path(folder, name)
            if (match := _PART.match(name)) and _abandoned(name, int(match["process"]), other_hosts):
                path.unlink(missing_ok=True)
                removed.append(path)
        for name in [name for name in folders if name != FOLDER and _STAGING.match(name)]:
            folders.remove(name)
            path = Path(folder, name)
            remove_unlocked(path)
            if not path.exists():
                removed.append(path)
    return sorted(removed)


def _abandoned(name: str, process: int, other_hosts: bool) -> bool:
    if f".{socket.gethostname()[:32]}.{process}." not in name:
        return other_hosts
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
