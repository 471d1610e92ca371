"""LCLS-I streams: a task per run, into a folder of its name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Made, Manner, Recipe
from braggio.recipes.planned import Planned, arguments_of, files_in, own_folder, placed


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    """A task per run; files of calibration are inputs too."""
    from braggio.xtc import parse_name

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


def _run(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.xtc import DumpOptions, Run, dump_run

    (folder,) = own_folder(task, out)
    params = dict(task.params)
    threads = params.pop("threads", 1)
    beside = {params.get("pedestals"), params.get("geometry")}
    files = [each.path for each in task.inputs if each.path not in beside]
    for half in folder.glob("[.]*.h5.*.part"):  # of a run that was cut off: HDF5 written in two goes has other bytes
        half.unlink()
    options = DumpOptions(output_dir=os.fspath(folder), **arguments_of(params))
    report = dump_run(Run(files, skip_bad=len(files) > 1), options, overwrite=manner.overwrite, threads=threads)
    counted = [f"{count} events without an image: {reason}" for reason, count in sorted(report.missing.items())]
    record = folder.glob(f"xtc_dump*-{options.file_format}.json")
    return Made([*map(Path, report.outputs), *record], [*report.failed, *counted, *sorted(report.problems.notes)])


RECIPE = Planned(Recipe(_run, None), _tasks, "braggio.xtc", series=True)  # a dump goes on where it failed
