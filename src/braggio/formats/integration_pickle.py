"""Integration pickles of cctbx.xfel: intensities, predictions, cell and orientation of each crystal of a shot."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, MetadataError, about
from braggio.model.crystal import SpaceGroup, UnitCell, space_group
from braggio.storage import pickled
from braggio.storage.pickled import PickledObject, shown

if TYPE_CHECKING:
    import pandas as pd

SHELLS = 20  # of equal volume, for the resolution estimate
SPAN_TOLERANCE = 1e-6
SMALLEST, LARGEST = 1e-6, 1e9  # of a cell, in Angstrom and degrees: beyond them sums of powers overflow


@dataclass(frozen=True)
class Crystal:
    """One crystal of an integration pickle.

    Attributes
    ----------
    hkl : int32 ndarray (n, 3)
    intensity, sigma : float64 ndarray (n,)
        sigma is None where the file has none.
    position : float64 ndarray (n, 2) or None
        Predicted (slow, fast) in pixels.
    unit_cell : UnitCell
    space_group : SpaceGroup
    orientation : float64 ndarray (3, 3) or None
        Reciprocal matrix A*, in 1/Angstrom.
    to_primitive : str or None
        Change of basis, as ``x+y,x-y,-z``.
    s1 : float64 ndarray (n, 3) or None
        Diffracted beam vectors.
    """

    hkl: NDArray[np.int32]
    intensity: NDArray[np.float64]
    sigma: NDArray[np.float64] | None
    position: NDArray[np.float64] | None
    unit_cell: UnitCell
    space_group: SpaceGroup
    orientation: NDArray[np.float64] | None = None
    to_primitive: str | None = None
    s1: NDArray[np.float64] | None = None

    def columns(self) -> dict[str, NDArray[Any]]:
        """h, k, l, I, sigI, slow, fast (and s1_x, s1_y, s1_z), a value per reflection; NaN for what is not there."""
        n = len(self.hkl)
        absent = np.full(n, np.nan)
        place = np.full((n, 2), np.nan) if self.position is None else self.position
        columns: dict[str, NDArray[Any]] = {
            "h": self.hkl[:, 0],
            "k": self.hkl[:, 1],
            "l": self.hkl[:, 2],
            "I": self.intensity,
            "sigI": absent if self.sigma is None else self.sigma,
            "slow": place[:, 0],
            "fast": place[:, 1],
        }
        if self.s1 is not None:
            columns |= {f"s1_{axis}": self.s1[:, i] for i, axis in enumerate("xyz")}
        return columns

    def highest_resolution(self) -> tuple[float | None, float | None]:
        """Where the signal ends: the last of 20 shells of equal volume up to which the mean I/sigma is at least 1.

        Returns
        -------
        best : float or None
            d_min of that shell in Angstrom; None when the first shell already fails.
        printed : float or None
            What cxi.print_pickle gives in its place: d_min of the shell after it (of the last shell when all pass).
        """
        d = self.unit_cell.d_spacing(self.hkl)
        if self.sigma is None or not np.isfinite(d).any():
            return None, None
        limits = _shell_limits(d[np.isfinite(d)])
        best: float | None = None
        for d_max, d_min in pairwise(limits):
            chosen = (d <= d_max) & (d > d_min) & (self.intensity > 0)
            with np.errstate(divide="ignore"):
                ended = not chosen.any() or np.mean(self.intensity[chosen] / self.sigma[chosen]) < 1
            if ended:
                return best, float(d_min) if best is not None else None
            best = float(d_min)
        return best, best


def _shell_limits(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """D at the edges of the shells, from low to high resolution."""
    squares = 1 / d**2
    low, high = float(squares.min()), float(squares.max())
    span = high - low
    low, high = max(0.0, low - span * SPAN_TOLERANCE), high + span * SPAN_TOLERANCE
    volumes = low**1.5 + np.arange(SHELLS + 1) * ((high**1.5 - low**1.5) / SHELLS)
    with np.errstate(divide="ignore"):
        limits: NDArray[np.float64] = 1 / np.sqrt(volumes ** (2 / 3))
    return limits


@dataclass(frozen=True)
class IntegrationPickle:
    """An integration pickle.

    Attributes
    ----------
    fields : dict
        Everything in the file, under its own names and in its order.
    crystals : tuple of Crystal
        Most files have one.
    path : str or None
    """

    fields: dict[str, Any] = field(repr=False)
    crystals: tuple[Crystal, ...]
    path: str | None = None

    def reflections(self) -> pd.DataFrame:
        """A row per reflection: crystal, h, k, l, I, sigI, slow, fast."""
        import pandas as pd

        tables = [pd.DataFrame({"crystal": i, **each.columns()}) for i, each in enumerate(self.crystals)]
        return pd.concat(tables, ignore_index=True)

    def scalars(self, crystal: int = 0) -> dict[str, Any]:
        """What is known of a crystal and of the shot, as one row of a table.

        Cell and space group, then every number and text of the file; of lists, the crystal's item. Placeholders (None
        and "None") are left out.
        """
        chosen = self.crystals[crystal]
        row: dict[str, Any] = {"path": self.path, "n_reflections": len(chosen.hkl)}
        row |= dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), chosen.unit_cell.parameters, strict=True))
        row |= {"space_group": chosen.space_group.name, "space_group_number": chosen.space_group.number}
        if chosen.orientation is not None:
            row |= {f"A_star_{i}{j}": chosen.orientation[i, j] for i in range(3) for j in range(3)}
        if chosen.to_primitive is not None:
            row["cb_op_to_primitive"] = chosen.to_primitive
        for key, value in self.fields.items():
            item = value[crystal] if isinstance(value, list) and crystal < len(value) else value
            if isinstance(item, (bool, int, float, str)) and item != "None":
                row.setdefault(key, item)
        return row


def is_integration_pickle(value: Any) -> bool:
    """A dict with observations and no TIMESTAMP."""
    return isinstance(value, dict) and "observations" in value and "TIMESTAMP" not in value


def read_integration_pickle(
    file: str | os.PathLike[str] | bytes | IO[bytes], *, permissive: bool = False
) -> IntegrationPickle:
    """Read an integration pickle without unpickling it.

    Raises
    ------
    UnsafeError
        It asks for anything but plain values and the classes of cctbx's pickles.
    FormatError
        It is damaged, or no integration pickle.
    """
    return from_value(*pickled.load_with_path(file, permissive=permissive))


def from_value(value: Any, path: str | None = None) -> IntegrationPickle:
    """The integration pickle that an unpickled value is, checked."""
    with about(path):
        if not is_integration_pickle(value):
            raise FormatError(field="pickle", expected="a dict with observations", found=type(value).__name__)
        observations = value["observations"]
        if not isinstance(observations, (list, tuple)) or not observations:
            raise FormatError(
                field="observations", expected="a list of at least one Miller array", found=shown(observations)
            )
        return IntegrationPickle(value, tuple(_crystal(value, i) for i in range(len(observations))), path)


def _item(fields: dict[str, Any], key: str, index: int) -> Any:
    """The crystal's item of a list; None where the list is a placeholder."""
    value = fields.get(key)
    return value[index] if isinstance(value, (list, tuple)) and index < len(value) else None


def _object(value: Any, *names: str) -> PickledObject | None:
    return value if isinstance(value, PickledObject) and value.name in names else None


def _numbers(value: Any, width: int, count: int | None, name: str) -> NDArray[np.float64]:
    """A flex array of `count` items of `width` numbers."""
    array = np.asarray(value) if isinstance(value, np.ndarray) else np.empty(0)
    shape = (len(array),) if width == 1 else (len(array), width)
    if array.dtype.kind not in "iuf" or array.shape != shape or (count is not None and len(array) != count):
        expected = f"{'some' if count is None else count} items of {width} numbers"
        raise FormatError(field=name, expected=expected, found=getattr(value, "shape", type(value).__name__))
    return array


def _crystal(fields: dict[str, Any], index: int) -> Crystal:
    array = _object(fields["observations"][index], "array", "set")
    if array is None or not isinstance(array.state, dict):
        raise FormatError(field="observations", expected="a Miller array", found=shown(fields["observations"][index]))
    state = array.state
    hkl = _numbers(state.get("_indices"), 3, None, "_indices")
    sigmas = state.get("_sigmas")
    places = _item(fields, "mapped_predictions", index)
    s1 = _item(fields, "s1_vec", index)
    return Crystal(
        hkl=hkl.astype(np.int32),
        intensity=_numbers(state.get("_data"), 1, len(hkl), "_data").astype(np.float64),
        sigma=None if sigmas is None else _numbers(sigmas, 1, len(hkl), "_sigmas").astype(np.float64),
        position=_numbers(places, 2, len(hkl), "mapped_predictions") if places is not None else None,
        unit_cell=_unit_cell(state.get("_unit_cell")),
        space_group=_space_group(state.get("_space_group_info")),
        orientation=_orientation(_item(fields, "current_orientation", index)),
        to_primitive=_to_primitive(_item(fields, "current_cb_op_to_primitive", index)),
        s1=_numbers(s1, 3, len(hkl), "s1_vec") if isinstance(s1, np.ndarray) else None,
    )


def _unit_cell(value: Any) -> UnitCell:
    cell = _object(value, "unit_cell")
    parameters = cell.arguments[0] if cell is not None and cell.arguments else None
    if not isinstance(parameters, tuple) or not all(
        isinstance(each, (int, float)) and SMALLEST <= each <= LARGEST for each in parameters
    ):
        raise MetadataError(field="_unit_cell", expected="a unit cell", found=shown(parameters if cell else value))
    return UnitCell.of(parameters)


def _space_group(value: Any) -> SpaceGroup:
    info = _object(value, "space_group_info")
    group = info.state[0] if info is not None and isinstance(info.state, tuple) and info.state else value
    group = _object(group, "space_group")
    hall = group.arguments[0] if group is not None and group.arguments else None
    if not isinstance(hall, str):
        raise MetadataError(field="_space_group_info", expected="a Hall symbol", found=shown(hall if group else value))
    return space_group(hall)


def _orientation(value: Any) -> NDArray[np.float64] | None:
    crystal = _object(value, "crystal_orientation")
    if crystal is None:
        return None
    arguments = crystal.arguments or (crystal.state if isinstance(crystal.state, tuple) else ())
    numbers = arguments[0] if arguments else ()
    if not isinstance(numbers, tuple) or len(numbers) != 9 or not all(isinstance(each, float) for each in numbers):
        raise FormatError(field="current_orientation", expected="nine numbers", found=type(numbers).__name__)
    matrix = np.array(numbers).reshape(3, 3)
    if len(arguments) < 2 or bool(arguments[1]):
        return matrix
    if not abs(np.linalg.det(matrix)) > 0:
        raise FormatError(field="current_orientation", expected="a matrix that has an inverse", found=numbers)
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _to_primitive(value: Any) -> str | None:
    operator = _object(value, "change_of_basis_op")
    if operator is None or not operator.arguments or not isinstance(operator.arguments[0], str):
        return None
    return operator.arguments[0]
