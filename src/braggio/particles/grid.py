"""The image descriptor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from braggio.errors import GeometryError, LimitError


@dataclass(frozen=True)
class ImageGrid:
    """The image descriptor: a square Cartesian grid, and the polar grid that the seed project derives from it.

    Attributes
    ----------
    n_pixels : int
        Edge of the images.
    pixel_size : float
        Angstrom.
    resolution_factor : float
        Of the polar grid; 1 keeps the full resolution.
    precision : str
        'single' or 'double', for the record.
    """

    n_pixels: int
    pixel_size: float
    resolution_factor: float = 1.0
    precision: str = "single"

    def __post_init__(self) -> None:
        if self.n_pixels < 1:
            raise GeometryError(field="n_pixels", expected="at least 1", found=self.n_pixels)
        if not (math.isfinite(self.pixel_size) and self.pixel_size > 0):
            raise GeometryError(field="pixel_size", expected="above 0 A", found=self.pixel_size)
        if not (math.isfinite(self.resolution_factor) and self.resolution_factor > 0):
            raise GeometryError(field="resolution_factor", expected="above 0", found=self.resolution_factor)

    def polar(self) -> dict[str, Any]:
        """radius_max, dist_radii, n_inplanes and viewing_distance as the seed project's ImageDescriptor has them."""
        return {
            "radius_max": self.resolution_factor * self.n_pixels * 0.25,
            "dist_radii": 0.25,
            "n_inplanes": 2 * self.n_pixels,
            "viewing_distance": 1 / (4 * math.pi * self.resolution_factor),
        }

    def binned(self, factor: int) -> ImageGrid:
        """The grid of the images binned by `factor`.

        Examples
        --------
        >>> ImageGrid(256, 1.1).binned(2)
        ImageGrid(n_pixels=128, pixel_size=2.2, resolution_factor=1.0, precision='single')
        """
        if factor < 1 or self.n_pixels % factor:
            raise LimitError(field="downsample_factor", expected=f"a factor of {self.n_pixels}", found=factor)
        return replace(self, n_pixels=self.n_pixels // factor, pixel_size=self.pixel_size * factor)
