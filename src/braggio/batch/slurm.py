"""A batch script that carries out a plan as an array of jobs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from braggio.errors import MetadataError

MOST_SHARDS = 1000  # Slurm's usual MaxArraySize is 1001
NOTICE = 120  # seconds before the end of its time that a job is told

_SCRIPT = """#!/bin/bash
#SBATCH --job-name=braggio
#SBATCH --array=0-{last}%{limit}
#SBATCH --cpus-per-task={cpus}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=braggio-%A_%a.log
#SBATCH --signal=USR1@{notice}
{options}
# Submit this script again until 'braggio status' tells that all is done: what is done is left alone.
srun braggio run {plan} --shard auto -j {cpus}{arguments}
"""


def slurm_script(
    plan: str,
    *,
    shards: int,
    limit: int = 30,
    cpus: int = 1,
    options: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> str:
    """The text of the script.

    Parameters
    ----------
    plan : str
        Path of the plan, as the nodes see it.
    shards : int
        Jobs of the array, at most 1000.
    limit : int
        Jobs at a time.
    cpus : int
        Per job.
    options : sequence of str
        Further ``#SBATCH`` options, as ``--partition=short``.
    arguments : sequence of str
        Further arguments of ``braggio run``.

    Examples
    --------
    >>> print(slurm_script("run.plan.jsonl", shards=8, limit=4).splitlines()[2])
    #SBATCH --array=0-7%4
    """
    if not 1 <= shards <= MOST_SHARDS:
        raise MetadataError(field="shards", expected=f"1..{MOST_SHARDS}", found=shards)
    for option in options:
        if not option.startswith("-") or "\n" in option:
            raise MetadataError(field="SBATCH option", expected="one that begins with -", found=repr(option))
    return _SCRIPT.format(
        last=shards - 1,
        limit=limit,
        cpus=cpus,
        notice=NOTICE,
        plan=shlex.quote(f"./{plan}" if plan.startswith("-") else plan),
        options="".join(f"#SBATCH {option}\n" for option in options),
        arguments="".join(f" {shlex.quote(argument)}" for argument in arguments),
    )
