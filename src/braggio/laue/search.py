"""One search for spots: what follows from its options, and what is made of all that its masks hold."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import BitMask
from braggio.errors import DataWarning, FormatError, OutputError
from braggio.formats.mccd_h5 import FrameRecord
from braggio.formats.spots_h5 import MASK_ARRAYS, MemoryWriter, SpotsWriter
from braggio.kernels.label import begin_end
from braggio.laue.masks import MUCH_MASKED, Found, FrameSource, MaskPass, Writer, saturation_of
from braggio.laue.options import Options
from braggio.laue.provenance import Provenance
from braggio.laue.report import SpotReport
from braggio.laue.stats import PixelStats
from braggio.laue.sync import block_warnings, blocks, check_angles, require_laser, sync_groups

MUCH_CONSTANT = 1e-3  # of the pixels: a detector has fewer dead ones
Progress = Callable[[int, int], None]


class Search:
    """One search.

    Parameters
    ----------
    options : Options
    record : FrameRecord
    shape : tuple of int
        Frames, rows, columns.
    mask : array-like (rows, columns), optional
        Non-zero pixels are never part of a spot.
    name : str, optional
        The input, if it is a file.
    angles_known : bool
        Whether too few angles are an error.
    """

    def __init__(
        self,
        options: Options,
        record: FrameRecord,
        shape: tuple[int, int, int],
        *,
        mask: ArrayLike | None = None,
        name: str | None = None,
        angles_known: bool = True,
    ) -> None:
        self.options = options
        self.record = record
        self.shape = shape
        self.name = name
        self.n_angles = check_angles(record, options.angles if angles_known else 0)
        if options.method == "kruskal":
            require_laser(record, "method kruskal")
            blocks(record)
        self.groups = sync_groups(options.sync, record, shape[0])
        self.extra = (("sigma_I", "centre") if options.centres else ()) + (
            ("n_saturated",) if options.saturation is not None else ()
        )
        self.excluded = _excluded(mask, shape[1:])

    @property
    def arrays(self) -> tuple[str, ...]:
        """The mask arrays of the output."""
        if not self.options.masks:
            return ("masks/labels",)
        return tuple(name for name in MASK_ARRAYS if name != "masks_synced" or self.options.sync != "none")

    def writer(self, output: str | os.PathLike[str] | None, *, overwrite: bool, keep_masks: bool = False) -> Writer:
        """Where results go: a file, or memory."""
        if output is None:
            return MemoryWriter(self.shape, len(self.groups), self.arrays if keep_masks else (), self.extra)
        return SpotsWriter(
            os.fspath(output),
            self.shape,
            len(self.groups),
            arrays=self.arrays,
            extra=self.extra,
            compression=self.options.compression,
            overwrite=overwrite,
        )

    def masks(self, stack: FrameSource, stats: PixelStats, writer: Writer) -> MaskPass:
        """The work on each mask, over frames whose background is `stats`."""
        shown = self._shown(stats)
        limits, reachable = shown.threshold(self.options.cutoff)
        usable = reachable & ~self.excluded & (shown.std >= self.options.min_std)
        allowed = BitMask(*self.shape[1:])
        allowed.pack(np.ascontiguousarray(usable))
        return MaskPass(
            self.options,
            stack,
            self.groups,
            shown,
            np.ascontiguousarray(limits),
            allowed,
            self.extra,
            saturation_of(self.options, stack.dtype),
            writer,
        )

    def conclude(
        self,
        stats: PixelStats,
        found: Iterator[Found],
        writer: Writer,
        *,
        file: Any = None,
        progress: Progress | None = None,
    ) -> SpotReport:
        """Put what every mask holds, in order, into the output, and the rest after it.

        Parameters
        ----------
        stats : PixelStats
        found : iterator of Found
            In the order of the masks.
        writer : SpotsWriter or MemoryWriter
        file : h5py.File, optional
            The input, of which a group is copied.
        progress : callable, optional
        """
        shown, constant = self._shown(stats), self._constant(stats)
        told = self._of_stats(stats, constant)
        try:
            frame2spots, counts, more = self._take(found, writer, progress)
            told += more
            if isinstance(writer, SpotsWriter):
                made = Provenance(
                    self.options, self.record, shown, self.shape, self.n_angles, constant, self.name, self.excluded
                )
                lauecollect = None if file is None else file.get("lauecollect")
                writer.finish(frame2spots, made.stats_arrays(), made.info(), made.notes(told), lauecollect)
                writer.publish()
        except BaseException as error:
            if isinstance(writer, SpotsWriter):
                writer.discard()
                if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, (FormatError, OutputError)):
                    raise OutputError(str(error), path=writer.path, errno=getattr(error, "errno", None)) from error
            raise
        for text in told:
            warnings.warn(text if self.name is None else f"{self.name}: {text}", DataWarning, stacklevel=3)
        return SpotReport(
            output=writer.path if isinstance(writer, SpotsWriter) else None,
            stats=shown,
            counts=counts,
            n_frames=self.shape[0],
            n_spots=int(frame2spots[-1, 1]),
            n_angles=self.n_angles,
            constant_pixels=constant,
            warnings=tuple(told),
            masks=writer.arrays if isinstance(writer, MemoryWriter) else {},
            _columns=writer.spots | {"frame2spotsBE": frame2spots} if isinstance(writer, MemoryWriter) else None,
        )

    def _shown(self, stats: PixelStats) -> PixelStats:
        return stats.unbiased() if self.options.unbiased else stats

    def _constant(self, stats: PixelStats) -> int:
        return int(((stats.spread == 0) & ~self.excluded).sum())

    def _of_stats(self, stats: PixelStats, constant: int) -> list[str]:
        """What a user should know of the background."""
        told = []
        if constant > MUCH_CONSTANT * stats.spread.size:
            share = constant / stats.spread.size
            told.append(
                f"{constant} pixels ({share:.1%}) never vary below their spots: std is 0 and >= sets them in "
                "every frame; a detector mask or --min-std leaves them out"
            )
        if stats.n_removed == 0:
            told.append(f"no value is removed: {self.shape[0]} frames are too few for {self.options.percent:g} %")
        if self.options.method == "kruskal" or self.options.sync == "blocks":
            told.extend(block_warnings(self.record, blocks(self.record)))
        return told

    def _take(
        self, found: Iterator[Found], writer: Writer, progress: Progress | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], list[str]]:
        """Every mask in order; rows in the order of frames, though a block of frames need not be contiguous."""
        counts = np.zeros(len(self.groups), np.int32)
        rows = np.zeros(self.shape[0], np.int64)
        waiting: dict[int, dict[str, NDArray[Any]]] = {}
        pixels = next_frame = saturated = 0
        dense: list[int] = []
        for each in found:
            for name, index, payload in each.payloads:
                writer.put(name, index, payload)
            counts[each.index] = each.count
            writer.put_count(each.index, each.count)
            writer.add_pixels(each.pixel_list)
            for frame, columns in each.rows:
                columns["pixel_list_BE"] += pixels
                waiting[frame] = columns
                rows[frame] = each.count
            pixels += len(each.pixel_list)
            while next_frame in waiting:
                writer.add_spots(waiting.pop(next_frame))
                next_frame += 1
            dense += each.dense
            saturated += each.saturated
            if progress is not None:
                progress(each.index + 1, len(self.groups))
        return begin_end(rows), counts, _of_spots(sorted(dense), saturated)


def _of_spots(dense: list[int], saturated: int) -> list[str]:
    """What a user should know of the spots."""
    told = []
    if dense:
        shown = ", ".join(map(str, dense[:8])) + (", ..." if len(dense) > 8 else "")
        told.append(f"more than {MUCH_MASKED:.0%} of the pixels pass the cutoff on {len(dense)} frame(s): {shown}")
    if saturated:
        told.append(f"{saturated} spot(s) hold saturated pixels; their I is too small")
    return told


def _excluded(mask: ArrayLike | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask is None:
        return np.zeros(shape, np.bool_)
    excluded = np.asarray(mask)
    if excluded.shape != shape:
        raise FormatError(field="mask", expected=f"the shape of a frame, {shape}", found=excluded.shape)
    return excluded.astype(np.bool_)
