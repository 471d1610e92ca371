"""Table of a search: its maps opened, peaks picked, and the table written with its provenance."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from braggio.batch.staging import Staging, digest
from braggio.errors import GeometryError
from braggio.formats.match_table import write_table
from braggio.matching.options import PickOptions, TableOptions
from braggio.matching.picking import Peaks, pick
from braggio.matching.result import MatchResult, open_map, open_result
from braggio.matching.table import match_table
from braggio.model.matches import MatchTable

Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class TableReport:
    """A table that was written.

    Attributes
    ----------
    path, provenance : Path
        The table, and the JSON file beside it that says how it came about.
    table : MatchTable
    peaks : Peaks
    facts : dict
        What the provenance holds.
    """

    path: Path
    provenance: Path
    table: MatchTable
    peaks: Peaks
    facts: dict[str, Any]


def search_table(
    configuration: Folder,
    path: Folder,
    options: TableOptions | None = None,
    *,
    overwrite: bool = False,
    durable: bool = False,
) -> TableReport:
    """Pick the peaks of a search and write their table and its provenance: both appear, or neither.

    Parameters
    ----------
    configuration : path-like
        Of the search, .yaml or .json.
    path : path-like
        The .csv; ``matches.csv`` has ``matches.provenance.json`` beside it.
    options : TableOptions, optional
    overwrite : bool
        Replace existing files.
    durable : bool
        Wait until the disk has both before they get their names.

    Raises
    ------
    BraggioError
        As of `open_result`, `pick` and `match_table`.
    OutputError
        One of the files exists or cannot be written; what was there is untouched.
    """
    options = options or TableOptions()
    with open_search(configuration, options) as result:
        peaks = picked_peaks(result, options)
        table = match_table(
            result,
            peaks,
            width=options.width,
            half_template_shift=options.half_template_shift,
            exclude=options.exclude,
        )
    facts = {"result": os.fspath(configuration), **peaks.provenance, "columns": len(table.columns)}
    target = Path(path)
    provenance = Path(provenance_path(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    names = [target.name, provenance.name]
    with Staging(target.parent, target.name, digest({"table": target.name}), durable=durable) as staging:
        staging.begin(names, overwrite=overwrite)
        write_table(staging.path(target.name), table, overwrite=True)
        staging.path(provenance.name).write_bytes(provenance_text(facts))
        staging.publish(names)
    return TableReport(target, provenance, table, peaks, facts)


def open_search(configuration: Folder, options: TableOptions) -> MatchResult:
    """The maps of a search, as the options say where they are and what to take of them."""
    result = open_result(configuration, base=options.base, micrograph=options.micrograph, template=options.template)
    result = result.with_correlations(options.correlations) if options.correlations else result
    return result.apply_valid_cropping() if options.valid else result


def picked_peaks(result: MatchResult, options: TableOptions) -> Peaks:
    """The peaks of a search.

    Raises
    ------
    GeometryError
        The mask is of another shape than the maps.
    """
    values = {name: getattr(options, name) for name in PickOptions.names()}
    return pick(result, **values, mask=None if options.mask is None else _mask(options.mask, result.shape))


def _mask(path: str, shape: tuple[int, int]) -> NDArray[Any]:
    with open_map(path) as stack:
        mask: NDArray[Any] = stack.read(0) > 0
    if mask.shape != shape:
        expected, found = (f"{height} x {width}" for height, width in (shape, mask.shape))
        raise GeometryError(path=path, field="mask", expected=f"the maps' {expected}", found=found)
    return mask


def provenance_path(path: Folder) -> str:
    """Where the provenance of a table stands: ``matches.csv`` has ``matches.provenance.json``."""
    return os.path.splitext(os.fspath(path))[0] + ".provenance.json"


def provenance_text(facts: dict[str, Any]) -> bytes:
    """The provenance as JSON; the same run gives the same bytes."""
    return (json.dumps(facts, indent=1, sort_keys=True, default=str) + "\n").encode()
