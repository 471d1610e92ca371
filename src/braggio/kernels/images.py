"""Particle images: bin by an integer factor and normalise, in one pass over each image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import work_images
from braggio.kernels.arrays import as_numbers, as_output, as_threads
from braggio.options import require_choice

NORMALIZE = ("max", "std", "background")
BIN_KINDS = ("mean", "max")


def prepare_images(
    images: ArrayLike,
    *,
    bin: int = 1,
    bin_kind: str = "mean",
    normalize: str | None = None,
    sign: float = 1.0,
    out: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], int]:
    """Bin and normalise images.

    Parameters
    ----------
    images : array-like of (u)int8, (u)int16, (u)int32, float16, float32 or float64
        (n, ny, nx).
    bin : int
        Factor of both edges.
    bin_kind : {'mean', 'max'}
        Of the pixels that become one; the mean is formed in float64 and rounded once.
    normalize : {'max', 'std', 'background'}, optional
        'max': subtract the mean, divide by the largest size; 'std': by the standard deviation; 'background': mean and
        deviation outside the circle of half the box, as RELION does.
    sign : float
        Factor of the result, -1 to invert the contrast.
    out : float32 ndarray, optional
        (n, ny/bin, nx/bin), C-contiguous; filled and returned.
    threads : int
        Share the images of a large array among so many.

    Returns
    -------
    images : float32 ndarray
        The same for every instruction set and number of threads.
    flat : int
        Images without contrast (or with NaN): their mean is subtracted, but there is nothing to divide by.

    Raises
    ------
    ValueError
        A shape that `bin` does not divide; FormatError for a bin of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> prepare_images(np.arange(16).reshape(1, 4, 4), bin=2, normalize="max")[0].astype(float).round(3).tolist()
    [[[-1.0, -0.6], [0.6, 1.0]]]
    """
    require_choice("normalize", normalize, (*NORMALIZE, None))
    require_choice("bin_kind", bin_kind, BIN_KINDS)
    pixels = _as_images(images)
    if bin < 1 or pixels.shape[1] % bin or pixels.shape[2] % bin:
        raise ValueError(f"bin must divide the images of {pixels.shape[1]} x {pixels.shape[2]}, not {bin}")
    shape = (len(pixels), pixels.shape[1] // bin, pixels.shape[2] // bin)
    out = np.empty(shape, np.float32) if out is None else as_output(out, shape, np.float32)
    if np.may_share_memory(out, pixels):
        raise ValueError("out must not overlap images")
    work: dict[str, Any] = {"bin": bin, "bin_kind": bin_kind, "normalize": normalize or "none", "sign": float(sign)}
    return out, work_images(pixels, out, threads=as_threads(threads), **work)


def _as_images(images: ArrayLike) -> NDArray[Any]:
    values = as_numbers(images, "images")
    if values.ndim != 3:
        raise ValueError(f"images must be of shape (n, ny, nx), not {values.shape}")
    wide = values.dtype.kind in "iu" and values.dtype.itemsize == 8
    return values.astype(np.float64) if wide else values
