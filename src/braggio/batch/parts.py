"""Parts of one task's input: what the tasks that it is split into each take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from braggio.errors import MetadataError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Part:
    """Items that stand together: part `number` of `count`, from 1."""

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            found = f"{self.number} of {self.count}"
            raise MetadataError(field="part", expected="k of n with 1 <= k <= n", found=found)

    def of(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items of this part; parts differ by one item at most.

        Examples
        --------
        >>> [list(Part(number, 3).of(range(7))) for number in (1, 2, 3)]
        [[0, 1], [2, 3], [4, 5, 6]]
        """
        return items[len(items) * (self.number - 1) // self.count : len(items) * self.number // self.count]

    def note(self, step: str) -> str:
        """Name of the file in which a step leaves what it has found, without a suffix."""
        return f"{step}-{self.number}-of-{self.count}"

    def all(self) -> Iterator[Part]:
        """Every part of the input; one by one, for the count may come from a file."""
        return (replace(self, number=number) for number in range(1, self.count + 1))
