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
from braggio.microed.conversion import Conversion
from braggio.microed.options import SmvOptions
from braggio.microed.publish import publish
from braggio.microed.report import SeriesReport, frame_report
from braggio.microed.scan import Files, scan_frames, series_frames
from braggio.microed.write import write_frames


def frame_count(files: Files, *, permissive: bool = False) -> int:
    """Frames of a series, without looking into more than its first file."""
    return len(series_frames(files, permissive=permissive).refs)


def scan_part(
    files: Files,
    out: str | os.PathLike[str],
    part: Part,
    options: SmvOptions,
    *,
    overwrite: bool = False,
    durable: bool = False,
    threads: int = 1,
) -> list[Path]:
    """The first pass over a part of a series.

    Parameters
    ----------
    files : Series, path-like or sequence of path-like
        The whole series.
    out : path-like
        Folder of the outputs.
    part : Part
    options : SmvOptions
    overwrite, durable, threads
        Of `convert_series`; as the options the same for every step of a series.

    Returns
    -------
    list of Path
        What it made; nothing when the series has been converted before.

    Raises
    ------
    BraggioError
        As `convert_series` does; the work of other parts stays.
    """
    conversion = Conversion.of(files, out, options, durable=durable)
    if conversion.earlier():
        return []
    with conversion.begin(overwrite=overwrite, shared=True) as staging:
        frames = conversion.frames
        scanned = scan_frames(frames, refs=part.of(frames.refs), threads=threads)
        return [_write(staging, part, "scan", [asdict(stats) for stats in scanned])]


def write_part(
    files: Files,
    out: str | os.PathLike[str],
    part: Part,
    options: SmvOptions,
    *,
    overwrite: bool = False,
    durable: bool = False,
    threads: int = 1,
) -> list[Path]:
    """The second pass over a part of a series, after the first over all of them.

    Parameters, returns and errors are those of `scan_part`; a MetadataError also when a part has not been scanned.
    """
    conversion = Conversion.of(files, out, options, durable=durable)
    if conversion.earlier():
        return []
    with conversion.begin(overwrite=overwrite, shared=True) as staging:
        conversion, scanned = _scanned(conversion, part)
        refs = part.of(conversion.frames.refs)
        reports = write_frames(conversion, part.of(scanned), refs=refs, threads=threads)
        names = [conversion.name(ref.number, suffix) for suffix in conversion.suffixes for ref in refs]
        return [*map(staging.path, names), _write(staging, part, "write", list(map(vars, reports)))]


def join_parts(
    files: Files,
    out: str | os.PathLike[str],
    count: int,
    options: SmvOptions,
    *,
    overwrite: bool = False,
    durable: bool = False,
) -> SeriesReport:
    """Give the files that all `count` parts have written their names, and write the record.

    Parameters, returns and errors are those of `convert_series`; a MetadataError when a part is not there.
    """
    conversion = Conversion.of(files, out, options, durable=durable)
    if earlier := conversion.earlier():
        return earlier
    with conversion.begin(overwrite=overwrite, shared=True) as staging:
        conversion, _ = _scanned(conversion, Part(1, count))
        frames = [frame for part in Part(1, count).all() for frame in _read(conversion, part, "write", frame_report)]
        for name in conversion.names(".img"):
            if not staging.finished(name, conversion.smv_bytes):
                raise MetadataError("run the plan again", path=staging.path(name), field="part", found="no whole file")
        return publish(conversion, frames)


def _scanned(conversion: Conversion, part: Part) -> tuple[Conversion, list[FrameStats]]:
    """The conversion with its zero point, and the statistics of all frames."""
    found = [stats for each in part.all() for stats in _read(conversion, each, "scan", _stats)]
    return conversion.scanned(found), found


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


def _read(conversion: Conversion, part: Part, step: str, make: Callable[[dict[str, Any]], Item]) -> list[Item]:
    """What a part has noted, an item for each of its frames."""
    path = _path(conversion.staging, part, step)
    with about(path):
        try:
            found = [make(row) for row in json.loads(path.read_bytes())]
        except FileNotFoundError as error:
            raise MetadataError("run the plan again", field="part", expected="a file", found="none") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FormatError(f"not what a part has found: {error}", field="part") from error
        frames = len(part.of(conversion.frames.refs))
        if len(found) != frames:
            raise FormatError(field="frames of the part", expected=frames, found=len(found))
        return found
