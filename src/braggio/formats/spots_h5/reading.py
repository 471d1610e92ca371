"""The table of a spots file, read back."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError
from braggio.formats.spots_h5.columns import COLUMNS, OPTIONAL_COLUMNS, table


def read_spots(path: str | os.PathLike[str]) -> Any:
    """The spot table of a ``__spots.h5`` file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    pandas.DataFrame
        One row per spot, by frame and label: I (net counts), I_raw, n_pixels, X and Y (row and column of the brightest
        pixel), the half-open box, frame, label, mask, and the range of its pixels in ``spots/pixel_list``.
        ``attrs["info"]`` holds the provenance.

    Raises
    ------
    FormatError
        Not HDF5, or without a spot table.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from braggio.formats.spots_h5 import SpotsWriter, empty_columns
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kinds = {"arrays": (), "extra": (), "compression": "gzip"}
    ...     writer = SpotsWriter(f"{folder}/a.h5", (1, 4, 4), 1, **kinds, overwrite=False)
    ...     writer.add_spots(empty_columns((), 2) | {"I": np.array([7.5, 9.0])})
    ...     writer.finish(np.array([[0, 2]]), {"avg": np.zeros((4, 4))}, {}, {})
    ...     writer.publish()
    ...     read_spots(f"{folder}/a.h5")["I"].tolist()
    [7.5, 9.0]
    """
    columns, info = read_columns(path)
    frame = table(columns)
    frame.attrs["info"] = info
    return frame


def read_columns(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of the group `spots`, and the attributes of `info`."""
    import h5py

    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileNotFoundError(2, os.strerror(2), name)
    if os.path.isdir(name):
        raise IsADirectoryError(21, os.strerror(21), name)
    try:
        with h5py.File(name, "r") as file:
            group = file.get("spots")
            missing = [column for column in COLUMNS if group is None or column not in group]
            if missing:
                raise FormatError(path=name, field="spots", expected="a spot table", found=f"no {', '.join(missing)}")
            rows = getattr(group["I"], "shape", ())[:1]
            columns = {}
            for column, item in group.items():
                shape, wanted = getattr(item, "shape", "a group"), _shape(column, rows)
                if not isinstance(item, h5py.Dataset) or shape[: len(wanted)] != wanted:
                    raise FormatError(path=name, field=f"spots/{column}", expected=wanted or "numbers", found=shape)
                columns[column] = item[()]
            info = {key: _plain(value) for key, value in file["info"].attrs.items()} if "info" in file else {}
    except (OSError, RuntimeError, KeyError) as error:
        raise FormatError(str(error), path=name, expected="an HDF5 file of spots") from None
    return columns, info


def _shape(column: str, rows: tuple[int, ...]) -> tuple[int, ...]:
    """Of an array of the group, as far as it is given: those of others need as many rows."""
    if column in ("pixel_list", "frame2spotsBE"):
        return ()
    _, width = (COLUMNS | OPTIONAL_COLUMNS).get(column, ("", 0))
    return (*(rows or (0,)), width) if width else rows or (0,)


def read_info(path: str | os.PathLike[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The attributes of `info`, and what the search had to tell.

    Raises
    ------
    FormatError
        Not a file of spots.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            info = {key: _plain(value) for key, value in file["info"].attrs.items()}
            return info, tuple(file["info/warnings"].asstr()[()])
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FormatError(str(error), path=os.fspath(path), expected="an HDF5 file of spots") from None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else json.loads(json.dumps(value, default=str))
