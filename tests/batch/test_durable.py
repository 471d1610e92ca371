"""With --durable nothing gets its name before the disk has it, and sources go only when nothing is lost with them."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import mrc, noisy, ser, tree, write_series

import braggio
from braggio.batch import sources
from braggio.batch.plan import Input, Plan, Task, make_plan
from braggio.batch.receipts import Receipts, status
from braggio.batch.run import run_plan
from braggio.batch.sources import finish_removals, move_source
from braggio.batch.staging import durably
from braggio.errors import FormatError, OutputError
from braggio.microed import convert_series, losses
from braggio.recipes import perform, tasks_of

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(fsync or replace, path), in the order in which Python asks the system for them."""
    heard: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        heard.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def replaced(source: Any, target: Any) -> None:
        heard.append(("replace", os.fspath(source)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return heard


def test_every_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100), noisy(-200)])
    report = convert_series(files, tmp_path / "made" / "out", voltage=200, mrc=True, durable=True)
    renamed = [path for call, path in calls if call == "replace"]
    assert len(renamed) == len(report.outputs) + 1 == 5
    for path in renamed:
        assert calls.index(("fsync", path)) < calls.index(("replace", path))
    record = calls.index(("replace", renamed[-1]))
    target = str(tmp_path / "made" / "out")
    assert ("fsync", target) in calls[calls.index(("replace", renamed[-2])) : record], "names before the record"
    assert calls[-1] == ("fsync", target), "the name of the record"
    for folder in (tmp_path / "made", tmp_path):
        assert ("fsync", str(folder)) in calls, "folders that were made"


def test_without_durable_nothing_waits_for_the_disk(tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    convert_series(write_series(tmp_path / "raw", [noisy(-100)]), tmp_path / "out", voltage=200)
    assert not [call for call, _ in calls if call == "fsync"]


def test_the_bytes_are_the_same(tmp_path: Path) -> None:
    plan = planned(tmp_path, [noisy(-100), noisy(-200)])
    run_plan(plan, perform, engine="none")
    expected = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    run_plan(plan, perform, engine="none", durable=True)
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize("existing", [False, True])
def test_a_disk_that_fails_leaves_what_was_there(
    existing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    if existing:
        convert_series(write_series(tmp_path / "raw", [noisy(-50)]), out, voltage=200)
    before = tree(out) if existing else {}

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    files = write_series(tmp_path / "other", [noisy(-100)])
    with pytest.raises(OutputError, match="not safely on the disk") as failed:
        convert_series(files, out, voltage=200, overwrite=True, durable=True)
    assert failed.value.errno == errno.EIO
    assert (tree(out) if out.exists() else {}) == before


def test_one_file_by_a_writer_that_knows_nothing(tmp_path: Path, calls: list[tuple[str, str]]) -> None:
    target = tmp_path / "a.txt"
    with durably(target, overwrite=False) as place:
        place.write_text("one")
        assert not target.exists()
    assert calls.index(("fsync", str(place))) < calls.index(("replace", str(place)))
    with pytest.raises(OutputError, match="exists"), durably(target, overwrite=False) as place:
        place.write_text("two")

    def half() -> None:
        with durably(target, overwrite=True) as place:
            place.write_text("half")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        half()
    assert tree(tmp_path) == {"a.txt": b"one"}


@pytest.mark.parametrize("recipe", ["spots", "particles", "xtc", "matching"])
def test_every_recipe_syncs_its_outputs_before_the_receipt(
    recipe: str, tmp_path: Path, calls: list[tuple[str, str]], plan_of: Callable[[str, Path], Plan]
) -> None:
    plan = plan_of(recipe, tmp_path)
    (done,) = run_plan(plan, perform, engine="none", durable=True).done
    assert done.status == "done"
    outputs = Receipts(plan.out).outputs(plan.tasks[0])
    assert outputs
    for path in outputs:
        assert ("fsync", str(path)) in calls
        assert ("fsync", str(path.parent)) in calls


def write_particles(folder: Path) -> None:
    """Three images and a star that lists them."""
    (folder / "s.mrcs").write_bytes(mrc(np.random.default_rng(0).normal(0, 1, (3, 8, 8)).astype(np.float32)))
    labels = "ImageName DefocusU DefocusV DefocusAngle AngleRot AngleTilt AnglePsi Voltage".split()
    labels += "SphericalAberration AmplitudeContrast ImagePixelSize ImageSize".split()
    rows = [f"{i}@s.mrcs 10000 9000 30 1 2 3 300 2.7 0.1 1.5 8" for i in (1, 2, 3)]
    lines = ["data_", "loop_", *(f"_rln{label}" for label in labels), *rows]
    (folder / "p.star").write_text("\n".join(lines) + "\n")


@pytest.fixture
def plan_of() -> Callable[[str, Path], Plan]:
    import h5py
    import matching_makers
    import xtc_makers

    def make(recipe: str, folder: Path) -> Plan:
        place, params = folder / "in", {}
        place.mkdir()
        if recipe == "spots":
            frames = np.random.default_rng(0).integers(0, 50, (30, 20, 20)).astype(np.uint16)
            with h5py.File(place / "a__mccd.h5", "w") as file:
                file["images"] = frames
            params = {"dataset": "images", "angles": 0}
        elif recipe == "particles":
            write_particles(place)
            params = {"reading": {"base": str(place)}}
        elif recipe == "xtc":
            xtc_makers.write(place, xtc_makers.small_run(2))
            params = {"address": "cspad"}
        else:
            matching_makers.write_result(place)
        return make_plan(folder / "out", tasks_of(recipe, [str(place)], params))

    return make


# ---- sources


def planned(folder: Path, frames: list[Any], **params: Any) -> Plan:
    write_series(folder / "raw", frames)
    return make_plan(folder / "out", tasks_of("smv", [str(folder / "raw")], {"voltage": 200, **params}))


def sources_of(plan: Plan) -> list[Path]:
    return [Path(each.path) for task in plan.tasks for each in task.inputs if Path(each.path).exists()]


def test_sources_go_and_can_be_made_again(tmp_path: Path) -> None:
    frames = [noisy(-100), noisy(-200, seed=1)]
    plan = planned(tmp_path, frames)
    before = tree(tmp_path / "raw")
    report = run_plan(plan, perform, engine="none", move_source=True)
    assert report.done[0].warnings == plan_warnings(plan)
    assert tree(tmp_path / "raw") == {}
    assert status(plan).complete
    for name, content in before.items():
        smv = braggio.read(tmp_path / "out" / name.replace(".bin", ".img"))
        offset = 200
        assert (smv.astype(np.int32) - offset).astype("<i4").tobytes() == content[10:]
    again = run_plan(plan, perform, engine="none", move_source=True)
    assert (again.done, again.failed, len(again.skipped)) == ((), (), 1)


def plan_warnings(plan: Plan) -> tuple[str, ...]:
    values = json.loads((Path(plan.out) / ".braggio" / f"{plan.tasks[0].id}.done.json").read_text())
    return tuple(values["warnings"])


@pytest.mark.parametrize(
    ("frames", "params", "reason"),
    [
        ([noisy(-5000)], {}, "pixels lost at 0"),
        ([noisy(-5000)], {"mrc": True}, ""),  # the MRC file holds them all
        ([np.array([[-100, 70000]], np.int32)], {}, "1 at 65535"),
        ([noisy(-100).astype(np.float32) + np.float32(0.25)], {}, "rounded"),
        ([noisy(-100).astype(np.float32) + np.float32(0.25)], {"mrc": True}, ""),
        ([noisy(-100).astype(np.float32)], {}, ""),
        ([noisy(-100)], {"flip": True}, ""),
        ([noisy(-5000)], {"flip": True, "mrc": True}, ""),
        ([noisy(-100, dtype=np.int16)], {}, ""),
        ([np.array([[-0.0, 1.0], [2.0, -3.0]])], {}, "cannot be made again"),  # SMV has no negative zero
        ([np.array([[-0.0, 1.0], [2.0, -3.0]])], {"mrc": True}, ""),
        ([noisy(0), noisy(-5000)], {}, "frame 2"),
    ],
)
def test_sources_go_only_when_nothing_is_lost(
    frames: list[Any], params: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    plan = planned(tmp_path, frames, **params)
    before = tree(tmp_path / "raw")
    (done,) = run_plan(plan, perform, engine="none", move_source=True).done
    if reason:
        assert reason in done.warnings[-1]
        assert done.warnings[-1].startswith("source kept: ")
        assert tree(tmp_path / "raw") == before
    else:
        assert not any("source kept" in text for text in done.warnings)
        assert tree(tmp_path / "raw") == {}


@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from(["leginon", "median", "zero"]),
)
def test_a_series_without_losses_holds_every_pixel(values: list[int], mrc: bool, policy: str) -> None:
    """Whatever `losses` lets go can be made again by hand."""
    frame = np.array([values], np.int32)
    with tempfile.TemporaryDirectory() as folder:
        files = write_series(Path(folder, "raw"), [frame])
        try:
            report = convert_series(files, Path(folder, "out"), policy=policy, mrc=mrc, voltage=200)
        except braggio.BraggioError:
            return
        lost = losses(report)
        exact = [report.outputs[-1]] if mrc else []
        made = [braggio.read(path).astype(np.int64) for path in exact]
        made += [braggio.read(report.outputs[0]).astype(np.int64) - report.offset]
        assert (not lost) == any(np.array_equal(each.reshape(frame.shape), frame) for each in made)


def test_other_formats_keep_their_files(tmp_path: Path) -> None:
    """What else stands in a .ser file is not in the outputs."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.ser").write_bytes(ser([noisy(-100), noisy(-50)]))
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200}))
    (done,) = run_plan(plan, perform, engine="none", move_source=True).done
    assert "only TIA raw files" in done.warnings[-1]
    assert (tmp_path / "raw" / "a.ser").exists()


def test_an_output_that_is_not_what_was_written_keeps_the_source(tmp_path: Path) -> None:
    """The read-back is one: a byte that changed on its way to the disk is found."""
    plan = planned(tmp_path, [noisy(-100), noisy(-200)])
    run_plan(plan, perform, engine="none")
    path = tmp_path / "out" / "f_002.img"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (done,) = run_plan(plan, perform, engine="none", move_source=True).done
    assert "source kept: frame 2 cannot be made again" in done.warnings[-1]
    assert len(sources_of(plan)) == 2


def test_sources_that_others_need_or_that_are_links_stay(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-100)])
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "g_001.bin").symlink_to(files[0])
    tasks = tasks_of("smv", [str(tmp_path / "raw"), str(tmp_path / "links")], {"voltage": 200})
    report = run_plan(make_plan(tmp_path / "out", tasks), perform, engine="none", move_source=True)
    kept = [outcome.warnings[-1] for outcome in report.done if "source kept" in str(outcome.warnings)]
    assert len(kept) == 1
    assert "a link" in kept[0]
    (two,) = write_series(tmp_path / "two", [noisy(-100)], prefix="h_")
    series = Task("smv", "h", (Input.of(two),), {"voltage": 200})
    other = Task("nonsense", "other", (Input.of(two),))
    report = run_plan(make_plan(tmp_path / "both", [series, other]), perform, engine="none", move_source=True)
    assert "h_001.bin: another task reads it too" in report.done[0].warnings[-1]
    assert two.exists()


def test_recipes_without_a_comparison_keep_their_sources(tmp_path: Path, plan_of: Callable[[str, Path], Plan]) -> None:
    plan = plan_of("xtc", tmp_path)
    (done,) = run_plan(plan, perform, engine="none", move_source=True).done
    assert "source kept: recipe 'xtc' cannot prove that nothing would be lost" in done.warnings[-1]
    assert sources_of(plan)


def test_an_input_that_changed_stays(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [noisy(-1)])
    inputs = [Input.of(files[0])]

    def changing() -> str:
        os.utime(files[0], ns=(1, 1))
        return ""

    assert "changed" in move_source(tmp_path / "out", "x", inputs, [], changing)
    assert files[0].exists()
    assert not (tmp_path / "out").exists()


def test_a_removal_cut_off_is_finished_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of the series must not pass for a shorter one; files that came later stay."""
    plan = planned(tmp_path, [noisy(-100 - i, seed=i) for i in range(4)])
    unlink = os.unlink

    def killed(path: Any, **how: Any) -> None:
        if str(path).endswith("003.bin"):
            raise KeyboardInterrupt
        unlink(path, **how)

    with monkeypatch.context() as patched:
        patched.setattr(sources.os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            run_plan(plan, perform, engine="none", move_source=True)
    assert [path.name for path in sources_of(plan)] == ["f_003.bin", "f_004.bin"]
    os.utime(tmp_path / "raw" / "f_004.bin", ns=(5, 5))  # somebody has put another there
    assert [path.name for path in finish_removals(tmp_path / "out")] == ["f_003.bin"]
    assert [path.name for path in sources_of(plan)] == ["f_004.bin"]
    assert finish_removals(tmp_path / "out") == []
    assert (tmp_path / "raw" / "f_004.bin").exists()


def test_sources_stay_when_their_outputs_have_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, [noisy(-100 - i, seed=i) for i in range(3)])
    with monkeypatch.context() as patched:
        patched.setattr(sources, "_remove", lambda *_: None)  # killed right after the list was written
        run_plan(plan, perform, engine="none", move_source=True)
    (tmp_path / "out" / "f_002.img").unlink()
    with pytest.raises(OutputError, match=r"f_002.img: has changed since sources were being removed; .*removing.json"):
        finish_removals(tmp_path / "out")
    assert len(sources_of(plan)) == 3


@pytest.mark.parametrize("content", [b"", b"[]", b"[[1e400, 1, 1]]", b'{"inputs": [["a", 1e400, 1]], "outputs": []}'])
def test_a_damaged_list_of_sources_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".braggio").mkdir()
    (tmp_path / ".braggio" / "x.removing.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"x.removing.json: sources: not a list of files"):
        finish_removals(tmp_path)


def test_the_driver_killed_while_sources_go(tmp_path: Path) -> None:
    """At any moment either the source is there or all of it can be made again; in the end all are gone."""
    frames = {f"s{i:02d}_": noisy(-100 - i, seed=i) for i in range(12)}
    for prefix, frame in frames.items():
        write_series(tmp_path / "raw", [frame], prefix=prefix)
    plan = make_plan(tmp_path / "out", tasks_of("smv", [str(tmp_path / "raw")], {"voltage": 200}))
    plan.write(tmp_path / "p.jsonl")
    words = [sys.executable, "-m", "braggio", "run", str(tmp_path / "p.jsonl"), "-j", "1", "-q", "--move-source"]
    rng = random.Random(3)
    for _ in range(4):
        with subprocess.Popen(words) as process:
            time.sleep(rng.uniform(0.2, 1.2))
            process.kill()
        for prefix, frame in frames.items():
            if not (tmp_path / "raw" / f"{prefix}001.bin").exists():
                smv = braggio.open(tmp_path / "out" / f"{prefix}001.img")
                offset = int(smv.header["LEGINON_OFFSET"])
                assert np.array_equal(smv.read(0).astype(np.int32) - offset, frame)
    assert subprocess.run(words, check=False).returncode == 0
    assert tree(tmp_path / "raw") == {}
    assert status(plan).complete
