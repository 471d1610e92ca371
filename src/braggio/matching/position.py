"""What a map's pixel is of the template's box, corner or centre, as the micrograph shows it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.kernels.boxes import copy_boxes
from braggio.model.frames import FrameStack

MOST = 400  # peaks that are looked at
FEWEST = 5
SURE, CLEARER = 4.0, 1.5  # standard errors from nothing, and times the other one's


def round_template(template: FrameStack) -> NDArray[np.float64]:
    """A projection of the template averaged over its angle: zero mean, unit norm; read a section at a time.

    Particles lie in any orientation, and what they have in common is about round.
    """
    n = template.frame_shape[1]
    projection = np.zeros(template.frame_shape)
    for section in template.frames():
        projection += section
    far = np.hypot(*(np.indices(projection.shape) - n // 2))
    ring = np.rint(far).astype(np.int64)
    means = np.bincount(ring.ravel(), projection.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    found = means[ring]
    found -= found.mean()
    norm = float(np.sqrt((found**2).sum()))
    return np.asarray(found / norm if norm > 0 else found)


def evidence(image: NDArray[np.float32], template: NDArray[np.float64], y: ArrayLike, x: ArrayLike) -> dict[str, float]:
    """How clearly the round template shows at the peaks, under either reading: mean correlation in standard errors.

    Parameters
    ----------
    image : ndarray (ny, nx)
    template : ndarray (h, w)
        From `round_template`.
    y, x : array-like of int
        Peaks, the highest first.

    Returns
    -------
    dict
        corner, centre; 0 where fewer than 5 boxes lie in the image whole under both readings.
    """
    h, w = template.shape
    places = np.stack([np.asarray(y, np.int64), np.asarray(x, np.int64)], axis=1)
    half = np.array([h // 2, w // 2])
    whole = (places >= half).all(axis=1) & (places + np.array([h, w]) <= np.array(image.shape)).all(axis=1)
    chosen = places[whole][:MOST]
    if len(chosen) < FEWEST:
        return {"corner": 0.0, "centre": 0.0}
    return {
        name: _clearness(copy_boxes(image, corners, (h, w)), template)
        for name, corners in (("corner", chosen), ("centre", chosen - half))
    }


def _clearness(boxes: NDArray[np.float32], template: NDArray[np.float64]) -> float:
    spread = boxes.std(axis=(1, 2), dtype=np.float64)
    scores = np.tensordot(boxes, template, axes=2) / np.where(spread > 0, spread, 1.0)
    error = float(scores.std(ddof=1)) / math.sqrt(len(scores))
    return float(scores.mean()) / error if error > 0 else 0.0


def verdict(found: dict[str, float]) -> str:
    """'corner' or 'centre', where one is clear and the other is not; else 'unknown'.

    Examples
    --------
    >>> verdict({"corner": -12.0, "centre": 1.0}), verdict({"corner": 2.0, "centre": 1.0})
    ('corner', 'unknown')
    """
    best, other = sorted(found, key=lambda name: -abs(found[name]))
    clear = abs(found[best]) > SURE and abs(found[best]) > CLEARER * abs(found[other])
    return best if clear else "unknown"
