"""Files already in the output folder: an earlier result, files of other series, the inputs themselves."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.errors import BraggioError, OutputError
from braggio.microed.report import SeriesReport, read_record, record_name

if TYPE_CHECKING:
    from braggio.microed.conversion import Conversion


def earlier_report(conversion: Conversion) -> SeriesReport | None:
    """The report of this very conversion, if all of it is there already."""
    target = conversion.staging.target
    try:
        report = read_record(target / conversion.record)
    except (BraggioError, OSError):
        return None
    if not all((target / name).is_file() for name in conversion.outputs()):
        return None
    images = [*conversion.names(".img"), *conversion.blank_names()]
    sizes = all((target / name).stat().st_size == conversion.smv_bytes for name in images)
    return report if sizes and report.digest == conversion.staging.digest else None


def require_inputs_apart(conversion: Conversion) -> None:
    """No output may have the name of an input: SMV and MRC files are inputs too."""
    inputs = _identities(conversion)
    for name in conversion.outputs():
        path = os.path.join(conversion.staging.target, name)
        with suppress(FileNotFoundError, NotADirectoryError):  # what does not exist is no input
            if _identity(path) in inputs:
                raise OutputError("is an input; choose another folder", path=path)


def require_others_apart(conversion: Conversion) -> None:
    """No output may replace one of another series: of ``x_1.ser`` and ``x_1.bin`` both are ``x_1.img``."""
    name, target = conversion.series_name, conversion.staging.target
    ours = {output for output in conversion.outputs() if os.path.lexists(target / output)}
    for record in sorted(target.glob(f"*{record_name('')}")) if ours else ():
        other = record.name.removesuffix(record_name(""))
        # Outputs begin with the name of their series, unless it has none; that spares reading most records.
        if other == name or not (other.startswith(name) or name.startswith(other) or "series" in (other, name)):
            continue
        if taken := ours & _outputs_of(record):
            raise OutputError(f"is of the series in {record}; choose another folder", path=target / min(taken))


def replaced_files(conversion: Conversion) -> list[str]:
    """Names in the record of the series that is being replaced and not in the new one, inputs aside."""
    try:
        old = read_record(conversion.staging.target / conversion.record)
    except (BraggioError, OSError):
        return []
    ours = {*conversion.outputs(), conversion.record}
    inputs = _identities(conversion)
    there = [path for path in old.outputs if path.name not in ours and path.is_file()]
    return [path.name for path in there if _identity(path) not in inputs]


def _outputs_of(record: Path) -> set[str]:
    try:
        return {path.name for path in read_record(record).outputs}
    except (BraggioError, OSError):
        return set()


def _identities(conversion: Conversion) -> set[tuple[int, int]]:
    """The inputs, whatever their names."""
    return set(map(_identity, conversion.frames.series.files))


def _identity(path: str | Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
