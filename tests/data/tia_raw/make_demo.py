"""Makes the demo series: a turning lattice of spots on a noisy background, in signed counts."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZE = 128
NUMBERS = (1, 2, 3, 5, 6)  # frame 4 was lost
COSMIC_RAY = {3: (71, 40)}
MINIMA = {1: -145, 2: -138, 3: -2874, 5: -151, 6: -140}


def frame(number: int) -> NDArray[np.int32]:
    """Frame `number` of the series."""
    rng = np.random.default_rng(20260000 + number)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    radius = np.hypot(x, y)
    image = 900 * np.exp(-radius / 9) + rng.normal(0, 32, (SIZE, SIZE))
    tilt = np.deg2rad(8 + 3 * number)
    for h in range(-7, 8):
        for k in range(-7, 8):
            u, v = 15 * h + 3 * k, 17 * k * np.cos(tilt) - 2 * h
            strength = 2600 * np.exp(-np.hypot(u, v) / 26) * (1 + np.sin(1.7 * h + 2.3 * k + number))
            image += strength * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 2.6) * ((h, k) != (0, 0))
    pixels = np.rint(image).astype(np.int32)
    np.maximum(pixels, -130, out=pixels)
    if number in COSMIC_RAY:
        pixels[COSMIC_RAY[number]] = MINIMA[number]
        pixels[100, 100] = -138
    else:
        pixels[90, 20] = MINIMA[number]
    return pixels


def main(folder: Path) -> None:
    """Write the five files."""
    for number in NUMBERS:
        data = struct.pack("<hii", 6, SIZE, SIZE) + frame(number).astype("<i4").tobytes()
        (folder / f"demo_{number:03d}.bin").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
