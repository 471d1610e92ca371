"""Picture of a detector: outlines of its panels where they stand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.plots.figure import VERMILLION, page, picture

FILLS = ("#D6E6F4", "#FBE8C8", "#D3EEE5", "#F3DCE8")  # by quadrant: pale blue, orange, green and purple
MAX_LABELS = 400  # more would hide the panels


@dataclass(frozen=True)
class Outline:
    """A polygon with a label.

    Attributes
    ----------
    label : str
    corners : ndarray (n, 2)
        x and y in mm.
    start : tuple of float
        The corner of the first pixel, which is marked.
    group : int
        Outlines of one group have one colour.
    """

    label: str
    corners: NDArray[np.float64]
    start: tuple[float, float]
    group: int = 0


def draw_outlines(
    path: str | os.PathLike[str], outlines: Sequence[Outline], *, title: str = "", overwrite: bool = False
) -> None:
    """Draw labelled outlines as seen from the source: x to the right, y up, in mm from the beam.

    Parameters
    ----------
    path : path-like
        Picture to write, .png or .svg.
    outlines : sequence of Outline
        At least one.
    title : str
    overwrite : bool
        Replace an existing picture; without it, that is an OutputError.
    """
    corners = np.concatenate([outline.corners for outline in outlines])
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    margin = 0.03 * max(right - left, top - bottom, 1e-6)
    spans = max(1, round((top - bottom) / margin)), max(1, round((right - left) / margin))
    with picture(path, page(spans, edge=9.0, beside=0.8), title=title, overwrite=overwrite) as figure:
        axes = figure.subplots()
        for index, outline in enumerate(outlines):
            _draw(axes, outline, index, 1 < len(outlines) <= MAX_LABELS)
        starts = np.array([outline.start for outline in outlines])
        axes.plot(*starts.T, "o", color=VERMILLION, markersize=4, clip_on=False, label="first pixel")
        if left - margin <= 0 <= right + margin and bottom - margin <= 0 <= top + margin:
            axes.plot(0, 0, "+", color=VERMILLION, markersize=18, markeredgewidth=2, label="x = y = 0 (beam)")
        axes.set(
            xlabel="x (mm)",
            ylabel="y (mm)",
            xlim=(left - margin, right + margin),
            ylim=(bottom - margin, top + margin),
            aspect="equal",
        )
        figure.legend(loc="outside lower left", ncols=2, frameon=False)


def _draw(axes: Any, outline: Outline, index: int, labelled: bool) -> None:
    from matplotlib.patches import Polygon

    fill = FILLS[outline.group % len(FILLS)]
    panel = Polygon(outline.corners, closed=True, facecolor=fill, edgecolor="0.25", linewidth=0.8)
    panel.set_gid(f"panel_{index}")
    axes.add_patch(panel)
    if labelled:
        x, y = outline.corners.mean(axis=0)
        axes.text(x, y, outline.label, ha="center", va="center", fontsize=9, parse_math=False)
