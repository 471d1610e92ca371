"""The table of a search's particles, in the columns that other programs read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, UnsupportedError
from braggio.matching.picking import Peaks, pick
from braggio.matching.result import MatchResult
from braggio.model.columns import Coded
from braggio.model.matches import GENERATIONS, MAPS, PEAKS_11, TEXTS, MatchTable, empty_column

WIDTHS = (39, 36, 34, 11)


def peak_table(result: MatchResult, peaks: Peaks) -> MatchTable:
    """The eleven columns that need no optics and no template: positions, and the maps' values there.

    Only the peaks' pixels are read from the maps.
    """
    result.require_one_shape()
    columns: dict[str, NDArray[Any] | Coded] = {"pos_y": peaks.y, "pos_x": peaks.x}
    for each in MAPS.values():
        columns[each.column] = result.values(each.name, peaks.y, peaks.x)
    columns["total_correlations"] = np.full(len(peaks), result.n_correlations(), np.int64)
    return MatchTable(columns).arranged(PEAKS_11)


def match_table(
    result: MatchResult,
    peaks: Peaks | None = None,
    *,
    width: int = 39,
    half_template_shift: bool = True,
    exclude: Iterable[str] = (),
) -> MatchTable:
    """The table of a search, as Leopard-EM's ``results_to_dataframe`` makes it.

    ``pos_x``, ``pos_y`` are the template's top left corner in the map, ``pos_x_img``, ``pos_y_img`` its centre in the
    micrograph (nx // 2 further), ``pos_*_img_angstrom`` the same times the pixel size. ``correlation_variance`` holds
    the standard deviation.

    Parameters
    ----------
    result : MatchResult
    peaks : Peaks, optional
        By default ``pick(result)``.
    width : {39, 36, 34, 11}
        Columns: of Leopard-EM 1.2; 1.0 and 1.1; the first; positions and map values only.
    half_template_shift : bool
        False leaves ``pos_*_img`` at the corner.
    exclude : iterable of str
        Columns to leave out.

    Raises
    ------
    MetadataError
        No optics, no template, or a map that is not there.
    GeometryError
        The template is no cube.
    """
    if width not in WIDTHS:
        raise UnsupportedError(field="width", expected=", ".join(map(str, WIDTHS)), found=width)
    if peaks is None:
        peaks = pick(result)
    table = peak_table(result, peaks)
    if width != 11:
        table = table.with_columns(_more_columns(result, table, half_template_shift)).arranged(GENERATIONS[width])
    left_out = set(exclude)
    if unknown := left_out - set(table.columns):
        raise MetadataError(field="exclude", expected="columns of the table", found=", ".join(sorted(unknown)))
    return table.arranged(name for name in table.columns if name not in left_out)


def _more_columns(result: MatchResult, table: MatchTable, shift: bool) -> dict[str, NDArray[Any] | Coded]:
    config = result.config
    if config.optics is None:
        raise MetadataError(path=config.path or None, field="optics_group", expected="the optics", found="none")
    half = result.template_shape()[2] // 2 if shift else 0
    columns: dict[str, NDArray[Any] | Coded] = {"particle_index": np.arange(table.n, dtype=np.int64)}
    for axis in "xy":
        place = table[f"pos_{axis}"] + half
        columns |= {f"pos_{axis}_img": place, f"pos_{axis}_img_angstrom": place * config.optics.pixel_size}
    columns |= config.optics.columns(table.n)
    paths = {each.path_column: config.maps.get(name, "") for name, each in MAPS.items()}
    paths |= {"micrograph_path": config.micrograph_path, "template_path": config.template_path}
    columns |= {name: Coded(np.zeros(table.n, np.int32), (path,)) for name, path in paths.items()}
    return columns


def concatenate(tables: Sequence[MatchTable]) -> MatchTable:
    """Tables one after the other, with ``particle_index`` numbered anew from 0.

    Columns are those of the first table; what another has in place of them must be the same names.

    Raises
    ------
    MetadataError
        Tables with different columns, naming the first that differs.

    Examples
    --------
    >>> parts = [MatchTable({"particle_index": np.arange(2), "pos_x": np.array([1, 2])})] * 2
    >>> concatenate(parts)["particle_index"].tolist()
    [0, 1, 2, 3]
    """
    if not tables:
        raise MetadataError(field="tables", expected="at least one", found=0)
    names = list(tables[0].columns)
    for place, table in enumerate(tables):
        if differing := set(names) ^ set(table.columns):
            raise MetadataError(
                field=f"table {place}", expected="the columns of the first", found=f"{sorted(differing)[0]} in one only"
            )
    columns = {name: _joined(name, [table.columns[name] for table in tables]) for name in names}
    if "particle_index" in columns:
        columns["particle_index"] = np.arange(sum(table.n for table in tables), dtype=np.int64)
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return MatchTable(columns, notes)


def _joined(name: str, parts: list[NDArray[Any] | Coded]) -> NDArray[Any] | Coded:
    if any(isinstance(part, Coded) for part in parts):
        texts = [text for part in parts for text in (part if isinstance(part, Coded) else map(str, part))]
        return Coded.of(texts) if texts else empty_column(next(iter(TEXTS)))
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    filled = [part for part in arrays if len(part)] or arrays[:1]  # a table without rows decides no dtype
    return np.concatenate(filled)
