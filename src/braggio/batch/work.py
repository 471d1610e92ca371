"""One task of a plan carried out: in any process, any number of times, with the same result."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from braggio.batch.plan import Task
from braggio.batch.receipts import Receipts
from braggio.batch.sources import move_source
from braggio.errors import BusyError, OutputError, UnsupportedError

TRANSIENT = {errno.ESTALE, errno.EIO, errno.EAGAIN, errno.ETIMEDOUT}  # network file systems recover from these
ATTEMPTS = 3
PAUSE = 0.5  # seconds before the second attempt, twice that before the third


@dataclass(frozen=True)
class Made:
    """What a recipe has made: files, and what a user should know of them."""

    outputs: Sequence[Path]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class WriteMode:
    """Overwriting and durability of outputs; their bytes do not depend on it.

    Attributes
    ----------
    overwrite : bool
        What is there may be replaced.
    durable : bool
        The disk has the outputs before they get their names.
    """

    overwrite: bool = False
    durable: bool = False


@dataclass(frozen=True)
class Recipe:
    """A conversion as a plan needs it.

    Attributes
    ----------
    run : callable
        ``run(task, out, mode)`` makes the outputs, each whole or not at all.
    outputs : callable or None
        ``outputs(task, out)``: what must not be there before, unless the task may overwrite. None where `run` itself
        knows what it made before it was cut off.
    loses : callable, optional
        ``loses(task, out)`` reads inputs and outputs and says what would be lost with the inputs; empty when nothing.
        Without it inputs are never removed.
    """

    run: Callable[[Task, Path, WriteMode], Made]
    outputs: Callable[[Task, Path], Sequence[Path]] | None
    loses: Callable[[Task, Path], str] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    name, id : str
        Of the task.
    status : {'done', 'failed', 'busy'}
        Busy: another run is at work on it.
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
        JSON values: ``task``, ``out``, ``overwrite``, ``checksum``, ``durable``, ``move_source`` and ``shared``, a
        path that other tasks read too. A dict, because it travels between processes.
    recipes : dict
    """
    task, receipts = Task.from_json(order["task"]), Receipts(order["out"], durable=order["durable"])
    notes: tuple[str, ...] = ()
    made: Made | None = None
    try:
        recipe = recipes.get(task.recipe)
        if recipe is None:
            raise UnsupportedError(field="recipe", expected=" or ".join(recipes), found=task.recipe)
        if receipts.done(task):  # only the source is left to be moved, or another worker was faster and died then
            receipts.tidy(task)
        else:
            mode = WriteMode(order["overwrite"], order["durable"])
            made = _with_patience(lambda: _run(task, receipts, recipe, mode))
            receipts.finish(task, made.outputs, made.warnings, checksum=order["checksum"])
            notes = tuple(made.warnings)
        if order["move_source"] and (reason := _move_source(task, receipts, recipe, order["shared"])):
            notes = (*notes, f"source kept: {reason}")
    except BusyError as error:
        return Outcome(task.name, task.id, "busy", message=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other tasks
        kind = type(error).__name__
        message = " ".join(str(error).splitlines()) or kind
        receipts.fail(task, kind, message, made=made is not None)
        return Outcome(task.name, task.id, "failed", kind, message)
    return Outcome(task.name, task.id, "done", warnings=notes)


def _run(task: Task, receipts: Receipts, recipe: Recipe, mode: WriteMode) -> Made:
    for each in task.inputs:
        each.require_unchanged()
    if recipe.outputs is None:
        receipts.begin(task)
        return recipe.run(task, receipts.out, mode)
    # A task that has been cut off may replace what it made itself; its note was written when nothing was there.
    if not receipts.begun(task):
        for path in recipe.outputs(task, receipts.out):
            if not mode.overwrite and (any(path.iterdir()) if path.is_dir() else path.exists()):
                raise OutputError(
                    "exists; pass overwrite=True (the command line adds -f)", path=path, errno=errno.EEXIST
                )
        receipts.begin(task)
        return recipe.run(task, receipts.out, mode)
    return recipe.run(task, receipts.out, replace(mode, overwrite=True))


def _move_source(task: Task, receipts: Receipts, recipe: Recipe, shared: str) -> str:
    """Why the inputs were kept."""
    loses = recipe.loses
    if loses is None:
        return f"recipe {task.recipe!r} cannot prove that nothing would be lost"
    if shared:
        return f"{shared}: another task reads it too"
    receipts.sync(receipts.outputs(task))
    return move_source(receipts.out, task.id, task.inputs, receipts.outputs(task), lambda: loses(task, receipts.out))


def _with_patience(run: Callable[[], Made]) -> Made:
    for attempt in range(1, ATTEMPTS):
        try:
            return run()
        except OSError as error:
            if error.errno not in TRANSIENT:
                raise
            time.sleep(PAUSE * attempt)
    return run()
