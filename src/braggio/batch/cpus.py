"""How many threads or processes to start: what the machine, the container and the queue grant, whichever is least."""

from __future__ import annotations

import math
import os
from pathlib import Path

VARIABLES = ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS", "BRAGGIO_NUM_THREADS")


def granted(root: Path = Path("/sys/fs/cgroup")) -> dict[str, int]:
    """Every limit that is set, by its name.

    A queue may grant one processor and yet leave all of them in the affinity mask; so all limits are asked.

    Parameters
    ----------
    root : Path
        Where the control groups are mounted.

    Returns
    -------
    dict
        Of ``affinity``, ``cgroup`` and the environment variables that hold a positive integer.
    """
    limits = {"affinity": len(os.sched_getaffinity(0))}
    quota = _quota(root)
    if quota is not None:
        limits["cgroup"] = quota
    for name in VARIABLES:
        text = os.environ.get(name, "").split(",")[0].strip()  # OMP_NUM_THREADS may list one number per level
        if text.isdigit() and int(text) > 0:
            limits[name] = int(text)
    return limits


def cpu_count() -> int:
    """The least of `granted`.

    Examples
    --------
    >>> cpu_count() >= 1
    True
    """
    return min(granted().values())


def _quota(root: Path) -> int | None:
    """Processors that the control group's quota is worth, rounded up; None without a quota."""
    for numbers in (
        _words(root / "cpu.max"),
        _words(root / "cpu/cpu.cfs_quota_us") + _words(root / "cpu/cpu.cfs_period_us"),
    ):
        if len(numbers) == 2 and numbers[0].isdigit() and numbers[1].isdigit() and int(numbers[1]) > 0:
            return max(1, math.ceil(int(numbers[0]) / int(numbers[1])))
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
