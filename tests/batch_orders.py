"""Orders of a run that go wrong on purpose; a module of its own, so that other processes find it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braggio import recipes
from braggio.batch.plan import Task
from braggio.batch.receipts import Receipts
from braggio.batch.staging import Staging
from braggio.batch.work import Outcome


def perform_killed_every_25th(order: Mapping[str, Any]) -> Outcome:
    """Of 200 tasks eight kill their process, the first time."""
    return _perform_killed(order, 25)


def perform_killed_every_4th(order: Mapping[str, Any]) -> Outcome:
    """Of 40 tasks ten kill their process, the first time."""
    return _perform_killed(order, 4)


def _perform_killed(order: Mapping[str, Any], every: int) -> Outcome:
    """Kills its process while the task is under way, between begin and end, and others are too."""
    mark = Path(order["out"]).parent / "marks" / order["id"]
    if int(order["task"]["name"][1:]) % every == 1 and not mark.exists():
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        out, task = Path(order["out"]), Task.from_json(order["task"])
        Receipts(out).begin(task)
        staging = Staging(out, task.name, task.id)
        staging.begin([], overwrite=False)
        staging.path(f"{task.name}_001.img").write_bytes(b"half a file")
        time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return recipes.perform(order)


def perform_deadly(order: Mapping[str, Any]) -> Outcome:
    """Kills its process whenever the task is the one named s005."""
    if order["task"]["name"] == "s005":
        os.kill(os.getpid(), signal.SIGKILL)
    return recipes.perform(order)


def perform_killed_at_finish(order: Mapping[str, Any]) -> Outcome:
    """Kills its process once for each task: when all outputs are there, and the receipt is not."""
    mark = Path(order["out"]).parent / "marks" / order["id"]
    if mark.exists():
        return recipes.perform(order)
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    Receipts.finish = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign,misc]
    return recipes.perform(order)
