"""Connected components of 2-D masks, and what an image holds inside each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from braggio._core import Components
from braggio.kernels.arrays import as_output, as_pixels
from braggio.kernels.mask import SQUARE, Structure, connectivity, packed


@dataclass(frozen=True)
class LabelStats:
    """The components of a mask in an image; entry i is label i + 1.

    Attributes
    ----------
    n_pixels : int64 ndarray (n,)
    sum : int64 or float64 ndarray (n,)
        Of the image; exact for integers.
    max : ndarray (n,)
        Of the image's dtype.
    argmax : int64 ndarray (n,)
        Flat index of the first greatest pixel.
    box : int32 ndarray (n, 4)
        Row begin and end, column begin and end, half open.
    pixel_list : int32 ndarray
        Flat indices of the pixels of every component, ascending within each.
    pixel_list_BE : int64 ndarray (n, 2)
        Begin and end of each component in `pixel_list`.
    """

    n_pixels: NDArray[np.int64]
    sum: NDArray[Any]
    max: NDArray[Any]
    argmax: NDArray[np.int64]
    box: NDArray[np.int32]
    pixel_list: NDArray[np.int32]
    pixel_list_BE: NDArray[np.int64]  # noqa: N815 - its name in the file


_scratch = threading.local()


def _components() -> Components:
    """The run tables of this thread, kept from call to call."""
    # Up to 16 bytes a run, whose first touch costs as much as labelling: 59 against 28 ms for noise of 50 % on
    # 2048 x 2048 (bench_laue).
    if not hasattr(_scratch, "components"):
        _scratch.components = Components()
    found: Components = _scratch.components
    return found


def label(
    mask: ArrayLike,
    structure: Structure = SQUARE,
    *,
    min_pixels: int = 1,
    dtype: DTypeLike = np.int32,
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], int]:
    """Number the connected components of a mask, in raster order of their first pixels.

    Parameters
    ----------
    mask : array-like, 2-D
        Non-zero is foreground.
    structure : (rank, connectivity) or "rank,connectivity"
        (2, 2), the default here, joins pixels at corners too; (2, 1), scipy's default, at edges only.
    min_pixels : int
        Smaller components become background.
    dtype : int32 or uint16
        Of the labels. What uint16 holds takes half the memory, and up to half the time.
    out : int32 or uint16 ndarray, optional
        C-contiguous, of the mask's shape; it is filled and returned.

    Returns
    -------
    labels : ndarray
        Equal to `scipy.ndimage.label` of the same structure.
    count : int

    Raises
    ------
    LimitError
        More components than uint16 holds.

    Examples
    --------
    >>> labels, count = label([[1, 0, 1], [1, 0, 0], [0, 1, 0]])
    >>> labels.tolist(), count
    ([[1, 0, 2], [1, 0, 0], [0, 1, 0]], 2)
    """
    bits = packed(mask)
    components = _components()
    count = components.label(bits, connectivity(structure), min_pixels)
    shape = (bits.height, bits.width)
    if out is None:
        labels = np.zeros(shape, dtype)
    else:
        labels = as_output(out, shape, out.dtype if out.dtype == np.uint16 else np.int32)
    components.fill(labels, out is None)
    return labels, count


def label_stats(mask: ArrayLike, image: ArrayLike, structure: Structure = SQUARE, *, min_pixels: int = 1) -> LabelStats:
    """Pixel counts, sums, maxima, boxes and pixel lists of the components of a mask, in one pass over its runs.

    Parameters
    ----------
    mask : array-like, 2-D
        Non-zero is foreground.
    image : array-like
        Of the mask's shape; dtypes as of `braggio.kernels.arrays.as_pixels`.
    structure, min_pixels
        As for `label`.

    Returns
    -------
    LabelStats

    Examples
    --------
    >>> found = label_stats([[1, 1, 0], [0, 0, 0], [0, 0, 1]], [[3, 9, 0], [0, 0, 0], [0, 0, 5]])
    >>> found.sum.tolist(), found.argmax.tolist(), found.box.tolist()
    ([12, 5], [1, 8], [[0, 1, 0, 2], [2, 3, 2, 3]])
    """
    pixels = as_pixels(image, "image")
    components = _components()
    components.label(packed(mask), connectivity(structure), min_pixels)
    found = components.measure(pixels)
    pixel_list, counts = components.pixel_lists()
    return LabelStats(
        found["n_pixels"],
        found["sum"],
        found["max"],
        found["argmax"],
        components.boxes(),
        pixel_list,
        begin_end(counts),
    )


def begin_end(counts: NDArray[Any]) -> NDArray[np.int64]:
    """(n, 2) half-open ranges of consecutive pieces of those sizes.

    >>> begin_end(np.array([2, 0, 3])).tolist()
    [[0, 2], [2, 2], [2, 5]]
    """
    ends = np.cumsum(counts, dtype=np.int64)
    return np.stack([ends - counts, ends], axis=1) if len(ends) else np.empty((0, 2), np.int64)
