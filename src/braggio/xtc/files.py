"""Files of a run: which stream and chunk each is, from its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from braggio.errors import MetadataError

_NAME = re.compile(
    r"(?:(?P<experiment>.+)-)?r(?P<run>\d+)-s(?P<stream>\d+)-c(?P<chunk>\d+)(?P<small>\.smd)?\.xtc(?P<open>\.inprogress)?"
)


@dataclass(frozen=True)
class FileName:
    """What the name of an XTC file says; `run`, `stream` and `chunk` are None when it says nothing."""

    path: str
    experiment: str = ""
    run: int | None = None
    stream: int | None = None
    chunk: int | None = None
    small: bool = False  # small data: an index of another file, without images
    in_progress: bool = False


def parse_name(path: str | os.PathLike[str]) -> FileName:
    """Read `<experiment>-r0054-s01-c00.xtc` and its variants (`.smd.xtc`, `.inprogress`).

    Examples
    --------
    >>> name = parse_name("/data/e157-r0054-s01-c00.xtc.inprogress")
    >>> name.experiment, name.run, name.stream, name.chunk, name.in_progress
    ('e157', 54, 1, 0, True)
    """
    text = os.fspath(path)
    found = _NAME.fullmatch(os.path.basename(text))
    if found is None:
        return FileName(text, in_progress=text.endswith(".inprogress"))
    return FileName(
        text,
        found["experiment"] or "",
        int(found["run"]),
        int(found["stream"]),
        int(found["chunk"]),
        found["small"] is not None,
        found["open"] is not None,
    )


def find_files(folder: str | os.PathLike[str], run: int, experiment: str | None = None) -> list[str]:
    """The files of a run in a folder, sorted by name; small data left out.

    Raises
    ------
    MetadataError
        There are none, or they belong to several experiments and `experiment` does not choose.
    """
    place = Path(folder)
    names = [parse_name(path) for path in sorted(place.iterdir()) if path.is_file()]
    names = [name for name in names if name.run == run and not name.small]
    chosen = [name for name in names if experiment in (None, name.experiment)] if experiment else names
    if experiment and not chosen:  # files carry the number of the experiment (e157), not its name, unless copied
        chosen = [name for name in names if re.fullmatch(r"e\d+|", name.experiment)]
    if not chosen:
        raise MetadataError(field="run_num", path=place, expected=f"files of run {run}", found="none")
    several = sorted({name.experiment for name in chosen})
    if len(several) > 1:
        raise MetadataError(
            field="experiment", path=place, expected=f"files of one experiment for run {run}", found=", ".join(several)
        )
    return [name.path for name in chosen]


def streams_of(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[list[FileName]], list[str]]:
    """(files of each stream in the order of their chunks, what is strange).

    Raises
    ------
    MetadataError
        Files of several runs, or one chunk twice.
    """
    names = [parse_name(path) for path in paths]
    runs = sorted({name.run for name in names if name.run is not None})
    if len(runs) > 1:
        raise MetadataError(field="run", expected="files of one run", found=", ".join(map(str, runs)))
    notes = [f"{name.path}: still being written (.inprogress)" for name in names if name.in_progress]
    known: dict[int, list[FileName]] = {}
    streams: list[list[FileName]] = []
    for name in names:
        if name.stream is None:
            streams.append([name])
        else:
            known.setdefault(name.stream, []).append(name)
    for stream in sorted(known):
        chunks = sorted(known[stream], key=lambda name: name.chunk or 0)
        notes.extend(_gaps(stream, chunks))
        streams.append(chunks)
    return streams, notes


def _gaps(stream: int, chunks: Sequence[FileName]) -> list[str]:
    numbers = [name.chunk or 0 for name in chunks]
    for one, other in pairwise(chunks):
        if one.chunk == other.chunk:
            raise MetadataError(field=f"stream {stream}", expected="each chunk once", found=f"{one.path}, {other.path}")
    missing = sorted(set(range(numbers[-1] + 1)) - set(numbers))
    return [f"stream {stream}: no chunk {', '.join(map(str, missing))}"] if missing else []
