"""One search for spots: what follows from its options, and what is made of all that its masks hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import FormatError, OutputError, warn
from braggio.formats.mccd_h5 import FrameRecord
from braggio.formats.spots_h5 import MASK_ARRAYS, MemoryWriter, SpotsWriter
from braggio.kernels.label import begin_end
from braggio.kernels.mask import packed
from braggio.laue.masks import MUCH_MASKED, Found, FrameSource, MaskPass, saturation_of
from braggio.laue.options import SpotOptions
from braggio.laue.provenance import Provenance
from braggio.laue.report import SpotReport
from braggio.laue.stats import PixelStats
from braggio.laue.sync import block_warnings, blocks, check_angles, require_laser, sync_groups

MUCH_CONSTANT = 1e-3  # of the pixels: a detector has fewer dead ones
Writer = SpotsWriter | MemoryWriter
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Background:
    """The background of every pixel, and what follows from it.

    Attributes
    ----------
    stats : PixelStats
        As shown to the user.
    limits : ndarray (rows, columns)
        The least value that passes, of the frames' dtype.
    reachable : bool ndarray
        Where there is one.
    constant : int
        Pixels whose kept values are all equal.
    """

    stats: PixelStats
    limits: NDArray[Any]
    reachable: NDArray[np.bool_]
    constant: int


class Search:
    """One search.

    Parameters
    ----------
    options : SpotOptions
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
        options: SpotOptions,
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

    @property
    def gzip(self) -> bool:
        """Whether they are gzip streams in a file."""
        return self.options.compression == "gzip"

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

    def background(self, stats: PixelStats) -> Background:
        """What follows from the statistics."""
        shown = stats.unbiased() if self.options.unbiased else stats
        limits, reachable = shown.threshold(self.options.cutoff)
        constant = int(((stats.spread == 0) & ~self.excluded).sum())
        return Background(shown, np.ascontiguousarray(limits), reachable, constant)

    def masks(self, stack: FrameSource, background: Background, arrays: tuple[str, ...], *, gzip: bool) -> MaskPass:
        """The work on each mask; which arrays are wanted, and whether as gzip streams."""
        shown = background.stats
        usable = background.reachable & ~self.excluded & (shown.std >= self.options.min_std)
        return MaskPass(
            self.options,
            stack,
            self.groups,
            shown,
            background.limits,
            packed(usable),
            packed(~self.excluded) if self.excluded.any() else None,
            self.extra,
            saturation_of(self.options, self.record, stack.dtype),
            arrays,
            gzip,
        )

    def conclude(
        self,
        background: Background,
        found: Iterator[Found],
        writer: Writer,
        *,
        file: Any = None,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> SpotReport:
        """Put what every mask holds, in order, into the output, and the rest after it.

        Parameters
        ----------
        background : Background
        found : iterator of Found
            In the order of the masks.
        writer : SpotsWriter or MemoryWriter
        file : h5py.File, optional
            The input, of which a group is copied.
        threads : int
        progress : callable, optional
        """
        told = self._of_background(background)
        try:
            frame2spots, counts, more = self._take(found, writer, progress)
            told += more
            if isinstance(writer, SpotsWriter):
                made = Provenance(
                    self.options,
                    self.record,
                    background.stats,
                    self.shape,
                    self.n_angles,
                    background.constant,
                    self.name,
                    self.excluded,
                )
                arrays = made.stats_arrays(background.limits, background.reachable)
                lauecollect = None if file is None else file.get("lauecollect")
                writer.finish(frame2spots, arrays, made.info(), made.notes(told), lauecollect, threads)
                writer.publish()
        except BaseException as error:
            if isinstance(writer, SpotsWriter):
                writer.discard()
                if isinstance(error, (OSError, RuntimeError)) and not isinstance(error, (FormatError, OutputError)):
                    raise OutputError(str(error), path=writer.path, errno=getattr(error, "errno", None)) from error
            raise
        for text in told:
            warn(text if self.name is None else f"{self.name}: {text}")
        return SpotReport(
            output=writer.path if isinstance(writer, SpotsWriter) else None,
            stats=background.stats,
            counts=counts,
            n_frames=self.shape[0],
            n_spots=int(frame2spots[-1, 1]),
            n_angles=self.n_angles,
            constant_pixels=background.constant,
            warnings=tuple(told),
            masks=writer.arrays if isinstance(writer, MemoryWriter) else {},
            _columns=writer.spots | {"frame2spotsBE": frame2spots} if isinstance(writer, MemoryWriter) else None,
        )

    def _of_background(self, background: Background) -> list[str]:
        """What a user should know of it."""
        told = []
        share = background.constant / background.limits.size
        if share > MUCH_CONSTANT:
            told.append(
                f"{background.constant} pixels ({share:.1%}) never vary below their spots: std is 0 and >= sets them "
                "in every frame; a detector mask or --min-std leaves them out"
            )
        if background.stats.n_removed == 0:
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
