"""One mask after another: thresholds, filters, labels, and the spots of its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import BitMask, Components
from braggio.formats.spots_h5 import MemoryWriter, SpotsWriter, empty_columns
from braggio.kernels.label import begin_end
from braggio.laue.options import Options
from braggio.laue.stack import FrameWindow, MemoryStack, Stack
from braggio.laue.stats import PixelStats
from braggio.laue.sync import Groups

MUCH_MASKED = 0.25  # of a frame: DIALS gives up at this share of strong pixels
SPLIT_REACH = 3  # pixels: maxima nearer than this are one

Writer = SpotsWriter | MemoryWriter
FrameSource = Stack | FrameWindow


@dataclass
class Scratch:
    """What a thread works in."""

    mask: BitMask
    union: BitMask
    components: Components
    bytes: NDArray[np.uint8]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Found:
    """One mask and the spots of its frames."""

    index: int
    payloads: list[tuple[str, int, Any]]
    count: int
    pixel_list: NDArray[np.int32]
    rows: list[tuple[int, dict[str, NDArray[Any]]]]  # (frame, columns)
    dense: list[int]  # frames of which much is masked
    saturated: int


@dataclass(frozen=True)
class MaskPass:
    """The work on one mask: everything that is the same for all of them.

    Attributes
    ----------
    options : Options
    stack : Stack or FrameWindow
    groups : Groups
        The frames of each mask.
    stats : PixelStats
        As shown to the user.
    limits : ndarray
        The least value that passes, of the frames' dtype.
    allowed : BitMask
        Pixels that may be in a mask.
    extra : tuple of str
        Columns beside the usual ones.
    saturation : ndarray or None
        One value, from which a pixel is saturated.
    writer : SpotsWriter or MemoryWriter
        Encodes the arrays it wants.
    """

    options: Options
    stack: FrameSource
    groups: Groups
    stats: PixelStats
    limits: NDArray[Any]
    allowed: BitMask
    extra: tuple[str, ...]
    saturation: NDArray[Any] | None
    writer: Writer

    def scratch(self) -> Scratch:
        """What a thread needs for `find`."""
        shape = self.stack.shape[1:]
        return Scratch(
            BitMask(*shape), BitMask(*shape), Components(), np.empty(shape, np.uint8), np.empty(shape, np.int32)
        )

    def find(self, group: int, scratch: Scratch) -> Found:
        """Threshold, filter and unite the frames of a group; label; measure every frame."""
        options, members = self.options, self.groups[group]
        payloads: list[tuple[str, int, Any]] = []
        dense: list[int] = []
        hold = isinstance(self.stack, MemoryStack) or len(members) == 1
        held: dict[int, NDArray[Any]] = {}
        mask, union = scratch.mask, scratch.union

        def emit(name: str, index: int, bits: BitMask) -> None:
            if self.writer.wants(name):
                bits.unpack(scratch.bytes)
                payloads.append(self._encoded(name, index, scratch.bytes))

        for position, frame in enumerate(int(index) for index in members):
            pixels = self.stack.frame(frame)
            if hold:
                held[frame] = pixels
            target = union if position == 0 else mask
            target.threshold(pixels, self.limits)
            target.intersect(self.allowed)
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
            count = components.split(self._heights(members), SPLIT_REACH)
        if self.writer.wants("masks/labels"):
            components.fill(scratch.labels)
            payloads.append(self._encoded("masks/labels", group, scratch.labels))
        pixel_list, sizes = components.pixel_lists()
        ranges = begin_end(sizes)
        boxes = components.boxes()
        rows, saturated = [], 0
        for frame in (int(index) for index in members):
            pixels = held[frame] if hold else self.stack.frame(frame)
            columns, over = self._rows(components, pixels, frame, group)
            columns["box"][:] = boxes
            columns["pixel_list_BE"][:] = ranges
            rows.append((frame, columns))
            saturated += over
        return Found(group, payloads, count, pixel_list, rows, dense, saturated)

    def _encoded(self, name: str, index: int, array: NDArray[Any]) -> tuple[str, int, Any]:
        """What the writer will put; `array` is used again, so where it is not encoded at once it is copied."""
        at_once = isinstance(self.writer, SpotsWriter) and self.options.compression == "gzip"
        return name, index, self.writer.encode(name, array if at_once else array.copy())

    def _heights(self, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """What spots are split by: net intensity, greatest over the frames of the mask, averaged over 3 x 3 pixels."""
        net = np.max([self.stack.frame(int(frame)) - self.stats.avg for frame in members], axis=0)
        rows = np.pad(net, 1, mode="edge")
        rows = rows[:-2] + rows[1:-1] + rows[2:]
        return np.ascontiguousarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9)

    def _rows(
        self, components: Components, pixels: NDArray[Any], frame: int, group: int
    ) -> tuple[dict[str, NDArray[Any]], int]:
        noise = self.stats.std if self.options.centres else None
        counted = self.saturation if "n_saturated" in self.extra else None
        found = components.measure(pixels, self.stats.avg, noise, counted)
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


def saturation_of(options: Options, dtype: np.dtype[Any]) -> NDArray[Any] | None:
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
