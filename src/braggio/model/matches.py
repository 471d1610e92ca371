"""The vocabulary of 2-D template matching: result maps, table columns of every generation, optics, search counts.

Names and orders follow Leopard-EM 1.2 (``pydantic_models/formats.py``) and its earlier releases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import MetadataError
from braggio.model.columns import Coded


@dataclass(frozen=True)
class ResultMap:
    """One of the eight maps of a search, and its three names.

    Attributes
    ----------
    name : str
        Of the result; the configuration's key is ``<name>_path``.
    core : str
        Of the search program's own result.
    column : str
        Of the table's value.
    path_column : str
        Of the table's file name.
    unit : str
        '' for pure numbers.
    """

    name: str
    core: str
    column: str
    path_column: str
    unit: str = ""


MAPS = {
    each.name: each
    for each in (
        ResultMap("mip", "mip", "mip", "mip_path"),
        ResultMap("scaled_mip", "scaled_mip", "scaled_mip", "scaled_mip_path", "sigma"),
        ResultMap("orientation_psi", "best_psi", "psi", "psi_path", "deg"),
        ResultMap("orientation_theta", "best_theta", "theta", "theta_path", "deg"),
        ResultMap("orientation_phi", "best_phi", "phi", "phi_path", "deg"),
        ResultMap("relative_defocus", "best_defocus", "relative_defocus", "defocus_path", "A"),
        ResultMap("correlation_average", "correlation_mean", "correlation_mean", "correlation_average_path"),
        # The standard deviation, whatever its name says: see docs/decisions/0005-matching.md.
        ResultMap("correlation_variance", "correlation_variance", "correlation_variance", "correlation_variance_path"),
    )
}
_ALIASES = {
    alias: each.name for each in MAPS.values() for alias in (each.name, each.core, each.column, each.path_column)
}


def map_name(name: str) -> str:
    """The name of a map, from any of its names.

    Raises
    ------
    MetadataError
        No such map.

    Examples
    --------
    >>> map_name("best_defocus"), map_name("psi"), map_name("correlation_mean"), map_name("mip_path")
    ('relative_defocus', 'orientation_psi', 'correlation_average', 'mip')
    """
    found = _ALIASES.get(name) or _ALIASES.get(name.removesuffix("_path"))
    if found is None:
        raise MetadataError(field="map", expected=f"one of {', '.join(MAPS)}", found=repr(name))
    return found


# ---- columns

_PATHS = ("micrograph_path", "template_path", *(each.path_column for each in MAPS.values()))
_OPTICS = (
    "defocus_u defocus_v astigmatism_angle pixel_size refined_pixel_size voltage spherical_aberration"
    " amplitude_contrast_ratio phase_shift ctf_B_factor even_zernikes odd_zernikes mag_matrix"
).split()
_POSITIONS = "pos_x pos_y pos_x_img pos_y_img pos_x_img_angstrom pos_y_img_angstrom".split()
_PIXELS = _POSITIONS[:4]
_STATISTICS = ["correlation_mean", "correlation_variance", "total_correlations"]
_ANGLES = ["phi", "theta", "psi"]
_NEW_IN_39 = ("even_zernikes", "odd_zernikes", "mag_matrix")


def _refined(names: Iterable[str]) -> list[str]:
    return [f"refined_{name}" for name in names]


def _without(names: Iterable[str], dropped: Iterable[str]) -> tuple[str, ...]:
    gone = set(dropped)
    return tuple(name for name in names if name not in gone)


MATCH_39 = (
    "particle_index", "mip", "scaled_mip", *_STATISTICS, *_POSITIONS, *_ANGLES, "relative_defocus", *_OPTICS, *_PATHS,
)  # fmt: skip
MATCH_36 = _without(MATCH_39, _NEW_IN_39)
# The first generation, with its own order of the angles.
MATCH_34 = tuple(
    {"phi": "psi", "psi": "phi"}.get(name, name)
    for name in _without(MATCH_36, ("particle_index", "refined_pixel_size"))
)
REFINED_51 = (
    "particle_index", "mip", "scaled_mip", "refined_mip", "refined_scaled_mip", *_STATISTICS, *_POSITIONS,
    *_refined(_POSITIONS), *_ANGLES, *_refined(_ANGLES), "relative_defocus", "refined_relative_defocus", *_OPTICS,
    *_PATHS,
)  # fmt: skip
REFINED_48 = _without(REFINED_51, _NEW_IN_39)
_OFFSETS = ("original_offset_phi", "original_offset_theta", "original_offset_psi")
_AT = REFINED_51.index("refined_psi") + 1
CONSTRAINED_54 = (*REFINED_51[:_AT], *_OFFSETS, *REFINED_51[_AT:])
PEAKS_11 = (
    "pos_y", "pos_x", "mip", "scaled_mip", "psi", "theta", "phi", "relative_defocus", *_STATISTICS,
)  # fmt: skip

GENERATIONS = {
    len(each): each for each in (PEAKS_11, MATCH_34, MATCH_36, MATCH_39, REFINED_48, REFINED_51, CONSTRAINED_54)
}
INTEGERS = frozenset(("particle_index", "total_correlations", *_PIXELS, *_refined(_PIXELS)))
TEXTS = frozenset((*_PATHS, *_NEW_IN_39))
# Those that the maps give; float32 in memory, as the maps are.
FROM_MAPS = tuple(each.column for each in MAPS.values())


def empty_column(name: str, rows: int = 0) -> NDArray[Any] | Coded:
    """A column of the right type without values: zeros, or empty texts."""
    if name in TEXTS:
        return Coded(np.zeros(rows, np.int32), ("",) if rows else ())
    return np.zeros(rows, np.int64 if name in INTEGERS else np.float32 if name in FROM_MAPS else np.float64)


@dataclass(frozen=True, eq=False)
class MatchTable:
    """Particles found by template matching.

    Attributes
    ----------
    columns : dict
        Name to an array, or to `Coded` texts; an empty text stands for none.
    notes : tuple of str
        What was filled in or is unusual.

    Examples
    --------
    >>> table = MatchTable({"pos_x": np.array([3, 4]), "mip_path": Coded.of(["a.mrc", "a.mrc"])})
    >>> table.n, table["pos_x"].tolist(), table.select([1]).to_dataframe().to_dict("list")
    (2, [3, 4], {'pos_x': [4], 'mip_path': ['a.mrc']})
    """

    columns: dict[str, NDArray[Any] | Coded]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != self.n:
                raise MetadataError(field=name, expected=f"{self.n} rows", found=len(column))

    @property
    def n(self) -> int:
        """Rows."""
        return len(next(iter(self.columns.values()), ()))

    def __len__(self) -> int:
        return self.n

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column as an array; texts as an object array of str."""
        if name not in self.columns:
            raise MetadataError(field=name, expected="a column of the table", found=", ".join(self.columns))
        column = self.columns[name]
        return column.to_array() if isinstance(column, Coded) else column

    def select(self, rows: ArrayLike) -> MatchTable:
        """Some rows: indices, a mask or a slice."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        if isinstance(chosen, np.ndarray) and chosen.size == 0:
            chosen = chosen.astype(np.int64)
        return replace(self, columns={name: column[chosen] for name, column in self.columns.items()})

    def with_columns(self, more: Mapping[str, NDArray[Any] | Coded]) -> MatchTable:
        """The table with columns replaced or added at its end."""
        return replace(self, columns={**self.columns, **more})

    def arranged(self, names: Iterable[str]) -> MatchTable:
        """Columns in that order and no others.

        Raises
        ------
        MetadataError
            A column that the table lacks.
        """
        wanted = tuple(names)
        missing = [name for name in wanted if name not in self.columns]
        if missing:
            raise MetadataError(field="columns", expected=", ".join(missing), found=", ".join(self.columns))
        return replace(self, columns={name: self.columns[name] for name in wanted})

    def to_dataframe(self) -> Any:
        """A pandas DataFrame with the index 0..n-1; empty texts are None."""
        import pandas as pd

        frame = {}
        for name, column in self.columns.items():
            if isinstance(column, Coded):
                values = np.array([text or None for text in column.texts] + [None], object)[column.codes]
                frame[name] = pd.Series(values, dtype=object)
            else:
                frame[name] = pd.Series(column)
        return pd.DataFrame(frame)

    @staticmethod
    def from_dataframe(frame: Any) -> MatchTable:
        """A table from a pandas DataFrame with such columns."""
        columns: dict[str, NDArray[Any] | Coded] = {}
        for name in map(str, frame.columns):
            series = frame[name]
            if name in TEXTS or series.dtype.kind not in "iufb":
                columns[name] = Coded.of(["" if value is None or value != value else str(value) for value in series])
            else:
                columns[name] = series.to_numpy()
        return MatchTable(columns)


# ---- what a search was


@dataclass(frozen=True)
class OpticsGroup:
    """The microscope, as Leopard-EM's optics group; units as in its tables.

    Attributes
    ----------
    pixel_size : float
        Angstrom.
    voltage : float
        kV.
    defocus_u, defocus_v : float
        Angstrom, underfocus positive.
    astigmatism_angle, phase_shift : float
        Degrees.
    spherical_aberration : float
        mm.
    ctf_B_factor : float
        Angstrom^2.
    even_zernikes, odd_zernikes : str
        JSON; empty for none.
    mag_matrix : str
        ``[a, b, c, d]``, row by row; empty for none.
    """

    pixel_size: float
    voltage: float
    defocus_u: float
    defocus_v: float
    astigmatism_angle: float
    label: str = ""
    spherical_aberration: float = 2.7
    amplitude_contrast_ratio: float = 0.07
    phase_shift: float = 0.0
    ctf_B_factor: float = 0.0  # noqa: N815 - the format's own name
    even_zernikes: str = ""
    odd_zernikes: str = ""
    mag_matrix: str = ""

    def columns(self, rows: int) -> dict[str, NDArray[Any] | Coded]:
        """The optics columns of a table."""
        found: dict[str, NDArray[Any] | Coded] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in TEXTS:
                found[each.name] = Coded(np.zeros(rows, np.int32), (value,))
            elif each.name != "label":
                found[each.name] = np.full(rows, value, np.float64)
        found["refined_pixel_size"] = np.full(rows, self.pixel_size, np.float64)
        return found


@dataclass(frozen=True)
class SearchConfig:
    """What a configuration of a search says: files, optics, counts.

    Attributes
    ----------
    path : str
        Of the configuration; '' for none.
    maps : dict
        Map name to its path as written.
    micrograph_path, template_path : str
        As written; '' where it is not said.
    optics : OpticsGroup or None
        None where it is not said.
    total_projections : int
        Orientations times defoci; 0 where the configuration was not saved again after the search.
    orientation_search, defocus_search : dict
        The configuration's own blocks.
    pixel_size_search : dict
        Likewise; empty where it is not enabled.
    """

    path: str = ""
    maps: Mapping[str, str] = field(default_factory=dict)
    micrograph_path: str = ""
    template_path: str = ""
    optics: OpticsGroup | None = None
    total_projections: int = 0
    total_orientations: int = 0
    total_defocus: int = 0
    orientation_search: Mapping[str, Any] = field(default_factory=dict)
    defocus_search: Mapping[str, Any] = field(default_factory=dict)
    pixel_size_search: Mapping[str, Any] = field(default_factory=dict)
