"""Inputs removed after their outputs are safe: only on demand, only when nothing is lost, and never by halves.

Before the first input goes, a list of all is written beside the outputs. A run that is cut off meanwhile leaves it, and
the next one removes the rest; else what is left of a series would pass for a shorter one.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from braggio._core import PartFile
from braggio.batch.durable import sync
from braggio.batch.plan import FOLDER, Input, inputs_of
from braggio.errors import BraggioError, FormatError, MetadataError, OutputError, about

_REMOVING, _REMOVED = "removing", "removed"


def move_source(
    out: Path, name: str, inputs: Sequence[Input], outputs: Sequence[Path], loses: Callable[[], str]
) -> str:
    """Remove the inputs of a task whose outputs are on the disk.

    Parameters
    ----------
    out : Path
        Folder of the outputs.
    name : str
        Of the task, for the names of the notes: its id or digest.
    inputs : sequence of Input
        As they were when they were converted.
    outputs : sequence of Path
        What was made of them.
    loses : callable
        Says what would be lost with them, having read inputs and outputs; empty when nothing.

    Returns
    -------
    str
        Why they were kept; empty when they are gone.
    """
    try:
        for each in inputs:
            _require_own(each)
        made = inputs_of(outputs)
        if reason := loses():
            return reason
        for each in inputs:
            _require_own(each)
        _write(out / FOLDER / f"{name}.{_REMOVING}.json", {"inputs": _rows(inputs), "outputs": _rows(made)})
        _remove(out, name, inputs)
    except (BraggioError, OSError) as error:
        return str(error)
    return ""


def removed(out: Path, name: str) -> bool:
    """Say whether the inputs of a task have been removed."""
    return (out / FOLDER / f"{name}.{_REMOVED}.json").exists()


def finish_removals(out: Path) -> list[Path]:
    """Remove what runs that were cut off have left of the inputs they were removing; returns what has gone.

    A file that is not the one that was compared, by size and time of change, stays.

    Raises
    ------
    OutputError
        The outputs are not those that were compared: what is left of the inputs may be all that there is, and would
        pass for a shorter series.
    FormatError
        A list cannot be read.
    """
    gone: list[Path] = []
    for note in sorted((out / FOLDER).glob(f"*.{_REMOVING}.json")):
        inputs, outputs = _read(note)
        for each in outputs:
            if not _unchanged(each):
                text = f"has changed since sources were being removed; restore it, or remove {note}"
                raise OutputError(text, path=each.path)
        left = [each for each in inputs if _unchanged(each)]
        _remove(out, note.name.removesuffix(f".{_REMOVING}.json"), inputs)
        gone += [Path(each.path) for each in left]
    return gone


def _require_own(each: Input) -> None:
    each.require_unchanged()
    if not stat.S_ISREG(os.lstat(each.path).st_mode):
        raise MetadataError(path=each.path, field="source", expected="a file", found="a link to one")


def _unchanged(each: Input) -> bool:
    try:
        _require_own(each)
    except (BraggioError, OSError):
        return False
    return True


def _remove(out: Path, name: str, inputs: Sequence[Input]) -> None:
    for each in inputs:
        if _unchanged(each):
            os.unlink(each.path)
    for folder in {Path(each.path).parent for each in inputs}:
        if folder.is_dir():
            sync(folder)
    _write(out / FOLDER / f"{name}.{_REMOVED}.json", _rows(inputs))
    (out / FOLDER / f"{name}.{_REMOVING}.json").unlink(missing_ok=True)


def _read(note: Path) -> tuple[list[Input], list[Input]]:
    """(inputs, outputs) of a list of what is being removed."""
    with about(note):
        try:
            values = json.loads(note.read_bytes())
            inputs, outputs = (list(map(Input.from_json, values[kind])) for kind in ("inputs", "outputs"))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FormatError("not a list of files", field="sources") from error
    return inputs, outputs


def _rows(files: Sequence[Input]) -> list[list[str | int]]:
    return [each.to_json() for each in files]


def _write(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with PartFile(str(path)) as part:
        part.write(f"{json.dumps(values)}\n".encode(), 0)
        part.publish(overwrite=True, durable=True)
