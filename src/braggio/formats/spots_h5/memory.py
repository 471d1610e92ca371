"""The output of a search that is not written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.formats.spots_h5.columns import empty_columns


class MemoryWriter:
    """Takes what `SpotsWriter` takes and keeps it: for calls without an output file."""

    def __init__(
        self, shape: tuple[int, int, int], n_masks: int, arrays: tuple[str, ...], extra: tuple[str, ...]
    ) -> None:
        frames, height, width = shape
        counts = {"masks_raw": frames, "masks_filtered": frames}
        self.arrays = {
            name: np.zeros((counts.get(name, n_masks), height, width), np.int32 if name == "masks/labels" else np.uint8)
            for name in arrays
        }
        self.counts = np.zeros(n_masks, np.int32)
        self._columns = [empty_columns(extra, 0)]
        self._pixels = [np.empty(0, np.int32)]

    def put(self, name: str, index: int, payload: Any) -> None:
        """One frame of a mask array."""
        self.arrays[name][index] = payload

    def put_count(self, mask: int, count: int) -> None:
        """Spots of one mask."""
        self.counts[mask] = count

    def add_spots(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """The spots of the next frame."""
        self._columns.append(dict(columns))

    def add_pixels(self, pixels: NDArray[np.int32]) -> None:
        """The pixel lists of the next mask."""
        self._pixels.append(pixels)

    @property
    def spots(self) -> dict[str, NDArray[Any]]:
        """The table, column by column, with its pixel_list."""
        names = self._columns[0]
        table = {name: np.concatenate([piece[name] for piece in self._columns]) for name in names}
        return table | {"pixel_list": np.concatenate(self._pixels)}
