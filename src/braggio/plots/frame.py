"""Picture of one detector frame: pixels with a colour bar, the beam, and rings of resolution."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from braggio.plots.contrast import HIGH_QUANTILE, Contrast, above_background, reduced
from braggio.plots.figure import BLUE, VERMILLION, page, picture, show_image

MAX_EDGE = 800  # pixels along the longer edge of a frame as it is drawn
RING_SHARES = (0.25, 0.5, 0.75, 0.93)  # of the way from the beam to the farthest edge


@dataclass(frozen=True)
class Beam:
    """Place of the direct beam on a frame, and what a resolution is computed from.

    Attributes
    ----------
    row, column : float
        From the corner of the first pixel, in pixels.
    pixel_size, distance : float or None
        Edge of a pixel and distance of the detector, mm; None where unknown.
    wavelength : float or None
        Angstrom; None where unknown.
    """

    row: float
    column: float
    pixel_size: float | None = None
    distance: float | None = None
    wavelength: float | None = None

    def resolution(self, radius: float) -> float | None:
        """Resolution in angstrom, so many pixels from the beam; None where it is unknown.

        Examples
        --------
        >>> round(Beam(64, 64, pixel_size=0.028, distance=1500.0, wavelength=0.0251).resolution(50), 1)
        26.9
        """
        if not self.pixel_size or not self.distance or not self.wavelength or radius <= 0:
            return None
        angle = math.atan(radius * self.pixel_size / abs(self.distance))
        return self.wavelength / (2 * math.sin(angle / 2))

    def rings(self, shape: tuple[int, int]) -> list[tuple[float, float]]:
        """Resolutions of three digits in angstrom, and their radii in pixels, over a frame of this shape."""
        rings = []
        for share in RING_SHARES:
            radius = share * max(self._edges(shape))
            if (resolution := self.resolution(radius)) is None:
                return []
            rounded = float(f"{resolution:.3g}")
            sine = self.wavelength / (2 * rounded) if self.wavelength else 1.0
            if self.distance and self.pixel_size and sine < math.sin(math.pi / 4):
                rings.append((rounded, math.tan(2 * math.asin(sine)) * abs(self.distance) / self.pixel_size))
        return rings

    def _edges(self, shape: tuple[int, int]) -> tuple[float, float, float, float]:
        """Pixels from the beam to the top, bottom, left and right edge."""
        return self.row, shape[0] - self.row, self.column, shape[1] - self.column

    def outward(self, shape: tuple[int, int]) -> tuple[float, float]:
        """The direction (along rows, along columns) in which the frame reaches farthest."""
        edges = self._edges(shape)
        return ((-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0))[edges.index(max(edges))]


def beam_of_smv(header: Mapping[str, Any], shape: tuple[int, int]) -> Beam | None:
    """The beam as an SMV header says it, read as dxtbx does: BEAM_CENTER_X is the slow coordinate, in mm.

    Headers of the TIMEPIX_SU beamline give it in pixels, the fast coordinate first. A detector that is swung out
    (TWOTHETA) has no distance here, as its rings are no circles. None where the header has no beam, or one off the
    frame.

    Examples
    --------
    >>> header = {"BEAM_CENTER_X": 12.5, "BEAM_CENTER_Y": 25.0, "PIXEL_SIZE": 0.25}
    >>> beam_of_smv(header, (128, 128))
    Beam(row=50.0, column=100.0, pixel_size=0.25, distance=None, wavelength=None)
    """

    def number(name: str) -> float | None:
        value = header.get(name)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) and value > 0 else None

    slow, fast, size = (number(name) for name in ("BEAM_CENTER_X", "BEAM_CENTER_Y", "PIXEL_SIZE"))
    if slow is None or fast is None or size is None:
        return None
    row, column = (fast, slow) if header.get("BEAMLINE") == "TIMEPIX_SU" else (slow / size, fast / size)
    if row > shape[0] or column > shape[1]:
        return None
    distance = None if header.get("TWOTHETA") else number("DISTANCE")
    return Beam(row, column, size, distance, number("WAVELENGTH"))


def draw_frame(
    path: str | os.PathLike[str],
    pixels: NDArray[Any],
    *,
    beam: Beam | None = None,
    title: str = "",
    overwrite: bool = False,
) -> None:
    """Draw a frame with spots dark on a light background.

    Large frames are drawn by the means of blocks of pixels.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    pixels : ndarray (rows, columns)
        NaN where no pixel is, as between panels.
    beam : Beam, optional
        Marked by a cross, with rings of resolution where wavelength, distance and pixel size are known.
    title : str
        Name of the frame.
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    shown = reduced(pixels, MAX_EDGE)
    contrast = above_background(shown)
    with picture(path, page(pixels.shape), title=title, overwrite=overwrite) as figure:
        axes = figure.subplots()
        show_image(axes, shown, contrast, shape=pixels.shape, label=f"{_quantity(pixels, shown)} ({said(contrast)})")
        axes.set(xlabel="column (pixels)", ylabel="row (pixels)")
        if beam is not None:
            _mark_beam(axes, beam, pixels.shape)
            figure.legend(loc="outside lower left", ncols=2, frameon=False)


def _quantity(pixels: NDArray[Any], shown: NDArray[Any]) -> str:
    edge = -(-max(pixels.shape) // max(shown.shape))
    return "pixel value" if edge == 1 else f"mean of {edge} x {edge} pixels"


def said(contrast: Contrast) -> str:
    """Words for a contrast above background."""
    return f"{contrast.scale}; white: median, black: {HIGH_QUANTILE:.1%} of what is above it"


def _mark_beam(axes: Any, beam: Beam, shape: tuple[int, int]) -> None:
    from matplotlib.patches import Circle

    row, column = beam.row - 0.5, beam.column - 0.5  # of a corner of the first pixel; its centre is at 0, 0
    axes.plot(column, row, "+", color=VERMILLION, markersize=18, markeredgewidth=2, label="beam")
    down, right = beam.outward(shape)
    rings = beam.rings(shape)
    if rings:
        axes.plot([], [], "o", fillstyle="none", color=BLUE, markersize=12, label="resolution")
    for resolution, radius in rings:
        axes.add_patch(Circle((column, row), radius, fill=False, edgecolor=BLUE, linewidth=1))
        y, x = row + down * radius, column + right * radius
        if 0 <= y < shape[0] and 0 <= x < shape[1]:
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
            axes.text(x, y, f"{resolution:g} Å", color=BLUE, ha="center", va="center", bbox=box)
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))
