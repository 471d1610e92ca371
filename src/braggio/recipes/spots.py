"""Laue spots: a task per file of frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from braggio.batch.plan import Task
from braggio.batch.staging import durably
from braggio.batch.work import Made, Manner, Recipe
from braggio.recipes.planned import Planned, file_tasks


def _run(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.laue import find_spots

    (target,) = _outputs(task, out)
    out.mkdir(parents=True, exist_ok=True)
    with durably(target, overwrite=manner.overwrite, durable=manner.durable) as place:
        report = find_spots(task.inputs[0].path, place, overwrite=manner.overwrite, **task.params)
    return Made([target], report.warnings)


def _outputs(task: Task, out: Path) -> Sequence[Path]:
    from braggio.laue import default_output

    return [out / Path(default_output(task.inputs[0].path)).name]


RECIPE = Planned(Recipe(_run, _outputs), partial(file_tasks, "spots", ("__mccd.h5", ".h5", ".hdf5")), "braggio.laue")
