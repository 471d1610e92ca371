"""The conversions that a plan can hold, and how the inputs of each are found in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from braggio.batch.plan import Task
from braggio.batch.work import Outcome, Recipe, carry_out
from braggio.errors import BraggioError, MetadataError, UnsupportedError
from braggio.options import require_choice
from braggio.recipes import matching, particles, smv, spots, xtc
from braggio.recipes.planned import Planned, arguments_of

__all__ = ["RECIPES", "arguments_of", "packages_of", "perform", "tasks_of", "whole"]

RECIPES: Mapping[str, Planned] = {
    "smv": smv.RECIPE,
    "spots": spots.RECIPE,
    "particles": particles.RECIPE,
    "xtc": xtc.RECIPE,
    "matching": matching.RECIPE,
}


def perform(order: Mapping[str, Any]) -> Outcome:
    """Carry out one order of `braggio.batch.run.run_plan`; every engine calls this."""
    recipes: dict[str, Recipe] = {}
    for name, planned in RECIPES.items():
        recipes |= {name: planned.recipe, **planned.steps}
    return carry_out(order, recipes)


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
    OptionError
        There is no such recipe, or no parameter of a name, or a value is out of range.
    MetadataError
        There is no input; `split` is not at least 1.
    UnsupportedError
        The tasks of this recipe cannot be split.

    Examples
    --------
    >>> import braggio
    >>> [task.name for task in tasks_of("smv", [str(path) for path in braggio.demo_files()], {"voltage": 200})]
    ['demo']
    """
    require_choice("recipe", recipe, RECIPES)
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
    if path.endswith(matching.CONFIGURATIONS):
        return matching.search_is_whole(path)
    from braggio import formats

    try:
        formats.open(path).close()
    except (BraggioError, OSError):
        return False
    return True


def packages_of(tasks: Iterable[Task]) -> list[str]:
    """What processes that carry out these tasks import; worth doing once for all of them.

    Examples
    --------
    >>> packages_of([])
    ['braggio.recipes']
    """
    recipes = {task.recipe.split("/")[0] for task in tasks} & RECIPES.keys()
    return ["braggio.recipes", *sorted(RECIPES[recipe].package for recipe in recipes)]
