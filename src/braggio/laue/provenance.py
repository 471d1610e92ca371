"""What a file of spots tells of how it was made."""

from __future__ import annotations

import datetime
import json
import os
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.formats.mccd_h5 import FrameRecord
from braggio.laue.options import SpotOptions
from braggio.laue.stats import PixelStats


@dataclass(frozen=True)
class Provenance:
    """A search, as its output describes it.

    Attributes
    ----------
    options : SpotOptions
    record : FrameRecord
    stats : PixelStats
        As shown to the user.
    shape : tuple of int
        Of the stack.
    n_angles, constant_pixels : int
        See `SpotReport`.
    name : str or None
        The input, if it is a file.
    excluded : bool ndarray
        Pixels that a detector mask leaves out.
    """

    options: SpotOptions
    record: FrameRecord
    stats: PixelStats
    shape: tuple[int, int, int]
    n_angles: int
    constant_pixels: int
    name: str | None
    excluded: NDArray[np.bool_]

    def stats_arrays(self, limits: NDArray[Any], reachable: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """The maps of the group `stats`, with `PixelStats.threshold`'s."""
        stats = self.stats
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

    def info(self) -> dict[str, Any]:
        """The attributes of the group `info`."""
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
            "n_frames": self.shape[0],
            "n_angles": self.n_angles,
            "block_size": self.record.block_size,
            "min_pixels": options.min_pixels,
            "min_std": options.min_std,
            "unbiased": options.unbiased,
            "split": options.split,
            "constant_pixels": self.constant_pixels,
            **identity(self.options, self.record, self.shape, self.name, self.excluded),
        }
        if self.stats.n_removed is not None:
            info["n_removed"] = self.stats.n_removed
        return info

    def notes(self, warnings: Sequence[str]) -> dict[str, list[str]]:
        """LaueUtil's datasets of the group `info`."""
        return {
            "options": [f"{key}={value}" for key, value in asdict(self.options).items()],
            "args": [] if self.name is None else [os.path.basename(self.name)],
            "parents": ["\t".join(parent) for parent in self.record.parents],
            "warnings": list(warnings),
        }


def identity(
    options: SpotOptions,
    record: FrameRecord,
    shape: tuple[int, int, int],
    name: str | None,
    excluded: NDArray[np.bool_],
) -> dict[str, str]:
    """The uuid and the date of a search, from its input and what is asked for: the same search gives the same file."""
    size = 0 if name is None else os.stat(name).st_size
    asked: list[Any] = [asdict(options), record.parents, record.dataset, shape, size]
    if excluded.any():
        asked.append(zlib.crc32(np.packbits(excluded).tobytes()))
    text = json.dumps(asked, sort_keys=True)
    return {"uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, text)), "created": _created(name)}


def _created(name: str | None) -> str:
    """When the input was last changed, or SOURCE_DATE_EPOCH: never now, so that the same work gives the same bytes."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    seconds = int(epoch) if epoch and epoch.isdigit() else 0 if name is None else int(os.stat(name).st_mtime)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
