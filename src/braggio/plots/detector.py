"""Pictures of a detector: the assembled image with its gaps, and the outlines of its panels."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.errors import UnsupportedError
from braggio.plots.contact_sheet import reduced, shaded

GAP = (244, 214, 219)  # what is no panel: faintly pink, as the field's viewers show it
EDGE = 900  # pixels of a picture of outlines
MARGIN = 60
FILLS = ("#dbe9f6", "#e3f2df", "#fdeed8", "#f0e2f3")  # by quadrant


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


def write_assembled(
    path: str | os.PathLike[str],
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    size: int = 1000,
    marks: Sequence[tuple[float, float]] = (),
    overwrite: bool = False,
) -> None:
    """Write an assembled image as PNG, gaps in pink, the beam as a cross.

    Parameters
    ----------
    path : path-like
    image : ndarray (rows, columns)
    mask : bool ndarray
        True where pixels are.
    size : int
        Longer edge of the picture, about.
    marks : sequence of (row, column)
        Crosses, in pixels of the image.
    overwrite : bool
        Replace an existing picture.
    """
    from PIL import Image, ImageDraw

    # blocks are averaged over what is there
    share = reduced(mask.astype(np.float64), size)
    values = reduced(np.where(mask, image, 0), size)
    inside = share > 0.5
    means = np.where(inside, values / np.maximum(share, 1e-12), np.nan)
    shades = shaded(means)
    picture = np.where(inside[..., None], np.repeat(shades[..., None], 3, axis=2), np.array(GAP, np.uint8))
    sheet = Image.fromarray(picture.astype(np.uint8))
    draw = ImageDraw.Draw(sheet)
    scale = picture.shape[0] / image.shape[0]
    for row, column in marks:
        y, x = row * scale, column * scale
        draw.line((x - 9, y, x + 9, y), fill=(200, 30, 30), width=2)
        draw.line((x, y - 9, x, y + 9), fill=(200, 30, 30), width=2)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    _publish(path, buffer.getvalue(), overwrite)


def _publish(path: str | os.PathLike[str], data: bytes, overwrite: bool) -> None:
    with PartFile(os.fspath(path)) as part:
        part.write(data, 0)
        part.publish(overwrite=overwrite)


def _scaled(
    outlines: Sequence[Outline],
) -> tuple[list[tuple[Outline, NDArray[np.float64], tuple[float, float]]], float]:
    """Outlines in picture coordinates (x right, y down), and the reach in mm that the edge stands for."""
    reach = max(float(np.abs(outline.corners).max()) for outline in outlines) * 1.04
    scale = (EDGE - 2 * MARGIN) / (2 * reach)
    placed = []
    for outline in outlines:
        points = np.column_stack([outline.corners[:, 0] * scale, -outline.corners[:, 1] * scale]) + EDGE / 2
        placed.append((outline, points, (outline.start[0] * scale + EDGE / 2, EDGE / 2 - outline.start[1] * scale)))
    return placed, reach


def _tick(reach: float) -> float:
    """A round step, four to eight of which fill the reach."""
    step = 10 ** np.floor(np.log10(reach))
    return float(next(each for each in (step / 5, step / 2, step, 2 * step) if reach / each <= 5.01))


def write_outlines(
    path: str | os.PathLike[str], outlines: Sequence[Outline], *, title: str = "", overwrite: bool = False
) -> None:
    """Draw labelled outlines as SVG or PNG, as the suffix of `path` says; x to the right, y up, the beam in the middle.

    Raises
    ------
    UnsupportedError
        Another suffix.
    """
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix == ".svg":
        _publish(path, svg_text(outlines, title=title).encode("utf-8"), overwrite)
    elif suffix == ".png":
        _publish(path, _png(outlines, title), overwrite)
    else:
        raise UnsupportedError(path=path, field="suffix", expected=".svg or .png", found=suffix or "none")


def svg_text(outlines: Sequence[Outline], *, title: str = "") -> str:
    """The picture as SVG."""
    from xml.sax.saxutils import escape

    placed, reach = _scaled(outlines)
    middle, scale = EDGE / 2, (EDGE - 2 * MARGIN) / (2 * reach)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {EDGE} {EDGE}" width="{EDGE}" height="{EDGE}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{middle}" y="26" font-size="15">{escape(title)}</text>',
    ]
    for outline, points, start in placed:
        text = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        fill = FILLS[outline.group % len(FILLS)]
        x, y = points.mean(axis=0)
        lines.append(f'<polygon points="{text}" fill="{fill}" stroke="#334" stroke-width="1"/>')
        lines.append(f'<circle cx="{start[0]:.2f}" cy="{start[1]:.2f}" r="2.5" fill="#c22"/>')
        lines.append(f'<text x="{x:.2f}" y="{y + 4:.2f}">{escape(outline.label)}</text>')
    lines.append(f'<path d="M{middle - 9} {middle}h18M{middle} {middle - 9}v18" stroke="#c22" stroke-width="2"/>')
    for value in _ticks(reach):
        at = middle + value * scale
        lines.append(f'<text x="{at:.2f}" y="{EDGE - 18}">{value:g}</text>')
        lines.append(f'<text x="24" y="{EDGE - at + 4:.2f}">{value:g}</text>')
    lines.append(f'<text x="{middle}" y="{EDGE - 3}">x (mm); first pixels are marked</text>')
    lines.append(f'<text transform="translate(10 {middle}) rotate(-90)">y (mm)</text>')
    return "\n".join([*lines, "</svg>", ""])


def _ticks(reach: float) -> list[float]:
    step = _tick(reach)
    count = int(reach / step)
    return [step * i for i in range(-count, count + 1)]


def _png(outlines: Sequence[Outline], title: str) -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    placed, reach = _scaled(outlines)
    middle, scale = EDGE / 2, (EDGE - 2 * MARGIN) / (2 * reach)
    sheet = Image.new("RGB", (EDGE, EDGE), "white")
    draw = ImageDraw.Draw(sheet)
    font, large = ImageFont.load_default(11), ImageFont.load_default(15)
    draw.text((middle, 20), title, fill="black", font=large, anchor="mm")
    for outline, points, start in placed:
        corners = [(float(x), float(y)) for x, y in points]
        draw.polygon(corners, fill=FILLS[outline.group % len(FILLS)], outline="#334")
        draw.ellipse((start[0] - 2.5, start[1] - 2.5, start[0] + 2.5, start[1] + 2.5), fill="#c22")
        draw.text(tuple(points.mean(axis=0)), outline.label, fill="black", font=font, anchor="mm")
    draw.line((middle - 9, middle, middle + 9, middle), fill="#c22", width=2)
    draw.line((middle, middle - 9, middle, middle + 9), fill="#c22", width=2)
    for value in _ticks(reach):
        at = middle + value * scale
        draw.text((at, EDGE - 24), f"{value:g}", fill="black", font=font, anchor="mm")
        draw.text((24, EDGE - at), f"{value:g}", fill="black", font=font, anchor="mm")
    draw.text((middle, EDGE - 9), "x, y in mm; first pixels are marked", fill="black", font=font, anchor="mm")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
