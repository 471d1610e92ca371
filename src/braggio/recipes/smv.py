"""SMV series: one task each, or steps over parts of a long one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from braggio.batch.parts import Part
from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Made, Manner, Recipe
from braggio.errors import BraggioError
from braggio.recipes.planned import Planned, arguments_of, in_steps


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    from braggio.microed.series import files_of, group_series

    files = dict.fromkeys(file for place in places for file in files_of(place))
    for series in group_series(files):
        yield Task("smv", series.name, inputs_of(series.files), params)


def _run(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.microed import convert_series

    files = [each.path for each in task.inputs]
    report = convert_series(files, out, overwrite=manner.overwrite, durable=manner.durable, **arguments_of(task.params))
    return Made([*report.outputs, report.record], report.warnings)


def _split(task: Task, frames: int) -> list[Task]:
    """Scans of parts, then writing of parts, then one task that publishes all."""
    from braggio.microed.parts import frame_count

    try:
        files = [each.path for each in task.inputs]
        parts = -(-frame_count(files, permissive=bool(task.params.get("permissive"))) // frames)
    except (BraggioError, OSError):
        return [task]  # the task will tell
    return in_steps(task, [("scan", parts), ("write", parts)]) if parts > 1 else [task]


def _part(task: Task, out: Path, manner: Manner, *, step: str) -> Made:
    from braggio.microed import parts

    params = arguments_of(task.params)
    part, _ = Part(*params.pop("part")), params.pop("parts")
    make = {"scan": parts.scan_part, "write": parts.write_part}[step]
    files = [each.path for each in task.inputs]
    return Made(make(files, out, part, overwrite=manner.overwrite, durable=manner.durable, **params))


def _join(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.microed.parts import join_parts

    params = arguments_of(task.params)
    files, (_, parts) = [each.path for each in task.inputs], params.pop("parts")
    report = join_parts(files, out, parts, overwrite=manner.overwrite, durable=manner.durable, **params)
    return Made([*report.outputs, report.record], report.warnings)


def _loses(task: Task, out: Path) -> str:
    from braggio.microed import losses, record_name

    return losses(out / record_name(task.name))


# A series knows its own earlier outputs: nothing has to be refused for it.
RECIPE = Planned(
    Recipe(_run, None, _loses),
    _tasks,
    "braggio.microed",
    series=True,
    split=_split,
    steps={
        "smv/scan": Recipe(partial(_part, step="scan"), None),
        "smv/write": Recipe(partial(_part, step="write"), None),
        "smv/join": Recipe(_join, None, _loses),
    },
)
