"""Boxes cut out of an image, with a rule for what lies outside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import copy_boxes as _copy_boxes
from braggio.kernels.arrays import as_output, as_pixels
from braggio.options import require_choice

EDGES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "edge": "edge"}
MAX_POSITION = 1 << 40


def copy_boxes(
    image: ArrayLike,
    corners: ArrayLike,
    shape: tuple[int, int],
    *,
    edges: str = "constant",
    fill: float = 0.0,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """The boxes of an image, exactly those of ``numpy.pad`` and slices.

    Parameters
    ----------
    image : array-like (ny, nx)
        (u)int8 to (u)int32, float16, float32 or float64.
    corners : array-like of int (n, 2)
        Row and column of the top left pixel of each box; may lie outside.
    shape : tuple of int
        Rows and columns of a box.
    edges : {'constant', 'reflect', 'replicate'}
        What stands outside the image: `fill`; the image mirrored, without its outermost pixel twice, as often as it
        takes; its outermost pixel.
    fill : float
        For 'constant'; must be a value of the image's dtype.
    out : ndarray, optional
        (n, rows, columns) of the image's dtype, C-contiguous; filled and returned.

    Returns
    -------
    ndarray (n, rows, columns)
        Of the image's dtype.

    Raises
    ------
    ValueError
        An argument that does not fit, naming it.
    LimitError
        A corner further than 2^40 from the image.

    Examples
    --------
    >>> copy_boxes([[1, 2], [3, 4]], [[-1, 0]], (2, 3), edges="reflect").tolist()
    [[[3, 4, 3], [1, 2, 1]]]
    """
    pixels = _as_image(image)
    places = np.asarray(corners)
    if places.size == 0:
        places = np.zeros((0, 2), np.int64)
    if places.ndim != 2 or places.shape[1] != 2 or places.dtype.kind not in "iu":
        raise ValueError(f"corners must be integers of shape (n, 2), not {places.dtype} {places.shape}")
    if places.dtype == np.uint64 and places.size and int(places.max()) > MAX_POSITION:
        raise ValueError(f"corners must lie within 2^40 of 0, not at {places.max()}")
    require_choice("edges", edges, EDGES)
    rows, columns = map(int, shape)
    if rows < 1 or columns < 1:
        raise ValueError(f"shape must be at least (1, 1), not {shape}")
    whole = (len(places), rows, columns)
    out = np.empty(whole, pixels.dtype) if out is None else as_output(out, whole, pixels.dtype)
    value = _as_pixel(fill, pixels.dtype)
    stored, target = pixels, out
    if pixels.dtype.char == "e":  # the core copies float16 as it is
        stored, target, value = (each.view(np.uint16) for each in (pixels, out, value))
    _copy_boxes(stored, np.ascontiguousarray(places, np.int64), target, edges=EDGES[edges], fill=value)
    return out


def _as_image(image: ArrayLike) -> NDArray[Any]:
    """float16 as it is: it is copied, not computed with."""
    values = np.asarray(image)
    half = values.dtype.kind == "f" and values.dtype.itemsize == 2
    pixels = np.ascontiguousarray(values, np.float16) if half else as_pixels(values, "image")
    if pixels.ndim != 2 or pixels.size == 0:
        raise ValueError(f"image must be 2-D and not empty, not of shape {pixels.shape}")
    return pixels


def _as_pixel(fill: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The fill value in the image's dtype; of integers exactly."""
    if dtype.kind == "f":
        if math.isfinite(fill) and abs(fill) > float(np.finfo(dtype).max):
            raise ValueError(f"fill must be a value of {dtype}, not {fill}")
        return np.array([fill], dtype)
    limits = np.iinfo(dtype)
    if not limits.min <= fill <= limits.max or fill != int(fill):
        raise ValueError(f"fill must be a value of {dtype}, not {fill}")
    return np.array([int(fill)], dtype)
