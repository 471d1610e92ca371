"""Pictures of a particle table: its first images, its mean CTF, the spread of its defocus."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.plots.contact_sheet import Tile, reduced, write_contact_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 320, 64, 44, 28, 32
LINE = (31, 90, 160)
BAR = (120, 160, 205)


def grey(image: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """A noisy image in greys: linear between 3 deviations below and above the mean."""
    small = reduced(image, size)
    finite = small[np.isfinite(small)]
    mean, deviation = (float(finite.mean()), float(finite.std())) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(small, nan=mean) - mean) / (6 * deviation or 1.0) + 0.5
    return np.asarray(np.clip(scaled * 255, 0, 255), np.uint8)


def write_particle_sheet(
    path: str | os.PathLike[str],
    images: Sequence[NDArray[Any]],
    captions: Sequence[str],
    *,
    size: int = 128,
    overwrite: bool = False,
) -> None:
    """Particle images as one PNG.

    Raises
    ------
    OutputError
        The picture exists or cannot be written.
    """
    tiles = [Tile(grey(image, size), caption) for image, caption in zip(images, captions, strict=True)]
    write_contact_sheet(path, tiles, size=size, overwrite=overwrite)


def write_ctf_plot(
    path: str | os.PathLike[str],
    frequency: NDArray[np.float64],
    ctf: NDArray[np.float64],
    defocus: NDArray[np.float64],
    *,
    overwrite: bool = False,
) -> None:
    """The mean CTF over spatial frequency, above the histogram of the mean defocus, as one PNG.

    Parameters
    ----------
    path : path-like
        The picture.
    frequency, ctf : ndarray
        1/A, and the mean over the particles.
    defocus : ndarray
        Angstrom, one value a particle.
    overwrite : bool
        Replace an existing picture.

    Raises
    ------
    OutputError
        The picture exists or cannot be written.
    """
    from PIL import Image, ImageDraw

    defocus = defocus[np.isfinite(defocus)]
    picture = Image.new("RGB", (WIDTH, 2 * HEIGHT), "white")
    draw = ImageDraw.Draw(picture)
    extent = max(float(np.abs(ctf).max()), 1e-9)
    upper = _Axes(draw, 0, (float(frequency[0]), float(frequency[-1])), (-extent, extent))
    upper.frame("mean CTF", "spatial frequency (1/A)")
    draw.line([upper.at(x, 0.0) for x in (float(frequency[0]), float(frequency[-1]))], fill=(190, 190, 190))
    draw.line([upper.at(x, y) for x, y in zip(frequency.tolist(), ctf.tolist(), strict=True)], fill=LINE, width=2)
    counts, edges = np.histogram(defocus / 1e4, bins=40)
    lower = _Axes(draw, HEIGHT, (float(edges[0]), float(edges[-1])), (0.0, float(counts.max()) or 1.0))
    lower.frame(f"mean defocus of {len(defocus)} particles", "um underfocus")
    for count, start, stop in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            draw.rectangle((lower.at(start, count), lower.at(stop, 0)), fill=BAR)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    part = PartFile(os.fspath(path))
    part.write(buffer.getvalue(), 0)
    part.publish(overwrite=overwrite)


class _Axes:
    """A plot area and its scales."""

    def __init__(self, draw: Any, top: int, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.draw = draw
        self.box = (LEFT, top + TOP, WIDTH - RIGHT, top + HEIGHT - BOTTOM)
        self.x, self.y = x, y

    def at(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1.0)
        return left + across * (right - left), bottom - up * (bottom - top)

    def frame(self, title: str, label: str) -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(12)
        left, top, right, bottom = self.box
        self.draw.rectangle(self.box, outline=(170, 170, 170))
        self.draw.text((left, top - 18), title, fill="black", font=font)
        self.draw.text(((left + right) / 2 - 50, bottom + 20), label, fill="black", font=font)
        for share in (0.0, 0.5, 1.0):
            x, y = (axis[0] + share * (axis[1] - axis[0]) for axis in (self.x, self.y))
            self.draw.text((left + share * (right - left) - 12, bottom + 4), f"{x:.3g}", fill="black", font=font)
            self.draw.text((4, bottom - share * (bottom - top) - 7), f"{y:.3g}", fill="black", font=font)
