"""LCLS-I streams: a task per run, into a folder of its name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Made, Recipe, WriteMode
from braggio.errors import OptionError
from braggio.options import require_known
from braggio.recipes.planned import Planned, arguments_of, files_in, own_folder, placed

if TYPE_CHECKING:
    from braggio.xtc import DumpOptions


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    """A task per run; files of calibration are inputs too."""
    from braggio.xtc import parse_name

    _options(params, "")  # refuse a misspelt name now, not when the plan is run
    params = placed(params, ("pedestals", "geometry", "calib_dir"))
    beside = [params[name] for name in ("pedestals", "geometry") if params.get(name)]
    runs: dict[str, list[Path]] = {}
    for file in dict.fromkeys(file for place in places for file in files_in(place, (".xtc", ".xtc.inprogress"))):
        name = parse_name(file)
        if not name.small:
            run = "" if name.run is None else f"r{name.run:04d}"
            runs.setdefault("-".join(filter(None, (name.experiment, run))) or file.stem, []).append(file)
    for run, files in runs.items():
        yield Task("xtc", run, inputs_of([*files, *beside]), params)


def _options(params: Mapping[str, Any], folder: str) -> tuple[DumpOptions, int]:
    """Options of a task whose images go into a folder, and its threads."""
    from dataclasses import fields

    from braggio.xtc import DumpOptions

    names = [each.name for each in fields(DumpOptions) if each.name != "output_dir"]
    require_known(params, (*names, "threads"))
    if "address" not in params:
        raise OptionError(field="address", expected="a detector", found="none")
    given = {name: value for name, value in params.items() if name in names}
    return DumpOptions(output_dir=folder, **arguments_of(given)), int(params.get("threads", 1))


def _run(task: Task, out: Path, mode: WriteMode) -> Made:
    from braggio.xtc import Run, dump_run

    (folder,) = own_folder(task, out)
    options, threads = _options(task.params, os.fspath(folder))
    beside = {options.pedestals, options.geometry}
    files = [each.path for each in task.inputs if each.path not in beside]
    report = dump_run(Run(files, skip_bad=len(files) > 1), options, overwrite=mode.overwrite, threads=threads)
    counted = [f"{count} events without an image: {reason}" for reason, count in sorted(report.missing.items())]
    record = folder.glob(f"xtc_dump*-{options.file_format}.json")
    return Made([*map(Path, report.outputs), *record], [*report.failed, *counted, *sorted(report.problems.notes)])


RECIPE = Planned(Recipe(_run, None), _tasks, "braggio.xtc", series=True)  # a dump goes on where it failed
