"""The conversions that a plan can hold, and how the inputs of each are found in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from braggio.batch.plan import Task, inputs_of
from braggio.batch.staging import durably
from braggio.batch.work import Made, Manner, Outcome, Recipe, carry_out
from braggio.errors import BraggioError, MetadataError, UnsupportedError


@dataclass(frozen=True)
class Planned:
    """A recipe, and how its tasks are made.

    Attributes
    ----------
    recipe : Recipe
    tasks : callable
        ``tasks(places, params)`` for folders, files or patterns.
    package : str
        What a process that carries it out imports.
    series : bool
        Whether the files of a task come one after the other, so that a watched folder must be waited for.
    split : callable, optional
        ``split(task, frames)``: tasks of at most so many frames in the place of one.
    """

    recipe: Recipe
    tasks: Callable[[Sequence[str], Mapping[str, Any]], Iterable[Task]]
    package: str
    series: bool = False
    split: Callable[[Task, int], list[Task]] | None = None


def perform(order: Mapping[str, Any]) -> Outcome:
    """Carry out one order of `braggio.batch.run.run_plan`; every engine calls this."""
    return carry_out(order, {**{name: planned.recipe for name, planned in RECIPES.items()}, **STEPS})


def tasks_of(recipe: str, places: Sequence[str], params: Mapping[str, Any], *, split: int | None = None) -> list[Task]:
    """The tasks that a recipe makes of folders, files or patterns.

    Parameters
    ----------
    recipe : str
    places : sequence of str
    params : dict
    split : int, optional
        An input of more frames becomes several tasks of at most so many, whose outputs are the same.

    Raises
    ------
    MetadataError
        There is no such recipe, or no input; `split` is not at least 1.
    UnsupportedError
        The tasks of this recipe cannot be split.

    Examples
    --------
    >>> import braggio
    >>> [task.name for task in tasks_of("smv", [str(path) for path in braggio.demo_files()], {"voltage": 200})]
    ['demo']
    """
    if recipe not in RECIPES:
        raise MetadataError(field="recipe", expected=" or ".join(RECIPES), found=repr(recipe))
    planned = RECIPES[recipe]
    tasks = list(planned.tasks(places, params))
    if split is None:
        return tasks
    if split < 1:
        raise MetadataError(field="split", expected="at least 1 frame", found=split)
    if planned.split is None:
        able = " or ".join(name for name, each in RECIPES.items() if each.split is not None)
        raise UnsupportedError(field="split", expected=able, found=recipe)
    return [part for task in tasks for part in planned.split(task, split)]


def whole(path: str) -> bool:
    """Say whether a file is complete by what its header tells; one that is still being written is not.

    Examples
    --------
    >>> import braggio
    >>> whole(str(braggio.demo_files()[0]))
    True
    """
    if path.endswith((".h5", ".hdf5")):
        import h5py

        try:
            with h5py.File(path, "r"):
                return True
        except OSError:
            return False
    if path.endswith((".star", ".cs", ".xtc", ".inprogress")):
        return not path.endswith(".inprogress")  # text, records and streams tell no size: waiting must do
    if path.endswith(CONFIGURATIONS):
        return _search_is_whole(path)
    from braggio import formats

    try:
        formats.open(path).close()
    except (BraggioError, OSError):
        return False
    return True


def _smv_tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    from braggio.microed.series import files_of, group_series

    files = dict.fromkeys(file for place in places for file in files_of(place))
    for series in group_series(files):
        yield Task("smv", series.name, inputs_of(series.files), params)


def _smv(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.microed import convert_series

    files = [each.path for each in task.inputs]
    report = convert_series(files, out, overwrite=manner.overwrite, durable=manner.durable, **arguments_of(task.params))
    return Made([*report.outputs, report.record], report.warnings)


def _smv_split(task: Task, frames: int) -> list[Task]:
    """Scans of parts, then writing of parts, then one task that publishes all."""
    from braggio.microed.parts import frame_count

    try:
        files = [each.path for each in task.inputs]
        parts = -(-frame_count(files, permissive=bool(task.params.get("permissive"))) // frames)
    except (BraggioError, OSError):
        return [task]  # the task will tell
    if parts == 1:
        return [task]

    def step(kind: str, after: Sequence[Task]) -> list[Task]:
        steps = [(f"{task.name}.{kind}-{number}-of-{parts}", number) for number in range(1, parts + 1)]
        names = tuple(each.name for each in after)
        return [
            Task(f"smv/{kind}", name, task.inputs, {**task.params, "part": number, "parts": parts}, names)
            for name, number in steps
        ]

    scans = step("scan", [])
    writes = step("write", scans)
    names = tuple(each.name for each in writes)
    return [*scans, *writes, Task("smv/join", task.name, task.inputs, {**task.params, "parts": parts}, names)]


def _smv_part(task: Task, out: Path, manner: Manner, *, step: str) -> Made:
    from braggio.microed import parts

    params = arguments_of(task.params)
    part = parts.Part(params.pop("part"), params.pop("parts"))
    make = {"scan": parts.scan_part, "write": parts.write_part}[step]
    files = [each.path for each in task.inputs]
    return Made(make(files, out, part, overwrite=manner.overwrite, durable=manner.durable, **params))


def _smv_join(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.microed.parts import join_parts

    params = arguments_of(task.params)
    files, parts = [each.path for each in task.inputs], params.pop("parts")
    report = join_parts(files, out, parts, overwrite=manner.overwrite, durable=manner.durable, **params)
    return Made([*report.outputs, report.record], report.warnings)


def _smv_loses(task: Task, out: Path) -> str:
    from braggio.microed import losses, record_name

    return losses(out / record_name(task.name))


def _file_tasks(
    recipe: str, suffixes: tuple[str, ...], places: Sequence[str], params: Mapping[str, Any]
) -> Iterable[Task]:
    """A task per file."""
    for file in dict.fromkeys(file for place in places for file in _files(place, suffixes)):
        yield Task(recipe, file.name.split(".")[0], inputs_of([file]), params)


def _files(place: str, suffixes: tuple[str, ...]) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        found = [each for each in path.iterdir() if each.name.endswith(suffixes) and not each.name.startswith(".")]
    elif path.exists():
        found = [path]
    else:
        found = [each for each in path.parent.glob(path.name) if each.is_file()]
    if not found:
        raise MetadataError(path=place, field="files", expected=f"at least one of {', '.join(suffixes)}", found="none")
    return sorted(found)


def _spots(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.laue import find_spots

    (target,) = _spots_outputs(task, out)
    out.mkdir(parents=True, exist_ok=True)
    with durably(target, overwrite=manner.overwrite, durable=manner.durable) as place:
        report = find_spots(task.inputs[0].path, place, overwrite=manner.overwrite, **task.params)
    return Made([target], report.warnings)


def _spots_outputs(task: Task, out: Path) -> Sequence[Path]:
    from braggio.laue import default_output

    return [out / Path(default_output(task.inputs[0].path)).name]


def _particles(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.particles import convert_indexed

    (folder,) = _own_folder(task, out)
    report = convert_indexed(
        task.inputs[0].path, folder, overwrite=manner.overwrite, durable=manner.durable, **task.params
    )
    return Made([folder / name for name in report.outputs], report.notes)


def _own_folder(task: Task, out: Path) -> Sequence[Path]:
    return [out / task.name]


def _xtc_tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    """A task per run; files of calibration are inputs too."""
    from braggio.xtc import parse_name

    params = _placed(params, ("pedestals", "geometry", "calib_dir"))
    beside = [params[name] for name in ("pedestals", "geometry") if params.get(name)]
    runs: dict[str, list[Path]] = {}
    for file in dict.fromkeys(file for place in places for file in _files(place, (".xtc", ".xtc.inprogress"))):
        name = parse_name(file)
        if not name.small:
            run = "" if name.run is None else f"r{name.run:04d}"
            runs.setdefault("-".join(filter(None, (name.experiment, run))) or file.stem, []).append(file)
    for run, files in runs.items():
        yield Task("xtc", run, inputs_of([*files, *beside]), params)


def _xtc(task: Task, out: Path, manner: Manner) -> Made:
    from braggio.xtc import DumpOptions, Run, dump_run

    (folder,) = _own_folder(task, out)
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


CONFIGURATIONS = (".yaml", ".yml", ".json")


def _matching_tasks(places: Sequence[str], params: Mapping[str, Any]) -> Iterable[Task]:
    """A task per search; its maps are inputs too."""
    params = _placed(params, ("base", "micrograph", "template", "mask"))
    for file in dict.fromkeys(file for place in places for file in _files(place, CONFIGURATIONS)):
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


def _search_is_whole(path: str) -> bool:
    files, _ = _files_of_search(Path(path), {})
    return bool(files) and all(map(os.path.exists, files))


def _matching(task: Task, out: Path, manner: Manner) -> Made:
    """As ``braggio matching table``."""
    from braggio.matching import match_table, open_result, pick, write_table
    from braggio.matching.result import open_map
    from braggio.matching.table import provenance_path, write_provenance

    params = dict(task.params)
    places = {name: params.pop(name) for name in ("base", "micrograph", "template") if name in params}
    table = {name: params.pop(name) for name in ("width", "half_template_shift", "exclude") if name in params}
    valid, correlations = params.pop("valid", False), params.pop("correlations", None)
    if params.get("mask"):
        with open_map(params["mask"]) as stack:
            params["mask"] = stack.read(0) > 0
    target = out / f"{task.name}.csv"
    out.mkdir(parents=True, exist_ok=True)
    with open_result(task.inputs[0].path, **places) as result:
        result = result.with_correlations(correlations) if correlations else result
        result = result.apply_valid_cropping() if valid else result
        peaks = pick(result, **params)
        found = match_table(result, peaks, **table)
        result.close()
    facts = {"result": task.inputs[0].path, **peaks.provenance, "columns": len(found.columns)}
    write_provenance(target, facts, overwrite=True)
    with durably(target, overwrite=manner.overwrite, durable=manner.durable) as place:
        write_table(place, found, overwrite=manner.overwrite)
    empty = [] if len(peaks) else [f"no peak above {peaks.cutoff:.4g}: the table has no rows"]
    return Made([target, Path(provenance_path(target))], [*found.notes, *empty])


def _matching_outputs(task: Task, out: Path) -> Sequence[Path]:
    return [out / f"{task.name}.csv"]


def _placed(params: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Parameters whose files and folders are found from anywhere."""
    return {
        name: os.path.abspath(value) if name in names and isinstance(value, str) else value
        for name, value in params.items()
    }


def arguments_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a task as arguments of its function: JSON knows no tuples.

    Examples
    --------
    >>> arguments_of({"beam_center": [64, 64], "voltage": 200})
    {'beam_center': (64, 64), 'voltage': 200}
    """
    return {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}


def packages_of(tasks: Iterable[Task]) -> list[str]:
    """What processes that carry out these tasks import; worth doing once for all of them.

    Examples
    --------
    >>> packages_of([])
    ['braggio.recipes']
    """
    recipes = {task.recipe.split("/")[0] for task in tasks} & RECIPES.keys()
    return ["braggio.recipes", *sorted(RECIPES[recipe].package for recipe in recipes)]


RECIPES: Mapping[str, Planned] = {
    # A series knows its own earlier outputs: nothing has to be refused for it.
    "smv": Planned(Recipe(_smv, None, _smv_loses), _smv_tasks, "braggio.microed", series=True, split=_smv_split),
    "spots": Planned(
        Recipe(_spots, _spots_outputs), partial(_file_tasks, "spots", ("__mccd.h5", ".h5", ".hdf5")), "braggio.laue"
    ),
    "particles": Planned(
        Recipe(_particles, _own_folder), partial(_file_tasks, "particles", (".star", ".cs")), "braggio.particles"
    ),
    # So does a dump, which goes on where it failed.
    "xtc": Planned(Recipe(_xtc, None), _xtc_tasks, "braggio.xtc", series=True),
    "matching": Planned(Recipe(_matching, _matching_outputs), _matching_tasks, "braggio.matching"),
}

# What the tasks of an input that was split do.
STEPS: Mapping[str, Recipe] = {
    "smv/scan": Recipe(partial(_smv_part, step="scan"), None),
    "smv/write": Recipe(partial(_smv_part, step="write"), None),
    "smv/join": Recipe(_smv_join, None, _smv_loses),
}
