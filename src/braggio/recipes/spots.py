"""Laue spots: a task per file of frames, or steps over parts of a long one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.batch.plan import Task
from braggio.batch.staging import durably
from braggio.batch.work import Made, Recipe, WriteMode
from braggio.errors import BraggioError
from braggio.options import require_known
from braggio.recipes.planned import Planned, counts_of, file_tasks, in_steps, part_of

if TYPE_CHECKING:
    from braggio.laue import SpotOptions
    from braggio.laue.parts import PartOptions


_WORK = ("dataset", "mask", "memory", "threads")  # parameters of the work that are no options


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    """A task per file of frames."""
    _options(params)  # refuse a misspelt name now, not when the plan is run
    return file_tasks("spots", ("__mccd.h5", ".h5", ".hdf5"), places, params)


def _options(params: Mapping[str, Any]) -> tuple[SpotOptions, dict[str, Any]]:
    """Options of a task, and where its frames are and how it works."""
    from braggio.laue import SpotOptions

    known = {name: params[name] for name in _WORK if name in params}
    require_known(params, (*SpotOptions.names(), *_WORK, "part", "parts"))
    options = {name: value for name, value in params.items() if name in SpotOptions.names()}
    return SpotOptions.of(options), known


def _run(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.laue import find_spots

    (target,) = _outputs(task, out)
    out.mkdir(parents=True, exist_ok=True)
    options, work = _options(task.params)
    with durably(target, overwrite=mode.overwrite, durable=mode.durable) as place:
        report = find_spots(task.inputs[0].path, place, overwrite=mode.overwrite, **vars(options), **work)
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


def _part_options(task: Task, out: Path, mode: WriteMode) -> PartOptions:
    from braggio.laue.parts import PartOptions

    options, work = _options(task.params)
    (target,) = _outputs(task, out)
    return PartOptions(target, options, **work, overwrite=mode.overwrite, durable=mode.durable)


def _stats(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.laue.parts import stats_part

    return Made(stats_part(task.inputs[0].path, part_of(task), _part_options(task, out, mode)))


def _masks(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.laue.parts import masks_part

    bands, _ = counts_of(task)
    return Made(masks_part(task.inputs[0].path, part_of(task), _part_options(task, out, mode), bands=bands))


def _join(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.laue.parts import join_parts

    bands, blocks = counts_of(task)
    warnings = join_parts(task.inputs[0].path, _part_options(task, out, mode), bands=bands, blocks=blocks)
    return Made(_outputs(task, out), warnings)


RECIPE = Planned(
    Recipe(_run, _outputs),
    _tasks,
    "braggio.laue",
    split=_split,
    steps={  # each knows the output of its own search
        "spots/stats": Recipe(_stats, None),
        "spots/masks": Recipe(_masks, None),
        "spots/join": Recipe(_join, None),
    },
)
