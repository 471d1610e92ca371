"""The table of a refinement: new positions, angles and defocus of particles, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import GeometryError, MetadataError, UnsupportedError
from braggio.model.columns import Coded
from braggio.model.matches import GENERATIONS, MatchTable


def box_offset(position: ArrayLike, box: tuple[int, int], template: tuple[int, int]) -> NDArray[np.int64]:
    """How far the best place in a particle's window of correlations is from where the particle was.

    A box of (H, W) around a particle and a template of (h, w) leave (H - h + 1, W - w + 1) places; the particle was
    extracted (H - h) // 2, (W - w) // 2 from the box's corner, for odd and even differences alike.

    Parameters
    ----------
    position : array-like of int (n, 2)
        Row and column of the best place in the window.
    box, template : tuple of int

    Returns
    -------
    int64 ndarray (n, 2)

    Examples
    --------
    >>> box_offset([[5, 3]], (24, 24), (16, 16)).tolist()
    [[1, -1]]
    """
    (height, width), (h, w) = box, template
    if not (1 <= h <= height and 1 <= w <= width):
        raise GeometryError(field="box", expected=f"at least the template's {h} x {w}", found=f"{height} x {width}")
    half = np.array([(height - h) // 2, (width - w) // 2])
    return np.asarray(np.asarray(position, np.int64).reshape(-1, 2) - half)


def scaled_score(
    correlation: ArrayLike, mean: ArrayLike, spread: ArrayLike, *, compat: str = ""
) -> NDArray[np.float64]:
    """``(correlation - mean) / spread``, `spread` being the standard deviation; 0 where it is 0.

    Parameters
    ----------
    correlation, mean, spread : array-like
    compat : {'', 'leopard'}
        'leopard' divides by the root of `spread`, as Leopard-EM 1.0 to 1.2 do, which take the standard deviation for a
        variance; for comparison with their tables only.

    Examples
    --------
    >>> scaled_score(9.0, 1.0, 4.0).tolist(), scaled_score(9.0, 1.0, 4.0, compat="leopard").tolist()
    (2.0, 4.0)
    """
    if compat not in ("", "leopard"):
        raise UnsupportedError(field="compat", expected="'' or 'leopard'", found=repr(compat))
    width = np.asarray(spread, np.float64)
    width = np.sqrt(width) if compat == "leopard" else width
    difference = np.asarray(correlation, np.float64) - np.asarray(mean, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(width == 0, 0.0, difference / width)


def rotated(angles: ArrayLike, offsets: ArrayLike) -> NDArray[np.float64]:
    """ZYZ Euler angles after a further rotation: those of R(offset) @ R(old).

    Parameters
    ----------
    angles, offsets : array-like (n, 3)
        phi, theta, psi in degrees; R = Rz(phi) Ry(theta) Rz(psi).

    Returns
    -------
    ndarray (n, 3)
        phi and psi in [0, 360), theta in [0, 180]. Where theta is 0 or 180 only phi and psi together count; psi is 0.

    Examples
    --------
    >>> rotated([[10.0, 20.0, 30.0]], [[5.0, 0.0, 0.0]]).round(6).tolist()
    [[15.0, 20.0, 30.0]]
    """
    matrix = _matrices(offsets) @ _matrices(angles)
    sine = np.hypot(matrix[:, 0, 2], matrix[:, 1, 2])
    theta = np.arctan2(sine, matrix[:, 2, 2])
    pole = sine < 1e-12
    phi = np.where(
        pole,
        np.arctan2(matrix[:, 1, 0] * np.sign(matrix[:, 2, 2]), matrix[:, 0, 0] * np.sign(matrix[:, 2, 2])),
        np.arctan2(matrix[:, 1, 2], matrix[:, 0, 2]),
    )
    psi = np.where(pole, 0.0, np.arctan2(matrix[:, 2, 1], -matrix[:, 2, 0]))
    found = np.rad2deg(np.stack([phi, theta, psi], axis=1))
    found[:, [0, 2]] = np.mod(found[:, [0, 2]], 360.0)
    found[found == 360.0] = 0.0  # of an angle just below 0
    return np.asarray(found)


def _matrices(angles: ArrayLike) -> NDArray[np.float64]:
    phi, theta, psi = np.deg2rad(np.asarray(angles, np.float64).reshape(-1, 3)).T
    return _about_z(phi) @ _about_y(theta) @ _about_z(psi)


def _about_z(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(angle)
    matrix[:, 1, 0] = np.sin(angle)
    matrix[:, 0, 1] = -matrix[:, 1, 0]
    matrix[:, 2, 2] = 1
    return matrix


def _about_y(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, 0, 0] = matrix[:, 2, 2] = np.cos(angle)
    matrix[:, 0, 2] = np.sin(angle)
    matrix[:, 2, 0] = -matrix[:, 0, 2]
    matrix[:, 1, 1] = 1
    return matrix


def refined_table(
    table: MatchTable,
    *,
    correlation: ArrayLike,
    mean: ArrayLike | None = None,
    spread: ArrayLike | None = None,
    shift: ArrayLike | None = None,
    angle_offset: ArrayLike | None = None,
    defocus_offset: ArrayLike | None = None,
    pixel_size_offset: ArrayLike | None = None,
    width: int = 51,
    compat: str = "",
) -> MatchTable:
    """The table after a refinement.

    What was refined before is refined further: ``refined_*`` columns, where they are, are the start.

    Parameters
    ----------
    table : MatchTable
        39 columns, or refined ones.
    correlation : array-like (n,)
        The best correlation of each particle: ``refined_mip``.
    mean, spread : array-like (n,), optional
        Mean and standard deviation of the correlations at the best place; by default those of the table, which belong
        to the old place.
    shift : array-like of int (n, 2), optional
        Rows and columns by which the particle moved, see `box_offset`; none by default.
    angle_offset : array-like (n, 3), optional
        phi, theta, psi of the rotation that comes on top; none by default.
    defocus_offset, pixel_size_offset : array-like (n,), optional
        Angstrom; none by default.
    width : {51, 48}
        Columns: of Leopard-EM 1.2, or of 1.0 to 1.1.1.
    compat : {'', 'leopard'}
        See `scaled_score`.

    Returns
    -------
    MatchTable

    Raises
    ------
    MetadataError
        A column that the table lacks, or values for another number of particles.
    """
    if width not in (51, 48):
        raise UnsupportedError(field="width", expected="51 or 48", found=width)
    n = table.n
    moved = _values("shift", np.zeros((n, 2), np.int64) if shift is None else shift, (n, 2)).astype(np.int64)
    best = _values("correlation", correlation, (n,))
    centre = _values("mean", table["correlation_mean"] if mean is None else mean, (n,))
    sigma = _values("spread", table["correlation_variance"] if spread is None else spread, (n,))
    columns: dict[str, NDArray[Any] | Coded] = {
        "refined_mip": best,
        "refined_scaled_mip": scaled_score(best, centre, sigma, compat=compat),
    }
    columns |= _moved(table, moved)
    columns |= _turned(table, angle_offset)
    columns["refined_relative_defocus"] = _started(table, "relative_defocus") + _offset(
        "defocus_offset", defocus_offset, n
    )
    columns["refined_pixel_size"] = _started(table, "pixel_size") + _offset("pixel_size_offset", pixel_size_offset, n)
    return table.with_columns(columns).arranged(GENERATIONS[width])


def _values(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != shape:
        raise MetadataError(field=name, expected=f"shape {shape}", found=array.shape)
    return array


def _offset(name: str, values: ArrayLike | None, n: int) -> NDArray[np.float64]:
    return np.zeros(n) if values is None else _values(name, values, (n,)).astype(np.float64)


def _started(table: MatchTable, name: str) -> NDArray[Any]:
    """Where a refinement starts: at the refined value, where there is one."""
    refined = f"refined_{name}"
    if refined not in table:
        return table[name]
    values = table[refined]
    return np.where(np.isfinite(values), values, table[name]) if values.dtype.kind == "f" else values


def _moved(table: MatchTable, moved: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
    found = {}
    for axis, by in (("x", moved[:, 1]), ("y", moved[:, 0])):
        found[f"refined_pos_{axis}"] = _started(table, f"pos_{axis}") + by
        found[f"refined_pos_{axis}_img"] = _started(table, f"pos_{axis}_img") + by
        found[f"refined_pos_{axis}_img_angstrom"] = (
            _started(table, f"pos_{axis}_img_angstrom") + by * table["pixel_size"]
        )
    return found


def _turned(table: MatchTable, offset: ArrayLike | None) -> Mapping[str, NDArray[Any]]:
    names = ("phi", "theta", "psi")
    old = np.stack([_started(table, name) for name in names], axis=1)
    new = old if offset is None else rotated(old, _values("angle_offset", offset, (table.n, 3)))
    return {f"refined_{name}": np.ascontiguousarray(new[:, axis]) for axis, name in enumerate(names)}
