"""Background of each pixel from its own values over the frames: trimmed, or by the Kruskal-Wallis test."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import FormatError, MetadataError
from braggio.formats.mccd_h5 import FrameRecord, laser_states, open_frames
from braggio.kernels.arrays import as_threads
from braggio.laue.options import SpotOptions
from braggio.laue.stack import MemoryStack, Progress, Stack, available_memory, open_stack
from braggio.laue.sync import blocks, require_laser
from braggio.laue.threshold import threshold_map
from braggio.options import options_checked


@dataclass(frozen=True)
class PixelStats:
    """Statistics of each pixel over the frames, all of shape (rows, columns).

    Attributes
    ----------
    avg, std : float64 ndarray
        Mean and population standard deviation (ddof 0) of the values kept.
    iqr : float64 ndarray
        Q75 - Q25 of the values kept, linear interpolation.
    max : ndarray
        Greatest of all values, in the dtype of the frames.
    arg : int32 ndarray
        First frame that has it, 0-based.
    spread : float64 ndarray
        kept**2 * std**2, exact for integers below 2**53: thresholds are decided from it.
    kept : int or int32 ndarray
        Values behind `avg`: one number for the trimmed statistics, a map for Kruskal-Wallis.
    n_removed : int or None
        Values dropped per pixel; None for Kruskal-Wallis.
    """

    avg: NDArray[np.float64]
    std: NDArray[np.float64]
    iqr: NDArray[np.float64]
    max: NDArray[Any]
    arg: NDArray[np.int32]
    spread: NDArray[np.float64]
    kept: int | NDArray[np.int32]
    n_removed: int | None

    def threshold(self, cutoff: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The least pixel value with value >= avg + cutoff * std, and where one exists; see `threshold_map`."""
        return threshold_map(self.avg, self.spread, self.kept, cutoff, self.max.dtype)

    def unbiased(self) -> PixelStats:
        """`avg` and `std` of the whole background, from those of its lower part, if it is Gaussian.

        Of a standard normal cut above its quantile z, the mean is -h and the variance 1 - z h - h**2, with h = pdf(z)
        / cdf(z).
        """
        if not self.n_removed or not isinstance(self.kept, int):
            return self
        shift, scale = gaussian_trim(self.n_removed / (self.n_removed + self.kept))
        std = self.std / scale
        avg = self.avg - shift * std
        return PixelStats(avg, std, self.iqr, self.max, self.arg, self.spread / scale**2, self.kept, self.n_removed)


def gaussian_trim(removed: float) -> tuple[float, float]:
    """Mean and standard deviation of a standard normal without its `removed` greatest share.

    >>> [round(number, 4) for number in gaussian_trim(0.25)]
    [-0.4237, 0.7312]
    """
    normal = NormalDist()
    z = normal.inv_cdf(1 - removed)
    h = normal.pdf(z) / (1 - removed)
    return -h, math.sqrt(1 - z * h - h * h)


@options_checked
def pixel_stats(
    source: str | os.PathLike[str] | ArrayLike,
    *,
    method: Literal["n_removed", "kruskal"] = "n_removed",
    n: float = 25.0,
    alpha: float = 0.05,
    angle: ArrayLike | None = None,
    laser_on: ArrayLike | None = None,
    dataset: str | None = None,
    memory: int | None = None,
    threads: int = 1,
) -> PixelStats:
    """Background statistics of each pixel over a stack of frames.

    Parameters
    ----------
    source : path or array-like (frames, rows, columns)
        A ``__mccd.h5`` file, or the frames.
    method : {"n_removed", "kruskal"}
        Drop the `n` percent greatest values of each pixel, or the blocks that the Kruskal-Wallis test finds too bright.
    n : float
        Percent, 0 <= n < 100; 0 is 25.
    alpha : float
        Significance level of the test.
    angle, laser_on : array-like (frames,), optional
        For arrays: spindle angles in degrees and laser states, which "kruskal" needs.
    dataset : str, optional
        Path of the frames in the file.
    memory : int, optional
        Bytes; by default a quarter of the machine's.
    threads : int
        The result does not depend on it.

    Returns
    -------
    PixelStats

    Raises
    ------
    FormatError, MetadataError
        The input is not fit.
    LimitError, OptionError
        An option is not.

    Examples
    --------
    >>> import numpy as np
    >>> stats = pixel_stats(np.array([[[10]], [[12]], [[11]], [[99]]], dtype=np.uint16))
    >>> stats.avg.tolist(), stats.n_removed, stats.arg.tolist()
    ([[11.0]], 1, [[3]])
    """
    options = SpotOptions(method=method, n=n, alpha=alpha, angles=0)
    threads = as_threads(threads)
    if not isinstance(source, (str, os.PathLike)):
        frames = frames_array(source)
        record = array_record(frames.shape[0], angle, laser_on)
        return stack_stats(MemoryStack(frames), record, options, frames.nbytes, threads)
    with open_frames(source, dataset) as (chunked, record, _):
        folder = os.path.dirname(os.path.abspath(source))
        stack, most = open_stack(chunked, memory or available_memory() // 4, threads, folder)
        try:
            return stack_stats(stack, record, options, most, threads)
        finally:
            stack.close()


def frames_array(source: ArrayLike) -> NDArray[Any]:
    """A 3-D array of numbers with something in it."""
    frames = np.asarray(source)
    if frames.ndim != 3 or frames.size == 0 or frames.dtype.kind not in "iuf" or frames.dtype.itemsize > 8:
        raise FormatError(
            field="frames", expected="numbers of shape (frames, rows, columns)", found=f"{frames.dtype} {frames.shape}"
        )
    return frames


def array_record(frames: int, angle: ArrayLike | None, laser_on: ArrayLike | None) -> FrameRecord:
    """The record of frames that came as an array."""
    angles = None if angle is None else np.asarray(angle, np.float64)
    states = laser_states(laser_on, None)
    for name, column in (("angle", angles), ("laser_on", states)):
        if column is not None and column.shape != (frames,):
            raise FormatError(field=name, expected=f"{frames} values, one per frame", found=column.shape)
    if angles is not None and not np.isfinite(angles).all():
        raise MetadataError(field="angle", expected="finite numbers", found=angles[~np.isfinite(angles)][0])
    return FrameRecord(angles, states)


def stack_stats(
    stack: Stack,
    record: FrameRecord,
    options: SpotOptions,
    band_bytes: int,
    threads: int,
    progress: Progress | None = None,
    first_row: int = 0,
) -> PixelStats:
    """The statistics of an open stack, band by band; `first_row` is what errors count rows from."""
    from braggio.kernels.trimmed import PixelSums

    frames, height, width = stack.shape
    sums = PixelSums.empty(height * width, stack.dtype)
    kept_map = np.empty(height * width, np.int32) if options.method == "kruskal" else None
    groups = _kruskal_blocks(record) if kept_map is not None else []
    n_removed = None if kept_map is not None else options.n_removed(frames)
    for first, stop, values in stack.bands(band_bytes):
        _require_numbers(values, first_row + first, width)
        part = slice(first * width, stop * width)
        target = sums.part(part.start, part.stop)
        if n_removed is not None:
            _trimmed(values, n_removed, target, threads)
        else:
            _kruskal(values, groups, options.alpha, target, kept_map[part], threads)  # type: ignore[index]
        if progress is not None:
            progress(stop, height)
    shape = (height, width)
    spread = sums.spread.reshape(shape)
    kept = frames - n_removed if n_removed is not None else kept_map.reshape(shape)  # type: ignore[union-attr]
    return PixelStats(
        avg=sums.avg.reshape(shape),
        std=np.sqrt(spread) / kept,
        iqr=sums.iqr.reshape(shape),
        max=sums.max.reshape(shape),
        arg=sums.arg.reshape(shape),
        spread=spread,
        kept=kept,
        n_removed=n_removed,
    )


def _kruskal_blocks(record: FrameRecord) -> Sequence[NDArray[np.int64]]:
    require_laser(record, "method kruskal")
    return blocks(record)


def _trimmed(values: NDArray[Any], n_removed: int, target: Any, threads: int) -> None:
    from braggio.kernels.trimmed import trimmed

    trimmed(values, n_removed, out=target, threads=threads)


def _kruskal(
    values: NDArray[Any],
    groups: Sequence[NDArray[np.int64]],
    alpha: float,
    target: Any,
    kept: NDArray[np.int32],
    threads: int,
) -> None:
    from braggio.kernels.kruskal_numba import kruskal

    kruskal(values, groups, alpha, out=target, kept=kept, threads=threads)


def _require_numbers(values: NDArray[Any], first_row: int, width: int) -> None:
    if values.dtype.kind != "f":
        return
    for frame, pixels in enumerate(values):
        if not np.isfinite(pixels).all():
            row, column = divmod(int(np.argmin(np.isfinite(pixels))), width)
            where = f"frame {frame}, pixel ({first_row + row}, {column})"
            raise FormatError(field=where, expected="a finite number", found=pixels[row * width + column])
