"""Which inputs in a folder are whole and have come to rest; by polling, for network file systems tell no events."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from braggio.batch.plan import Task


@dataclass(frozen=True)
class Patience:
    """When something counts as whole.

    Attributes
    ----------
    settle : float
        Seconds since the last change of each file.
    series_timeout : float
        Seconds since the last change of the newest file of a series: no further frame is expected.
    frames : int, optional
        Files that make a series whole without waiting for `series_timeout`.
    """

    settle: float = 5.0
    series_timeout: float = 60.0
    frames: int | None = None

    def over(self, task: Task, *, series: bool, now: float, once: bool) -> bool:
        """Say whether the inputs of a task have come to rest at time `now` (seconds since the epoch)."""
        quiet = now - max(each.mtime_ns for each in task.inputs) / 1e9
        if quiet < self.settle:
            return False
        if not series or once:
            return True
        return quiet >= self.series_timeout or (self.frames is not None and len(task.inputs) >= self.frames)


class Watch:
    """A watched folder.

    Parameters
    ----------
    find : callable
        The tasks that the files of the folder make now.
    whole : callable
        Says whether a file is complete by what its header tells of its size.
    patience : Patience
    series : bool
        Whether a task's files come one after the other.
    """

    def __init__(
        self, find: Callable[[], Sequence[Task]], whole: Callable[[str], bool], patience: Patience, *, series: bool
    ) -> None:
        self._find = find
        self._whole = whole
        self._patience = patience
        self._series = series
        self._given: set[str] = set()

    def ready(self, *, once: bool = False) -> list[Task]:
        """Tasks that have become ready since the last call; each is given only once, those of one name one by one.

        With `once` a series is not waited for: what is there now is all of it.
        """
        now = time.time()
        found: dict[str, Task] = {}
        for task in self._find():
            if (
                task.id in self._given
                or task.name in found
                or not self._patience.over(task, series=self._series, now=now, once=once)
            ):
                continue
            if all(os.path.exists(each.path) and self._whole(each.path) for each in task.inputs):
                self._given.add(task.id)
                found[task.name] = task
        return list(found.values())
