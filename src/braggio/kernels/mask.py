"""Erosion and dilation of 2-D masks, 64 pixels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import BitMask
from braggio.errors import UnsupportedError

SQUARE = (2, 2)
Structure = str | tuple[int, int] | NDArray[Any]


def connectivity(structure: Structure) -> int:
    """1 for the cross and 2 for the 3 x 3 square, from any spelling of the structure.

    Parameters
    ----------
    structure : (rank, connectivity), "rank,connectivity" or 3 x 3 array
        As for `scipy.ndimage.generate_binary_structure`, which also takes connectivities below 1 as 1 and above 2 as 2.

    Raises
    ------
    UnsupportedError
        The rank is not 2, or it is no structure.

    Examples
    --------
    >>> connectivity("2,2"), connectivity((2, 1)), connectivity("2,0")
    (2, 1, 1)
    """
    if isinstance(structure, np.ndarray):
        known = [np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool), np.ones((3, 3), bool)]
        for index, array in enumerate(known):
            if structure.shape == (3, 3) and (structure.astype(bool) == array).all():
                return index + 1
        raise UnsupportedError(field="structure", expected="the 3 x 3 cross or square", found=structure.tolist())
    text = structure if isinstance(structure, str) else ",".join(str(number) for number in structure)
    try:
        rank, reach = (int(number) for number in text.split(","))
    except ValueError:
        raise UnsupportedError(field="structure", expected="rank,connectivity such as 2,2", found=repr(text)) from None
    if rank != 2:
        raise UnsupportedError("masks are 2-D", field="structure", expected="rank 2", found=f"rank {rank}")
    return 1 if reach < 2 else 2


def packed(mask: ArrayLike) -> BitMask:
    """The bits of a 2-D mask: whatever is not zero is set."""
    array = np.asarray(mask)
    if array.ndim != 2:
        raise ValueError(f"mask must be 2-D, not {array.ndim}-D")
    if array.dtype.itemsize != 1 or array.dtype.kind not in "bui":
        array = array != 0
    bits = BitMask(*array.shape)
    bits.pack(np.ascontiguousarray(array))
    return bits


def unpacked(bits: BitMask, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The mask as bytes of 0 and 1, uint8 unless `out` is given."""
    found = np.empty((bits.height, bits.width), np.uint8) if out is None else out
    bits.unpack(found)
    return found


def erode(mask: ArrayLike, iterations: int = 1, structure: Structure = SQUARE) -> NDArray[np.bool_]:
    """`scipy.ndimage.binary_erosion`; what lies outside counts as background, so the edge erodes too.

    Parameters
    ----------
    mask : array-like, 2-D
        Non-zero is foreground.
    iterations : int
        Repetitions; 0 is none at all (scipy's 0 means "until nothing changes").
    structure : (rank, connectivity) or "rank,connectivity"
        (2, 2) is the 3 x 3 square, (2, 1) the cross.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> import numpy as np
    >>> erode(np.ones((3, 3))).astype(int).tolist()
    [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    return _repeated("erode", mask, iterations, structure)


def dilate(mask: ArrayLike, iterations: int = 1, structure: Structure = SQUARE) -> NDArray[np.bool_]:
    """`scipy.ndimage.binary_dilation`; parameters as for `erode`.

    Examples
    --------
    >>> import numpy as np
    >>> dilate(np.eye(3)[:1], structure="2,1").astype(int).tolist()
    [[1, 1, 0]]
    """
    return _repeated("dilate", mask, iterations, structure)


def _repeated(name: str, mask: ArrayLike, iterations: int, structure: Structure) -> NDArray[np.bool_]:
    if iterations < 0:
        raise ValueError(f"iterations must be at least 0, not {iterations}")
    bits = packed(mask)
    getattr(bits, name)(int(iterations), connectivity(structure))
    return unpacked(bits, np.empty((bits.height, bits.width), np.bool_))
