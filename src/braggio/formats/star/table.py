"""One block of a STAR file, as numpy columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class StarTable:
    """One block of a STAR file.

    Attributes
    ----------
    columns : dict
        Label, without its underscore, to a column; of a list block, to a str, int or float.
    loop : bool
        A table (``loop_``); a list of values otherwise.
    integral : frozenset of str
        Labels of reals that the file writes as integers; starfile makes int64 of these.
    """

    columns: dict[str, Any] = field(default_factory=dict)
    loop: bool = True
    integral: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Rows of a loop; 1 for a list."""
        return len(next(iter(self.columns.values()))) if self.loop and self.columns else int(not self.loop)
