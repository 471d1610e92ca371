"""Orders of a run that go wrong on purpose; a module of its own, so that other processes find it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braggio import recipes
from braggio.batch.receipts import Receipts
from braggio.batch.work import Outcome


def perform_once_killed(order: Mapping[str, Any]) -> Outcome:
    """Kills its process the first time that a task whose name ends in 5 is under way, between begin and end."""
    mark = Path(order["out"]).parent / "marks" / order["id"]
    if order["task"]["name"].endswith("5") and not mark.exists():
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        time.sleep(0.01)  # others are under way by now
        os.kill(os.getpid(), signal.SIGKILL)
    return recipes.perform(order)


def perform_deadly(order: Mapping[str, Any]) -> Outcome:
    """Kills its process whenever the task is the one named s05."""
    if order["task"]["name"] == "s05":
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
