"""One task of a plan carried out: in any process, any number of times, with the same result."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braggio.batch.plan import Task
from braggio.batch.receipts import Receipts
from braggio.errors import BraggioError, OutputError, UnsupportedError

TRANSIENT = {errno.ESTALE, errno.EIO, errno.EAGAIN, errno.ETIMEDOUT}  # network file systems recover from these
ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt, twice that before the third


@dataclass(frozen=True)
class Made:
    """What a recipe has made: files, and what a user should know of them."""

    outputs: Sequence[Path]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Recipe:
    """A conversion as a plan needs it.

    Attributes
    ----------
    run : callable
        ``run(task, out, overwrite)`` makes the outputs, each whole or not at all.
    outputs : callable
        ``outputs(task, out)``: what must not be there before, unless the task may overwrite. Empty where `run` itself
        knows its own earlier outputs.
    """

    run: Callable[[Task, Path, bool], Made]
    outputs: Callable[[Task, Path], Sequence[Path]]


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    name, id : str
        Of the task.
    status : {'done', 'failed'}
    error, message : str
        Of a failed task: class and one line.
    warnings : tuple of str
    """

    name: str
    id: str
    status: str
    error: str = ""
    message: str = ""
    warnings: tuple[str, ...] = ()


def carry_out(order: Mapping[str, Any], recipes: Mapping[str, Recipe]) -> Outcome:
    """Carry out one task; its errors are noted beside the outputs and returned, not raised.

    Parameters
    ----------
    order : dict
        JSON values: ``task``, ``out``, ``overwrite`` and ``checksum``. A dict, because it travels between processes.
    recipes : dict
    """
    task, receipts = Task.from_json(order["task"]), Receipts(order["out"])
    try:
        recipe = recipes.get(task.recipe)
        if recipe is None:
            raise UnsupportedError(field="recipe", expected=" or ".join(recipes), found=task.recipe)
        made = _with_patience(lambda: _run(task, receipts, recipe, overwrite=order["overwrite"]))
        receipts.finish(task, made.outputs, made.warnings, checksum=order["checksum"])
    except (BraggioError, OSError, ValueError, TypeError, MemoryError) as error:
        kind, message = type(error).__name__, " ".join(str(error).splitlines())
        receipts.fail(task, kind, message)
        return Outcome(task.name, task.id, "failed", kind, message)
    return Outcome(task.name, task.id, "done", warnings=tuple(made.warnings))


def _run(task: Task, receipts: Receipts, recipe: Recipe, *, overwrite: bool) -> Made:
    for each in task.inputs:
        each.require_unchanged()
    # A task that has been cut off may replace what it made itself; its note was written when nothing was there.
    if not receipts.begun(task):
        for path in recipe.outputs(task, receipts.out):
            if not overwrite and (any(path.iterdir()) if path.is_dir() else path.exists()):
                raise OutputError("exists; pass overwrite to replace it", path=path, errno=errno.EEXIST)
        receipts.begin(task)
        return recipe.run(task, receipts.out, overwrite)
    return recipe.run(task, receipts.out, True)


def _with_patience(run: Callable[[], Made]) -> Made:
    for attempt in range(1, ATTEMPTS):
        try:
            return run()
        except OSError as error:
            if error.errno not in TRANSIENT:
                raise
            time.sleep(PAUSE * attempt)
    return run()
