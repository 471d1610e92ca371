"""Template matching: a task per search, its maps to a table of its name."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Made, Recipe, WriteMode
from braggio.errors import BraggioError
from braggio.recipes.planned import Planned, files_in

CONFIGURATIONS = (".yaml", ".yml", ".json")


def _tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    """A task per search; its maps are inputs too."""
    from braggio.matching.options import TableOptions

    TableOptions.of(params)  # refuse a misspelt name now, not when the plan is run
    params = TableOptions.placed(params)
    for file in dict.fromkeys(file for place in places for file in files_in(place, CONFIGURATIONS)):
        if file.name.endswith(".provenance.json"):
            continue
        files, more = _files_of_search(file, params)
        yield Task("matching", file.stem, inputs_of([file, *filter(os.path.exists, files)]), {**params, **more})


def _files_of_search(file: Path, params: Mapping[str, Any]) -> tuple[list[Path], dict[str, str]]:
    """(files that a search names, parameters that say where they are).

    Relative paths that only fit the working directory get it as their base: another process has another.
    """
    from braggio.matching import open_result

    places = {name: params[name] for name in ("base", "micrograph", "template") if params.get(name)}
    try:
        result = open_result(os.path.abspath(file), **places)
    except (BraggioError, OSError):
        return [], {}  # the task will tell
    files = [path for path in (*result.paths.values(), result.micrograph, result.template) if path is not None]
    files += [Path(params["mask"])] if params.get("mask") else []
    return files, {} if all(path.is_absolute() for path in files) else {"base": os.getcwd()}


def search_is_whole(path: str) -> bool:
    """Say whether all that a search names is there."""
    files, _ = _files_of_search(Path(path), {})
    return bool(files) and all(map(os.path.exists, files))


def _run(task: Task, out: Path, mode: WriteMode) -> Made:
    """As ``braggio matching table``."""
    from braggio.matching.options import TableOptions
    from braggio.matching.tabulate import search_table

    (target,) = _outputs(task, out)
    report = search_table(task.inputs[0].path, target, TableOptions.of(task.params), **vars(mode))
    empty = [] if len(report.peaks) else [f"no peak above {report.peaks.cutoff:.4g}: the table has no rows"]
    return Made([report.path, report.provenance], [*report.table.notes, *empty])


def _outputs(task: Task, out: Path) -> Sequence[Path]:
    return [out / f"{task.name}.csv"]


RECIPE = Planned(Recipe(_run, _outputs), _tasks, "braggio.matching")
