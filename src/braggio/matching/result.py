"""The result of a 2-D template search on disk: eight maps, opened as they are needed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import DataWarning, FormatError, GeometryError, MetadataError, UnsupportedError, about, warn
from braggio.formats import open as open_frames
from braggio.formats.match_results import read_config
from braggio.matching.cutoffs import correlations_of
from braggio.model.frames import FrameStack
from braggio.model.matches import SearchConfig, map_name
from braggio.storage.frames import StoredFrames


@dataclass(frozen=True)
class Crop:
    """Rows and columns of the stored maps that count, from the first on."""

    height: int
    width: int


class MatchResult:
    """Maps of one search; only what is asked for is read, and nothing is written.

    A map's pixel is the top left corner of the template's box: row y, column x of the micrograph.

    Parameters
    ----------
    config : SearchConfig
        What is known of the search.
    paths : Mapping
        Map name to its file.
    micrograph, template : path-like, optional
        Files, where they are known.

    Attributes
    ----------
    shape : tuple of int
        Rows and columns of the maps, after cropping.
    """

    def __init__(
        self,
        config: SearchConfig,
        paths: Mapping[str, Path],
        *,
        micrograph: Path | None = None,
        template: Path | None = None,
    ) -> None:
        self.config = config
        self.paths = dict(paths)
        self.micrograph = micrograph
        self.template = template
        self._correlations: int | None = None
        self._crop: Crop | None = None
        self._files = ExitStack()
        self._open: dict[str, FrameStack] = {}

    # ---- maps

    def __contains__(self, name: str) -> bool:
        return map_name(name) in self.paths

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """A whole map, in float32."""
        stack = self._stack(map_name(name))
        whole = stack.read(0)
        values = np.ascontiguousarray(whole, np.float32) if whole.dtype != np.float32 else whole
        crop = self._crop_within(stack)
        return np.ascontiguousarray(values[: crop.height, : crop.width])

    def values(self, name: str, y: ArrayLike, x: ArrayLike) -> NDArray[np.float32]:
        """A map at some pixels, without reading the others."""
        stack = self._stack(map_name(name))
        crop = self._crop_within(stack)
        rows, columns = np.asarray(y, np.int64), np.asarray(x, np.int64)
        outside = (rows < 0) | (rows >= crop.height) | (columns < 0) | (columns >= crop.width)
        if outside.any():
            bad = int(np.argmax(outside))
            raise IndexError(
                f"pixel ({rows[bad]}, {columns[bad]}) lies outside the map of {crop.height} x {crop.width}"
            )
        flat = np.ascontiguousarray(rows * stack.frame_shape[1] + columns)
        if not isinstance(stack, StoredFrames) or getattr(stack, "packed", False):
            return self[name][rows, columns]
        out = np.empty(len(flat), stack.stored_dtype)
        with about(stack.path):
            stack.source.read_pixels(stack.layout, 0, flat, out)
        return out.astype(np.float32, copy=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the maps, after cropping."""
        name = "scaled_mip" if "scaled_mip" in self.paths else next(iter(self.paths))
        crop = self._crop_within(self._stack(name))
        return crop.height, crop.width

    @property
    def stored_shapes(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of each map as stored."""
        return {name: self._stack(name).frame_shape for name in self.paths}

    def require_one_shape(self) -> None:
        """Refuse maps of different shapes.

        Raises
        ------
        GeometryError
            Naming the shape of every map.
        """
        shapes = self.stored_shapes
        if len(set(shapes.values())) > 1:
            found = ", ".join(f"{name} {height} x {width}" for name, (height, width) in shapes.items())
            raise GeometryError(path=self.config.path or None, field="maps", expected="one shape", found=found)

    def _stack(self, name: str) -> FrameStack:
        if name not in self._open:
            if name not in self.paths:
                raise MetadataError(
                    path=self.config.path or None, field=f"{name}_path", expected="a file", found="none"
                )
            self._open[name] = self._files.enter_context(open_map(self.paths[name]))
        return self._open[name]

    def _crop_within(self, stack: FrameStack) -> Crop:
        height, width = stack.frame_shape
        if self._crop is None:
            return Crop(height, width)
        if self._crop.height > height or self._crop.width > width:
            raise GeometryError(
                path=stack.path,
                field="map",
                expected=f"at least {self._crop.height} x {self._crop.width}",
                found=f"{height} x {width}",
            )
        return self._crop

    # ---- geometry and counts

    def template_shape(self) -> tuple[int, int, int]:
        """(nz, ny, nx) of the template.

        Raises
        ------
        MetadataError
            It is not said where the template is.
        GeometryError
            It is not a cube.
        """
        if self.template is None:
            raise MetadataError(
                "pass template=",
                path=self.config.path or None,
                field="template_volume_path",
                expected="a file",
                found="none",
            )
        with open_map_file(self.template) as stack:
            nz, (ny, nx) = stack.nframes, stack.frame_shape
        if not nz == ny == nx:
            raise GeometryError(
                path=self.template,
                field="template",
                expected="a cube (template must be cubic)",
                found=f"({nz}, {ny}, {nx})",
            )
        return nz, ny, nx

    def micrograph_shape(self) -> tuple[int, int]:
        """(ny, nx) of the micrograph, from its header."""
        if self.micrograph is None:
            raise MetadataError(path=self.config.path or None, field="micrograph_path", expected="a file", found="none")
        with open_map_file(self.micrograph) as stack:
            return stack.frame_shape

    def n_correlations(self) -> int:
        """Correlograms a pixel has seen: orientations times defoci.

        Raises
        ------
        MetadataError
            Neither said nor to be derived.
        """
        if self._correlations is not None:
            return self._correlations
        count, origin = correlations_of(self.config)
        if origin != "total_projections":
            warn(f"{self.config.path}: total_projections is 0: {count} taken from {origin}")
        self._correlations = count
        return count

    def with_correlations(self, count: int) -> MatchResult:
        """The result with that number of correlograms."""
        if not 1 <= count < 1 << 62:
            raise MetadataError(field="n_correlations", expected="from 1 to below 2^62", found=count)
        return self._copy(correlations=int(count), crop=self._crop)

    def apply_valid_cropping(self, template_shape: tuple[int, ...] | None = None) -> MatchResult:
        """Maps of `same` mode (H, W) cut to those of `valid` mode (H - h + 1, W - w + 1).

        What goes is where the circular correlation wraps around the image.

        Parameters
        ----------
        template_shape : tuple of int, optional
            The last two are h and w; by default those of the template's file.

        Raises
        ------
        GeometryError
            The template is larger than the map.
        """
        h, w = (template_shape or self.template_shape())[-2:]
        height, width = self.shape
        if not (1 <= h <= height and 1 <= w <= width):
            raise GeometryError(
                path=self.config.path or None,
                field="template",
                expected=f"at most the map's {height} x {width}",
                found=f"{h} x {w}",
            )
        return self._copy(correlations=self._correlations, crop=Crop(height - h + 1, width - w + 1))

    def _copy(self, *, correlations: int | None, crop: Crop | None) -> MatchResult:
        copy = MatchResult(self.config, self.paths, micrograph=self.micrograph, template=self.template)
        copy._correlations, copy._crop = correlations, crop
        return copy

    # ---- files

    def close(self) -> None:
        """Let go of the files."""
        self._files.close()
        self._open.clear()

    def __enter__(self) -> MatchResult:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MatchResult {self.config.path!r}: {', '.join(self.paths)}>"


def open_result(
    source: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    *,
    base: str | os.PathLike[str] | None = None,
    micrograph: str | os.PathLike[str] | None = None,
    template: str | os.PathLike[str] | None = None,
) -> MatchResult:
    """Open the result of a search.

    Parameters
    ----------
    source : path-like or Mapping
        The search's configuration (YAML or JSON), or the maps' files by any of their names, for example ``mip``,
        ``psi``, ``best_psi``, ``orientation_psi_path``.
    base : path-like, optional
        Where relative paths of a configuration start; by default at its folder, or where they are not there, at the
        working directory.
    micrograph, template : path-like, optional
        In the place of those that the configuration names.

    Returns
    -------
    MatchResult
        No file but the configuration has been opened.

    Raises
    ------
    FormatError, UnsupportedError
        Not such a configuration.

    Examples
    --------
    >>> result = open_result({"mip": "mip.mrc", "best_psi": "psi.mrc"})
    >>> "orientation_psi" in result, "theta" in result
    (True, False)
    """
    if isinstance(source, Mapping):
        paths = {map_name(name): Path(path) for name, path in source.items()}
        config = SearchConfig(maps={name: os.fspath(path) for name, path in paths.items()})
        return MatchResult(config, paths, micrograph=_path(micrograph), template=_path(template))
    config = read_config(source)
    where = Path(config.path).parent if base is None else Path(base)
    paths = {name: _placed(written, where) for name, written in config.maps.items()}
    if micrograph is not None:
        config = replace(config, micrograph_path=os.fspath(micrograph))
    if template is not None:
        config = replace(config, template_path=os.fspath(template))
    return MatchResult(
        config,
        paths,
        micrograph=_path(micrograph) or (_placed(config.micrograph_path, where) if config.micrograph_path else None),
        template=_path(template) or (_placed(config.template_path, where) if config.template_path else None),
    )


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _placed(written: str, where: Path) -> Path:
    """A written path as a file: below `where`, or where the search itself would have looked."""
    placed = where / written
    return Path(written) if not placed.exists() and Path(written).exists() else placed


def open_map(path: str | os.PathLike[str]) -> FrameStack:
    """Open a 2-D real map; one of three axes with one section is taken as 2-D.

    Raises
    ------
    FormatError
        Not one image.
    UnsupportedError
        Complex pixels, naming the mode.
    """
    stack = open_map_file(path)
    if stack.nframes != 1:
        stack.close()
        raise FormatError(path=path, field="nz", expected="one 2-D map", found=f"{stack.nframes} sections")
    return stack


def open_map_file(path: str | os.PathLike[str]) -> FrameStack:
    """Open an MRC file of real numbers, whatever its name ends with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        stack = open_frames(path, format="mrc", permissive=True, restore_dtype=False)
    if stack.dtype.kind == "c":
        mode = stack.header["mode"]
        stack.close()
        raise UnsupportedError(path=path, field="mode", expected="real numbers", found=f"{mode} (complex)")
    return stack
