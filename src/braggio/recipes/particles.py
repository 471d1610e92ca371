"""Particles: a task per table, into a folder of its name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from braggio.batch.plan import Task
from braggio.batch.work import Made, Manner, Recipe
from braggio.recipes.planned import Planned, file_tasks, own_folder


def _run(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.particles import convert_indexed

    (folder,) = own_folder(task, out)
    report = convert_indexed(
        task.inputs[0].path, folder, overwrite=manner.overwrite, durable=manner.durable, **task.params
    )
    return Made([folder / name for name in report.outputs], report.notes)


RECIPE = Planned(Recipe(_run, own_folder), partial(file_tasks, "particles", (".star", ".cs")), "braggio.particles")
