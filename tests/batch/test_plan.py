"""A plan is read back as it was, and a damaged one is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from laue import made as laue_made
from makers import noisy, write_series

from braggio.batch.plan import Plan, Task, inputs_of, make_plan, read_plan
from braggio.batch.run import run_plan
from braggio.errors import FormatError, MetadataError, UnsafeError, UnsupportedError
from braggio.recipes import perform, tasks_of


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
    "task",
    [
        [],
        5,
        {},
        {"recipe": 1, "name": "x", "inputs": [["a", 1, 2]], "params": {}},
        {"recipe": "smv"},
        {"recipe": "smv", "name": "x", "inputs": [["a", 1, 2]], "params": {}, "after": 5},
        {"recipe": "smv", "name": "x", "inputs": [["a", 1, 2]], "params": {}, "after": [5]},
    ],
)
def test_bad_tasks(task: object) -> None:
    with pytest.raises(FormatError):
        Task.from_json(task)


def test_two_tasks_of_one_name(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, [noisy(-1)])
    with pytest.raises(MetadataError):
        make_plan(tmp_path, [Task("smv", "a", inputs_of([path])), Task("spots", "a", inputs_of([path]))])


def test_a_split_series(tmp_path: Path) -> None:
    """Steps name what they come after, and are read back so; what is short enough stays whole."""
    write_series(tmp_path / "raw", [noisy(-100 - i, seed=i) for i in range(5)], prefix="a_")
    write_series(tmp_path / "raw", [noisy(-100)], prefix="b_")
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(tmp_path / "raw")], {}, split=2))
    parts = [f"{number}-of-3" for number in (1, 2, 3)]
    scans, writes = [f"a.scan-{part}" for part in parts], [f"a.write-{part}" for part in parts]
    assert [task.name for task in plan.tasks] == [*scans, *writes, "a", "b"]
    assert [list(task.after) for task in plan.tasks] == [[], [], [], scans, scans, scans, writes, []]
    assert plan.followers == {**dict.fromkeys(scans, tuple(writes)), **dict.fromkeys(writes, ("a",))}
    plan.write(tmp_path / "p.jsonl")
    assert read_plan(tmp_path / "p.jsonl") == plan


@pytest.mark.parametrize("after", [["b"], ["a"], ["nobody"]])
def test_a_task_after_one_that_does_not_stand_before_it(after: list[str], plan: Plan, tmp_path: Path) -> None:
    head, *tasks = plan.to_text().splitlines()
    tasks[0] = json.dumps(json.loads(tasks[0]) | {"after": after})
    (tmp_path / "p.jsonl").write_text("\n".join([head, *tasks]))
    with pytest.raises(MetadataError, match="after"):
        read_plan(tmp_path / "p.jsonl")


def test_what_cannot_be_split(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, [noisy(-1)])
    with pytest.raises(UnsupportedError, match="smv"):
        tasks_of("matching", [str(path)], {}, split=2)
    with pytest.raises(MetadataError):
        tasks_of("smv", [str(path)], {}, split=0)
    path.write_bytes(path.read_bytes()[:-1])
    (task,) = tasks_of("smv", [str(path)], {}, split=2)  # it will tell what is wrong when it is run
    assert task.recipe == "smv"


@pytest.mark.parametrize("recipe", ["smv/scan", "smv/write", "smv/join", "spots/stats", "spots/masks", "spots/join"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"part": 5, "parts": 5},
        {"part": [1], "parts": [1]},
        {"part": [0, 1], "parts": [0, 1]},
        {"part": ["1", "2"], "parts": ["1", "2"]},
        {"part": [1, 10**15], "parts": [10**15, 10**15]},
        {"part": [1.5, 2], "parts": [1, None]},
    ],
    ids=str,
)
def test_steps_of_a_plan_that_somebody_else_wrote(recipe: str, params: dict[str, Any], tmp_path: Path) -> None:
    """A typed failure, at once, and no litter under a visible name."""
    if recipe.startswith("smv"):
        paths = write_series(tmp_path / "raw", [noisy(-100)])
    else:
        paths = [laue_made.write_mccd_h5(tmp_path / "x.h5", laue_made.stack(20)[0])]
    task = Task(recipe, "f", inputs_of(paths), params)
    report = run_plan(make_plan(tmp_path / "out", [task]), perform, engine="none")
    if report.failed:
        assert report.failed[0].error in ("FormatError", "MetadataError")
    else:  # the first of very many parts of one frame: an empty one
        assert params.get("part") == [1, 10**15]
    assert not list((tmp_path / "out").glob("[!.]*"))


@pytest.mark.parametrize("file", [["a", 1e400, 1], ["a", 1, True], [1, 1, 1], ["a", "1", 1], ["a", 1], "abc"])
def test_an_input_that_is_none(file: Any) -> None:
    with pytest.raises(FormatError, match="task: not a task"):
        Task.from_json({"recipe": "smv", "name": "a", "inputs": [file], "params": {}})


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/etc/a", "a/b", "a\0b"])
def test_names_that_would_leave_the_folder_of_the_outputs(name: str) -> None:
    with pytest.raises(UnsafeError, match="name: expected that of a file or folder"):
        Task.from_json({"recipe": "smv", "name": name, "inputs": [["a", 1, 1]], "params": {}})


def test_the_line_that_is_damaged_is_told(tmp_path: Path) -> None:
    plan = tmp_path / "p.jsonl"
    plan.write_text('{"schema": "braggio-plan/1"}\n{"recipe": "smv", \n')
    with pytest.raises(FormatError, match=r"p.jsonl: line 2: not a plan: Expecting property name .* at character 18"):
        read_plan(plan)


@pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
def test_a_date_is_iso_text(tmp_path: Path) -> None:
    write_series(tmp_path / "raw", [noisy(-100)])
    for wrong in (2014, "yesterday"):
        with pytest.raises(ValueError, match="date: expected"):
            tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200, "date": wrong})
    date = "2014-05-06T07:08:09"
    tasks = tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200, "date": date})
    assert len(run_plan(make_plan(tmp_path / date, tasks), perform, engine="none").done) == 1
    (image,) = (tmp_path / "2014-05-06T07:08:09").glob("*.img")
    assert b"DATE=Tue May 06 07:08:09 2014;" in image.read_bytes()


@pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
def test_a_plan_cannot_grant_itself_what_the_run_decides(tmp_path: Path) -> None:
    write_series(tmp_path / "raw", [noisy(-100)], prefix="f_")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "f_001.img").write_text("of somebody else")
    (task,) = tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200})
    tasks = [replace(task, params={**task.params, "overwrite": True})]  # as one that edits the plan would have it
    report = run_plan(make_plan(tmp_path / "out", tasks), perform, engine="none")
    assert len(report.failed) == 1
    assert (tmp_path / "out" / "f_001.img").read_text() == "of somebody else"
