"""Statistics of a search: shards merged, and written as the maps of a result."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.batch.staging import Staging, digest
from braggio.errors import FormatError, MetadataError
from braggio.formats.match_partial import Partial, read_partial
from braggio.formats.mrc import write_mrc
from braggio.kernels.accumulate import Accumulator, Statistics
from braggio.model.matches import MAPS
from braggio.storage.frames import ArrayFrames

RECORD = "statistics.json"


def decode(
    index: ArrayLike, orientations: ArrayLike, defoci: ArrayLike
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the best correlograms were.

    Parameters
    ----------
    index : array-like of int
        orientation + orientations * (defocus + defoci * pixel size).
    orientations : array-like (n, 3)
        phi, theta, psi.
    defoci : array-like (m,)

    Returns
    -------
    angles : float32 ndarray (..., 3)
    defocus : float32 ndarray (...)

    Raises
    ------
    MetadataError
        An index below 0: no correlogram.

    Examples
    --------
    >>> angles, defocus = decode([0, 3], [[0, 0, 0], [0, 90, 5]], [-100, 100])
    >>> angles.tolist(), defocus.tolist()
    ([[0.0, 0.0, 0.0], [0.0, 90.0, 5.0]], [-100.0, 100.0])
    """
    grid, values = np.asarray(orientations, np.float32).reshape(-1, 3), np.asarray(defoci, np.float32)
    places = np.asarray(index, np.int64)
    if not len(grid) or not len(values):
        raise MetadataError(field="orientations and defoci", expected="at least one of each", found="none")
    if places.size and places.min() < 0:
        raise MetadataError(field="index", expected="at least 0", found=int(places.min()))
    return grid[places % len(grid)], values[places // len(grid) % len(values)]


def merge_partials(paths: Iterable[str | os.PathLike[str]], *, allow_identical: bool = False) -> Partial:
    """Partial results of shards as one; two are in memory at a time.

    Parameters
    ----------
    paths : iterable of path-like
    allow_identical : bool
        Take shards of the same bytes for two that have seen the same values, and not for one and its copy.

    Raises
    ------
    MetadataError
        No file, one named twice, a copy of another, or shards of different searches.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise MetadataError(field="partials", expected="at least one file", found=0)
    merged: dict[Any, list[Path]] = {}
    whole: Partial | None = None
    for path in files:
        partial = read_partial(path)
        alike = merged.setdefault(_summary(partial), [])
        for earlier in alike:
            if os.path.samefile(path, earlier):
                raise MetadataError(path=path, field="partials", expected="each file once", found="twice")
            if not allow_identical and partial.accumulator.count and filecmp.cmp(path, earlier, shallow=False):
                raise MetadataError(
                    "allow_identical takes both",
                    path=path,
                    field="partials",
                    expected="each shard once",
                    found=f"a copy of {earlier}",
                )
        alike.append(path)
        if whole is None:
            whole = partial
            continue
        for name in ("orientations", "defoci", "pixel_size"):
            if not np.array_equal(getattr(whole, name), getattr(partial, name)):
                raise MetadataError(path=path, field=name, expected=f"those of {files[0]}", found="others")
        _require_alike(whole.accumulator, partial.accumulator, path)
        whole.accumulator.merge(partial.accumulator)
    assert whole is not None
    return whole


def _require_alike(whole: Accumulator, part: Accumulator, path: str | os.PathLike[str]) -> None:
    for name, expected, found in (
        ("shape", *(f"{each.shape[0]} x {each.shape[1]}" for each in (whole, part))),
        ("histogram", *(f"{each.bins} bins over {each.limits}" if each.bins else "none" for each in (whole, part))),
    ):
        if expected != found:
            raise FormatError(path=path, field=name, expected=expected, found=found)


def _summary(partial: Partial) -> tuple[int, ...]:
    """Equal for partial results of the same bytes, and hardly ever for others: spares comparing all with all."""
    arrays = partial.accumulator.arrays()
    return partial.accumulator.count, *(int(values.view(f"i{values.itemsize}").sum()) for values in arrays.values())


def write_maps(
    partial: Partial, folder: str | os.PathLike[str], *, prefix: str = "", overwrite: bool = False
) -> list[str]:
    """Write the maps of a search, all or none, with their pixel size in the headers.

    ``<prefix>mip.mrc``, ``scaled_mip``, ``correlation_average``, ``correlation_variance`` (the standard deviation, as
    in Leopard-EM), and where the grid of the search is known, the best angles and defocus.

    Returns
    -------
    list of str
        Paths written.
    """
    found = partial.accumulator.finish()
    maps = _maps(found, partial)
    names = [f"{prefix}{name}.mrc" for name in maps]
    task = {"names": names, "count": found.count, "shape": list(found.mip.shape), "sum": int(found.index.sum())}
    record = f"{prefix}{RECORD}"
    with Staging(folder, f"{prefix}maps", digest(task)) as staging:
        staging.begin([*names, record], overwrite=overwrite)
        for name, values in zip(names, maps.values(), strict=True):
            size = partial.pixel_size or None
            write_mrc(str(staging.path(name)), ArrayFrames(values), overwrite=True, pixel_size=size)
        staging.publish(names, record, _record(partial, found))
    return [str(Path(folder) / name) for name in names]


def _maps(found: Statistics, partial: Partial) -> dict[str, NDArray[np.float32]]:
    maps = {
        "mip": found.mip,
        "scaled_mip": found.scaled_mip,
        "correlation_average": found.mean,
        "correlation_variance": found.deviation,
    }
    if len(partial.orientations) and len(partial.defoci):
        angles, defocus = decode(found.index, partial.orientations, partial.defoci)
        for axis, name in enumerate(("phi", "theta", "psi")):
            maps[f"orientation_{name}"] = np.ascontiguousarray(angles[..., axis])
        maps["relative_defocus"] = defocus
    return {name: maps[name] for name in MAPS if name in maps}


def _record(partial: Partial, found: Statistics) -> bytes:
    import json

    facts: dict[str, Any] = {
        "total_correlations": found.count,
        "pixel_size": partial.pixel_size,
        "correlation_variance": "standard deviation",
    }
    if partial.accumulator.bins:
        histogram = partial.accumulator.histogram()
        facts["histogram"] = {
            "low": histogram.edges[0],
            "high": histogram.edges[-1],
            "below": histogram.below,
            "counts": histogram.counts.tolist(),
            "above": histogram.above,
        }
    return (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode()
