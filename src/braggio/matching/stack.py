"""Particles of many micrographs as a stack with RELION metadata, one micrograph in memory at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import GeometryError, MetadataError, OutputError, UnsupportedError, about, warn
from braggio.kernels.boxes import EDGES, copy_boxes
from braggio.matching.extraction import box_corners, kept_rows, outside, sides
from braggio.matching.preferred import pixel_size
from braggio.matching.result import open_map, open_map_file
from braggio.model.frames import FrameStack
from braggio.model.matches import MatchTable

SUFFIXES = (".mrcs", ".mrc")


@dataclass(frozen=True)
class Micrographs:
    """Where the micrographs of a table are.

    Attributes
    ----------
    base : str or None
        Relative paths start here; by default at the working directory.
    given : Mapping
        Written path to a file, before all else.
    """

    base: str | None = None
    given: Mapping[str, str] | None = None

    def find(self, written: str) -> Path:
        """The file of a written path.

        Raises
        ------
        MetadataError
            No path, or no such file.
        """
        if self.given and written in self.given:
            return Path(self.given[written])
        path = Path(self.base or "") / written
        if not written or "\0" in written or not path.is_file():
            raise MetadataError(field="micrograph_path", expected="a file", found=repr(str(path) if written else ""))
        return path


class BoxFrames(FrameStack):
    """Boxes of many micrographs as one stack; one micrograph is in memory at a time.

    Parameters
    ----------
    paths : sequence of Path
        Micrographs.
    owner : ndarray of int (n,)
        Micrograph of each box; boxes of one micrograph should follow each other.
    corners : int64 ndarray (n, 2)
    box : tuple of int
    """

    format = "boxes"
    path = None

    def __init__(
        self,
        paths: Sequence[Path],
        owner: NDArray[np.int64],
        corners: NDArray[np.int64],
        box: tuple[int, int],
        *,
        dtype: np.dtype[Any],
        edges: str,
        fill: float,
    ) -> None:
        self.paths, self.owner, self.corners = paths, owner, corners
        self.frame_shape, self.nframes, self.dtype = box, len(owner), dtype
        self.header: Mapping[str, Any] = {}
        self._edges, self._fill = edges, fill
        self._held = -1
        self._image: NDArray[Any] = np.empty((0, 0))

    def read_into(self, index: int, out: NDArray[Any]) -> None:
        """Fill `out` with one box."""
        place = int(self.owner[index])
        if place != self._held:
            self._image, self._held = np.empty((0, 0)), -1
            with open_map(self.paths[place]) as stack:
                self._image = stack.read(0).astype(self.dtype, copy=False)
            self._held = place
        corner = self.corners[index : index + 1]
        copy_boxes(self._image, corner, self.frame_shape, edges=self._edges, fill=self._fill, out=out[None])


def by_micrograph(table: MatchTable) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """(written path, rows) of each micrograph, in order of first appearance."""
    names = table["micrograph_path"]
    codes: dict[str, list[int]] = {}
    for row, name in enumerate(names.tolist()):
        codes.setdefault(name, []).append(row)
    for name, rows in codes.items():
        yield name, np.array(rows, np.int64)


@dataclass(frozen=True)
class StackReport:
    """What `write_stack` has done.

    Attributes
    ----------
    stack, star : str
        Files.
    particles : int
        Written.
    dropped : int
        Left out because their boxes were not whole.
    padded : int
        Boxes that were filled where they lie outside.
    micrographs : int
    """

    stack: str
    star: str
    particles: int
    dropped: int
    padded: int
    micrographs: int


def plan_boxes(
    table: MatchTable,
    box: tuple[int, int],
    template: tuple[int, int],
    micrographs: Micrographs,
    *,
    edges: str,
    fill: float,
    position: str,
) -> tuple[BoxFrames | None, NDArray[np.int64], int]:
    """(boxes, rows of the table that they are of, boxes that lie outside in part); headers are read, pixels are not."""
    corners = box_corners(table, box, template, position=position)
    paths: list[Path] = []
    owners, kept = [], []
    dtypes = set()
    padded = 0
    for place, (written, rows) in enumerate(by_micrograph(table)):
        path = micrographs.find(written)
        with open_map_file(path) as stack, about(path):
            if stack.nframes != 1:
                raise GeometryError(path=path, field="nz", expected="one image", found=stack.nframes)
            chosen = rows[kept_rows(corners[rows], box, stack.frame_shape, edges)]
            padded += int(outside(corners[chosen], box, stack.frame_shape).sum())
            dtypes.add(stack.dtype)
        paths.append(path)
        kept.append(chosen)
        owners.append(np.full(len(chosen), place, np.int64))
    rows = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    if not len(rows):
        return None, rows, 0
    dtype = dtypes.pop() if len(dtypes) == 1 else np.dtype(np.float32)
    rule = edges if edges in EDGES else "constant"
    frames = BoxFrames(paths, np.concatenate(owners), corners[rows], box, dtype=dtype, edges=rule, fill=fill)
    return frames, rows, padded


def write_stack(
    table: MatchTable,
    path: str | os.PathLike[str],
    box: int | tuple[int, int],
    *,
    template: int | tuple[int, int],
    base: str | None = None,
    micrographs: Mapping[str, str] | None = None,
    edges: str = "constant",
    fill: float = 0.0,
    position: str = "corner",
    overwrite: bool = False,
) -> StackReport:
    """Write the particles of a table to an MRC stack, and a RELION star of the same name beside it.

    Micrographs may differ in shape; one is in memory at a time. The stack has their dtype (float32 where they differ),
    and the particles' pixel size in its header. Particles stand in order of their micrographs.

    Parameters
    ----------
    table : MatchTable
        39 columns or more.
    path : path-like
        The stack, ``.mrcs``; the star is ``<name>.star``.
    box, template, edges, fill, position
        See `extract`.
    base, micrographs
        See `Micrographs`.
    overwrite : bool
        Replace both.

    Returns
    -------
    StackReport

    Raises
    ------
    MetadataError
        A micrograph that is not there, or no particle left to write.
    GeometryError
        A box smaller than the template.
    OutputError
        The stack would take the place of a micrograph, or exists and `overwrite` is False.
    """
    from braggio.batch.staging import Staging, digest
    from braggio.formats.mrc import write_mrc
    from braggio.formats.star import write_tables
    from braggio.matching.relion import star_tables

    target = Path(path)
    star, record = target.with_suffix(".star").name, f"{target.name}.provenance.json"
    if target.suffix.lower() not in SUFFIXES:
        raise UnsupportedError(path=path, field="output", expected="a stack, .mrcs", found=target.suffix)
    size = sides(box)
    frames, rows, padded = plan_boxes(
        table, size, sides(template), Micrographs(base, micrographs), edges=edges, fill=fill, position=position
    )
    if frames is None:
        raise MetadataError(field="table", expected="particles to extract", found=f"none of {table.n}")
    for name in (target.name, star):
        path = target.with_name(name)
        if path.exists() and any(path.samefile(each) for each in frames.paths):
            raise OutputError("is a micrograph of the table; choose another name", path=path)
    chosen = table.select(rows)
    sizes = np.unique(pixel_size(chosen))
    if len(sizes) > 1:
        warn(f"{len(sizes)} pixel sizes in one stack: its header has {sizes[0]:g}")
    facts = {
        "particles": len(rows),
        "dropped": table.n - len(rows),
        "padded": padded,
        "micrographs": len(frames.paths),
        "box": list(size),
        "template": list(sides(template)),
        "edges": edges,
        "fill": fill,
        "position": position,
    }
    task = {**facts, "corners": frames.corners.tolist(), "micrographs": [str(each) for each in frames.paths]}
    with Staging(target.parent, target.stem, digest(task)) as staging:
        staging.begin([target.name, star, record], overwrite=overwrite)
        write_mrc(str(staging.path(target.name)), frames, overwrite=True, pixel_size=float(sizes[0]))
        tables = star_tables(chosen, stack=target.name, box=size)
        write_tables(staging.path(star), tables, precision="exact", overwrite=True)
        staging.publish([target.name, star], record, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
    return StackReport(
        str(target), str(target.with_suffix(".star")), len(rows), table.n - len(rows), padded, len(frames.paths)
    )
