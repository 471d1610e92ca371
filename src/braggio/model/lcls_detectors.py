"""Detectors of LCLS as cctbx.xfel knows them: format versions by address and time, and where tiles really are.

The tables (22 versions, up to LCLS run 11) are facts exported from cctbx; later experiments keep theirs in parameters.
"""

from __future__ import annotations

import json
import re
from calendar import timegm
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import MetadataError

_TIMESTAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?:Z|:)(\d\d)(?:\.(\d+))?Z?$")
SHORTEST_TILING = 16  # numbers: a version with fewer moves nothing


@cache
def tables() -> dict[str, dict[str, dict[str, Any]]]:
    """format_versions, translations and xpp_active_areas, each by version."""
    text = (Path(__file__).parent / "lcls_detectors.json").read_text(encoding="utf-8")
    return cast("dict[str, dict[str, dict[str, Any]]]", json.loads(text))


def unix_seconds(timestamp: str) -> int:
    """The seconds of a TIMESTAMP; what follows its dot are milliseconds.

    Raises
    ------
    MetadataError
        Not of the form YYYY-MM-DDThh:mmZss.mmm.

    Examples
    --------
    >>> unix_seconds("2014-12-01T07:36Z01.249")
    1417419361
    """
    found = _TIMESTAMP.match(timestamp)
    if found is None:
        raise MetadataError(field="TIMESTAMP", expected="YYYY-MM-DDThh:mmZss.mmm", found=repr(timestamp))
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise MetadataError(field="TIMESTAMP", expected="a date and time", found=repr(timestamp))
    return timegm((year, month, day, hour, minute, second, 0, 1, 0))


def timestamp_digits(timestamp: str) -> str:
    """The digits of a TIMESTAMP, YYYYMMDDhhmmssmmm: part of every file name.

    Examples
    --------
    >>> timestamp_digits("2014-12-01T07:36Z01.249")
    '20141201073601249'
    """
    unix_seconds(timestamp)
    return re.sub(r"\D", "", timestamp)


def format_version(address: str | None, timestamp: str) -> str | None:
    """The detector format version in force, or None.

    Examples
    --------
    >>> format_version("CxiDs1-0|Cspad-0", "2014-12-01T07:36Z01.249")
    'CXI 10.1'
    """
    seconds = unix_seconds(timestamp)
    for version, row in tables()["format_versions"].items():
        if row["address"] != address:
            continue
        if row["start_time"] is None or row["end_time"] is None or row["start_time"] < seconds <= row["end_time"]:
            return version
    return None


def translated_areas(
    areas: ArrayLike, version: str | None, *, beam_center: tuple[float, float], pixel_size: float
) -> NDArray[np.int64]:
    """Active areas moved to where the tiles of that version are, less a margin.

    Parameters
    ----------
    areas : array-like (n, 4) or (4 n,)
        Slow and fast of the upper left corner, inclusive, and of the lower right, exclusive.
    version : str or None
        See `format_version`; None leaves the areas where they are.
    beam_center : tuple of float
        X (fast) and Y (slow) in mm.
    pixel_size : float
        In mm.

    Returns
    -------
    ndarray (n, 4)
    """
    moved = np.array(areas, np.int64).reshape(-1, 4)
    row = tables()["translations"].get(version or "")
    if row is None:
        return moved
    margin = int(row["peripheral_margin"])
    tile = row["tile"]
    if tile is not None and len(tile) > SHORTEST_TILING:
        if len(tile) < 2 * len(moved):
            raise MetadataError(
                f"version {version}", field="ACTIVE_AREAS", expected=f"at most {len(tile) // 2} areas", found=len(moved)
            )
        shifts = np.array(tile[: 2 * len(moved)], np.int64).reshape(-1, 2)
        if row["quad"] is not None:
            middle = (moved[:, :2] + moved[:, 2:]) / 2
            reach = 2.0**40  # pixels: beyond it every tile is on one side
            x, y = (int(min(max(value / pixel_size, -reach), reach)) for value in beam_center)
            lower, right = middle[:, 0] >= x, middle[:, 1] >= y
            shifts = shifts + np.array(row["quad"], np.int64).reshape(-1, 2)[2 * lower + right]
        moved += np.tile(shifts, 2)
    moved += np.array([margin, margin, -margin, -margin])
    return moved
