"""Peaks of a map: what lies above a cutoff, the highest first, each suppressing its neighbourhood."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import pick_peaks as _pick_peaks
from braggio.kernels.arrays import as_float32, as_threads

EVERY = (1 << 63) - 1


def pick_peaks(
    map: ArrayLike,
    cutoff: float,
    *,
    radius: float = 5.0,
    border: int = 0,
    max_peaks: int | None = None,
    mask: ArrayLike | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the peaks of a map.

    Candidates are the pixels above the cutoff, compared in float32 and strictly; NaN is none, +inf is one. They are
    taken from the highest on, equal ones in raster order (y, then x); each that is taken removes all that are nearer to
    it than `radius`, and those removed remove nothing.

    Parameters
    ----------
    map : array-like (ny, nx)
        Rounded to float32.
    cutoff : float
        Rounded to float32.
    radius : float
        Pixels; a neighbour at exactly this distance stays. With at most 1 every pixel above the cutoff is a peak.
    border : int
        Rows and columns at each edge that hold no peaks.
    max_peaks : int, optional
        The highest so many; all by default.
    mask : array-like of bool (ny, nx), optional
        True where peaks may lie. What is masked or in the border suppresses nothing.
    threads : int
        Share the rows of a large map among so many; the peaks do not depend on it.

    Returns
    -------
    y, x : int64 ndarray
        Rows and columns, from the highest peak on.

    Raises
    ------
    ValueError
        An argument that does not fit, naming it.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.zeros((8, 8)); scores[2, 3] = 9.0; scores[2, 4] = 8.0; scores[6, 6] = 8.5
    >>> [each.tolist() for each in pick_peaks(scores, 7.0, radius=2)]
    [[2, 6], [3, 6]]
    """
    values = as_float32(map, "map")
    if values.ndim != 2:
        raise ValueError(f"map must be 2-D, not of shape {values.shape}")
    if cutoff != cutoff:
        raise ValueError("cutoff must be a number, not nan")
    if not radius >= 0:
        raise ValueError(f"radius must be at least 0, not {radius}")
    border = operator.index(border)
    most = EVERY if max_peaks is None else operator.index(max_peaks)
    if border < 0 or most < 0:
        raise ValueError(f"border and max_peaks must be at least 0, not {border} and {max_peaks}")
    threads = as_threads(threads)
    allowed = None if mask is None else np.ascontiguousarray(mask)
    if allowed is not None and (allowed.dtype != np.bool_ or allowed.shape != values.shape):
        raise ValueError(f"mask must be bool of shape {values.shape}, not {allowed.dtype} {allowed.shape}")
    with np.errstate(over="ignore"):
        limit = float(np.float32(cutoff))
    flat = _pick_peaks(
        values,
        cutoff=limit,
        radius=float(radius),
        border=min(border, EVERY),
        max_peaks=min(most, EVERY),
        allowed=allowed,
        threads=threads,
    )
    if values.size == 0:
        return flat, flat.copy()
    y, x = np.divmod(flat, values.shape[1])
    return y, x
