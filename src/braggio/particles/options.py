"""Options of restacking particle images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from braggio.errors import OptionError
from braggio.options import Options, option


@dataclass(frozen=True, kw_only=True)
class BatchOptions(Options):
    """Options of `convert`, which describes them."""

    batch_size: int = option(1024, "images in a batch", at_least=1)
    downsample_factor: int = option(1, "bin by this factor of the box", at_least=1)
    downsample_type: Literal["mean", "max"] = option("mean", "value of a binned pixel")
    normalize: Literal["max", "std", "background"] | None = option("max", "normalisation of each image")
    pixel_size: float | None = option(
        None, "pixel size of the stacks (default: the table's, else the headers')", unit="A"
    )
    metadata: Literal["star", "cs", "both"] = option("star", "table beside each stack")
    sign: bool = option(False, "multiply by the table's contrast sign")
    prefix: str = option("particles", "beginning of the file names", metavar="NAME")
    precision: Literal["exact", "relion"] = option("exact", "numbers of the star files")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.prefix or os.sep in self.prefix or self.prefix.startswith("."):
            raise OptionError(field="prefix", expected="a file name", found=repr(self.prefix))

    def suffixes(self) -> tuple[str, ...]:
        """Of the files of a batch."""
        tables = {"star": (".star",), "cs": (".cs",), "both": (".star", ".cs")}[self.metadata]
        return (".mrcs", *tables, ".npz")
