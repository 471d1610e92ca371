"""The arrays of a spots file, and the table of spots as a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Name, dtype and columns of the arrays of the spot table; those of OPTIONAL_COLUMNS only on request.
COLUMNS: dict[str, tuple[str, int]] = {
    "I": ("f8", 0),
    "I_raw": ("f8", 0),
    "n_pixels": ("i4", 0),
    "XY": ("i4", 2),
    "box": ("i4", 4),
    "frame": ("i4", 0),
    "label": ("i4", 0),
    "mask": ("i4", 0),
    "pixel_list_BE": ("i8", 2),
}
OPTIONAL_COLUMNS: dict[str, tuple[str, int]] = {
    "sigma_I": ("f8", 0),
    "centre": ("f8", 2),
    "n_saturated": ("i4", 0),
}
MASK_ARRAYS = ("masks_raw", "masks_filtered", "masks_synced", "masks/labels")
# Column names of the DataFrame for arrays of more than one column.
WIDE_NAMES = {
    "XY": ("X", "Y"),
    "box": ("X_begin", "X_end", "Y_begin", "Y_end"),
    "centre": ("X_centre", "Y_centre"),
    "pixel_list_BE": ("pixel_begin", "pixel_end"),
}


def column_names(extra: tuple[str, ...]) -> dict[str, tuple[str, int]]:
    """The arrays of a spot table with those optional ones."""
    return COLUMNS | {name: OPTIONAL_COLUMNS[name] for name in extra}


def empty_columns(extra: tuple[str, ...], rows: int) -> dict[str, NDArray[Any]]:
    """Arrays of a spot table, zeros."""
    return {
        name: np.zeros((rows, width) if width else rows, dtype) for name, (dtype, width) in column_names(extra).items()
    }


def table(columns: Mapping[str, NDArray[Any]]) -> Any:
    """A DataFrame of a spot table, one row per spot; arrays of several columns that are not ours are left out.

    Examples
    --------
    >>> table(empty_columns((), 0)).columns.tolist()[:4]
    ['I', 'I_raw', 'n_pixels', 'X']
    """
    import pandas as pd

    flat: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():
        if name in ("pixel_list", "frame2spotsBE"):
            continue
        if name in WIDE_NAMES:
            flat.update({part: values[:, i] for i, part in enumerate(WIDE_NAMES[name])})
        elif values.ndim == 1:
            flat[name] = values
    return pd.DataFrame(flat)
