"""Removing what interrupted runs have left: part files and staging folders that nobody works on."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Container
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
            if _abandoned(name, other_hosts):
                path.unlink(missing_ok=True)
                removed.append(path)
        for name in [name for name in folders if name != FOLDER and _STAGING.match(name)]:
            folders.remove(name)
            path = Path(folder, name)
            remove_unlocked(path)
            if not path.exists():
                removed.append(path)
    return sorted(removed)


def clean_notes(out: str | os.PathLike[str], tasks: Container[str]) -> None:
    """Remove what runs that were killed have left of the receipts and notes of tasks, given by their ids.

    The notes of all tasks of a plan are in one folder, so this looks at that alone. Only for tasks of one's own: the
    process of another run may be one that cannot be seen from here.
    """
    folder = Path(out, FOLDER)
    for name in os.listdir(folder) if folder.is_dir() else []:
        if name[1:].partition(".")[0] in tasks and _abandoned(name, other_hosts=False):
            (folder / name).unlink(missing_ok=True)


def _abandoned(name: str, other_hosts: bool) -> bool:
    """Say whether this is the name of a part file whose process is no more."""
    match = _PART.match(name)
    if match is None:
        return False
    process = int(match["process"])
    if f".{socket.gethostname()[:32]}.{process}." not in name:
        return other_hosts
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return True
    except PermissionError:
        return False
    return False
