"""What a search for spots has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.formats.spots_h5 import read_columns, table
from braggio.laue.stats import PixelStats


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
