"""SMV series: one task each, or steps over parts of a long one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Made, Recipe, WriteMode
from braggio.errors import BraggioError, MetadataError
from braggio.options import require_known
from braggio.recipes.planned import Planned, counts_of, in_steps, part_of

if TYPE_CHECKING:
    from braggio.microed.options import SmvOptions


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    from braggio.microed.series import files_of, group_series

    _options(params)  # refuse a misspelt name now, not when the plan is run
    files = dict.fromkeys(file for place in places for file in files_of(place))
    found = group_series(files)
    if "name" in params and len(found) > 1:
        raise MetadataError(field="name", expected="one series to name", found=f"{len(found)} series")
    for series in found:
        yield Task("smv", series.name, inputs_of(series.files), params)


def _run(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.microed import convert_series

    options, threads = _options(task.params)
    report = convert_series(_files(task), out, threads=threads, **vars(mode), **vars(options))
    return Made([*report.outputs, report.record], report.warnings)


def _split(task: Task, frames: int) -> list[Task]:
    """Scans of parts, then writing of parts, then one task that publishes all."""
    from braggio.microed.parts import frame_count

    try:
        parts = -(-frame_count(_files(task), permissive=bool(task.params.get("permissive"))) // frames)
    except (BraggioError, OSError):
        return [task]  # the task will tell
    return in_steps(task, [("scan", parts), ("write", parts)]) if parts > 1 else [task]


def _part(task: Task, out: Path, mode: WriteMode, *, step: str) -> Made:
    from braggio.microed import parts

    make = {"scan": parts.scan_part, "write": parts.write_part}[step]
    options, threads = _options(task.params)
    return Made(make(_files(task), out, part_of(task), options, threads=threads, **vars(mode)))


def _join(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.microed.parts import join_parts

    _, count = counts_of(task)
    options, _ = _options(task.params)
    report = join_parts(_files(task), out, count, options, **vars(mode))
    return Made([*report.outputs, report.record], report.warnings)


def _files(task: Task) -> list[str]:
    return [each.path for each in task.inputs]


def _options(params: Mapping[str, Any]) -> tuple[SmvOptions, int]:
    """Options of a task, and its threads."""
    from braggio.microed.options import SmvOptions

    require_known(params, (*SmvOptions.names(), "threads", "part", "parts"))
    named = {name: value for name, value in params.items() if name in SmvOptions.names()}
    return SmvOptions.of(named), int(params.get("threads", 1))


def _loses(task: Task, out: Path) -> str:
    from braggio.microed import losses, record_name
    from braggio.microed.scan import series_frames

    if isinstance(name := task.params.get("name"), str):
        return losses(out / record_name(name))
    series = series_frames(_files(task), permissive=bool(task.params.get("permissive"))).series
    return losses(out / record_name(series.name))  # a stack is named otherwise than its task, which has not opened it


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
