"""Which part of a plan a process of an array or of an MPI run takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from braggio.errors import MetadataError

Item = TypeVar("Item")

# (rank, size) variables of MPI launchers.
_RANKS = (("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"))


@dataclass(frozen=True)
class Shard:
    """Tasks `number` - 1, `number` - 1 + `count`, ... of a plan; `number` counts from 1."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise MetadataError(field="shard", expected="k/n with 1 <= k <= n", found=f"{self.number}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From ``k/n``, or from ``auto``: what the queue says.

        Examples
        --------
        >>> Shard.parse("2/4")
        Shard(number=2, count=4)
        """
        if text == "auto":
            return from_environment(os.environ)
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal()):
            raise MetadataError(field="shard", expected="k/n or auto", found=repr(text))
        return cls(int(number), int(count))

    def of(self, items: Sequence[Item]) -> list[Item]:
        """The items of the shard."""
        return list(items[self.number - 1 :: self.count])


def from_environment(environment: Mapping[str, str]) -> Shard:
    """The shard that a Slurm array, an MPI launcher or a Slurm step gives this process.

    In an array whose jobs have several ranks each, every rank gets a part of its job's part. Ranks of an MPI launcher
    go before the step: mpirun starts one step a node, and the ranks in it.

    Raises
    ------
    MetadataError
        None of them does.
    """
    parts = [part for part in (_array(environment), _ranks(environment)) if part is not None]
    if not parts:
        raise MetadataError(
            "no Slurm array, Slurm step or MPI rank in the environment", field="shard", expected="k/n", found="auto"
        )
    whole = Shard()
    for part in parts:
        whole = Shard((whole.number - 1) * part.count + part.number, whole.count * part.count)
    return whole


def _array(environment: Mapping[str, str]) -> Shard | None:
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return None
    return _shard(
        _number(environment, "SLURM_ARRAY_TASK_ID") - _number(environment, "SLURM_ARRAY_TASK_MIN", 0),
        _number(environment, "SLURM_ARRAY_TASK_COUNT"),
        _number(environment, "SLURM_ARRAY_TASK_STEP", 1),
    )


def _ranks(environment: Mapping[str, str]) -> Shard | None:
    for rank, size in _RANKS:
        if rank in environment:
            return _shard(_number(environment, rank), _number(environment, size))
    # In the body of a batch script there are a rank of 0 and the number of all tasks, but no step.
    if "SLURM_STEP_ID" not in environment:
        return None
    if _number(environment, "SLURM_NTASKS", 1) == 1:
        return Shard()
    return _shard(_number(environment, "SLURM_PROCID"), _number(environment, "SLURM_NTASKS"))


def waiting_for_auto(environment: Mapping[str, str]) -> bool:
    """Say whether this process seems to be one of many that would each do the whole plan."""
    try:
        return from_environment(environment).count > 1
    except MetadataError:
        return False


def _shard(index: int, count: int, step: int = 1) -> Shard:
    return Shard(index // step + 1, count)


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "")
    if not text and default is not None:
        return default
    if not text.isdecimal():
        raise MetadataError(field=name, expected="a number", found=repr(text))
    return int(text)
