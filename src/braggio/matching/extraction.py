"""Boxes of particles: where they lie, which are kept at an edge, and their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import GeometryError, LimitError, MetadataError, UnsupportedError
from braggio.kernels.boxes import EDGES, copy_boxes
from braggio.matching.preferred import preferred
from braggio.model.matches import MatchTable

OUTSIDE = ("constant", "reflect", "replicate", "error", "drop")
MAX_BOX = 1 << 14  # pixels to a side: a gibibyte


def box_corners(
    table: MatchTable, box: tuple[int, int], template: tuple[int, int], *, position: str = "corner"
) -> NDArray[np.int64]:
    """Row and column of each box's top left pixel in the micrograph.

    The box lies around the template's: ``pos - (box - template) // 2``, for odd and even differences.

    Parameters
    ----------
    table : MatchTable
        ``pos_y`` and ``pos_x``, refined where they are.
    box, template : tuple of int
        Rows and columns.
    position : {'corner', 'centre'}
        What the positions are of the template's box.

    Raises
    ------
    GeometryError
        A box smaller than the template.
    LimitError
        A box of more than 2^14 pixels to a side.
    """
    if position not in ("corner", "centre"):
        raise UnsupportedError(field="position", expected="corner or centre", found=repr(position))
    (height, width), (h, w) = box, template
    if min(h, w) < 1 or height < h or width < w:
        raise GeometryError(field="box", expected=f"at least the template's {h} x {w}", found=f"{height} x {width}")
    if max(height, width) > MAX_BOX:
        raise LimitError(field="box", expected=f"at most {MAX_BOX} to a side", found=f"{height} x {width}")
    places = np.stack([_whole(table, "pos_y"), _whole(table, "pos_x")], axis=1)
    if position == "centre":
        places -= np.array([h // 2, w // 2])
    return np.asarray(places - np.array([(height - h) // 2, (width - w) // 2]))


def _whole(table: MatchTable, name: str) -> NDArray[np.int64]:
    values = preferred(table, name)
    if values.dtype.kind == "f" and not np.all(values == np.rint(values)):
        row = int(np.argmax(values != np.rint(values)))
        raise MetadataError(field=name, expected="whole pixels", found=f"{values[row]} in row {row}")
    return values.astype(np.int64)


def outside(corners: NDArray[np.int64], box: tuple[int, int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Boxes that do not lie in an image whole."""
    return np.asarray((corners < 0).any(axis=1) | (corners + np.array(box) > np.array(shape)).any(axis=1))


def extract(
    image: Any,
    table: MatchTable,
    box: int | tuple[int, int],
    template: int | tuple[int, int],
    *,
    edges: str = "constant",
    fill: float = 0.0,
    position: str = "corner",
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The boxes of a table's particles in one micrograph, or in one of its maps.

    Parameters
    ----------
    image : array-like (ny, nx)
    table : MatchTable
    box, template : int or tuple of int
        Rows and columns of the box, and of the template that it lies around. For a map, ``box - template + 1`` and 1.
    edges : {'constant', 'reflect', 'replicate', 'error', 'drop'}
        Of boxes that lie outside in part: fill, see `braggio.kernels.boxes.copy_boxes`; refuse; leave out.
    fill : float
    position : {'corner', 'centre'}
        See `box_corners`.

    Returns
    -------
    boxes : ndarray (m, rows, columns)
        Of the image's dtype.
    rows : int64 ndarray (m,)
        Rows of the table that they are of.

    Raises
    ------
    LimitError
        With ``edges='error'``, naming the first particle.

    Examples
    --------
    >>> table = MatchTable({"pos_x": np.array([1, 3]), "pos_y": np.array([1, 0])})
    >>> boxes, rows = extract(np.arange(16).reshape(4, 4), table, 2, 2, edges="drop")
    >>> boxes.tolist(), rows.tolist()
    ([[[5, 6], [9, 10]]], [0])
    """
    size = sides(box)
    pixels = np.asarray(image)
    corners = box_corners(table, size, sides(template), position=position)
    rows = kept_rows(corners, size, (pixels.shape[0], pixels.shape[1]), edges)
    rule = edges if edges in EDGES else "constant"
    return copy_boxes(pixels, corners[rows], size, edges=rule, fill=fill), rows


def sides(size: int | tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a size that may be one number."""
    return (size, size) if isinstance(size, (int, np.integer)) else (int(size[0]), int(size[1]))


def kept_rows(
    corners: NDArray[np.int64], box: tuple[int, int], shape: tuple[int, int], edges: str
) -> NDArray[np.int64]:
    """Particles that are extracted, after the rule for the edges."""
    if edges not in OUTSIDE:
        raise UnsupportedError(field="edges", expected=", ".join(OUTSIDE), found=repr(edges))
    out = outside(corners, box, shape)
    if edges == "error" and out.any():
        row = int(np.argmax(out))
        raise LimitError(
            field=f"box of particle {row}",
            expected=f"within {shape[0]} x {shape[1]}",
            found=f"{box[0]} x {box[1]} from row {corners[row, 0]}, column {corners[row, 1]}",
        )
    return np.flatnonzero(~out) if edges == "drop" else np.arange(len(corners))
