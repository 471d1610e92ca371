"""Frames to masks to labels to a spot table: lu_hdf2spots as a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

from numpy.typing import ArrayLike

from braggio.batch.workers import streamed
from braggio.errors import OutputError, about
from braggio.formats.mccd_h5 import open_frames
from braggio.kernels.arrays import as_threads
from braggio.laue.options import DEFAULT_PERCENT, SpotOptions
from braggio.laue.report import SpotReport
from braggio.laue.search import Search
from braggio.laue.stack import MemoryStack, Stack, available_memory, open_stack
from braggio.laue.stats import array_record, frames_array, stack_stats
from braggio.options import options_checked
from braggio.storage.hdf5 import require_place

Report = Callable[[str, int, int], None]  # (stage, done, total)


def default_output(path: str | os.PathLike[str]) -> str:
    """``file__mccd.h5`` -> ``file__spots.h5``; other names get ``__spots.h5`` in place of their suffix.

    >>> default_output("run/a__mccd.h5"), default_output("b.h5")
    ('run/a__spots.h5', 'b__spots.h5')
    """
    name = os.fspath(path)
    stem = name.removesuffix("__mccd.h5") if name.endswith("__mccd.h5") else os.path.splitext(name)[0]
    return f"{stem}__spots.h5"


@options_checked
def find_spots(
    source: str | os.PathLike[str] | ArrayLike,
    output: str | os.PathLike[str] | None = None,
    *,
    method: Literal["n_removed", "kruskal"] = "n_removed",
    n: float = DEFAULT_PERCENT,
    alpha: float = 0.05,
    cutoff: float = 3.0,
    erosions: int = 1,
    dilations: int = 2,
    structure: str = "2,2",
    angles: int = 10,
    sync: Literal["none", "pairs", "blocks"] = "none",
    compression: Literal["gzip", "lzf", "none", "bitshuffle", "zstd", "blosc2"] = "gzip",
    label_structure: str | None = None,
    min_pixels: int = 1,
    min_std: float = 0.0,
    unbiased: bool = False,
    saturation: float | None = None,
    centres: bool = False,
    split: bool = False,
    masks: bool = True,
    overwrite: bool = False,
    angle: ArrayLike | None = None,
    laser_on: ArrayLike | None = None,
    dataset: str | None = None,
    mask: ArrayLike | None = None,
    keep_masks: bool = False,
    memory: int | None = None,
    threads: int = 1,
    progress: Report | None = None,
) -> SpotReport:
    """Find spots on Laue frames by the background of each pixel over all frames.

    Parameters
    ----------
    source : path or array-like (frames, rows, columns)
        A ``__mccd.h5`` file, or the frames.
    output : path, optional
        HDF5 file to write; it appears complete or not at all. Without it nothing is written.
    method : {'n_removed', 'kruskal'}
        Background of a pixel: its values over all frames without the `n` percent largest, or without the blocks that a
        Kruskal-Wallis test at level `alpha` finds too bright.
    n : float
        Percent, 0 <= n < 100; 0 is 25.
    alpha : float
        Between 0 and 1.
    cutoff : float
        A pixel belongs to a spot from this many standard deviations above the background on.
    erosions, dilations : int
        Of each mask.
    structure : str
        Rank and connectivity of erosions and dilations, as in `scipy.ndimage.generate_binary_structure`.
    angles : int
        Fewest distinct angles; 0 for no check. Arrays without angles are not checked.
    sync : {'none', 'pairs', 'blocks'}
        Frames that share a mask.
    compression : {'gzip', 'lzf', 'none', 'bitshuffle', 'zstd', 'blosc2'}
        Of masks and labels in the file.
    label_structure : str, optional
        Rank and connectivity of the labels; by default that of `structure`.
    min_pixels : int
        Spots of fewer pixels are left out.
    min_std : float
        Pixels of a smaller standard deviation are never part of a spot.
    unbiased : bool
        Undo what trimming does to average and standard deviation of a Gaussian background.
    saturation : float, optional
        Count the pixels of each spot from this value on.
    centres : bool
        Also weighted centres, and sigma_I.
    split : bool
        Split merged spots at their local maxima.
    masks : bool
        Write mask arrays too, not labels and spots only.
    overwrite : bool
        Replace an existing output.
    angle, laser_on : array-like (frames,), optional
        For arrays: spindle angles in degrees, laser states.
    dataset : str, optional
        Path of the frames in the file.
    mask : array-like (rows, columns), optional
        Non-zero pixels are never part of a spot.
    keep_masks : bool
        Keep masks and labels in the report as well; only without an output.
    memory : int, optional
        Bytes to stay within; by default a quarter of the machine's.
    threads : int
        The result does not depend on it.
    progress : callable, optional
        Called with (stage, done, total).

    Returns
    -------
    SpotReport

    Raises
    ------
    LimitError, OptionError
        An option is out of range, no choice, or there is none of that name.
    FormatError, MetadataError
        The input is not fit; no output is left behind.
    OutputError
        The output exists, or cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).poisson(100, (20, 64, 64)).astype(np.uint16)
    >>> frames[7, 20:26, 30:36] += 200
    >>> report = find_spots(frames)
    >>> report.to_dataframe()[["frame", "label", "n_pixels"]].values.tolist()
    [[7, 1, 64]]
    """
    options = SpotOptions.picked(locals())
    threads = as_threads(threads)

    def stage(name: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(name, done, total)

    def run(search: Search, stack: Stack, band_bytes: int, file: Any = None) -> SpotReport:
        stats = stack_stats(stack, search.record, options, band_bytes, threads, stage("statistics"))
        to_file = output is not None
        background = search.background(stats)
        arrays = search.arrays if to_file or keep_masks else ()
        mask_pass = search.masks(stack, background, arrays, gzip=search.gzip and to_file)
        found = streamed(mask_pass.find, range(len(search.groups)), threads=threads, state=mask_pass.scratch)
        writer = search.writer(output, overwrite=overwrite, keep_masks=keep_masks)
        return search.conclude(background, found, writer, file=file, threads=threads, progress=stage("spots"))

    if not isinstance(source, (str, os.PathLike)):
        frames = frames_array(source)
        stack = MemoryStack(frames)
        record = array_record(frames.shape[0], angle, laser_on)
        return run(
            Search(options, record, stack.shape, mask=mask, angles_known=angle is not None), stack, stack.frames.nbytes
        )
    name = os.fspath(source)
    check_output(name, output, overwrite=overwrite)
    with about(name), open_frames(name, dataset) as (chunked, record, file):
        search = Search(options, record, chunked.shape, mask=mask, name=name)  # before anything large is read
        folder = os.path.dirname(os.path.abspath(name if output is None else output))
        opened, most = open_stack(chunked, memory or available_memory() // 4, threads, folder)
        try:
            return run(search, opened, most, file)
        finally:
            opened.close()


def check_output(name: str, output: str | os.PathLike[str] | None, *, overwrite: bool) -> None:
    """Refuse an output before any work.

    Raises
    ------
    OutputError
        It is the input, exists, or is no file.
    """
    if output is None:
        return
    if os.path.realpath(output) == os.path.realpath(name):
        raise OutputError(
            path=os.fspath(output), field="output", expected="another file than the input", found="the input"
        )
    require_place(output, overwrite=overwrite)
