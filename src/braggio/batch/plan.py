"""A plan: what is to be converted, as JSON Lines; every engine that carries it out makes the same bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from braggio import __version__
from braggio._core import PartFile
from braggio.batch.staging import digest
from braggio.errors import FormatError, MetadataError, UnsafeError, about

SCHEMA = "braggio-plan/1"
FOLDER = ".braggio"  # in the folder of the outputs: what is known of each task


@dataclass(frozen=True)
class Input:
    """A file as it was when the plan was made."""

    path: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Input:
        """The file as it is now."""
        status = os.stat(path)
        return cls(os.path.abspath(path), status.st_size, status.st_mtime_ns)

    @classmethod
    def from_json(cls, values: Any) -> Input:
        """From what `to_json` gives.

        Raises
        ------
        TypeError, ValueError
            It is none of that.
        """
        path, size, mtime_ns = values
        if not isinstance(path, str) or type(size) is not int or type(mtime_ns) is not int:
            raise TypeError("a file is its path, its size and its time of change")
        return cls(path, size, mtime_ns)

    def to_json(self) -> list[str | int]:
        """As a JSON array."""
        return [self.path, self.size, self.mtime_ns]

    def require_unchanged(self) -> None:
        """Raise a MetadataError when the file is not what it was."""
        now = Input.of(self.path)
        if now != self:
            raise MetadataError(
                "changed since the plan was made; make the plan again",
                path=self.path,
                expected=f"{self.size} bytes of mtime {self.mtime_ns} ns",
                found=f"{now.size} bytes of mtime {now.mtime_ns} ns",
            )


@dataclass(frozen=True)
class Task:
    """One unit of work; its outputs are a function of what is here and of the inputs' bytes.

    Attributes
    ----------
    recipe : str
        Which conversion.
    name : str
        For people, and of the outputs; unique within the plan.
    inputs : tuple of Input
    params : dict
        JSON values.
    after : tuple of str
        Names of tasks whose outputs this one reads; it is begun when they are done, and they are not needed once it is.
    """

    recipe: str
    name: str
    inputs: tuple[Input, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits: equal tasks, equal ids."""
        return digest({"version": __version__, **self.to_json()})

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        inputs = [each.to_json() for each in self.inputs]
        values = {"recipe": self.recipe, "name": self.name, "inputs": inputs, "params": dict(self.params)}
        return {**values, "after": list(self.after)} if self.after else values

    @classmethod
    def from_json(cls, values: Any) -> Task:
        """From such an object.

        Raises
        ------
        FormatError
            It is none.
        UnsafeError
            Its outputs would be elsewhere than in the folder of the outputs.
        """
        try:
            inputs = tuple(map(Input.from_json, values["inputs"]))
            task = cls(values["recipe"], values["name"], inputs, values["params"], tuple(values.get("after", ())))
            texts = all(isinstance(text, str) for text in (task.recipe, task.name, *task.after))
            good = texts and isinstance(task.params, dict)
        except (TypeError, ValueError, KeyError) as error:
            raise FormatError(f"not a task: {error!r}", field="task") from error
        if not good or not inputs:
            raise FormatError("not a task", field="task", found=repr(values)[:80])
        if task.name in ("", ".", "..") or "/" in task.name or "\0" in task.name:  # it becomes that of an output
            raise UnsafeError(field="name", expected="that of a file or folder", found=repr(task.name)[:80])
        return task


@dataclass(frozen=True)
class Plan:
    """Tasks and the folder where their outputs go; a task comes after those it waits for."""

    out: str
    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        """Two tasks of one name would write the same files; a task that waits for itself would never begin."""
        names: set[str] = set()
        for task in self.tasks:
            if task.name in names:
                raise MetadataError(
                    "two tasks of one name; convert them into two folders", field="plan", found=task.name
                )
            if not names.issuperset(task.after):
                unknown = next(name for name in task.after if name not in names)
                raise MetadataError(field="after", expected=f"tasks that stand before {task.name}", found=unknown)
            names.add(task.name)

    @cached_property
    def followers(self) -> Mapping[str, tuple[str, ...]]:
        """By the name of a task, the names of those that come after it; only tasks that have some."""
        found: dict[str, list[str]] = {}
        for task in self.tasks:
            for name in task.after:
                found.setdefault(name, []).append(task.name)
        return {name: tuple(names) for name, names in found.items()}

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """As JSON Lines: a header, then a task a line."""
        with PartFile(os.fspath(path)) as part:
            part.write(self.to_text().encode(), 0)
            part.publish(overwrite=overwrite)

    def to_text(self) -> str:
        """The lines."""
        head = {"schema": SCHEMA, "version": __version__, "out": os.path.abspath(self.out), "tasks": len(self.tasks)}
        return "\n".join(json.dumps(each) for each in [head, *(task.to_json() for task in self.tasks)]) + "\n"


def make_plan(out: str | os.PathLike[str], tasks: Iterable[Task]) -> Plan:
    """A plan whose outputs go into the folder `out`."""
    return Plan(os.path.abspath(out), tuple(tasks))


def read_plan(path: str | os.PathLike[str]) -> Plan:
    """The plan in a file.

    Raises
    ------
    FormatError
        The file is no plan, is cut off, or was made by another version of braggio.
    """
    with about(path):
        try:
            lines = Path(path).read_bytes().decode().splitlines()
        except ValueError as error:
            raise FormatError(f"not a plan: {error}", field="text") from error
        values = [_value(line, number) for number, line in enumerate(lines, 1)]
        head = values[0] if values else None
        if not isinstance(head, dict) or head.get("schema") != SCHEMA:
            raise FormatError("not a plan", field="schema", expected=SCHEMA, found=repr(head)[:80])
        if head.get("version") != __version__:
            raise FormatError(
                "make the plan again", field="version", expected=__version__, found=repr(head.get("version"))
            )
        if head.get("tasks") != len(values) - 1:
            raise FormatError("the plan is cut off", field="tasks", expected=head.get("tasks"), found=len(values) - 1)
        if not isinstance(head.get("out"), str) or not os.path.isabs(head["out"]) or "\0" in head["out"]:
            raise FormatError(field="out", expected="an absolute folder", found=repr(head.get("out")))
        return Plan(head["out"], tuple(map(Task.from_json, values[1:])))


def _value(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        at = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise FormatError(f"not a plan: {at}", field=f"line {number}") from error


def inputs_of(paths: Sequence[str | os.PathLike[str]]) -> tuple[Input, ...]:
    """Files as they are now."""
    return tuple(map(Input.of, paths))
