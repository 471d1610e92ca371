"""A plan is read back as it was, and a damaged one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from makers import noisy, write_series

from braggio.batch.plan import Plan, Task, inputs_of, make_plan, read_plan
from braggio.errors import FormatError, MetadataError
from braggio.recipes import tasks_of


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    for name in "abc":
        write_series(tmp_path / "raw", [noisy(-100)], prefix=f"{name}_")
    return make_plan(tmp_path / "out", tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200, "mrc": True}))


def test_round_trip(plan: Plan, tmp_path: Path) -> None:
    plan.write(tmp_path / "p.jsonl")
    again = read_plan(tmp_path / "p.jsonl")
    assert again == plan
    assert [task.id for task in again.tasks] == [task.id for task in plan.tasks]
    assert len({task.id for task in plan.tasks}) == 3


def test_every_truncation_is_refused(plan: Plan, tmp_path: Path) -> None:
    content = plan.to_text().encode()
    for end in range(len(content) - 1):
        (tmp_path / "p.jsonl").write_bytes(content[:end])
        with pytest.raises(FormatError):
            read_plan(tmp_path / "p.jsonl")


@pytest.mark.parametrize(
    "change",
    [{"schema": "other"}, {"version": "0"}, {"out": "relative"}, {"out": 5}, {"tasks": 2}, {"tasks": "3"}],
)
def test_bad_headers(change: dict[str, object], plan: Plan, tmp_path: Path) -> None:
    head, *tasks = plan.to_text().splitlines()
    (tmp_path / "p.jsonl").write_text("\n".join([json.dumps(json.loads(head) | change), *tasks]))
    with pytest.raises(FormatError):
        read_plan(tmp_path / "p.jsonl")


@pytest.mark.parametrize(
    "task", [[], 5, {}, {"recipe": 1, "name": "x", "inputs": [["a", 1, 2]], "params": {}}, {"recipe": "smv"}]
)
def test_bad_tasks(task: object) -> None:
    with pytest.raises(FormatError):
        Task.from_json(task)


def test_two_tasks_of_one_name(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, [noisy(-1)])
    with pytest.raises(MetadataError):
        make_plan(tmp_path, [Task("smv", "a", inputs_of([path])), Task("spots", "a", inputs_of([path]))])
