"""Pixels of a picture that has been drawn, and where those of one colour are."""

from __future__ import annotations

import numpy as np


def read(path):
    """(rows, columns, 3), uint8."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def of_colour(image, colour, *, tolerance=40):
    """Mask of the pixels of a colour; the edges of lines are blends."""
    return (np.abs(image.astype(int) - rgb(colour)) <= tolerance).all(axis=-1)


def middle(mask):
    """Row and column of the middle of what is set."""
    rows, columns = np.nonzero(mask)
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def margin(image):
    """Pixels of white around what is drawn, at the narrowest side."""
    rows, columns = np.nonzero((image < 250).any(axis=-1))
    return min(rows.min(), columns.min(), image.shape[0] - 1 - rows.max(), image.shape[1] - 1 - columns.max())
