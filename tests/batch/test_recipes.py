"""Every recipe of a plan makes what its own command makes, with the same bytes on every engine and after a kill."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matching_makers
import numpy as np
import pytest
import xtc_makers
from batch_orders import perform_killed_at_finish
from laue import made as laue_made
from makers import mrc, noisy, tree, write_series

from braggio.batch.clean import clean
from braggio.batch.plan import Plan, make_plan
from braggio.batch.receipts import Receipts, status
from braggio.batch.run import run_plan
from braggio.batch.shards import Shard
from braggio.cli import main
from braggio.errors import OutputError
from braggio.recipes import perform, tasks_of, whole

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
Make = Callable[[Path], Plan]
DUMP = {"address": "cspad", "detz_offset": 100.0}


def xtc_plan(folder: Path, file_format: str = "npz", **params: Any) -> Plan:
    """Three runs of three shots."""
    (folder / "xtc").mkdir()
    for run in (54, 55, 56):
        xtc_makers.write(folder / "xtc", xtc_makers.small_run(3, run), f"e157-r{run:04d}-s00-c00.xtc")
    tasks = tasks_of("xtc", [str(folder / "xtc")], {**DUMP, "file_format": file_format, **params})
    return make_plan(folder / "out", tasks)


def matching_plan(folder: Path, **params: Any) -> Plan:
    """Three searches."""
    for seed, name in enumerate("abc"):
        matching_makers.write_result(folder / "in", matching_makers.maps(seed=seed), name=name)
    return make_plan(folder / "out", tasks_of("matching", [str(folder / "in")], params))


def spots_plan(folder: Path, split: int | None = 9) -> Plan:
    """Two stacks of Laue frames, in bands of rows and blocks of frames."""
    (folder / "raw").mkdir()
    for seed, name in enumerate("ab"):
        pixels = laue_made.stack(20, seed=seed)[0]
        laue_made.write_mccd_h5(folder / "raw" / f"{name}__mccd.h5", pixels, chunks=(1, 16, 101), compression="gzip")
    tasks = tasks_of("spots", [str(folder / "raw")], {"sync": "pairs", "angles": 4}, split=split)
    return make_plan(folder / "out", tasks)


def split_plan(folder: Path) -> Plan:
    """Two series of seven frames in tasks of three, and a short one."""
    for seed, (name, frames) in enumerate((("a_", 7), ("b_", 7), ("c_", 3))):
        write_series(folder / "raw", [noisy(-100 - 9 * i, seed=seed + i) for i in range(frames)], prefix=name)
    return make_plan(folder / "out", tasks_of("smv", [str(folder / "raw")], {"voltage": 200, "mrc": True}, split=3))


MAKERS: Mapping[str, Make] = {
    "xtc-npz": xtc_plan,
    "xtc-h5": lambda folder: xtc_plan(folder, "h5"),
    "matching": matching_plan,
    "smv-split": split_plan,
    "spots": lambda folder: spots_plan(folder, None),
    "spots-split": spots_plan,
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Make:
    return MAKERS[request.param]


def engines(plan: Plan) -> Mapping[str, Callable[[], Any]]:
    def shards() -> None:
        for number in (2, 4, 1, 3) * 3:  # a split series has three steps
            run_plan(plan, perform, engine="none", shard=Shard(number, 4))

    def threads() -> None:
        with ThreadPoolExecutor(2) as executor:
            run_plan(plan, perform, executor=executor)

    def killed() -> None:
        """Every task once, right before its receipt."""
        run_plan(plan, perform_killed_at_finish, jobs=2)

    return {"shards": shards, "threads": threads, "killed": killed}


def test_the_same_bytes_everywhere(make: Make, tmp_path: Path) -> None:
    plan = make(tmp_path)
    report = run_plan(plan, perform, engine="none")
    assert (len(report.done), report.failed) == (len(plan.tasks), ())
    expected = tree(tmp_path / "out")
    for name, run in engines(plan).items():
        (tmp_path / "out").rename(tmp_path / f"before {name}")
        run()
        clean(tmp_path / "out")
        assert tree(tmp_path / "out") == expected, name
        assert status(plan).complete


def test_an_xtc_plan_makes_what_the_command_makes(tmp_path: Path) -> None:
    plan = xtc_plan(tmp_path)
    run_plan(plan, perform, engine="none", checksum=True)
    assert [task.name for task in plan.tasks] == ["e157-r0054", "e157-r0055", "e157-r0056"]
    for task in plan.tasks:
        direct = tmp_path / f"direct {task.name}"
        words = ["xtc", "dump", task.inputs[0].path, "--format", "npz", "address=cspad", "detz_offset=100", "-q"]
        assert main([*words, "-o", str(direct)]) == 0
        assert tree(direct) == tree(tmp_path / "out" / task.name)
        assert len(Receipts(plan.out).outputs(task)) == 3 + 1  # the record is one of them
        assert Receipts(plan.out).problems(task, checksum=True) == []


def test_a_split_stack_makes_what_a_whole_one_makes(tmp_path: Path) -> None:
    plan = spots_plan(tmp_path)
    assert [task.name for task in plan.tasks if task.name not in plan.followers] == ["a__mccd", "b__mccd"]
    run_plan(plan, perform, engine="none")
    tasks = tasks_of("spots", [str(tmp_path / "raw")], {"sync": "pairs", "angles": 4})
    run_plan(make_plan(tmp_path / "whole", tasks), perform, engine="none")
    made = [{k: v for k, v in tree(tmp_path / out).items() if not k.startswith(".")} for out in ("out", "whole")]
    assert made[0] == made[1]
    assert sorted(made[0]) == ["a__spots.h5", "b__spots.h5"]


def test_what_an_xtc_task_depends_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibration is an input, small data is none, and chunks and streams of one run are one task."""
    (tmp_path / "xtc").mkdir()
    for name in ("e157-r0054-s00-c00.xtc", "e157-r0054-s01-c00.xtc", "e157-r0054-s00-c01.xtc.inprogress"):
        xtc_makers.write(tmp_path / "xtc", xtc_makers.small_run(2), name)
    (tmp_path / "xtc" / "e157-r0054-s00-c00.smd.xtc").touch()
    np.save(tmp_path / "p.npy", np.zeros((32, 185, 388), np.float32))
    monkeypatch.chdir(tmp_path)
    (task,) = tasks_of("xtc", ["xtc"], {**DUMP, "pedestals": "p.npy"})
    names = [os.path.basename(each.path) for each in task.inputs]
    assert sorted(names) == sorted(
        ["e157-r0054-s00-c00.xtc", "e157-r0054-s01-c00.xtc", "e157-r0054-s00-c01.xtc.inprogress", "p.npy"]
    )
    assert task.params["pedestals"] == str(tmp_path / "p.npy")
    assert not all(whole(each.path) for each in task.inputs)


def test_events_without_an_image_are_told(tmp_path: Path) -> None:
    plan = xtc_plan(tmp_path)
    stream = Path(plan.tasks[0].inputs[0].path)
    stream.write_bytes(stream.read_bytes()[:-7000])  # the last event is cut off
    plan = make_plan(tmp_path / "out", tasks_of("xtc", [str(tmp_path / "xtc")], DUMP))
    report = run_plan(plan, perform, engine="none")
    assert len(report.done) == 3
    assert report.done[0].warnings
    assert report.done[1].warnings == ()


def test_a_matching_plan_makes_what_the_command_makes(tmp_path: Path) -> None:
    plan = matching_plan(tmp_path, width=36, max_peaks=1)
    run_plan(plan, perform, engine="none")
    words = ["matching", "table", *[task.inputs[0].path for task in plan.tasks], "-o", str(tmp_path / "direct")]
    assert main([*words, "--columns", "36", "--max-peaks", "1", "-q"]) == 0
    made = {name: content for name, content in tree(tmp_path / "out").items() if not name.startswith(".braggio")}
    assert made == tree(tmp_path / "direct")
    assert sorted(made) == sorted(f"{name}{end}" for name in "abc" for end in (".csv", ".provenance.json"))


def test_the_reference_table(real_data: Path, tmp_path: Path) -> None:
    config = real_data / "matching" / "leopard_em_result" / "config_dump.yaml"
    plan = make_plan(tmp_path, tasks_of("matching", [str(config)], {}))
    assert len(run_plan(plan, perform, engine="none").done) == 1
    expected = config.with_name("expected_default.csv").read_bytes()
    assert (tmp_path / "config_dump.csv").read_bytes() == expected


def test_options_of_a_matching_task(tmp_path: Path) -> None:
    """Cropping, a mask, and correlations go by the names that the command has."""
    peaks = {}
    mask = np.zeros((40, 50), np.float32)
    mask[:20] = 1
    (tmp_path / "mask.mrc").write_bytes(mrc(mask))
    for name, params in {
        "all": {},
        "half": {"mask": str(tmp_path / "mask.mrc")},
        "valid": {"valid": True, "correlations": 5},
        "eleven": {"width": 11},
        "none": {"cutoff": 1000},
    }.items():
        path = matching_makers.write_result(tmp_path / "in", name=name)
        plan = make_plan(tmp_path / "out", tasks_of("matching", [str(path)], params))
        (done,) = run_plan(plan, perform, engine="none").done
        assert bool(done.warnings) == (name == "none")
        peaks[name] = (tmp_path / "out" / f"{name}.csv").read_text().count("\n") - 1
        facts = json.loads((tmp_path / "out" / f"{name}.provenance.json").read_text())
        assert facts["n_correlations" if name != "none" else "cutoff"] == {"valid": 5}.get(name, 1000)
    assert peaks == {"all": 2, "half": 1, "valid": 2, "eleven": 2, "none": 0}


def test_a_map_that_changes_is_an_input_that_changed(tmp_path: Path) -> None:
    plan = matching_plan(tmp_path)
    os.utime(tmp_path / "in" / "b_mip.mrc", ns=(1, 1))
    report = run_plan(plan, perform, engine="none")
    assert [outcome.name for outcome in report.failed] == ["b"]
    assert "b_mip.mrc" in report.failed[0].message


def test_a_search_whose_maps_are_not_there_yet_is_not_whole(tmp_path: Path) -> None:
    path = matching_makers.write_result(tmp_path)
    assert whole(str(path))
    (tmp_path / "search_mip.mrc").unlink()
    assert not whole(str(path))
    plan = make_plan(tmp_path / "out", tasks_of("matching", [str(path)], {}))
    (failed,) = run_plan(plan, perform, engine="none").failed
    assert "search_mip.mrc" in failed.message
    (tmp_path / "search.yaml").write_text("nonsense: [")
    assert not whole(str(path))


def test_paths_that_fit_only_the_working_directory_are_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a search writes them; a worker of Dask has another working directory."""
    path = matching_makers.write_result(tmp_path / "data")
    (tmp_path / "runs").mkdir()
    path = path.rename(tmp_path / "runs" / "search.yaml")
    monkeypatch.chdir(tmp_path / "data")
    plan = make_plan(tmp_path / "out", tasks_of("matching", [str(path)], {}))
    assert len(plan.tasks[0].inputs) == 1 + 8 + 2
    monkeypatch.chdir(tmp_path)
    assert len(run_plan(plan, perform, engine="none").done) == 1


def test_watching_for_searches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matching_plan(tmp_path)
    (tmp_path / "in" / "b_mip.mrc").unlink()
    words = ["watch", str(tmp_path / "in"), "--recipe", "matching", "-o", str(tmp_path / "out"), "--settle", "0"]
    assert main([*words, "--once"]) == 0
    assert capsys.readouterr().out.splitlines() == ["a: done", "c: done"]


@pytest.mark.parametrize("durable", [False, True])
def test_a_receipt_that_cannot_be_written_does_not_bar_the_next_run(
    durable: bool, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outputs are there, without a receipt: they are the task's own."""
    plan = make(tmp_path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Receipts, "finish", full)
        first = run_plan(plan, perform, engine="none", durable=durable)
        assert (len(first.failed), first.done) == (sum(not task.after for task in plan.tasks), ())
    assert len(run_plan(plan, perform, engine="none", durable=durable).done) == len(plan.tasks)
    assert status(plan).complete


def test_a_dump_that_failed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has written of a run stays, and is no reason to refuse the rest."""
    from braggio.xtc import dump

    plan = xtc_plan(tmp_path)
    write, count = dump.WRITERS["npz"], [0]

    def full(*arguments: Any) -> None:
        count[0] += 1
        if count[0] > 2:
            raise OutputError(errno=errno.ENOSPC)
        write(*arguments)

    with monkeypatch.context() as patched:
        patched.setitem(dump.WRITERS, "npz", full)
        assert len(run_plan(plan, perform, engine="none", max_failures=1).failed) == 1
    assert len(list((tmp_path / "out" / "e157-r0054").glob("shot-*"))) == 2
    assert len(run_plan(plan, perform, engine="none").done) == 3
    assert status(plan).complete


def test_images_of_another_dump_are_left_alone(tmp_path: Path) -> None:
    run_plan(xtc_plan(tmp_path), perform, engine="none")
    before = tree(tmp_path / "out")
    (tmp_path / "xtc").rename(tmp_path / "old")
    other = xtc_plan(tmp_path, override_energy=9000.0)
    report = run_plan(other, perform, engine="none")
    assert len(report.failed) == 3
    assert "another dump" in report.failed[0].message
    after = tree(tmp_path / "out")
    assert {name: content for name, content in after.items() if ".failed." not in name} == before
    assert len(run_plan(other, perform, engine="none", overwrite=True).done) == 3
