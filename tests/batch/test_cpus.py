"""The least of all limits counts, and a limit that cannot be read is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from braggio.batch.cpus import VARIABLES, cpu_count, granted


@pytest.fixture(autouse=True)
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_affinity_alone(tmp_path: Path) -> None:
    assert granted(tmp_path) == {"affinity": len(os.sched_getaffinity(0))}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("150000 100000", 2), ("10000 100000", 1), ("400000 100000", 4), ("max 100000", None), ("", None), ("x y", None)],
)
def test_quota_of_the_second_version(text: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert granted(tmp_path).get("cgroup") == expected


@pytest.mark.parametrize(("quota", "expected"), [("250000", 3), ("-1", None)])
def test_quota_of_the_first_version(quota: str, expected: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert granted(tmp_path).get("cgroup") == expected


def test_the_environment_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    assert cpu_count() == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "nonsense")
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert granted()["OMP_NUM_THREADS"] == 3
    assert "SLURM_CPUS_PER_TASK" not in granted()
