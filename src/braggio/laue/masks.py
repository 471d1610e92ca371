"""One mask after another: thresholds, filters, labels, and the spots of its frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import BitMask, SpotPass
from braggio.formats.mccd_h5 import FrameRecord
from braggio.formats.spots_h5 import MASK_ARRAYS, empty_columns
from braggio.kernels.label import begin_end
from braggio.laue.options import SpotOptions
from braggio.laue.stack import FrameWindow, Stack
from braggio.laue.stats import PixelStats
from braggio.laue.sync import Groups

MUCH_MASKED = 0.25  # of a frame: DIALS gives up at this share of strong pixels
SPLIT_REACH = 3  # pixels: maxima nearer than this are one

FrameSource = Stack | FrameWindow


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
    options : SpotOptions
    stack : Stack or FrameWindow
    groups : Groups
        The frames of each mask.
    stats : PixelStats
        As shown to the user.
    limits : ndarray
        The least value that passes, of the frames' dtype.
    allowed : BitMask
        Pixels that may pass the threshold.
    detector : BitMask or None
        Pixels that dilations may reach, where there are others.
    extra : tuple of str
        Columns beside the usual ones.
    saturation : ndarray or None
        One value, from which a pixel is saturated.
    arrays : tuple of str
        Those of `MASK_ARRAYS` that are wanted.
    gzip : bool
        As streams that HDF5 takes.
    """

    options: SpotOptions
    stack: FrameSource
    groups: Groups
    stats: PixelStats
    limits: NDArray[Any]
    allowed: BitMask
    detector: BitMask | None
    extra: tuple[str, ...]
    saturation: NDArray[Any] | None
    arrays: tuple[str, ...]
    gzip: bool

    def scratch(self) -> SpotPass:
        """What a thread needs for `find`."""
        options = self.options
        return SpotPass(
            self.allowed,
            detector=self.detector,
            erosions=options.erosions,
            dilations=options.dilations,
            filter_connectivity=options.mask_connectivity,
            label_connectivity=options.label_connectivity,
            min_pixels=options.min_pixels,
        )

    def find(self, group: int, scratch: SpotPass) -> Found:
        """Threshold, filter and unite the frames of a group; label; measure every frame."""
        members = self.groups[group]
        frames = _Frames(self.stack, members)
        found = scratch.find(
            frames,
            self.limits,
            background=self.stats.avg,
            noise=self.stats.std if self.options.centres else None,
            saturation=self.saturation if "n_saturated" in self.extra else None,
            heights=self._heights(frames) if self.options.split else None,
            reach=SPLIT_REACH,
            arrays=set(self.arrays),
            gzip=self.gzip,
        )
        ranges = begin_end(found["sizes"])
        rows, saturated = [], 0
        for frame, spots in zip(members.tolist(), found["spots"], strict=True):
            rows.append((frame, self._columns(spots, found["boxes"], ranges, frame, group)))
            saturated += 0 if self.saturation is None else int((spots["max"] >= self.saturation).sum())
        much = MUCH_MASKED * self.limits.size
        return Found(
            index=group,
            payloads=_payloads(found, group, members),
            count=found["count"],
            pixel_list=found["pixel_list"],
            rows=rows,
            dense=[frame for frame, passed in zip(members.tolist(), found["passed"], strict=True) if passed > much],
            saturated=saturated,
        )

    def _heights(self, frames: _Frames) -> NDArray[np.float64]:
        """What spots are split by: net intensity, greatest over the frames of the mask, averaged over 3 x 3 pixels."""
        net = np.max([frame - self.stats.avg for frame in frames], axis=0)
        rows = np.pad(net, 1, mode="edge")
        rows = rows[:-2] + rows[1:-1] + rows[2:]
        return np.ascontiguousarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9)

    def _columns(
        self, spots: Mapping[str, NDArray[Any]], boxes: NDArray[Any], ranges: NDArray[Any], frame: int, group: int
    ) -> dict[str, NDArray[Any]]:
        """The spot table of one frame."""
        count = len(spots["sum"])
        columns = empty_columns(self.extra, count)
        columns["I_raw"][:] = spots["sum"]
        columns["I"][:] = spots["sum"] - spots["background"]
        columns["n_pixels"][:] = spots["n_pixels"]
        columns["XY"][:] = np.stack(np.divmod(spots["argmax"], self.limits.shape[1]), axis=1)
        columns["box"][:] = boxes
        columns["frame"][:] = frame
        columns["label"][:] = np.arange(1, count + 1)
        columns["mask"][:] = group
        columns["pixel_list_BE"][:] = ranges
        if self.options.centres:
            columns["sigma_I"][:] = np.sqrt(np.maximum(columns["I"], 0.0) + spots["variance"])
            columns["centre"][:] = _centres(spots, columns["XY"])
        if "n_saturated" in columns:
            columns["n_saturated"][:] = spots.get("n_saturated", 0)
        return columns


class _Frames(Sequence[NDArray[Any]]):
    """The frames of a mask as a sequence; they stay in memory only where they are already, or where there is one."""

    def __init__(self, stack: FrameSource, members: NDArray[np.int64]) -> None:
        self._stack = stack
        self._members = members
        self._only = stack.frame(int(members[0])) if len(members) == 1 else None

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, position: Any) -> Any:
        frame = int(self._members[position])  # its IndexError ends a loop
        return self._stack.frame(frame) if self._only is None else self._only


def _payloads(found: Mapping[str, Any], group: int, members: NDArray[np.int64]) -> list[tuple[str, int, Any]]:
    """(array, index, what to put there) for the arrays that were asked for."""
    payloads = []
    for name in MASK_ARRAYS:
        if name in ("masks_raw", "masks_filtered"):
            payloads += [(name, int(frame), data) for frame, data in zip(members, found.get(name, ()), strict=False)]
        elif name in found:
            payloads.append((name, group, found[name]))
    return payloads


def saturation_of(options: SpotOptions, record: FrameRecord, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """The value from which a pixel is saturated: as given, else the detector's, else the top of an integer dtype."""
    top = math.inf if dtype.kind == "f" else np.iinfo(dtype).max
    level = min(record.saturated or top, top) if options.saturation is None else options.saturation
    if level > top or level == math.inf:
        return None
    value = level if dtype.kind == "f" else max(math.ceil(level), np.iinfo(dtype).min)
    return np.array([value], dtype)


def _centres(found: Mapping[str, NDArray[Any]], brightest: NDArray[Any]) -> NDArray[np.float64]:
    """Centres weighted by the net intensity; the brightest pixel where there is none."""
    weight = found["weight"]
    safe = np.where(weight > 0, weight, 1.0)
    centres = np.stack([found["weighted_row"] / safe, found["weighted_column"] / safe], axis=1)
    return np.where((weight > 0)[:, None], centres, brightest)
