"""Panels put together as they stand in the beam, gaps and all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import GeometryError, LimitError
from braggio.model.geometry import Panel

MOST_PIXELS = 1 << 27


@dataclass(frozen=True)
class Assembled:
    """An image of all panels, seen from the source: x to the right, y up.

    Attributes
    ----------
    image : ndarray (rows, columns)
        Pixels, zero in the gaps.
    mask : bool ndarray
        True where a panel is.
    left, top : float
        Place of the upper left corner in the laboratory, mm.
    pixel_size : float
        In mm.
    """

    image: NDArray[Any]
    mask: NDArray[np.bool_]
    left: float
    top: float
    pixel_size: float

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """(row, column) of a place in mm."""
        return (self.top - y) / self.pixel_size, (x - self.left) / self.pixel_size


def assemble(panels: Sequence[Panel], data: Sequence[NDArray[Any]] | NDArray[Any]) -> Assembled:
    """Put the pixels of panels where the panels are, each pixel of the image from the nearest of its panel.

    Parameters
    ----------
    panels : sequence of Panel
        In the laboratory frame.
    data : sequence of ndarray (slow, fast)
        The pixels of each.

    Examples
    --------
    >>> panel = Panel("p", (0, 2, -100), (1, 0, 0), (0, -1, 0), (1.0, 1.0), (2, 3))
    >>> assemble([panel], [np.arange(6).reshape(2, 3)]).image.tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    if len(panels) != len(data) or not len(panels):
        raise GeometryError(field="panels", expected=f"{len(data)}, as pixels are given", found=len(panels))
    size = panels[0].pixel_size[0]
    corners = np.concatenate([panel.corners()[:, :2] for panel in panels])
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    columns, rows = (max(1, round(float(span) / size)) for span in (right - left, top - bottom))
    if rows * columns > MOST_PIXELS:
        raise LimitError(field="assembled image", expected=f"at most {MOST_PIXELS} pixels", found=f"{rows} x {columns}")
    image = np.zeros((rows, columns), np.result_type(*data))
    mask = np.zeros(image.shape, bool)
    for panel, pixels in zip(panels, data, strict=True):
        _paste(image, mask, panel, np.asarray(pixels), float(left), float(top), size)
    return Assembled(image, mask, float(left), float(top), size)


def _paste(
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    panel: Panel,
    pixels: NDArray[Any],
    left: float,
    top: float,
    size: float,
) -> None:
    outline = panel.corners()[:, :2]
    columns = np.clip((outline[:, 0] - left) / size, 0, image.shape[1])
    rows = np.clip((top - outline[:, 1]) / size, 0, image.shape[0])
    r0, r1, c0, c1 = int(rows.min()), int(np.ceil(rows.max())), int(columns.min()), int(np.ceil(columns.max()))
    x = left + (np.arange(c0, c1) + 0.5)[None, :] * size - panel.origin[0]
    y = top - (np.arange(r0, r1) + 0.5)[:, None] * size - panel.origin[1]
    # the panel's two axes, as seen along the beam, solved for pixel coordinates
    plane = np.array([panel.fast[:2], panel.slow[:2]]).T * np.array(panel.pixel_size)
    if abs(np.linalg.det(plane)) < 1e-9 * size**2:
        return  # seen edge on
    inverse = np.linalg.inv(plane)
    fast = np.floor(inverse[0, 0] * x + inverse[0, 1] * y + 1e-9).astype(np.int64)
    slow = np.floor(inverse[1, 0] * x + inverse[1, 1] * y + 1e-9).astype(np.int64)
    inside = (fast >= 0) & (slow >= 0) & (fast < pixels.shape[1]) & (slow < pixels.shape[0])
    image[r0:r1, c0:c1][inside] = pixels[slow[inside], fast[inside]]
    mask[r0:r1, c0:c1] |= inside
