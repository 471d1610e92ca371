"""Trimmed statistics of each pixel over a stack of frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from braggio._core import trimmed as _trimmed
from braggio.errors import DtypeError
from braggio.kernels.arrays import as_numbers, as_threads
from braggio.options import require_choice

LANES = 64  # the core works on so many pixels side by side


class PixelSums(NamedTuple):
    """Per pixel, each of shape (pixels,): see `trimmed`."""

    avg: NDArray[np.float64]
    spread: NDArray[np.float64]
    iqr: NDArray[np.float64]
    max: NDArray[Any]
    arg: NDArray[np.int32]

    @classmethod
    def empty(cls, pixels: int, dtype: np.dtype[Any]) -> PixelSums:
        """Arrays to be filled."""
        avg, spread, iqr = (np.empty(pixels, np.float64) for _ in range(3))
        return cls(avg, spread, iqr, np.empty(pixels, dtype), np.empty(pixels, np.int32))

    def part(self, start: int, stop: int) -> PixelSums:
        """Views of a range of pixels."""
        place = slice(start, stop)
        return PixelSums(self.avg[place], self.spread[place], self.iqr[place], self.max[place], self.arg[place])


def trimmed(
    stack: NDArray[Any], n_removed: int = 0, *, out: PixelSums | None = None, threads: int = 1, engine: str = "core"
) -> PixelSums:
    """Statistics of each column of `stack` after its `n_removed` largest values were dropped.

    Parameters
    ----------
    stack : array-like of shape (frames, pixels)
        Any integer or float dtype, byte order and strides; no NaN.
    n_removed : int
        Values dropped per pixel, 0 to frames - 1.
    out : PixelSums, optional
        Filled and returned.
    threads : int
        The result does not depend on it.
    engine : {'core', 'numba'}
        Compiled beforehand, or by Numba at the first call, for integers of 8 and 16 bits: the same numbers.

    Returns
    -------
    PixelSums
        With m = frames - n_removed values kept: ``avg``, their mean; ``spread`` = m**2 times their population variance;
        ``iqr``, Q75 - Q25 with linear interpolation at rank q (m - 1) (numpy's default). Over all values: ``max`` and
        ``arg``, its first frame. Of integers, `avg` is the correctly rounded quotient of the exact sum, and `spread` =
        m sum(v**2) - sum(v)**2 is exact below 2**53; 64-bit integers and the spread of kept
        values that differ by more than 16 bits are rounded like float64 sums.

    Raises
    ------
    DtypeError
        A dtype that is neither integer nor float.
    ValueError
        Shapes or `n_removed` that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> found = trimmed(np.array([[1, 5], [2, 5], [3, 5], [90, 5]], dtype=np.uint16), n_removed=1)
    >>> found.avg.tolist(), found.spread.tolist(), found.iqr.tolist(), found.max.tolist(), found.arg.tolist()
    ([2.0, 5.0], [6.0, 0.0], [1.0, 0.0], [90, 5], [3, 0])
    """
    values = as_numbers(stack, "stack")
    if values.ndim != 2 or values.shape[0] < 1:
        raise ValueError(f"stack must have shape (frames, pixels) with at least one frame, not {values.shape}")
    threads = as_threads(threads)
    frames, pixels = values.shape
    if not 0 <= n_removed < frames:
        raise ValueError(f"n_removed must be 0 to {frames - 1}, not {n_removed}")
    require_choice("engine", engine, ("core", "numba"))
    if engine == "numba" and (values.dtype.kind not in "iu" or values.dtype.itemsize > 2):
        raise DtypeError(field="stack", expected="integers of 8 and 16 bits for engine numba", found=values.dtype)
    found = PixelSums.empty(pixels, values.dtype) if out is None else out
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        return _wide(values, n_removed, found, threads)
    if pixels < LANES:
        return _padded(values, n_removed, found, engine)
    if engine == "core":
        _trimmed(values, n_removed, *found, threads)
    else:
        from braggio.kernels.trimmed_numba import fill

        fill(values, n_removed, found, threads)
    return found


def _padded(values: NDArray[Any], n_removed: int, found: PixelSums, engine: str) -> PixelSums:
    """Fewer pixels than lanes: the missing ones are zeros."""
    pixels = values.shape[1]
    wide = np.zeros((values.shape[0], LANES), values.dtype)
    wide[:, :pixels] = values
    wide_found = trimmed(wide, n_removed, engine=engine)
    for name in PixelSums._fields:
        getattr(found, name)[:] = getattr(wide_found, name)[:pixels]
    return found


def _wide(values: NDArray[Any], n_removed: int, found: PixelSums, threads: int) -> PixelSums:
    """64-bit integers: sums of float64, and the greatest value as it is."""
    sums = found._replace(max=np.empty(values.shape[1]))
    trimmed(values.astype(np.float64), n_removed, out=sums, threads=threads)
    np.argmax(values, axis=0, out=(arg := np.empty(values.shape[1], np.intp)))
    found.arg[:] = arg
    found.max[:] = np.max(values, axis=0)
    return found
