"""Tables of template matching as RELION star tables, with an optics table."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, warn
from braggio.formats.star import StarTable, write_tables
from braggio.matching.preferred import absolute_defocus, euler_angles, pixel_size, preferred
from braggio.model.columns import Coded, Column, ImageNames
from braggio.model.matches import MatchTable
from braggio.model.particles import BY_LEOPARD

# Constant within an optics group; in the order in which groups are told apart.
_OPTICS = ("voltage", "spherical_aberration", "amplitude_contrast_ratio")
_PER_PARTICLE = ("astigmatism_angle", "phase_shift", "ctf_B_factor")
_SIZES = ("rlnImagePixelSize", "rlnMicrographPixelSize")
_MATRIX = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")


def star_tables(table: MatchTable, *, stack: str = "", box: tuple[int, int] | None = None) -> dict[str, StarTable]:
    """The blocks ``optics`` and ``particles``.

    Coordinates are the particles' centres in the micrograph, angles RELION's (rot is phi, tilt theta, psi psi), the
    defocus is the absolute one; refined values come first. The scaled MIP is kept as the autopicking figure of merit.

    Parameters
    ----------
    table : MatchTable
        39 columns or more.
    stack : str
        Where the images are, in the table's order; without it there are coordinates only.
    box : tuple of int, optional
        Of the images.
    """
    if any(name in table and any(table[name].tolist()) for name in ("even_zernikes", "odd_zernikes")):
        warn("Zernike coefficients are not written to the star")
    groups, group = _groups(table)
    particles = _particles(table, group, stack)
    _require_numbers(_optics(table) | particles)
    optics = {name: column[groups] for name, column in _optics(table).items()}
    count = len(groups)
    optics = {
        "rlnOpticsGroup": np.arange(1, count + 1),
        "rlnOpticsGroupName": Coded.of([f"opticsGroup{number}" for number in range(1, count + 1)]),
        **optics,
    }
    if box is not None:
        optics["rlnImageSize"] = np.full(count, box[1], np.int64)
        optics["rlnImageDimensionality"] = np.full(count, 2, np.int64)
    return {"optics": StarTable(optics), "particles": StarTable(particles)}


def _require_numbers(columns: dict[str, Column]) -> None:
    """No program takes a place, an angle or a voltage that is no number; the figure of merit may be infinite."""
    for name, column in columns.items():
        if not isinstance(column, np.ndarray) or column.dtype.kind != "f" or name == "rlnAutopickFigureOfMerit":
            continue
        bad = ~np.isfinite(column) if name not in _SIZES else ~((column > 0) & np.isfinite(column))
        if bad.any():
            row = int(np.argmax(bad))
            expected = "a number above 0" if name in _SIZES else "a number"
            raise MetadataError(field=f"{name} in row {row}", expected=expected, found=column[row])


def _optics(table: MatchTable) -> dict[str, Column]:
    found: dict[str, Column] = {BY_LEOPARD[name].relion: table[name].astype(np.float64) for name in _OPTICS}
    size = pixel_size(table)
    found |= dict.fromkeys(_SIZES, size)
    matrices = table["mag_matrix"].tolist() if "mag_matrix" in table else []
    if any(matrices):
        values = np.array([_matrix(row, text) for row, text in enumerate(matrices)])
        found |= {label: values[:, place] for place, label in enumerate(_MATRIX)}
    return found


def _matrix(row: int, text: str) -> list[float]:
    """Four numbers; a particle without a matrix has the identity."""
    if not text:
        return [1.0, 0.0, 0.0, 1.0]
    try:
        values = [float(part) for part in text.strip().removeprefix("[").removesuffix("]").split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise MetadataError(field=f"mag_matrix in row {row}", expected="[a, b, c, d]", found=repr(text))
    return values


def _groups(table: MatchTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(row that stands for each group, group of each row from 1), in order of first appearance."""
    if not table.n:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = np.stack([np.asarray(column) for column in _optics(table).values()], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    return first[order], rank[inverse.reshape(-1)]


def _particles(table: MatchTable, group: NDArray[np.int64], stack: str) -> dict[str, Column]:
    angles = euler_angles(table)
    defocus_u, defocus_v = absolute_defocus(table)
    found: dict[str, Column] = {}
    if stack:
        names = Coded(np.zeros(table.n, np.int32), (stack,))
        found["rlnImageName"] = ImageNames(names, np.arange(1, table.n + 1, dtype=np.int32))
    found["rlnMicrographName"] = Coded.of(table["micrograph_path"].tolist())
    found["rlnCoordinateX"] = preferred(table, "pos_x_img").astype(np.float64)
    found["rlnCoordinateY"] = preferred(table, "pos_y_img").astype(np.float64)
    found |= {f"rlnAngle{name}": angles[:, axis].copy() for axis, name in enumerate(("Rot", "Tilt", "Psi"))}
    found["rlnDefocusU"], found["rlnDefocusV"] = defocus_u, defocus_v
    found |= {BY_LEOPARD[name].relion: table[name].astype(np.float64) for name in _PER_PARTICLE}
    found["rlnAutopickFigureOfMerit"] = preferred(table, "scaled_mip").astype(np.float64)
    found["rlnOpticsGroup"] = group
    return found


def write_star(path: str | os.PathLike[str], table: MatchTable, *, overwrite: bool = False) -> None:
    """Write a table as a RELION star of particle coordinates.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or cannot be written.
    """
    write_tables(path, star_tables(table), precision="exact", overwrite=overwrite)
