"""A long series in parts, for many processes: some scan, then some write, then one gives all files their names.

What a part has found stands in the staging folder of the series until then. Every part looks at the whole series first,
so all agree on what it is; the files are those of `convert_series`, byte for byte.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from braggio._core import PartFile
from braggio.batch.parts import Item, Part
from braggio.batch.staging import Staging
from braggio.errors import FormatError, MetadataError, about
from braggio.kernels.stats import FrameStats
from braggio.microed.conversion import Conversion, conversion
from braggio.microed.report import SeriesReport, frame_report
from braggio.microed.scan import Files, scan_frames, series_frames
from braggio.microed.task import Task
from braggio.microed.write import write_frames


def frame_count(files: Files, *, permissive: bool = False) -> int:
    """Frames of a series, without looking into more than its first file."""
    return len(series_frames(files, permissive=permissive).refs)


def scan_part(
    files: Files,
    outdir: str | os.PathLike[str],
    part: Part,
    *,
    overwrite: bool = False,
    threads: int = 1,
    **options: Any,
) -> list[Path]:
    """The first pass over a part of a series.

    Parameters
    ----------
    files : Series, path-like or sequence of path-like
        The whole series.
    outdir : path-like
        Folder of the outputs.
    part : Part
    overwrite, threads, **options
        Of `convert_series`; the same for every step of a series.

    Returns
    -------
    list of Path
        What it made; nothing when the series has been converted before.

    Raises
    ------
    BraggioError
        As `convert_series` does; the work of other parts stays.
    """
    todo = conversion(files, outdir, **options)
    if todo.earlier():
        return []
    with todo.begin(overwrite=overwrite, shared=True) as staging:
        frames = todo.task.frames
        scanned = scan_frames(frames, refs=part.of(frames.refs), threads=threads)
        return [_write(staging, part, "scan", [asdict(stats) for stats in scanned])]


def write_part(
    files: Files,
    outdir: str | os.PathLike[str],
    part: Part,
    *,
    overwrite: bool = False,
    threads: int = 1,
    **options: Any,
) -> list[Path]:
    """The second pass over a part of a series, after the first over all of them.

    Parameters, returns and errors are those of `scan_part`; a MetadataError also when a part has not been scanned.
    """
    todo = conversion(files, outdir, **options)
    if todo.earlier():
        return []
    with todo.begin(overwrite=overwrite, shared=True) as staging:
        task, scanned = _scanned(todo, part)
        refs = part.of(task.frames.refs)
        reports = write_frames(task, part.of(scanned), staging, refs=refs, threads=threads)
        names = [task.name(ref, suffix) for suffix in task.suffixes for ref in refs]
        return [*map(staging.path, names), _write(staging, part, "write", list(map(vars, reports)))]


def join_parts(
    files: Files, outdir: str | os.PathLike[str], count: int, *, overwrite: bool = False, **options: Any
) -> SeriesReport:
    """Give the files that all `count` parts have written their names, and write the record.

    Parameters, returns and errors are those of `convert_series`; a MetadataError when a part is not there.
    """
    options.pop("threads", None)
    todo = conversion(files, outdir, **options)
    if earlier := todo.earlier():
        return earlier
    with todo.begin(overwrite=overwrite, shared=True) as staging:
        task, _ = _scanned(todo, Part(1, count))
        reports = [report for part in Part(1, count).all() for report in _read(todo, part, "write", frame_report)]
        for name in task.names(".img"):
            if not staging.finished(name, task.smv_bytes):
                raise MetadataError("run the plan again", path=staging.path(name), field="part", found="no whole file")
        return todo.publish(task, reports)


def _scanned(todo: Conversion, part: Part) -> tuple[Task, list[FrameStats]]:
    """The task with its zero point, and the statistics of all frames."""
    found = [stats for each in part.all() for stats in _read(todo, each, "scan", _stats)]
    return todo.scanned(found), found


def _stats(row: dict[str, Any]) -> FrameStats:
    stats = FrameStats(**row)
    if not all(isinstance(value, (int, float)) for value in (stats.min, stats.max, stats.low_quantile)):
        raise ValueError("statistics that are no numbers")
    return stats


def _path(staging: Staging, part: Part, step: str) -> Path:
    return staging.path(f"{part.note(step)}.json")


def _write(staging: Staging, part: Part, step: str, rows: list[dict[str, Any]]) -> Path:
    path = _path(staging, part, step)
    with PartFile(os.fspath(path)) as file:
        file.write((json.dumps(rows) + "\n").encode(), 0)
        file.publish(overwrite=True)
    return path


def _read(todo: Conversion, part: Part, step: str, make: Callable[[dict[str, Any]], Item]) -> list[Item]:
    """What a part has noted, an item for each of its frames."""
    path = _path(todo.staging, part, step)
    with about(path):
        try:
            found = [make(row) for row in json.loads(path.read_bytes())]
        except FileNotFoundError as error:
            raise MetadataError("run the plan again", field="part", expected="a file", found="none") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError(f"not what a part has found: {error}", field="part") from error
        frames = len(part.of(todo.task.frames.refs))
        if len(found) != frames:
            raise FormatError(field="frames of the part", expected=frames, found=len(found))
        return found
