"""Laue spots: a task per file of frames, or steps over parts of a long one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.batch.plan import Task
from braggio.batch.staging import durably
from braggio.batch.work import Made, Manner, Recipe
from braggio.errors import BraggioError
from braggio.recipes.planned import Planned, counts_of, file_tasks, in_steps, part_of

if TYPE_CHECKING:
    from braggio.laue.parts import PartOptions


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


def _split(task: Task, frames: int) -> list[Task]:
    from braggio.laue.parts import part_counts

    try:
        bands, blocks = part_counts(task.inputs[0].path, frames, task.params.get("dataset"))
    except (BraggioError, OSError):
        return [task]  # the task will tell
    return in_steps(task, [("stats", bands), ("masks", blocks)]) if blocks > 1 else [task]


def _told(task: Task, out: Path, manner: Manner) -> PartOptions:
    from braggio.laue import Options
    from braggio.laue.parts import PartOptions

    params = {name: value for name, value in task.params.items() if name not in ("part", "parts")}
    own = {name: params.pop(name) for name in ("dataset", "mask", "memory", "threads") if name in params}
    (target,) = _outputs(task, out)
    return PartOptions(target, Options(**params), **own, overwrite=manner.overwrite, durable=manner.durable)


def _stats(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.laue.parts import stats_part

    return Made(stats_part(task.inputs[0].path, part_of(task), _told(task, out, manner)))


def _masks(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.laue.parts import masks_part

    bands, _ = counts_of(task)
    return Made(masks_part(task.inputs[0].path, part_of(task), _told(task, out, manner), bands=bands))


def _join(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.laue.parts import join_parts

    bands, blocks = counts_of(task)
    warnings = join_parts(task.inputs[0].path, _told(task, out, manner), bands=bands, blocks=blocks)
    return Made(_outputs(task, out), warnings)


RECIPE = Planned(
    Recipe(_run, _outputs),
    partial(file_tasks, "spots", ("__mccd.h5", ".h5", ".hdf5")),
    "braggio.laue",
    split=_split,
    steps={  # each knows the output of its own search
        "spots/stats": Recipe(_stats, None),
        "spots/masks": Recipe(_masks, None),
        "spots/join": Recipe(_join, None),
    },
)
