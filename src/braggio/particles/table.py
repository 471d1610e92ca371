"""One table for particles of any origin: canonical columns with units, joined to their stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError, about
from braggio.formats.star import nearest
from braggio.model.columns import Coded, Column
from braggio.model.particles import CTF, units
from braggio.particles.stacks import Places

if TYPE_CHECKING:
    import pandas as pd

_ANGLES = ("DefocusAngle", "PhaseShift")


@dataclass(frozen=True, eq=False)
class Particles:
    """A particle table.

    Attributes
    ----------
    columns : dict
        Canonical name (see `braggio.model.particles`) to a column; columns that have none keep their own name.
    source : str
        'star' or 'cs'.
    files : tuple of str
        What was read.
    row : int64 ndarray
        Row of the input file that each row came from.
    stacks : tuple of str
        Paths of the image stacks as written; empty for a table without image names.
    stack_id : int32 ndarray or None
        Place in `stacks`, per row.
    index : int32 ndarray or None
        0-based image in the stack, per row.
    from_optics : tuple of str
        Columns that RELION keeps in the optics table.
    defaults : dict
        Columns that the file did not have, and the value that was used.
    notes : tuple of str
        What reading had to decide.
    places : Places
        How `stacks` become files.
    labels : dict
        Own label of columns whose file did not use ``rln``.
    """

    columns: dict[str, Column]
    source: str
    files: tuple[str, ...]
    row: NDArray[np.int64]
    stacks: tuple[str, ...] = ()
    stack_id: NDArray[np.int32] | None = None
    index: NDArray[np.int32] | None = None
    from_optics: tuple[str, ...] = ()
    defaults: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: Places = field(default_factory=Places)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of particles."""
        return len(self.row)

    def __len__(self) -> int:
        return self.n

    @property
    def units(self) -> dict[str, str]:
        """Unit of each known column: angles in deg, lengths in A."""
        return units(self.columns)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Any:
        """One column, per row."""
        if name not in self.columns:
            raise MetadataError(
                path=self.files[0] if self.files else None,
                field=name,
                expected="a column",
                found=nearest(name, list(self.columns)),
            )
        column = self.columns[name]
        return column.to_array() if isinstance(column, Coded) else column

    def unique(self, name: str) -> Any:
        """The one value of a column.

        Raises
        ------
        MetadataError
            It has several; they are listed with their counts.
        """
        values, counts = np.unique(self[name], return_counts=True)
        if len(values) != 1:
            listed = ", ".join(
                f"{value} ({count})" for value, count in list(zip(values.tolist(), counts.tolist(), strict=True))[:10]
            )
            raise MetadataError(
                path=self.files[0] if self.files else None,
                field=name,
                expected="one value in all rows",
                found=f"{len(values)}: {listed}",
            )
        return values[0].item() if hasattr(values[0], "item") else values[0]

    def ctf(self, *, radians: bool = False) -> dict[str, NDArray[np.float64]]:
        """The columns of the contrast transfer function, per row.

        Parameters
        ----------
        radians : bool
            DefocusAngle and PhaseShift in radians rather than degrees.
        """
        values = {name: np.asarray(self[name], np.float64) for name in CTF}
        return {name: np.deg2rad(value) if radians and name in _ANGLES else value for name, value in values.items()}

    def select(self, rows: Any) -> Particles:
        """Some rows, by mask, indices or slice; everything goes with them.

        Raises
        ------
        IndexError
            No such row.
        """
        chosen = np.arange(self.n)[rows]
        return replace(
            self,
            columns={name: column[chosen] for name, column in self.columns.items()},
            row=self.row[chosen],
            stack_id=None if self.stack_id is None else self.stack_id[chosen],
            index=None if self.index is None else self.index[chosen],
        )

    # Bound by `braggio.particles.opening`: functions of modules above, which take a table.
    check: ClassVar[Callable[..., Any]]
    images: ClassVar[Callable[..., Any]]
    to_star: ClassVar[Callable[..., None]]
    to_cs: ClassVar[Callable[..., None]]
    optics: ClassVar[Any]  # a property

    def resolve(self, folder: Any = None, *, base: Any = None, allow_outside: bool | None = None) -> list[Path]:
        """The file of each of `stacks`; arguments replace those that the table was read with (see `Places`)."""
        with about(self.files[0] if self.files else None):
            return self._placed(folder, base, allow_outside).places.resolve(self.stacks)

    def _placed(self, folder: Any, base: Any, allow_outside: bool | None) -> Particles:
        given = {"folder": folder, "base": base, "allow_outside": allow_outside}
        changed = {
            name: value if name == "allow_outside" else str(value) for name, value in given.items() if value is not None
        }
        return replace(self, places=replace(self.places, **changed)) if changed else self  # type: ignore[arg-type]

    def to_pandas(self) -> pd.DataFrame:
        """The columns as a DataFrame, with stack, index and row."""
        import pandas as pd

        columns: dict[str, Any] = {name: self[name] for name in self.columns if getattr(self[name], "ndim", 1) == 1}
        for name, column in self.columns.items():
            if isinstance(column, np.ndarray) and column.ndim == 2:
                columns |= {f"{name}/{i}": column[:, i] for i in range(column.shape[1])}
        if self.stack_id is not None:
            columns |= {"stack": np.array(self.stacks or ("",), object)[self.stack_id], "index": self.index}
        return pd.DataFrame({**columns, "row": self.row})

    def describe(self) -> Mapping[str, Any]:
        """What the table holds, for printing."""
        return {
            "files": list(self.files),
            "source": self.source,
            "particles": self.n,
            "stacks": len(self.stacks),
            "columns": list(self.columns),
            "optics_groups": len(np.unique(self["OpticsGroup"])) if "OpticsGroup" in self else None,
            "defaults": self.defaults,
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        files = ", ".join(self.files)
        return f"<Particles: {self.n} rows, {len(self.columns)} columns, {len(self.stacks)} stacks, from {files}>"
