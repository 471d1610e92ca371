"""What a recipe is to a plan, and what recipes share: inputs found in folders, parameters that travel as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from braggio.batch.parts import Part
from braggio.batch.plan import Task, inputs_of
from braggio.batch.work import Recipe
from braggio.errors import FormatError, MetadataError


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
    steps : dict of Recipe
        What the tasks of one that was split do.
    """

    recipe: Recipe
    tasks: Callable[[Sequence[str], Mapping[str, Any]], Iterable[Task]]
    package: str
    series: bool = False
    split: Callable[[Task, int], list[Task]] | None = None
    steps: Mapping[str, Recipe] = field(default_factory=dict)


def file_tasks(
    recipe: str, suffixes: tuple[str, ...], places: Sequence[str], params: Mapping[str, Any]
) -> Iterable[Task]:
    """A task per file."""
    for file in dict.fromkeys(file for place in places for file in files_in(place, suffixes)):
        yield Task(recipe, file.name.split(".")[0], inputs_of([file]), params)


def files_in(place: str, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of a folder or pattern, or a file itself.

    Raises
    ------
    MetadataError
        There is none.
    """
    path = Path(place)
    if path.is_dir():
        found = [each for each in path.iterdir() if _is_input(each, suffixes)]
    elif path.exists():
        found = [path]
    else:
        found = [each for each in path.parent.glob(path.name) if each.is_file()]
    if not found:
        raise MetadataError(path=place, field="files", expected=f"at least one of {', '.join(suffixes)}", found="none")
    return sorted(found)


def _is_input(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.endswith(suffixes) and not path.name.startswith(".") and not path.is_dir()


def own_folder(task: Task, out: Path) -> Sequence[Path]:
    """A folder of the task's name."""
    return [out / task.name]


def placed(params: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
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


def part_of(task: Task) -> Part:
    """The part that a step of a task takes.

    Raises
    ------
    FormatError, MetadataError
        Its parameters name none.
    """
    part = task.params.get("part")
    if not isinstance(part, list) or len(part) != 2 or not all(type(number) is int for number in part):
        raise FormatError(field="part", expected="two integers", found=repr(part)[:40])
    return Part(*part)


def counts_of(task: Task) -> tuple[int, int]:
    """How many parts both steps have.

    Raises
    ------
    FormatError
        The parameters do not tell.
    """
    counts = task.params.get("parts")
    if not isinstance(counts, list) or len(counts) != 2 or not all(type(each) is int and each > 0 for each in counts):
        raise FormatError(field="parts", expected="two positive integers", found=repr(counts)[:40])
    return counts[0], counts[1]


def in_steps(task: Task, steps: Sequence[tuple[str, int]]) -> list[Task]:
    """Tasks in the place of one: for each (step, parts) the parts, all after those of the step before; then a join.

    Examples
    --------
    >>> tasks = in_steps(Task("smv", "a", ()), [("scan", 2), ("write", 1)])
    >>> [(task.recipe, task.name) for task in tasks]  # doctest: +NORMALIZE_WHITESPACE
    [('smv/scan', 'a.scan-1-of-2'), ('smv/scan', 'a.scan-2-of-2'), ('smv/write', 'a.write-1-of-1'), ('smv/join', 'a')]
    >>> tasks[2].after, tasks[2].params["part"], tasks[3].params["parts"]
    (('a.scan-1-of-2', 'a.scan-2-of-2'), [1, 1], [2, 1])
    """
    found: list[Task] = []
    before: tuple[str, ...] = ()
    counts = [count for _, count in steps]
    for step, count in steps:
        parts = [
            Task(
                f"{task.recipe}/{step}",
                f"{task.name}.{Part(number, count).note(step)}",
                task.inputs,
                {**task.params, "part": [number, count], "parts": counts},
                before,
            )
            for number in range(1, count + 1)
        ]
        before = tuple(part.name for part in parts)
        found += parts
    join = Task(f"{task.recipe}/join", task.name, task.inputs, {**task.params, "parts": counts}, before)
    return [*found, join]
