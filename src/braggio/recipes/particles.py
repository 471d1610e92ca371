"""Particle tables: a task per star or .cs file, into a folder of its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.batch.plan import Task
from braggio.batch.work import Made, Recipe, WriteMode
from braggio.options import require_known
from braggio.recipes.planned import Planned, file_tasks, own_folder

if TYPE_CHECKING:
    from braggio.particles import BatchOptions


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    batch_options(params)  # refuse a misspelt name now, not when the plan is run
    return file_tasks("particles", (".star", ".cs"), places, params)


def batch_options(params: Mapping[str, Any]) -> tuple[BatchOptions, dict[str, Any], int]:
    """Options of a task, those of reading its table, and its threads."""
    import inspect

    from braggio.particles import BatchOptions, read

    require_known(params, (*BatchOptions.names(), "reading", "threads"))
    reading = params.get("reading", {})
    require_known(reading, [name for name in inspect.signature(read).parameters if name != "file"], "option of reading")
    options = {name: value for name, value in params.items() if name in BatchOptions.names()}
    return BatchOptions.of(options), dict(reading), int(params.get("threads", 1))


def _run(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.particles import convert, read

    (folder,) = own_folder(task, out)
    options, reading, threads = batch_options(task.params)
    table = read(task.inputs[0].path, **reading)
    report = convert(table, folder, threads=threads, **vars(mode), **vars(options))
    return Made([folder / name for name in report.outputs], report.notes)


RECIPE = Planned(Recipe(_run, own_folder), _tasks, "braggio.particles")
