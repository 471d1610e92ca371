"""Frames to masks to labels to a spot table: lu_hdf2spots as a function."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import BitMask
from braggio.batch.workers import streamed
from braggio.errors import DataWarning, FormatError, OutputError, about
from braggio.formats.mccd_h5 import FrameRecord, open_frames
from braggio.formats.spots_h5 import MASK_ARRAYS, MemoryWriter, SpotsWriter
from braggio.kernels.label import begin_end
from braggio.laue.masks import MUCH_MASKED, MaskPass, Writer, saturation_of
from braggio.laue.options import Options
from braggio.laue.provenance import Provenance
from braggio.laue.report import SpotReport
from braggio.laue.stack import MemoryStack, Stack, available_memory, open_stack
from braggio.laue.stats import PixelStats, array_record, frames_array, stack_stats
from braggio.laue.sync import Groups, block_warnings, blocks, check_angles, require_laser, sync_groups

MUCH_CONSTANT = 1e-3  # of the pixels: a detector has fewer dead ones

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
    if not isinstance(source, (str, os.PathLike)):
        frames = frames_array(source)
        stack = MemoryStack(frames)
        record = array_record(frames.shape[0], angle, laser_on)
        search = _Search(
            chosen, record, stack, mask, threads, progress, stack.frames.nbytes, angles_known=angle is not None
        )
        return search.run(output, overwrite, keep_masks)
    name = os.fspath(source)
    if output is not None and os.path.realpath(output) == os.path.realpath(name):
        raise OutputError(
            path=os.fspath(output), field="output", expected="another file than the input", found="the input"
        )
    if output is not None and not overwrite and os.path.lexists(output):
        raise OutputError("it exists; --overwrite replaces it", path=os.fspath(output))
    with about(name), open_frames(name, dataset) as (chunked, record, file):
        _Search.check(chosen, record, chunked.shape[0])  # before anything large is read
        budget = memory or available_memory() // 4
        folder = os.path.dirname(os.path.abspath(name if output is None else output))
        opened, most = open_stack(chunked, budget, threads, folder)
        try:
            search = _Search(chosen, record, opened, mask, threads, progress, most)
            return search.run(output, overwrite, keep_masks, file=file, name=name)
        finally:
            opened.close()


class _Search:
    """One search: options, frames, and the maps that follow from them."""

    def __init__(
        self,
        options: Options,
        record: FrameRecord,
        stack: Stack,
        mask: ArrayLike | None,
        threads: int,
        progress: Report | None,
        band_bytes: int,
        angles_known: bool = True,
    ) -> None:
        self.options = options
        self.record = record
        self.stack = stack
        self.threads = threads
        self.progress = progress
        self.band_bytes = band_bytes
        self.warnings: list[str] = []
        self.n_angles, self.groups = self.check(options, record, stack.shape[0], angles_known)
        self.extra = (("sigma_I", "centre") if options.centres else ()) + (
            ("n_saturated",) if options.saturation is not None else ()
        )
        self.excluded = _excluded(mask, stack.shape[1:])

    @staticmethod
    def check(options: Options, record: FrameRecord, frames: int, angles_known: bool = True) -> tuple[int, Groups]:
        """Refuse what cannot work, and tell the number of angles and which frames share a mask."""
        n_angles = check_angles(record, options.angles if angles_known else 0)
        if options.method == "kruskal":
            require_laser(record, "method kruskal")
            blocks(record)
        return n_angles, sync_groups(options.sync, record, frames)

    def run(
        self,
        output: str | os.PathLike[str] | None,
        overwrite: bool,
        keep_masks: bool,
        file: Any = None,
        name: str | None = None,
    ) -> SpotReport:
        """Statistics, then spots, then the report."""
        stats = stack_stats(
            self.stack, self.record, self.options, self.band_bytes, self.threads, self._stage("statistics")
        )
        shown = stats.unbiased() if self.options.unbiased else stats
        self._note_stats(stats)
        writer = self._writer(output, overwrite, keep_masks)
        try:
            limits, reachable = shown.threshold(self.options.cutoff)
            frame2spots, counts = self._write_spots(shown, limits, reachable, writer)
            if isinstance(writer, SpotsWriter):
                made = Provenance(
                    self.options, self.record, shown, self.stack.shape, self.n_angles, self.constant, name
                )
                with_group = None if file is None else file.get("lauecollect")
                maps, notes = made.stats_arrays(limits, reachable), made.notes(self.warnings)
                writer.finish(frame2spots, maps, made.info(), notes, with_group, self.threads)
                writer.publish()
        except BaseException as error:
            if isinstance(writer, SpotsWriter):
                writer.discard()
                if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, (FormatError, OutputError)):
                    raise OutputError(str(error), path=writer.path, errno=getattr(error, "errno", None)) from error
            raise
        for text in self.warnings:
            warnings.warn(text if name is None else f"{name}: {text}", DataWarning, stacklevel=3)
        return SpotReport(
            output=None if output is None else os.fspath(output),
            stats=shown,
            counts=counts,
            n_frames=self.stack.shape[0],
            n_spots=int(frame2spots[-1, 1]),
            n_angles=self.n_angles,
            constant_pixels=self.constant,
            warnings=tuple(self.warnings),
            masks=writer.arrays if isinstance(writer, MemoryWriter) else {},
            _columns=writer.spots | {"frame2spotsBE": frame2spots} if isinstance(writer, MemoryWriter) else None,
        )

    def _stage(self, stage: str) -> Callable[[int, int], None] | None:
        report = self.progress
        return None if report is None else lambda done, total: report(stage, done, total)

    def _writer(self, output: str | os.PathLike[str] | None, overwrite: bool, keep_masks: bool) -> Writer:
        arrays = tuple(name for name in MASK_ARRAYS if name != "masks_synced" or self.options.sync != "none")
        if not self.options.masks:
            arrays = ("masks/labels",)
        if output is None:
            return MemoryWriter(self.stack.shape, len(self.groups), arrays if keep_masks else (), self.extra)
        return SpotsWriter(
            os.fspath(output),
            self.stack.shape,
            len(self.groups),
            arrays=arrays,
            extra=self.extra,
            compression=self.options.compression,
            overwrite=overwrite,
        )

    def _note_stats(self, stats: PixelStats) -> None:
        constant = (stats.spread == 0) & ~self.excluded
        self.constant = int(constant.sum())
        if self.constant > MUCH_CONSTANT * constant.size:
            share = self.constant / constant.size
            self.warnings.append(
                f"{self.constant} pixels ({share:.1%}) never vary below their spots: std is 0 and >= sets them in "
                "every frame; a detector mask or --min-std leaves them out"
            )
        if stats.n_removed == 0:
            self.warnings.append(
                f"no value is removed: {self.stack.shape[0]} frames are too few for {self.options.percent:g} %"
            )
        if self.options.method == "kruskal" or self.options.sync == "blocks":
            self.warnings.extend(block_warnings(self.record, blocks(self.record)))

    def _write_spots(
        self, stats: PixelStats, limits: NDArray[Any], reachable: NDArray[np.bool_], writer: Writer
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Every mask in order; rows in the order of frames, though a block of frames need not be contiguous."""
        frames, height, width = self.stack.shape
        usable = reachable & ~self.excluded & (stats.std >= self.options.min_std)
        allowed = BitMask(height, width)
        allowed.pack(np.ascontiguousarray(usable))
        masks = MaskPass(
            self.options,
            self.stack,
            self.groups,
            stats,
            np.ascontiguousarray(limits),
            allowed,
            self.extra,
            saturation_of(self.options, self.stack.dtype),
            writer,
        )
        counts = np.zeros(len(self.groups), np.int32)
        rows = np.zeros(frames, np.int64)
        waiting: dict[int, dict[str, NDArray[Any]]] = {}
        pixels = next_frame = saturated = 0
        dense: list[int] = []
        stage = self._stage("spots")
        for found in streamed(masks.find, range(len(self.groups)), threads=self.threads, state=masks.scratch):
            for name, index, payload in found.payloads:
                writer.put(name, index, payload)
            counts[found.index] = found.count
            writer.put_count(found.index, found.count)
            writer.add_pixels(found.pixel_list)
            for frame, columns in found.rows:
                columns["pixel_list_BE"] += pixels
                waiting[frame] = columns
                rows[frame] = found.count
            pixels += len(found.pixel_list)
            while next_frame in waiting:
                writer.add_spots(waiting.pop(next_frame))
                next_frame += 1
            dense += found.dense
            saturated += found.saturated
            if stage is not None:
                stage(found.index + 1, len(self.groups))
        self._note_spots(sorted(dense), saturated)
        return begin_end(rows), counts

    def _note_spots(self, dense: list[int], saturated: int) -> None:
        if dense:
            shown = ", ".join(map(str, dense[:8])) + (", ..." if len(dense) > 8 else "")
            self.warnings.append(
                f"more than {MUCH_MASKED:.0%} of the pixels pass the cutoff on {len(dense)} frame(s): {shown}"
            )
        if saturated:
            self.warnings.append(f"{saturated} spot(s) hold saturated pixels; their I is too small")


def _excluded(mask: ArrayLike | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask is None:
        return np.zeros(shape, np.bool_)
    excluded = np.asarray(mask)
    if excluded.shape != shape:
        raise FormatError(field="mask", expected=f"the shape of a frame, {shape}", found=excluded.shape)
    return excluded.astype(np.bool_)
