"""Frames to masks to labels to a spot table: lu_hdf2spots as a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from braggio.batch.workers import streamed
from braggio.errors import OutputError, about
from braggio.formats.mccd_h5 import open_frames
from braggio.laue.options import Options
from braggio.laue.report import SpotReport
from braggio.laue.search import Search
from braggio.laue.stack import MemoryStack, Stack, available_memory, open_stack
from braggio.laue.stats import array_record, frames_array, stack_stats
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


def find_spots(
    source: str | os.PathLike[str] | ArrayLike,
    output: str | os.PathLike[str] | None = None,
    *,
    overwrite: bool = False,
    angle: ArrayLike | None = None,
    laser_on: ArrayLike | None = None,
    dataset: str | None = None,
    mask: ArrayLike | None = None,
    keep_masks: bool = False,
    memory: int | None = None,
    threads: int = 1,
    progress: Report | None = None,
    **options: Any,
) -> SpotReport:
    """Find spots on Laue frames by the background of each pixel over all frames.

    Parameters
    ----------
    source : path or array-like (frames, rows, columns)
        A ``__mccd.h5`` file, or the frames.
    output : path, optional
        HDF5 file to write; it appears complete or not at all. Without it nothing is written.
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
    **options
        method="n_removed" or "kruskal"; n=25 (percent of the largest values of a pixel to leave out; 0 is 25);
        alpha=0.05; cutoff=3.0; erosions=1; dilations=2; structure="2,2" (rank,connectivity as in
        `scipy.ndimage.generate_binary_structure`); angles=10 (fewest distinct angles, 0 for no check; arrays without
        angles are not checked); sync="none", "pairs" or "blocks"; compression="gzip", "lzf", "none", "bitshuffle",
        "zstd" or "blosc2". Beyond lu_hdf2spots: label_structure, min_pixels=1, min_std=0.0, unbiased=False,
        saturation=None, centres=False, split=False, masks=True.

    Returns
    -------
    SpotReport

    Raises
    ------
    LimitError, UnsupportedError
        An option is out of range.
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
    chosen = Options(**options)

    def stage(name: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(name, done, total)

    def run(search: Search, stack: Stack, band_bytes: int, file: Any = None) -> SpotReport:
        stats = stack_stats(stack, search.record, chosen, band_bytes, threads, stage("statistics"))
        to_file = output is not None
        background = search.background(stats)
        arrays = search.arrays if to_file or keep_masks else ()
        masks = search.masks(stack, background, arrays, gzip=search.gzip and to_file)
        found = streamed(masks.find, range(len(search.groups)), threads=threads, state=masks.scratch)
        writer = search.writer(output, overwrite=overwrite, keep_masks=keep_masks)
        return search.conclude(background, found, writer, file=file, threads=threads, progress=stage("spots"))

    if not isinstance(source, (str, os.PathLike)):
        frames = frames_array(source)
        stack = MemoryStack(frames)
        record = array_record(frames.shape[0], angle, laser_on)
        return run(
            Search(chosen, record, stack.shape, mask=mask, angles_known=angle is not None), stack, stack.frames.nbytes
        )
    name = os.fspath(source)
    check_output(name, output, overwrite=overwrite)
    with about(name), open_frames(name, dataset) as (chunked, record, file):
        search = Search(chosen, record, chunked.shape, mask=mask, name=name)  # before anything large is read
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
