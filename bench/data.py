"""Made data: frames like those of a CMOS camera after subtraction of its dark, some with a cosmic ray below zero."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TIA_HEADER = 10
SPOTS = 400


def diffraction_frame(size: int, seed: int = 0) -> NDArray[np.int32]:
    """Readout noise around zero, a central beam and spots; counts fit int16."""
    random = np.random.default_rng(seed)
    frame = np.rint(random.normal(0, 30, (size, size))).astype(np.int32)
    far = (np.arange(size) - size / 2) ** 2
    frame += (8000 * np.exp(-(far[:, None] + far) / (size / 20) ** 2)).astype(np.int32)
    rows, columns = random.integers(0, size - 4, (2, SPOTS))
    for row, column, height in zip(rows, columns, random.integers(100, 5000, SPOTS), strict=True):
        frame[row : row + 4, column : column + 4] += height
    return frame


def write_series(folder: Path, count: int, size: int, *, rays: bool = True) -> list[Path]:
    """`count` TIA raw files. With `rays` one frame in five has a pixel below Leginon's cut of 2000."""
    folder.mkdir(parents=True, exist_ok=True)
    base = [diffraction_frame(size, seed) for seed in range(4)]
    paths = []
    for number in range(1, count + 1):
        frame = np.roll(base[number % len(base)], (number, 7 * number), (0, 1))
        if rays and number % 5 == 0:
            frame[number, 2 * number] = -2400 - number
        paths.append(folder / f"series_{number:04d}.bin")
        with open(paths[-1], "wb") as file:
            file.write(struct.pack("<hii", 6, size, size))
            frame.astype("<i4", copy=False).tofile(file)
    return paths


def forget(folder: Path) -> None:
    """Remove what a variant has written, so that the next one writes new files too."""
    for path in folder.iterdir() if folder.is_dir() else ():
        path.unlink()
