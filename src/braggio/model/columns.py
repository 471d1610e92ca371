"""Columns of tables: numbers are arrays; names that repeat are stored once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Coded:
    """A text column: one small number a row, and the texts it stands for.

    Attributes
    ----------
    codes : int32 ndarray
        Row to place in `texts`.
    texts : tuple of str
        Different texts, in order of first appearance.

    Examples
    --------
    >>> names = Coded.of(["a", "b", "a"])
    >>> names.codes.tolist(), names.texts, list(names)
    ([0, 1, 0], ('a', 'b'), ['a', 'b', 'a'])
    """

    codes: NDArray[np.int32]
    texts: tuple[str, ...]

    @staticmethod
    def of(values: Sequence[str]) -> Coded:
        """Texts, coded."""
        known: dict[str, int] = {}
        codes = np.fromiter((known.setdefault(value, len(known)) for value in values), np.int32, len(values))
        return Coded(codes, tuple(known))

    def to_array(self) -> NDArray[np.object_]:
        """One str a row."""
        texts = np.empty(len(self.texts), object)
        texts[:] = self.texts
        return np.asarray(texts[self.codes])

    def pruned(self) -> Coded:
        """The same rows without texts that no row uses, and every text once."""
        used, first, codes = np.unique(self.codes, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        known: dict[str, int] = {}
        merged = np.array([known.setdefault(self.texts[used[place]], len(known)) for place in order], np.int32)
        return Coded(merged[rank[codes]] if len(order) else self.codes, tuple(known))

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, (int, np.integer)):
            return self.texts[self.codes[rows]]
        return Coded(self.codes[rows], self.texts)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return (self.texts[code] for code in self.codes.tolist())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Coded) and len(self) == len(other) and bool(np.all(self.to_array() == other.to_array()))
        )


@dataclass(frozen=True, eq=False)
class ImageNames:
    """RELION image names, split: ``000012@stack.mrcs`` is number 12 of a coded stack.

    Attributes
    ----------
    stacks : Coded
        The part after the ``@``; the whole name where there is no number.
    numbers : int32 ndarray
        As written, 1-based; negative where the name is not ``<digits>@<path>`` (see `PROBLEMS`).
    plain : bool
        Every number was written with six digits, as RELION does: the names can be made again from the parts.
    """

    stacks: Coded
    numbers: NDArray[np.int32]
    plain: bool = True

    PROBLEMS = {-1: "no '@'", -2: "no number below 2^31 before the '@'", -3: "two '@'"}  # noqa: RUF012 - a constant

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, (int, np.integer)):
            return self._name(int(self.numbers[rows]), self.stacks[rows])
        return ImageNames(self.stacks[rows], self.numbers[rows], self.plain)

    def __len__(self) -> int:
        return len(self.numbers)

    def to_array(self) -> NDArray[np.object_]:
        """One name a row, numbers with six digits."""
        names = [
            self._name(number, stack)
            for number, stack in zip(self.numbers.tolist(), self.stacks.to_array(), strict=True)
        ]
        array = np.empty(len(names), object)
        array[:] = names
        return array

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageNames):
            return NotImplemented
        return self.stacks == other.stacks and np.array_equal(self.numbers, other.numbers)

    @staticmethod
    def _name(number: int, stack: str) -> str:
        return stack if number < 0 else f"{number:06d}@{stack}"


Column: TypeAlias = NDArray[Any] | Coded | ImageNames
