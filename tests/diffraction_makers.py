"""A simulated rotation series of a known cell: the frames a camera with signed counts would give, and what they show.

All vectors are in the laboratory frame of dxtbx: the beam goes along -z, the crystal turns about +x, the fast axis of
the detector is +x and its slow axis -y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class RotationSeries:
    """A crystal, its detector and its scan.

    Attributes
    ----------
    cell : tuple of float
        Edges in angstrom; all angles are right.
    wavelength : float
        Angstrom.
    distance, pixel_size : float
        mm.
    edge : int
        Pixels of the square detector.
    center : tuple of float
        Beam centre, (fast, slow) in pixels.
    start, width : float
        Degrees; `width` is negative where the angles fall.
    frames : int
    d_min : float
        Angstrom: no reflection beyond.
    mosaicity : float
        Standard deviation of the rocking curve, degrees.
    """

    cell: tuple[float, float, float] = (40.0, 40.0, 60.0)
    wavelength: float = 0.02507934
    distance: float = 1500.0
    pixel_size: float = 0.056
    edge: int = 512
    center: tuple[float, float] = (250.3, 262.8)
    start: float = -15.0
    width: float = 0.5
    frames: int = 60
    d_min: float = 3.0
    mosaicity: float = 0.15

    @property
    def orientation(self) -> Vectors:
        """Edges of the cell along no axis of the laboratory; which hand they have does not matter to a lattice."""
        return np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]

    @property
    def reciprocal(self) -> Vectors:
        """a*, b* and c* as columns, 1/angstrom, at the angle 0."""
        return self.orientation / np.array(self.cell)

    def spots(self) -> tuple[Vectors, Vectors, Vectors, Vectors]:
        """Angle (degrees), fast and slow position (pixels) and counts of every spot that the scan can record."""
        ranges = [np.arange(-int(edge / self.d_min) - 1, int(edge / self.d_min) + 2) for edge in self.cell]
        indices = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
        indices = indices[np.any(indices != 0, axis=1)]
        x, y, z = (indices @ self.reciprocal.T).T
        squared = x**2 + y**2 + z**2
        strength = np.random.default_rng(11).exponential(6000.0, len(indices)) * np.exp(-20 * squared)
        radius = np.hypot(y, z)
        # On the sphere of Ewald where the z of the turned vector is |r|^2 lambda / 2.
        height = squared * self.wavelength / 2
        good = (squared < self.d_min**-2) & (radius > 1e-6) & (height < 0.99 * radius)
        x, y, z, height, radius, strength = (each[good] for each in (x, y, z, height, radius, strength))
        found = []
        for side in (-1.0, 1.0):
            angle = np.arctan2(y, z) + side * np.arccos(height / radius)
            turned_y = y * np.cos(angle) - z * np.sin(angle)
            to_detector = self.distance / (1 / self.wavelength - height) / self.pixel_size
            degrees = (np.degrees(angle) + 180) % 360 - 180
            found.append((degrees, self.center[0] + x * to_detector, self.center[1] - turned_y * to_detector, strength))
        angle, fast, slow, strength = (np.concatenate(each) for each in zip(*found, strict=True))
        low, high = sorted((self.start, self.start + self.frames * self.width))
        seen = (angle > low - 1) & (angle < high + 1)
        for position in (fast, slow):
            seen &= (position > 6) & (position < self.edge - 6)  # room for the whole spot
        return angle[seen], fast[seen], slow[seen], strength[seen]

    def images(self) -> list[NDArray[np.int32]]:
        """The frames: spots on a background with signed noise of gain 2, dead pixels, and a cosmic ray of each sign."""
        rng = np.random.default_rng(3)
        angle, fast, slow, strength = self.spots()
        rows, columns = np.ogrid[-5:6, -5:6]
        frames = []
        for number in range(self.frames):
            frame = 18 + rng.normal(0, 6, (self.edge, self.edge))
            low, high = sorted(self.start + self.width * (number + step) for step in (0, 1))
            part = ndtr((high - angle) / self.mosaicity) - ndtr((low - angle) / self.mosaicity)
            for k in np.flatnonzero(part > 1e-3):
                row, column = math.floor(slow[k]), math.floor(fast[k])
                # A pixel's middle is half a pixel from its corner.
                distance = (rows + row + 0.5 - slow[k]) ** 2 + (columns + column + 0.5 - fast[k]) ** 2
                spot = strength[k] * part[k] / (2 * math.pi * 1.2**2) * np.exp(-distance / (2 * 1.2**2))
                frame[row - 5 : row + 6, column - 5 : column + 6] += spot
            frame[:, self.edge // 5] = 0
            frame[100:102, 100:103] = -40
            frames.append(np.rint(frame).astype(np.int32))
        frames[self.frames // 3][77, 201] = -9000
        frames[self.frames // 2][144, 31] = 70000
        return frames

    def geometry(self) -> dict[str, Any]:
        """What `convert_series` is given of it."""
        return {
            "wavelength": self.wavelength,
            "distance": self.distance,
            "pixel_size": self.pixel_size,
            "beam_center": self.center,
            "osc_start": self.start,
            "osc_range": self.width,
            "gain": 2.0,  # the noise's variance over the background
        }
