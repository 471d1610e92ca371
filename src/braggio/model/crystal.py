"""Unit cell and space group: d-spacings, and names of the Hall symbols that cctbx stores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import GeometryError


@cache
def _settings() -> dict[str, tuple[int, str]]:
    text = (Path(__file__).parent / "hall_symbols.json").read_text(encoding="utf-8")
    return cast("dict[str, tuple[int, str]]", json.loads(text))


@dataclass(frozen=True)
class SpaceGroup:
    """A space group in one setting.

    Attributes
    ----------
    hall : str
        Its Hall symbol as cctbx spells it, with the change of basis.
    name : str
        Hermann-Mauguin symbol; the Hall symbol where that is none of the 530 settings in use.
    number : int
        1 to 230; 0 where unknown.
    """

    hall: str
    name: str
    number: int


def space_group(hall: str) -> SpaceGroup:
    """The space group of a Hall symbol.

    Examples
    --------
    >>> space_group(" C 2y"), space_group(" P 61 2 (x,y,z+5/12)").name
    (SpaceGroup(hall=' C 2y', name='C 1 2 1', number=5), 'P 61 2 2')
    """
    found = _settings().get(hall) or _settings().get(" " + hall.strip()) or _settings().get(hall.strip())
    number, name = found if found else (0, f"Hall: {hall.strip()}")
    return SpaceGroup(hall, name, number)


@dataclass(frozen=True)
class UnitCell:
    """Edges in Angstrom and angles in degrees.

    Examples
    --------
    >>> UnitCell(10, 20, 30, 90, 90, 90).d_spacing([[0, 2, 0]]).tolist()
    [10.0]
    """

    a: float
    b: float
    c: float
    alpha: float
    beta: float
    gamma: float

    @classmethod
    def of(cls, parameters: Sequence[float]) -> UnitCell:
        """From six numbers; they must make a cell."""
        if len(parameters) != 6:
            raise GeometryError(field="unit cell", expected="six parameters", found=len(parameters))
        cell = cls(*map(float, parameters))
        metric = cell.metric
        if not (np.isfinite(metric).all() and np.all(np.linalg.eigvalsh(metric) > 0)):
            raise GeometryError(field="unit cell", expected="a volume above 0", found=tuple(parameters))
        return cell

    @property
    def parameters(self) -> tuple[float, float, float, float, float, float]:
        """The six of them."""
        return self.a, self.b, self.c, self.alpha, self.beta, self.gamma

    @property
    def metric(self) -> NDArray[np.float64]:
        """(3, 3) metric tensor in square Angstrom."""
        edges = np.array([self.a, self.b, self.c])
        cosines = np.cos(np.radians([self.alpha, self.beta, self.gamma]))
        matrix = np.eye(3)
        matrix[1, 2] = matrix[2, 1] = cosines[0]
        matrix[0, 2] = matrix[2, 0] = cosines[1]
        matrix[0, 1] = matrix[1, 0] = cosines[2]
        tensor: NDArray[np.float64] = matrix * np.outer(edges, edges)
        return tensor

    def d_spacing(self, hkl: ArrayLike) -> NDArray[np.float64]:
        """In Angstrom, of (n, 3) Miller indices; infinity for 0 0 0."""
        indices = np.asarray(hkl, np.float64).reshape(-1, 3)
        squares = np.einsum("ni,ij,nj->n", indices, np.linalg.inv(self.metric), indices)
        with np.errstate(divide="ignore"):
            spacing: NDArray[np.float64] = 1 / np.sqrt(squares)
        return spacing

    def __str__(self) -> str:
        return "(" + ", ".join(f"{value:.6g}" for value in self.parameters) + ")"
