"""Frames to masks to labels to a spot table: lu_hdf2spots as a function."""

from __future__ import annotations

import datetime
import json
import os
import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio._core import BitMask, Components
from braggio.batch.workers import streamed
from braggio.errors import DataWarning, FormatError, OutputError, about
from braggio.formats.mccd_h5 import FrameRecord, open_frames
from braggio.formats.spots_h5 import MASK_ARRAYS, MemoryWriter, SpotsWriter, empty_columns, read_columns, table
from braggio.kernels.label import begin_end
from braggio.laue.options import Options
from braggio.laue.stack import MemoryStack, Stack, available_memory, open_stack
from braggio.laue.stats import PixelStats, array_record, frames_array, stack_stats
from braggio.laue.sync import Groups, block_warnings, blocks, check_angles, require_laser, sync_groups

MUCH_CONSTANT = 1e-3  # of the pixels: a detector has fewer dead ones
MUCH_MASKED = 0.25  # of a frame: DIALS gives up at this share of strong pixels
SPLIT_REACH = 3  # pixels: maxima nearer than this are one

Writer = SpotsWriter | MemoryWriter
Report = Callable[[str, int, int], None]  # (stage, done, total)


@dataclass(frozen=True)
class SpotReport:
    """What `find_spots` found.

    Attributes
    ----------
    output : str or None
        The file, if one was written.
    stats : PixelStats
    counts : int32 ndarray
        Spots of each mask.
    n_frames, n_spots : int
        A spot of a shared mask counts once per frame.
    n_angles : int
        Distinct angles; 0 where none are known.
    constant_pixels : int
        Pixels whose kept values are all equal: ``>=`` sets them in every frame.
    warnings : tuple of str
    masks : dict of ndarray
        masks_raw, masks_filtered, masks_synced and masks/labels, if they were asked to be kept in memory.
    """

    output: str | None
    stats: PixelStats = field(repr=False)
    counts: NDArray[np.int32] = field(repr=False)
    n_frames: int
    n_spots: int
    n_angles: int
    constant_pixels: int
    warnings: tuple[str, ...]
    masks: Mapping[str, NDArray[Any]] = field(repr=False)
    _columns: Mapping[str, NDArray[Any]] | None = field(repr=False)

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of the spot table under their names in the file."""
        return self._columns if self._columns is not None else read_columns(str(self.output))[0]

    def to_dataframe(self) -> Any:
        """One row per spot."""
        return table(self.columns)


@dataclass
class _Scratch:
    """What a thread works in."""

    mask: BitMask
    union: BitMask
    components: Components
    bytes: NDArray[np.uint8]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class _Found:
    """One mask and the spots of its frames."""

    index: int
    payloads: list[tuple[str, int, Any]]
    count: int
    pixel_list: NDArray[np.int32]
    ranges: NDArray[np.int64]  # in this pixel_list
    rows: list[tuple[int, dict[str, NDArray[Any]]]]  # (frame, columns)
    dense: list[int]  # frames of which much is masked
    saturated: int


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
        self.saturation = _saturation(options, stack.dtype)

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
            frame2spots, counts = self._write_spots(shown, writer)
            if isinstance(writer, SpotsWriter):
                with_group = None if file is None else file.get("lauecollect")
                writer.finish(
                    frame2spots, self._stats_arrays(shown), self._info(stats, name), self._notes(name), with_group
                )
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

    def _write_spots(self, stats: PixelStats, writer: Writer) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Every mask in order; rows in the order of frames, though a block of frames need not be contiguous."""
        frames, height, width = self.stack.shape
        limits, reachable = stats.threshold(self.options.cutoff)
        usable = reachable & ~self.excluded & (stats.std >= self.options.min_std)
        allowed = BitMask(height, width)
        allowed.pack(np.ascontiguousarray(usable))
        limits = np.ascontiguousarray(limits)

        def work(group: int, scratch: _Scratch) -> _Found:
            return self._one_mask(group, scratch, stats, limits, allowed, writer)

        def scratch() -> _Scratch:
            shape = (height, width)
            return _Scratch(
                BitMask(*shape), BitMask(*shape), Components(), np.empty(shape, np.uint8), np.empty(shape, np.int32)
            )

        counts = np.zeros(len(self.groups), np.int32)
        rows = np.zeros(frames, np.int64)
        waiting: dict[int, dict[str, NDArray[Any]]] = {}
        pixels = next_frame = saturated = 0
        dense: list[int] = []
        stage = self._stage("spots")
        for found in streamed(work, range(len(self.groups)), threads=self.threads, state=scratch):
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

    def _one_mask(
        self, group: int, scratch: _Scratch, stats: PixelStats, limits: NDArray[Any], allowed: BitMask, writer: Writer
    ) -> _Found:
        """Threshold, filter and unite the frames of a group; label; measure every frame."""
        options, members = self.options, self.groups[group]
        payloads: list[tuple[str, int, Any]] = []
        dense: list[int] = []
        hold = isinstance(self.stack, MemoryStack) or len(members) == 1
        held: dict[int, NDArray[Any]] = {}
        mask, union = scratch.mask, scratch.union

        def emit(name: str, index: int, bits: BitMask) -> None:
            if writer.wants(name):
                bits.unpack(scratch.bytes)
                payloads.append(
                    (
                        name,
                        index,
                        writer.encode(
                            name,
                            scratch.bytes
                            if isinstance(writer, SpotsWriter) and options.compression == "gzip"
                            else scratch.bytes.copy(),
                        ),
                    )
                )

        for position, frame in enumerate(int(index) for index in members):
            pixels = self.stack.frame(frame)
            if hold:
                held[frame] = pixels
            target = union if position == 0 else mask
            target.threshold(pixels, limits)
            target.intersect(allowed)
            if target.count() > MUCH_MASKED * pixels.size:
                dense.append(frame)
            emit("masks_raw", frame, target)
            target.erode(options.erosions, options.mask_connectivity)
            target.dilate(options.dilations, options.mask_connectivity)
            emit("masks_filtered", frame, target)
            if position > 0:
                union.unite(mask)
        emit("masks_synced", group, union)
        components = scratch.components
        count = components.label(union, options.label_connectivity, options.min_pixels)
        if options.split and count:
            count = components.split(self._heights(members, stats), SPLIT_REACH)
        if writer.wants("masks/labels"):
            components.fill(scratch.labels)
            labels = (
                scratch.labels
                if isinstance(writer, SpotsWriter) and options.compression == "gzip"
                else scratch.labels.copy()
            )
            payloads.append(("masks/labels", group, writer.encode("masks/labels", labels)))
        pixel_list, sizes = components.pixel_lists()
        ranges = begin_end(sizes)
        boxes = components.boxes()
        rows, saturated = [], 0
        for frame in (int(index) for index in members):
            pixels = held[frame] if hold else self.stack.frame(frame)
            columns, over = self._rows(components, pixels, stats, frame, group)
            columns["box"][:] = boxes
            columns["pixel_list_BE"][:] = ranges
            rows.append((frame, columns))
            saturated += over
        return _Found(group, payloads, count, pixel_list, ranges, rows, dense, saturated)

    def _heights(self, members: NDArray[np.int64], stats: PixelStats) -> NDArray[np.float64]:
        """What spots are split by: net intensity, greatest over the frames of the mask, averaged over 3 x 3 pixels."""
        net = np.max([self.stack.frame(int(frame)) - stats.avg for frame in members], axis=0)
        rows = np.pad(net, 1, mode="edge")
        rows = rows[:-2] + rows[1:-1] + rows[2:]
        return np.ascontiguousarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9)

    def _rows(
        self, components: Components, pixels: NDArray[Any], stats: PixelStats, frame: int, group: int
    ) -> tuple[dict[str, NDArray[Any]], int]:
        noise = stats.std if self.options.centres else None
        counted = self.saturation if "n_saturated" in self.extra else None
        found = components.measure(pixels, stats.avg, noise, counted)
        count = components.count
        columns = empty_columns(self.extra, count)
        columns["I_raw"][:] = found["sum"]
        columns["I"][:] = found["sum"] - found["background"]
        columns["n_pixels"][:] = found["n_pixels"]
        columns["XY"][:] = np.stack(np.divmod(found["argmax"], pixels.shape[1]), axis=1)
        columns["frame"][:] = frame
        columns["label"][:] = np.arange(1, count + 1)
        columns["mask"][:] = group
        if self.options.centres:
            columns["sigma_I"][:] = np.sqrt(np.maximum(columns["I"], 0.0) + found["variance"])
            columns["centre"][:] = _centres(found, columns["XY"])
        if counted is not None:
            columns["n_saturated"][:] = found["n_saturated"]
        return columns, 0 if self.saturation is None else int((found["max"] >= self.saturation).sum())

    def _stats_arrays(self, stats: PixelStats) -> dict[str, NDArray[Any]]:
        limits, reachable = stats.threshold(self.options.cutoff)
        arrays = {
            "avg": stats.avg,
            "std": stats.std,
            "iqr": stats.iqr,
            "max": stats.max,
            "arg": stats.arg,
            "threshold": limits,
        }
        if isinstance(stats.kept, np.ndarray):
            arrays["n"] = stats.kept
        if not reachable.all():
            arrays["unreachable"] = (~reachable).astype(np.uint8)
        return arrays

    def _info(self, stats: PixelStats, name: str | None) -> dict[str, Any]:
        from braggio import __version__

        options = self.options
        info: dict[str, Any] = {
            "program": "lu_hdf2spots (braggio)",
            "version": __version__,
            "method": options.method,
            "N": options.percent,
            "alpha": options.alpha,
            "cutoff": options.cutoff,
            "n_erosions": options.erosions,
            "n_dilations": options.dilations,
            "structure": options.structure,
            "label_structure": options.label_structure or options.structure,
            "sync": options.sync,
            "n_frames": self.stack.shape[0],
            "n_angles": self.n_angles,
            "block_size": self.record.block_size,
            "min_pixels": options.min_pixels,
            "min_std": options.min_std,
            "unbiased": options.unbiased,
            "split": options.split,
            "constant_pixels": self.constant,
            "uuid": str(self._uuid(name)),
            "created": _created(name),
        }
        if stats.n_removed is not None:
            info["n_removed"] = stats.n_removed
        return info

    def _uuid(self, name: str | None) -> uuid.UUID:
        """Of the input and the options, so that the same search gives the same file."""
        size = 0 if name is None else os.stat(name).st_size
        text = json.dumps([asdict(self.options), self.record.parents, self.stack.shape, size], sort_keys=True)
        return uuid.uuid5(uuid.NAMESPACE_URL, text)

    def _notes(self, name: str | None) -> dict[str, list[str]]:
        """LaueUtil's datasets of the group `info`."""
        return {
            "options": [f"{key}={value}" for key, value in asdict(self.options).items()],
            "args": [] if name is None else [os.path.basename(name)],
            "parents": ["\t".join(parent) for parent in self.record.parents],
            "warnings": list(self.warnings),
        }


def _created(name: str | None) -> str:
    """When the input was last changed, or SOURCE_DATE_EPOCH: never now, so that the same work gives the same bytes."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    seconds = int(epoch) if epoch and epoch.isdigit() else 0 if name is None else int(os.stat(name).st_mtime)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


def _excluded(mask: ArrayLike | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask is None:
        return np.zeros(shape, np.bool_)
    excluded = np.asarray(mask)
    if excluded.shape != shape:
        raise FormatError(field="mask", expected=f"the shape of a frame, {shape}", found=excluded.shape)
    return excluded.astype(np.bool_)


def _saturation(options: Options, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """The value from which a pixel is saturated: as given, else the top of an integer dtype."""
    if options.saturation is None:
        return None if dtype.kind == "f" else np.array([np.iinfo(dtype).max], dtype)
    if dtype.kind != "f" and options.saturation > np.iinfo(dtype).max:
        return None
    value = options.saturation if dtype.kind == "f" else max(int(np.ceil(options.saturation)), np.iinfo(dtype).min)
    return np.array([value], dtype)


def _centres(found: Mapping[str, NDArray[Any]], brightest: NDArray[Any]) -> NDArray[np.float64]:
    """Centres weighted by the net intensity; the brightest pixel where there is none."""
    weight = found["weight"]
    safe = np.where(weight > 0, weight, 1.0)
    centres = np.stack([found["weighted_row"] / safe, found["weighted_column"] / safe], axis=1)
    return np.where((weight > 0)[:, None], centres, brightest)
