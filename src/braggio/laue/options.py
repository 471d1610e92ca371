"""Options of a spot search: lu_hdf2spots' names, letters and defaults, then our own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

from braggio.errors import BraggioError, LimitError
from braggio.options import Options, option

DEFAULT_PERCENT = 25.0
LARGEST_COUNT = 2**31 - 1  # far above the pixels of a frame


def _own(default: Any, help: str, **about: Any) -> Any:
    return option(default, help, group="beyond lu_hdf2spots", **about)


@dataclass(frozen=True, kw_only=True)
class SpotOptions(Options):
    """Options of `find_spots`, which describes them."""

    error: ClassVar[type[BraggioError]] = LimitError

    method: Literal["n_removed", "kruskal"] = option("n_removed", "background estimate", flags=("-m",))
    n: float = option(
        DEFAULT_PERCENT, "percent of the largest values to leave out; 0 is 25", flags=("-n",), at_least=0, below=100
    )
    alpha: float = option(0.05, "level of the Kruskal-Wallis test", flags=("-A",), above=0, below=1)
    cutoff: float = option(3.0, "cutoff of the masks, in standard deviations", flags=("-c",))
    erosions: int = option(1, "number of erosions", flags=("-e",), at_least=0, at_most=LARGEST_COUNT)
    dilations: int = option(2, "number of dilations", flags=("-d",), at_least=0, at_most=LARGEST_COUNT)
    structure: str = option("2,2", "rank,connectivity of the erosions and dilations", flags=("-s",))
    angles: int = option(10, "fewest distinct angles; 0: no check", flags=("-a",), at_least=0, at_most=LARGEST_COUNT)
    sync: Literal["none", "pairs", "blocks"] = option("none", "frames that share a mask", flags=("-S",))
    compression: Literal["gzip", "lzf", "none", "bitshuffle", "zstd", "blosc2"] = option(
        "gzip", "compression of the masks and labels", flags=("-C",)
    )
    label_structure: str | None = _own(None, "rank,connectivity of the labels (default: that of -s)")
    min_pixels: int = _own(1, "leave out spots of fewer pixels", at_least=1, at_most=LARGEST_COUNT)
    min_std: float = _own(0.0, "leave out pixels whose standard deviation is less", at_least=0)
    unbiased: bool = _own(False, "undo what trimming does to avg and std of a Gaussian background")
    saturation: float | None = _own(None, "count saturated pixels of each spot, from this value on")
    centres: bool = _own(False, "also weighted centres and sigma_I")
    split: bool = _own(False, "split merged spots at their local maxima")
    masks: bool = _own(True, "labels and spots only, no mask arrays")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.mask_connectivity, self.label_connectivity  # refuse a structure that is none

    @property
    def mask_connectivity(self) -> int:
        """Of the erosions and dilations."""
        from braggio.kernels.mask import connectivity  # numpy, which --help does without

        return connectivity(self.structure)

    @property
    def label_connectivity(self) -> int:
        """Of the labels: that of the masks unless told otherwise."""
        from braggio.kernels.mask import connectivity

        return connectivity(self.structure if self.label_structure is None else self.label_structure)

    @property
    def percent(self) -> float:
        """Percent of the largest values removed; the program's 0 means its default."""
        return self.n or DEFAULT_PERCENT

    def n_removed(self, frames: int) -> int:
        """floor(frames * percent / 100) in exact decimal arithmetic, of which at least one frame is left.

        >>> SpotOptions(n=10).n_removed(30), SpotOptions().n_removed(3), SpotOptions(n=0).n_removed(8)
        (3, 0, 2)
        """
        return min(math.floor(frames * Fraction(str(self.percent)) / 100), frames - 1)
