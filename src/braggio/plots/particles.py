"""Pictures of a particle table: its first images, its mean CTF, the spread of its defocus."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.plots.contact_sheet import Tile, draw_sheet
from braggio.plots.contrast import of_spread, reduced
from braggio.plots.figure import BLUE, SKY, count_axis, picture

BIN = 2  # pixels of the picture for each that is drawn: means show more of a noisy image
DEVIATIONS = 3  # from the mean of an image to black and to white


def draw_images(
    path: str | os.PathLike[str],
    images: Sequence[NDArray[Any]],
    captions: Sequence[str],
    *,
    size: int = 160,
    title: str = "",
    overwrite: bool = False,
) -> None:
    """Draw particle images, each from black to white over 3 standard deviations below and above its mean.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    images : sequence of ndarray (box, box)
    captions : sequence of str
        One for each image.
    size : int
        Edge of an image in the picture, pixels.
    title : str
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    tiles = []
    for image, caption in zip(images, captions, strict=True):
        pixels = reduced(image, size // BIN)
        tiles.append(Tile(pixels, pixels.shape, caption, of_spread(pixels, DEVIATIONS)))
    said = f"each image from its mean - {DEVIATIONS} sd (black) to its mean + {DEVIATIONS} sd (white)"
    draw_sheet(path, tiles, size=size, title=f"{title}: {said}" if title else said, colours="gray", overwrite=overwrite)


def draw_ctf(
    path: str | os.PathLike[str],
    frequency: NDArray[np.float64],
    ctf: NDArray[np.float64],
    defocus: NDArray[np.float64],
    *,
    title: str = "",
    overwrite: bool = False,
) -> None:
    """Draw the mean CTF over spatial frequency, above the histogram of the mean defocus.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    frequency, ctf : ndarray (n,)
        1/A, and the mean over the particles.
    defocus : ndarray (particles,)
        Angstrom, positive where underfocused. Values that are not finite are left out.
    title : str
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    finite = defocus[np.isfinite(defocus)] / 1e4
    with picture(path, (9, 8), title=title, overwrite=overwrite) as figure:
        upper, lower = figure.subplots(2, 1)
        upper.axhline(0, color="0.6", linewidth=0.8)
        upper.plot(frequency, ctf, color=BLUE, linewidth=1.5)
        upper.set(xlabel="spatial frequency (1/Å)", ylabel="mean CTF", xlim=(0, frequency[-1]))
        _resolution_axis(upper, float(frequency[-1]))
        lower.hist(finite, bins=40, color=SKY, edgecolor="white", linewidth=0.5)
        lower.set(xlabel="mean defocus (µm underfocus)", ylabel=f"particles (of {finite.size:,})")
        count_axis(lower.yaxis)


def _resolution_axis(axes: Any, highest: float) -> None:
    """The same axis in angstrom, with ticks at round resolutions."""

    def inverse(values: Any) -> Any:
        return 1 / np.maximum(values, 1e-9)

    above = axes.secondary_xaxis("top", functions=(inverse, inverse))
    best = 1 / highest
    rounded = [step * 10.0**decade for decade in range(-1, 4) for step in (1, 1.5, 2, 3, 4, 5, 7)]
    chosen = [each for each in rounded if best <= each <= 8 * best]
    above.set_xticks(chosen, labels=[f"{each:g}" for each in chosen])
    above.set_xlabel("resolution (Å)")
