"""What a spot search is told, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from braggio.errors import LimitError, UnsupportedError
from braggio.kernels.mask import connectivity
from braggio.laue.sync import SYNCS

METHODS = ("n_removed", "kruskal")
COMPRESSIONS = ("gzip", "lzf", "none", "bitshuffle", "zstd", "blosc2")
DEFAULT_PERCENT = 25.0
LARGEST = 2**31 - 1  # of a count: far above the pixels of a frame


@dataclass(frozen=True)
class Options:
    """Options of `find_spots`, under lu_hdf2spots' names; see there."""

    method: str = "n_removed"
    n: float = DEFAULT_PERCENT
    alpha: float = 0.05
    cutoff: float = 3.0
    erosions: int = 1
    dilations: int = 2
    structure: str = "2,2"
    angles: int = 10
    sync: str = "none"
    compression: str = "gzip"
    label_structure: str | None = None
    min_pixels: int = 1
    min_std: float = 0.0
    unbiased: bool = False
    saturation: float | None = None
    centres: bool = False
    split: bool = False
    masks: bool = True

    def __post_init__(self) -> None:
        _one_of("method", self.method, METHODS)
        _one_of("sync", self.sync, SYNCS)
        _one_of("compression", self.compression, COMPRESSIONS)
        _within("n", self.n, 0 <= self.n < 100, "a percentage, 0 <= n < 100")
        _within("alpha", self.alpha, 0 < self.alpha < 1, "0 < alpha < 1")
        _within("cutoff", self.cutoff, math.isfinite(self.cutoff), "a finite number")
        for name, least in (("erosions", 0), ("dilations", 0), ("angles", 0), ("min_pixels", 1)):
            value = getattr(self, name)
            _within(name, value, least <= value <= LARGEST, f"{least} to {LARGEST}")
        _within("min_std", self.min_std, 0 <= self.min_std < math.inf, "0 or more")
        if self.saturation is not None:
            _within("saturation", self.saturation, math.isfinite(self.saturation), "a finite number")
        _ = self.mask_connectivity, self.label_connectivity

    @property
    def mask_connectivity(self) -> int:
        """Of the erosions and dilations."""
        return connectivity(self.structure)

    @property
    def label_connectivity(self) -> int:
        """Of the labels: that of the masks unless told otherwise."""
        return connectivity(self.structure if self.label_structure is None else self.label_structure)

    @property
    def percent(self) -> float:
        """Percent of the largest values removed; the program's 0 means its default."""
        return self.n or DEFAULT_PERCENT

    def n_removed(self, frames: int) -> int:
        """floor(frames * percent / 100) in exact decimal arithmetic, of which at least one frame is left.

        >>> Options(n=10).n_removed(30), Options().n_removed(3), Options(n=0).n_removed(8)
        (3, 0, 2)
        """
        return min(math.floor(frames * Fraction(str(self.percent)) / 100), frames - 1)


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UnsupportedError(field=field, expected=" or ".join(known), found=repr(value))


def _within(field: str, value: float, fits: bool, expected: str) -> None:
    if not fits:
        raise LimitError(field=field, expected=expected, found=value)
