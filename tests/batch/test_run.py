"""One plan, run anywhere: killed workers and drivers lose nothing, and the bytes never depend on the engine."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from batch_orders import perform_deadly, perform_killed_every_4th, perform_killed_every_25th
from makers import noisy, tree, write_series

from braggio.batch.clean import clean
from braggio.batch.plan import Plan, Task, inputs_of, make_plan
from braggio.batch.receipts import Receipts, status
from braggio.batch.run import run_plan
from braggio.batch.shards import Shard
from braggio.microed import SmvOptions
from braggio.microed.conversion import Conversion
from braggio.recipes import perform, tasks_of

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def raw_series(folder: Path, count: int, shape: tuple[int, int] = (12, 17)) -> Path:
    """`count` series of one frame each, s000, s001, ..."""
    for i in range(count):
        write_series(folder, [noisy(-100 - i, shape, seed=i)], prefix=f"s{i:03d}_")
    return folder


def planned(raw: Path, out: Path) -> Plan:
    return make_plan(out, tasks_of("smv", [str(raw)], {"voltage": 200}))


def undisturbed(raw: Path, out: Path) -> dict[str, bytes]:
    """What a run in one process makes, receipts and all."""
    plan = planned(raw, out)
    report = run_plan(plan, perform, engine="none")
    assert (len(report.done), report.failed, report.left) == (len(plan.tasks), (), 0)
    return tree(out)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw_series(tmp_path_factory.mktemp("series") / "raw", 40)


@pytest.fixture(scope="module")
def expected(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return undisturbed(raw, tmp_path_factory.mktemp("clean") / "out")


@pytest.fixture(scope="module")
def raw200(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return raw_series(tmp_path_factory.mktemp("series") / "raw", 200)


@pytest.fixture(scope="module")
def expected200(raw200: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return undisturbed(raw200, tmp_path_factory.mktemp("clean") / "out")


@pytest.fixture(scope="module")
def dask_address() -> Iterator[str]:
    """A real scheduler with two worker processes, and a nanny for each."""
    distributed = pytest.importorskip("distributed")
    import dask

    settings = {
        "distributed.comm.timeouts.connect": "20s",
        "distributed.worker.daemon": False,
        # LocalCluster gives up workers that are down this long after they died, be it again: the default is 15 s.
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as cluster,
    ):
        yield cluster.scheduler_address.replace("tcp://", "dask://")


def on_shards(plan: Plan, request: pytest.FixtureRequest) -> None:
    for number in (3, 1, 4, 2):
        run_plan(plan, perform, engine="none", shard=Shard(number, 4))


def on_threads(plan: Plan, request: pytest.FixtureRequest) -> None:
    with ThreadPoolExecutor(3) as executor:
        run_plan(plan, perform, executor=executor)


def on_processes(plan: Plan, request: pytest.FixtureRequest) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        run_plan(plan, perform, executor=executor)


def on_local_pool(plan: Plan, request: pytest.FixtureRequest) -> None:
    run_plan(plan, perform, jobs=2)


def on_dask(plan: Plan, request: pytest.FixtureRequest) -> None:
    run_plan(plan, perform, engine=request.getfixturevalue("dask_address"))


@pytest.mark.parametrize("carry_out", [on_shards, on_threads, on_processes, on_local_pool, on_dask])
def test_every_engine_makes_the_same_tree(
    carry_out: Callable[[Plan, pytest.FixtureRequest], None],
    raw: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    plan = planned(raw, tmp_path / "out")
    carry_out(plan, request)
    assert tree(tmp_path / "out") == expected
    assert status(plan).complete


def test_the_local_pool_survives_its_workers(raw: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Ten workers are killed in the middle of a task."""
    report = run_plan(planned(raw, tmp_path / "out"), perform_killed_every_4th, jobs=2)
    assert len(list((tmp_path / "marks").iterdir())) == 10
    assert (len(report.done), report.failed, report.left) == (40, (), 0)
    clean(tmp_path / "out")
    assert tree(tmp_path / "out") == expected


def test_a_task_that_kills_its_workers_is_given_up_alone(raw: Path, tmp_path: Path) -> None:
    report = run_plan(planned(raw, tmp_path / "out"), perform_deadly, jobs=2)
    assert [(outcome.name, outcome.error) for outcome in report.failed] == [("s005", "WorkerDied")]
    assert len(report.done) == 39


def test_dask_workers_killed(raw200: Path, expected200: dict[str, bytes], tmp_path: Path, dask_address: str) -> None:
    """Eight workers are killed in the middle of a task: 200 of 200 tasks are done, and no file is bad."""
    report = run_plan(planned(raw200, tmp_path / "out"), perform_killed_every_25th, engine=dask_address)
    assert len(list((tmp_path / "marks").iterdir())) == 8
    assert report.failed == ()
    assert (len(report.done), report.left) == (200, 0)
    clean(tmp_path / "out")
    assert tree(tmp_path / "out") == expected200


def test_a_task_that_its_engine_loses_is_handed_over_again(
    raw: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """As Dask's KilledWorker, which also hits tasks that only waited on workers that died; not for ever, though."""

    class Losing(ThreadPoolExecutor):
        count: ClassVar[Counter[str]] = Counter()

        def submit(self, call: Any, order: Any, /) -> Any:  # type: ignore[override]
            name = order["task"]["name"]
            self.count[name] += 1
            if name == "s007" or (name == "s003" and self.count[name] < 3):
                lost: Future[Any] = Future()
                lost.set_exception(RuntimeError("KilledWorker"))
                return lost
            return super().submit(call, order)

    with Losing(2) as executor:
        report = run_plan(planned(raw, tmp_path / "out"), perform, executor=executor)
    assert [(outcome.name, outcome.message) for outcome in report.failed] == [("s007", "s007: KilledWorker")]
    assert len(report.done) == 39
    assert Losing.count["s003"] == 3
    run_plan(planned(raw, tmp_path / "out"), perform, engine="none")
    assert tree(tmp_path / "out") == expected


def test_a_worker_that_dies_right_after_the_receipt(raw: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """The note that it had begun is left; whoever is handed the task again takes it away."""
    plan = planned(raw, tmp_path / "out")
    run_plan(plan, perform, engine="none")
    order = {"task": plan.tasks[0].to_json(), "out": plan.out, "overwrite": False, "checksum": False}
    Receipts(plan.out).begin(plan.tasks[0])
    assert perform({**order, "durable": False, "move_source": False, "shared": ""}).status == "done"
    assert tree(tmp_path / "out") == expected


def test_the_driver_killed_at_any_moment(raw200: Path, expected200: dict[str, bytes], tmp_path: Path) -> None:
    """SIGKILL 20 times while tasks are under way, with and without a pool; what is there is always whole."""
    out = tmp_path / "out"
    plan = planned(raw200, out)
    plan.write(tmp_path / "p.jsonl")
    rng = random.Random(1)
    for i in range(20):
        words = [sys.executable, "-m", "braggio", "run", tmp_path / "p.jsonl", "-q", "-j", "2" if i % 5 == 4 else "1"]
        wanted = published(out) + rng.randrange(1, 10)
        with subprocess.Popen([str(word) for word in words]) as process:
            while published(out) < wanted and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.02))
            process.kill()
        for path in visible(out):
            assert path.read_bytes() == expected200[str(path.relative_to(out))]
    time.sleep(0.3)  # orphans of the pool end with their server
    report = run_plan(plan, perform, engine="none")
    assert (report.failed, report.left) == ((), 0)
    clean(out)
    assert tree(out) == expected200


def test_no_worker_outlives_its_driver(raw: Path, tmp_path: Path) -> None:
    """They hold the pipe that the server that forks them waits for, and would keep it and one another alive."""
    planned(raw, tmp_path / "out").write(tmp_path / "p.jsonl")
    words = [sys.executable, "-m", "braggio", "run", str(tmp_path / "p.jsonl"), "-j", "2", "-q"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
        while not visible(tmp_path / "out"):
            time.sleep(0.005)
        process.kill()
        process.communicate(timeout=20)  # ends when nobody has our pipe any more


def visible(out: Path) -> list[Path]:
    """Outputs under their final names."""
    return list(out.glob("[!.]*"))


def published(out: Path) -> int:
    return len(visible(out))


def test_sigterm_ends_after_the_task_with_exit_75(tmp_path: Path) -> None:
    raw = raw_series(tmp_path / "raw", 60, (600, 700))
    planned(raw, tmp_path / "out").write(tmp_path / "p.jsonl")
    words = [sys.executable, "-m", "braggio", "run", str(tmp_path / "p.jsonl"), "-j", "1", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "done":
            pass
        process.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in process.stdout]
    assert process.returncode == 75
    assert lines[-1]["exit_code"] == 75
    left = next(line["left"] for line in lines if line["event"] == "run")
    assert left > 0
    done = subprocess.run([*words[:-1], "-q"], check=False)
    assert done.returncode == 0


def test_a_bad_input_stops_nothing_else(tmp_path: Path) -> None:
    raw = raw_series(tmp_path / "raw", 5)
    (raw / "s002_001.bin").write_bytes(b"\x06\x00 not a frame")
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(raw)], {}))
    report = run_plan(plan, perform, engine="none")
    assert [outcome.name for outcome in report.failed] == ["s002"]
    assert len(report.done) == 4
    assert status(plan).failed == ("s002",)
    failure = Receipts(plan.out).failure(plan.tasks[2])
    assert failure is not None
    assert "s002_001.bin" in failure["message"]


def test_an_input_that_changed_is_refused(raw: Path, tmp_path: Path) -> None:
    folder = raw_series(tmp_path / "raw", 2)
    plan = planned(folder, tmp_path / "out")
    os.utime(folder / "s001_001.bin", ns=(1, 1))
    report = run_plan(plan, perform, engine="none")
    assert [outcome.name for outcome in report.failed] == ["s001"]
    assert "changed since the plan was made" in report.failed[0].message


def test_an_output_that_has_gone_or_changed_size_is_made_again(raw: Path, tmp_path: Path) -> None:
    plan = planned(raw_series(tmp_path / "raw", 3), tmp_path / "out")
    run_plan(plan, perform, engine="none")
    before = tree(tmp_path / "out")
    (tmp_path / "out" / "s001_001.img").unlink()
    report = run_plan(plan, perform, engine="none", overwrite=True)
    assert [outcome.name for outcome in report.done] == ["s001"]
    assert tree(tmp_path / "out") == before


DAMAGED = (
    {},
    None,
    5,
    "abc",
    [5],
    [{"size": 1}],
    [{"path": "a"}],
    [{"path": 5, "size": 1}],
    [{"path": None, "size": 1}],
)


@pytest.mark.parametrize("outputs", [*DAMAGED, [{"path": "x" * 5000, "size": 1}], [{"path": "a\0", "size": 1}]])
def test_a_damaged_receipt_is_none(raw: Path, tmp_path: Path, outputs: Any) -> None:
    plan = planned(raw, tmp_path / "out")
    plan = make_plan(plan.out, plan.tasks[:1])
    run_plan(plan, perform, engine="none")
    (receipt,) = (tmp_path / "out" / ".braggio").iterdir()
    whole = receipt.read_bytes()
    receipt.write_text(json.dumps({**json.loads(whole), "outputs": outputs}))
    assert not status(plan).complete
    assert Receipts(plan.out).problems(plan.tasks[0])
    assert len(run_plan(plan, perform, engine="none").done) == 1
    assert receipt.read_bytes() == whole


def test_an_empty_output_is_not_called_no_file(raw: Path, tmp_path: Path) -> None:
    plan = planned(raw, tmp_path / "out")
    plan = make_plan(plan.out, plan.tasks[:1])
    run_plan(plan, perform, engine="none")
    path = Receipts(plan.out).outputs(plan.tasks[0])[0]
    path.write_bytes(b"")
    (problem,) = Receipts(plan.out).problems(plan.tasks[0])
    assert str(problem).endswith("found 0")


def test_whatever_a_task_raises_stops_nothing_else(raw: Path, tmp_path: Path) -> None:
    plan = planned(raw, tmp_path / "out")
    bad = Task("smv", "bad", plan.tasks[0].inputs, {"voltage": 10**400})  # OverflowError
    report = run_plan(make_plan(plan.out, [bad, *plan.tasks[1:3]]), perform, engine="none")
    assert ([outcome.name for outcome in report.failed], len(report.done)) == (["bad"], 2)
    occupied = tmp_path / "file"
    occupied.touch()
    report = run_plan(make_plan(occupied, plan.tasks[:2]), perform, engine="none")
    assert ["Not a directory" in outcome.message or "exists" in outcome.message for outcome in report.failed] == [
        True
    ] * 2


def test_outputs_of_others_are_left_alone(tmp_path: Path) -> None:
    plan = planned(raw_series(tmp_path / "raw", 1), tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "s000_001.img").write_bytes(b"precious")
    report = run_plan(plan, perform, engine="none")
    assert "exists" in report.failed[0].message
    assert (tmp_path / "out" / "s000_001.img").read_bytes() == b"precious"
    again = run_plan(plan, perform, engine="none")  # and not because a first attempt has been noted
    assert len(again.failed) == 1
    assert (tmp_path / "out" / "s000_001.img").read_bytes() == b"precious"


def test_checksums_tell_a_changed_byte(tmp_path: Path) -> None:
    plan = planned(raw_series(tmp_path / "raw", 1), tmp_path / "out")
    run_plan(plan, perform, engine="none", checksum=True)
    receipts = Receipts(plan.out)
    assert receipts.problems(plan.tasks[0], checksum=True) == []
    path = tmp_path / "out" / "s000_001.img"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert receipts.problems(plan.tasks[0]) == []
    assert len(receipts.problems(plan.tasks[0], checksum=True)) == 1


def test_max_failures_and_unknown_recipes(tmp_path: Path) -> None:
    raw = raw_series(tmp_path / "raw", 6)
    tasks = [Task("nonsense", f"t{i}", inputs_of([raw / f"s{i:03d}_001.bin"])) for i in range(6)]
    report = run_plan(make_plan(tmp_path / "out", tasks), perform, engine="none", max_failures=2)
    assert len(report.failed) == 2
    assert report.left == 4
    assert "nonsense" in report.failed[0].message


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    """A tmpfs of 1 MiB, where the system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        plan = planned(raw_series(tmp_path / "raw", 1, (1000, 1000)), disk / "out")
        report = run_plan(plan, perform, engine="none")
        assert "No space left" in report.failed[0].message
        assert not [name for name in tree(disk / "out") if ".braggio" not in name]
    finally:
        subprocess.run(["umount", disk], check=True)


def split_plan(folder: Path, frames: int = 8) -> Plan:
    """One series in tasks of two frames."""
    write_series(folder / "raw", [noisy(-100 - i, seed=i) for i in range(frames)], prefix="a_")
    return make_plan(folder / "out", tasks_of("smv", [str(folder / "raw")], {"voltage": 200}, split=2))


def test_shards_wait_for_what_others_do(tmp_path: Path) -> None:
    """Two shards at a time finish a split series; one alone ends when it can do no more."""
    plan = split_plan(tmp_path)
    assert run_plan(plan, perform, engine="none", shard=Shard(1, 2)).left == 3
    with ThreadPoolExecutor(2) as pool:
        shards = [pool.submit(run_plan, plan, perform, engine="none", shard=Shard(k, 2), wait=60) for k in (1, 2)]
        reports = [shard.result() for shard in shards]
    assert [(report.failed, report.left) for report in reports] == [((), 0)] * 2
    assert status(plan).complete
    undisturbed(tmp_path / "raw", tmp_path / "whole")
    made = {name: content for name, content in tree(tmp_path / "out").items() if not name.startswith(".braggio")}
    assert made == {k: v for k, v in tree(tmp_path / "whole").items() if not k.startswith(".braggio")}


def test_nobody_waits_for_what_has_failed(tmp_path: Path) -> None:
    """Its followers are left; other tasks are done."""
    plan = split_plan(tmp_path)
    write_series(tmp_path / "raw", [noisy(-100)], prefix="b_")
    other = tasks_of("smv", [str(tmp_path / "raw" / "b_001.bin")], {"voltage": 200})
    plan = make_plan(plan.out, [*plan.tasks, *other])
    path = Path(plan.tasks[0].inputs[5].path)
    path.write_bytes(path.read_bytes()[:-1])
    report = run_plan(plan, perform, engine="none", wait=3600)
    assert [outcome.name for outcome in report.done] == ["b"]
    assert len(report.failed) == 4  # whatever part it is in, the series is another one now
    assert report.left == 5
    shard = run_plan(plan, perform, engine="none", wait=3600, shard=Shard(5, 10))  # writes of the series
    assert (shard.done, shard.failed, shard.left) == ((), (), 1)


def test_a_run_that_waits_hears_its_signal(tmp_path: Path) -> None:
    plan = split_plan(tmp_path)
    asked: list[bool] = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) > 3

    assert run_plan(plan, perform, engine="none", shard=Shard(9, 9), wait=3600, stop=stop).left == 1


def test_sources_of_a_split_series_go_once(tmp_path: Path) -> None:
    """Parts read the files too, and neither keep nor take them."""
    plan = split_plan(tmp_path)
    report = run_plan(plan, perform, engine="none", move_source=True)
    assert not any("source kept" in text for outcome in report.done for text in outcome.warnings)
    assert tree(tmp_path / "raw") == {}
    again = run_plan(plan, perform, engine="none", move_source=True)
    assert (again.done, again.failed, len(again.skipped)) == ((), (), len(plan.tasks))
    assert len(list((tmp_path / "out" / ".braggio").glob("*.done.json"))) == 1


def test_a_split_run_killed_at_any_moment(tmp_path: Path) -> None:
    plan = split_plan(tmp_path, frames=40)
    plan.write(tmp_path / "p.jsonl")
    clean_plan = make_plan(tmp_path / "clean", plan.tasks)
    run_plan(clean_plan, perform, engine="none")
    rng = random.Random(2)
    words = [sys.executable, "-m", "braggio", "run", str(tmp_path / "p.jsonl"), "-q", "-j", "1"]
    for _ in range(12):
        notes = len(list((tmp_path / "out" / ".braggio").glob("*")))
        with subprocess.Popen(words) as process:
            while len(list((tmp_path / "out" / ".braggio").glob("*"))) == notes and process.poll() is None:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
        if (tmp_path / "out" / "a.braggio.json").exists():
            assert published(tmp_path / "out") == 41
    report = run_plan(plan, perform, engine="none")
    assert (report.failed, report.left) == ((), 0)
    assert tree(tmp_path / "out") == tree(tmp_path / "clean")


def test_a_run_killed_within_a_receipt_leaves_nothing_after_the_next(tmp_path: Path) -> None:
    plan = split_plan(tmp_path)
    plan.write(tmp_path / "p.jsonl")
    at_a_receipt = (
        "import os, types, braggio.batch.receipts as receipts\n"
        "kill = lambda _: os.kill(os.getpid(), 9)\n"
        "receipts.json = types.SimpleNamespace(dumps=kill, loads=receipts.json.loads)\n"
        "from braggio.cli import main\n"
        f"main(['run', {str(tmp_path / 'p.jsonl')!r}, '-q', '-j', '1'])\n"
    )
    assert subprocess.run([sys.executable, "-c", at_a_receipt], check=False).returncode == -9
    assert len(list((tmp_path / "out" / ".braggio").glob(".*.part"))) == 1
    run_plan(plan, perform, engine="none")
    assert list((tmp_path / "out" / ".braggio").glob(".*")) == []


def test_a_cut_off_task_does_not_replace_what_others_have_made_since(tmp_path: Path) -> None:
    """A series knows its own files; that it had begun is no leave to replace those of others."""
    raw = raw_series(tmp_path / "raw", 1)
    plan = planned(raw, tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "s000_001.img").write_bytes(b"precious")
    Receipts(plan.out).begin(plan.tasks[0])
    assert len(run_plan(plan, perform, engine="none").failed) == 1
    assert (tmp_path / "out" / "s000_001.img").read_bytes() == b"precious"


@pytest.mark.parametrize(
    "outputs", [[], [{"path": "../elsewhere.img", "size": 3}], [{"path": "/etc/hostname", "size": 3}], None, "x"]
)
def test_a_receipt_is_not_believed_for_what_it_says(raw: Path, tmp_path: Path, outputs: Any) -> None:
    """Without outputs, or with some outside of the folder, it counted as done, and `verify` said ok of nothing."""
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(raw)], {"voltage": 200}))
    run_plan(plan, perform, engine="none")
    (tmp_path / "elsewhere.img").write_bytes(b"abc")
    images = sorted((tmp_path / "out").glob("*.*"))
    for receipt in (tmp_path / "out" / ".braggio").glob("*.done.json"):
        values = json.loads(receipt.read_bytes())
        receipt.write_text(json.dumps({**values, "outputs": outputs}))
    for image in images:
        if image.is_file():
            image.unlink()
    assert all(Receipts(plan.out).problems(task) for task in plan.tasks)
    report = run_plan(plan, perform, engine="none")
    assert (len(report.done), report.failed, report.skipped) == (len(plan.tasks), (), ())
    assert sorted((tmp_path / "out").glob("*.*")) == images


def test_parts_of_a_series_that_is_there_already_are_done(raw: Path, tmp_path: Path) -> None:
    """They make nothing, and those that come after them must begin all the same."""
    run_plan(make_plan(tmp_path / "out", tasks_of("smv", [str(raw)], {"voltage": 200})), perform, engine="none")
    before = tree(tmp_path / "out")
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(raw)], {"voltage": 200}, split=1))
    report = run_plan(plan, perform, engine="none")
    assert (report.left, report.failed) == (0, ())
    assert {name: data for name, data in tree(tmp_path / "out").items() if ".braggio/" not in name} == {
        name: data for name, data in before.items() if ".braggio/" not in name
    }


def test_what_another_run_is_at_work_on_has_not_failed(raw: Path, tmp_path: Path) -> None:
    """Two runs of one plan, or `mpirun` without `--shard`: the second leaves such tasks, and is to be run again."""
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(raw)], {"voltage": 200}))
    task = plan.tasks[3]
    files = [each.path for each in task.inputs]
    conversion = Conversion.of(files, plan.out, SmvOptions(voltage=200))
    with conversion.begin(overwrite=False):
        report = run_plan(plan, perform, engine="none")
        assert (len(report.done), report.failed, report.left) == (len(plan.tasks) - 1, (), 1)
        assert Receipts(plan.out).failure(task) is None
    assert run_plan(plan, perform, engine="none").left == 0
