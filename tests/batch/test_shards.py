"""Every task belongs to exactly one shard, and the queue's variables mean what the queue's manual says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import noisy, write_series

from braggio.batch.plan import make_plan
from braggio.batch.receipts import status
from braggio.batch.shards import Shard, from_environment, waiting_for_auto
from braggio.errors import MetadataError
from braggio.recipes import tasks_of


@given(st.integers(0, 100), st.integers(1, 12))
def test_shards_are_a_partition(tasks: int, count: int) -> None:
    parts = [Shard(number, count).of(range(tasks)) for number in range(1, count + 1)]
    assert sorted(item for part in parts for item in part) == list(range(tasks))


ARRAY = {
    "SLURM_ARRAY_TASK_ID": "7",
    "SLURM_ARRAY_TASK_MIN": "3",
    "SLURM_ARRAY_TASK_STEP": "2",
    "SLURM_ARRAY_TASK_COUNT": "4",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (ARRAY, Shard(3, 4)),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "8"}, Shard(1, 8)),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "64"}, Shard(4, 64)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Shard(2, 2)),
        ({"PMI_RANK": "0", "PMI_SIZE": "5"}, Shard(1, 5)),
        # An array of 4 jobs with 2 ranks each; mpirun with 6 ranks on 2 nodes, where the step has one task a node.
        ({**ARRAY, "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, Shard(6, 8)),
        ({**ARRAY, "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Shard(3, 4)),
        (
            {
                "SLURM_STEP_ID": "0",
                "SLURM_PROCID": "1",
                "SLURM_NTASKS": "2",
                "OMPI_COMM_WORLD_RANK": "4",
                "OMPI_COMM_WORLD_SIZE": "6",
            },
            Shard(5, 6),
        ),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, Shard(1, 1)),
    ],
)
def test_what_the_queue_says(environment: dict[str, str], expected: Shard) -> None:
    assert from_environment(environment) == expected


@pytest.mark.parametrize("names", [("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE")])
def test_ranks_share_a_plan(names: tuple[str, str], tmp_path: Path) -> None:
    """Processes as a launcher starts them, at once: together they do everything once."""
    for i in range(9):
        write_series(tmp_path / "raw", [noisy(-100 - i)], prefix=f"s{i}_")
    tasks = tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200})
    plan = make_plan(tmp_path / "out", tasks)
    plan.write(tmp_path / "p.jsonl")
    words = [sys.executable, "-m", "braggio", "run", str(tmp_path / "p.jsonl"), "--shard", "auto", "-j", "1"]
    ranks = [
        subprocess.Popen(
            [*words, "--json"],
            env={**os.environ, names[0]: str(rank), names[1]: "3"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(3)
    ]
    done = []
    for rank in ranks:
        lines = [json.loads(line) for line in rank.communicate()[0].splitlines()]
        assert rank.returncode == 0
        done.append([line["task"] for line in lines if line["event"] == "done"])
    assert [len(names) for names in done] == [3, 3, 3]
    assert sorted(name for names in done for name in names) == [f"s{i}" for i in range(9)]
    assert status(plan).complete


def test_the_body_of_a_batch_script_is_no_shard() -> None:
    """There SLURM_PROCID is 0 and SLURM_NTASKS 64, and 63 of 64 tasks would silently be left out."""
    body = {"SLURM_PROCID": "0", "SLURM_NTASKS": "64"}
    assert not waiting_for_auto(body)
    with pytest.raises(MetadataError):
        from_environment(body)


def test_a_step_without_a_shard_gets_a_hint() -> None:
    assert waiting_for_auto({"SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "64"})


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "", "-1/4", "1/2/3"])
def test_bad_shards(text: str) -> None:
    with pytest.raises(MetadataError):
        Shard.parse(text)


@pytest.mark.parametrize("environment", [{"SLURM_ARRAY_TASK_ID": "1"}, {"PMI_RANK": "x", "PMI_SIZE": "2"}])
def test_half_an_environment(environment: dict[str, str]) -> None:
    with pytest.raises(MetadataError):
        from_environment(environment)
