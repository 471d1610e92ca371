"""What is known of each task of a plan, in small files beside the outputs: begun, done, failed.

A receipt is written after the outputs have their names, so what has a receipt is whole. Receipts hold no times and no
host: they are the same whoever did the work.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braggio._core import PartFile
from braggio.batch.durable import sync
from braggio.batch.plan import FOLDER, Plan, Task
from braggio.batch.staging import file_size
from braggio.errors import BraggioError, FormatError, OutputError

SCHEMA = "braggio-receipt/1"
_CHUNK = 1 << 20


class Receipts:
    """The receipts of one folder of outputs.

    Parameters
    ----------
    out : path-like
        The folder.
    durable : bool
        What a receipt says is on the disk before the receipt is, and the receipt before `finish` ends.
    """

    def __init__(self, out: str | os.PathLike[str], *, durable: bool = False) -> None:
        self.out = Path(out)
        self.folder = self.out / FOLDER
        self.durable = durable

    def _path(self, task: Task, kind: str) -> Path:
        return self.folder / f"{task.id}.{kind}.json"

    def begin(self, task: Task) -> None:
        """Note that the task's outputs may be there from now on."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path(task, "begun").touch()  # that it is there says all
        except OSError as error:
            raise OutputError(path=self.folder, errno=error.errno) from error
        if self.durable:
            sync(self.folder)

    def begun(self, task: Task) -> bool:
        """Say whether a run of the task has been cut off, or is under way."""
        return self._path(task, "begun").exists()

    def finish(self, task: Task, outputs: Sequence[Path], warnings: Sequence[str], *, checksum: bool) -> None:
        """Write the receipt."""
        described = [self._describe(path, checksum) for path in outputs]
        if self.durable:
            self.sync(outputs)
        self._write(
            self._path(task, "done"),
            {"schema": SCHEMA, **task.to_json(), "outputs": described, "warnings": list(warnings)},
        )
        self.tidy(task)

    def tidy(self, task: Task) -> None:
        """Forget the earlier attempts of a task that is done."""
        for kind in ("begun", "failed"):
            self._path(task, kind).unlink(missing_ok=True)

    def forget(self, task: Task) -> None:
        """Forget a task whose outputs have become part of others'."""
        self.tidy(task)
        self._path(task, "done").unlink(missing_ok=True)

    def fail(self, task: Task, error: str, message: str, *, made: bool = False) -> None:
        """Note why the task failed; it can be run again, and may replace its outputs if it has `made` them."""
        with suppress(BraggioError, OSError):  # on a full disk the exit code must do
            self._write(self._path(task, "failed"), {"name": task.name, "error": error, "message": message})
        if not made:
            with suppress(OSError):
                self._path(task, "begun").unlink(missing_ok=True)

    def failure(self, task: Task) -> dict[str, Any] | None:
        """What `fail` noted."""
        return _read(self._path(task, "failed"))

    def done(self, task: Task) -> bool:
        """Say whether the receipt is there and the outputs have its sizes."""
        return not self.problems(task)

    def outputs(self, task: Task) -> list[Path]:
        """The files of a finished task."""
        return [self.out / each["path"] for each in self._receipt(task) or ()]

    def problems(self, task: Task, *, checksum: bool = False) -> list[BraggioError]:
        """Everything that keeps the task from being done; with `checksum` the outputs are read."""
        outputs = self._receipt(task)
        if outputs is None:
            return [OutputError("not done", field="task", found=task.name)]
        found: list[BraggioError] = []
        for each in outputs:
            path = self.out / each["path"]
            size = file_size(path)
            if size != each["size"]:
                found.append(
                    FormatError(
                        path=path, field="size", expected=each["size"], found="no file" if size is None else size
                    )
                )
            elif checksum and each.get("crc32") is None:
                found.append(FormatError("run with --checksum notes it", path=path, field="crc32", found="none noted"))
            elif checksum and _crc32(path) != each["crc32"]:
                found.append(FormatError("the content has changed", path=path, field="crc32"))
        return found

    def _receipt(self, task: Task) -> list[dict[str, Any]] | None:
        """The outputs in the receipt; None when there is none, or a damaged one."""
        receipt = _read(self._path(task, "done"))
        outputs = receipt.get("outputs") if receipt is not None and receipt.get("schema") == SCHEMA else None
        # A task that made nothing is not done, but for steps of one whose outputs were there already.
        step = "/" in task.recipe and not task.recipe.endswith("/join")
        if not isinstance(outputs, list) or not (outputs or step):
            return None
        if all(isinstance(each, dict) and _is_output(each) and self._inside(each["path"]) for each in outputs):
            return outputs
        return None

    def _inside(self, path: str) -> bool:
        """A receipt made by somebody else must not name files of other folders as this plan's."""
        return not os.path.isabs(path) and os.path.normpath(path).split(os.sep)[0] != os.pardir

    def _describe(self, path: Path, checksum: bool) -> dict[str, Any]:
        relative = os.path.relpath(path, self.out)
        if relative.startswith(".."):
            raise OutputError("outside the folder of the outputs", path=path)
        values: dict[str, Any] = {"path": relative, "size": path.stat().st_size}
        return {**values, "crc32": _crc32(path)} if checksum else values

    def sync(self, outputs: Sequence[Path]) -> None:
        """Wait until the disk has outputs and their names; what it has already costs next to nothing."""
        for path in outputs:
            sync(path)
        inside = {folder for path in outputs for folder in path.parents if folder.is_relative_to(self.out)}
        for folder in sorted({*inside, self.out, self.out.parent}):
            sync(folder)

    def _write(self, path: Path, values: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with PartFile(str(path)) as part:
            part.write((json.dumps(values) + "\n").encode(), 0)
            part.publish(overwrite=True, durable=self.durable)


@dataclass(frozen=True)
class Status:
    """How far a plan is: names of tasks."""

    done: tuple[str, ...]
    failed: tuple[str, ...]
    begun: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Everything is done."""
        return not (self.failed or self.begun or self.missing)


def settled(plan: Plan, receipts: Receipts) -> set[str]:
    """Names of the tasks that need not be run: done, or there only for others that are all settled."""
    found: set[str] = set()
    for task in reversed(plan.tasks):
        followers = plan.followers.get(task.name)
        if (followers and found.issuperset(followers)) or receipts.done(task):
            found.add(task.name)
    return found


def status(plan: Plan) -> Status:
    """How far a plan is. A task that is `begun` is under way, or was cut off."""
    receipts = Receipts(plan.out)
    need_nothing = settled(plan, receipts)
    found: dict[str, list[str]] = {"done": [], "failed": [], "begun": [], "missing": []}
    for task in plan.tasks:
        if task.name in need_nothing:
            found["done"].append(task.name)
        elif receipts.begun(task):
            found["begun"].append(task.name)
        else:
            found["failed" if receipts.failure(task) else "missing"].append(task.name)
    return Status(**{kind: tuple(names) for kind, names in found.items()})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _is_output(each: dict[str, Any]) -> bool:
    return isinstance(each.get("path"), str) and type(each.get("size")) is int


def _crc32(path: Path) -> int:
    value = 0
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            value = zlib.crc32(piece, value)
    return value
