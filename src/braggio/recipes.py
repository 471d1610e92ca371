"""The conversions that a plan can hold, and how the inputs of each are found in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Made, Outcome, Recipe, carry_out
from braggio.errors import BraggioError, MetadataError


@dataclass(frozen=True)
class Planned:
    """A recipe, and how its tasks are made.

    Attributes
    ----------
    recipe : Recipe
    tasks : callable
        ``tasks(places, params)`` for folders, files or patterns.
    suffixes : tuple of str
        Of the files that a watched folder is searched for.
    """

    recipe: Recipe
    tasks: Callable[[Sequence[str], Mapping[str, Any]], Iterable[Task]]
    suffixes: tuple[str, ...]


def perform(order: Mapping[str, Any]) -> Outcome:
    """Carry out one order of `braggio.batch.run.run_plan`; every engine calls this."""
    return carry_out(order, {name: planned.recipe for name, planned in RECIPES.items()})


def tasks_of(recipe: str, places: Sequence[str], params: Mapping[str, Any]) -> list[Task]:
    """The tasks that a recipe makes of folders, files or patterns.

    Raises
    ------
    MetadataError
        There is no such recipe, or no input.

    Examples
    --------
    >>> import braggio
    >>> [task.name for task in tasks_of("smv", [str(path) for path in braggio.demo_files()], {"voltage": 200})]
    ['demo']
    """
    if recipe not in RECIPES:
        raise MetadataError(field="recipe", expected=" or ".join(RECIPES), found=repr(recipe))
    return list(RECIPES[recipe].tasks(places, params))


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
    if path.endswith((".star", ".cs")):
        return True  # text and records tell no size: --settle must do
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


def _smv(task: Task, out: Path, overwrite: bool) -> Made:
    from braggio.microed import convert_series

    report = convert_series([each.path for each in task.inputs], out, overwrite=overwrite, **arguments_of(task.params))
    return Made([*report.outputs, report.record], report.warnings)


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


def _spots(task: Task, out: Path, overwrite: bool) -> Made:
    from braggio.laue import find_spots

    (target,) = _spots_outputs(task, out)
    out.mkdir(parents=True, exist_ok=True)
    report = find_spots(task.inputs[0].path, target, overwrite=overwrite, **task.params)
    return Made([target], report.warnings)


def _spots_outputs(task: Task, out: Path) -> Sequence[Path]:
    from braggio.laue import default_output

    return [out / Path(default_output(task.inputs[0].path)).name]


def _particles(task: Task, out: Path, overwrite: bool) -> Made:
    from braggio.particles import convert_indexed

    (folder,) = _particles_outputs(task, out)
    report = convert_indexed(task.inputs[0].path, folder, overwrite=overwrite, **task.params)
    return Made([folder / name for name in report.outputs], report.notes)


def _particles_outputs(task: Task, out: Path) -> Sequence[Path]:
    return [out / task.name]


def arguments_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a task as arguments of its function: JSON knows no tuples.

    Examples
    --------
    >>> arguments_of({"beam_center": [64, 64], "voltage": 200})
    {'beam_center': (64, 64), 'voltage': 200}
    """
    return {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}


def _of_files(recipe: str, made: Recipe, suffixes: tuple[str, ...]) -> Planned:
    return Planned(made, partial(_file_tasks, recipe, suffixes), suffixes)


RECIPES: Mapping[str, Planned] = {
    # A series knows its own earlier outputs: nothing has to be refused for it.
    "smv": Planned(Recipe(_smv, lambda task, out: []), _smv_tasks, (".bin", ".ser")),
    "spots": _of_files("spots", Recipe(_spots, _spots_outputs), ("__mccd.h5", ".h5", ".hdf5")),
    "particles": _of_files("particles", Recipe(_particles, _particles_outputs), (".star", ".cs")),
}
