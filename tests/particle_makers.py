"""Small tables and stacks of our own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import braggio

OPTICS = "OpticsGroup Voltage SphericalAberration AmplitudeContrast ImagePixelSize ImageSize".split()
PARTICLES = "ImageName DefocusU DefocusV DefocusAngle OpticsGroup".split()


def star(**blocks: tuple[list[str], list[str]]) -> str:
    """A star file of loops: name=(labels, rows)."""
    text = ""
    for name, (labels, rows) in blocks.items():
        text += f"\ndata_{name}\n\nloop_\n" + "".join(f"_rln{label}\n" for label in labels) + "\n".join(rows) + "\n"
    return text


class Maker:
    """Writes inputs into one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stack(
        self, name: str, images: int = 4, box: int = 8, dtype=np.float32, pixel_size: float = 1.5, seed: int = 0
    ) -> np.ndarray:
        pixels = (
            np.random.default_rng(seed).normal(0, 20, (images, box, box)) + np.arange(images)[:, None, None]
        ).astype(dtype)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        braggio.write(path, pixels, format="mrc", pixel_size=pixel_size, overwrite=True)
        return pixels

    def table(
        self, names: list[str], name: str = "p.star", groups: list[int] | None = None, optics: list[str] | None = None
    ) -> Path:
        """An indexed star: row i has defocus 10000 + i."""
        groups = groups or [1] * len(names)
        rows = [
            f"{image} {10000 + i} {9000 + i} {i} {group}"
            for i, (image, group) in enumerate(zip(names, groups, strict=True))
        ]
        path = self.folder / name
        path.write_text(star(optics=(OPTICS, optics or ["1 300 2.7 0.1 1.5 8"]), particles=(PARTICLES, rows)))
        return path
