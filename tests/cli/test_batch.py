"""The commands of a plan, from making it to checking what it made."""

import json
import os
import shlex
import subprocess
import sys
import time

import numpy as np
import pytest
from makers import noisy, tree, write_series

from braggio.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


@pytest.fixture
def raw(tmp_path):
    """Three series of two frames."""
    for name in "abc":
        write_series(tmp_path / "raw", [noisy(-100), noisy(-200, seed=1)], prefix=f"{name}_")
    return tmp_path / "raw"


@pytest.fixture
def plan(raw, tmp_path, run):
    code, _, _ = run("plan", "smv", raw, "-o", tmp_path / "out", "-p", tmp_path / "p.jsonl", "voltage=200", "mrc=true")
    assert code == 0
    return tmp_path / "p.jsonl"


def test_from_plan_to_verified(plan, tmp_path, run):
    assert run("status", plan)[0] == 75
    code, out, _ = run("run", plan, "--engine", "none", "--checksum")
    assert code == 0
    assert "3 done, 0 failed, 0 done before, 0 left" in out
    code, out, _ = run("status", plan, "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["done"] == ["a", "b", "c"]
    assert run("verify", plan, "--checksum")[0] == 0
    code, out, _ = run("run", plan, "--engine", "none")
    assert "0 done, 0 failed, 3 done before" in out
    (tmp_path / "out" / "b_002.mrc").unlink()
    code, _, err = run("verify", plan)
    assert code == 1
    assert "b_002.mrc" in err


def test_the_same_as_the_direct_command(plan, raw, tmp_path, run):
    run("run", plan, "--engine", "none")
    run("smv", raw, "-o", tmp_path / "direct", "--voltage", "200", "--mrc", "-q")
    made = {name: content for name, content in tree(tmp_path / "out").items() if not name.startswith(".braggio")}
    direct = tree(tmp_path / "direct")
    assert {name: content for name, content in made.items() if not name.endswith(".json")} == {
        name: content for name, content in direct.items() if not name.endswith(".json")
    }


def test_a_split_series(raw, tmp_path, run):
    words = ["plan", "smv", raw, "-o", tmp_path / "out", "--split", "1", "-p", tmp_path / "p.jsonl", "voltage=200"]
    assert run(*words)[0] == 0
    assert run("run", tmp_path / "p.jsonl", "--engine", "none", "--shard", "1/2", "--wait", "0s")[0] == 75
    assert run("run", tmp_path / "p.jsonl", "--engine", "none", "--checksum")[0] == 0
    assert run("status", tmp_path / "p.jsonl")[0] == 0
    code, out, _ = run("verify", tmp_path / "p.jsonl")
    assert code == 0
    assert out.splitlines() == ["a: ok", "b: ok", "c: ok"]
    assert run("verify", tmp_path / "out", "-q")[0] == 0
    assert run("plan", "matching", raw, "-o", tmp_path / "x", "--split", "2")[0] != 0


def test_plan_on_standard_output(raw, tmp_path, run):
    code, out, _ = run("plan", "smv", raw, "-o", tmp_path / "out")
    assert code == 0
    assert [json.loads(line).get("name") for line in out.splitlines()] == [None, "a", "b", "c"]
    assert not (tmp_path / "out").exists()


def test_max_time_leaves_work_and_says_so(plan, run):
    code, out, _ = run("run", plan, "--engine", "none", "--max-time", "0s")
    assert code == 75
    assert "3 left" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["smv", "volltage=200"], "volltage: no such option; did you mean voltage?"),
        (["smv", "voltage=-200"], "voltage: expected a positive number of kV, found -200"),
        (["smv", "policy=legion"], "policy: did you mean leginon?: expected leginon or median"),
        (["smw"], "recipe: did you mean smv?"),
    ],
)
def test_wrong_parameters_are_told_when_a_plan_is_made(raw, tmp_path, run, words, message):
    """Wrong usage at once, with the nearest name; a plan that must fail is not written."""
    recipe, *params = words
    code, _, err = run("plan", recipe, raw, "-o", tmp_path / "out", "-p", tmp_path / "p.jsonl", *params)
    assert code == 2
    assert message in err
    assert not (tmp_path / "p.jsonl").exists()


@pytest.mark.parametrize("words", [["--engine", "abacus"], ["--shard", "5/4"], ["--shard", "auto"]])
def test_wrong_engine_or_shard(words, plan, run, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM", "OMPI", "PMI")):
            monkeypatch.delenv(name)
    code, _, err = run("run", plan, *words)
    assert code == 1
    assert err.startswith("braggio: error: ")


def test_a_hint_where_every_process_would_do_everything(plan, run, monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    assert "--shard auto" in run("run", plan, "--engine", "none")[2]


def test_clean(plan, tmp_path, run):
    run("run", plan, "--engine", "none")
    before = tree(tmp_path / "out")
    (tmp_path / "out" / ".old.0123456789abcdef.part").mkdir()
    code, out, _ = run("clean", plan)
    assert code == 0
    assert ".old.0123456789abcdef.part: removed" in out
    assert tree(tmp_path / "out") == before


def test_slurm_script(plan, run, tmp_path):
    code, out, _ = run("slurm-script", plan, "--shards", "200", "--limit", "30", "--sbatch=--partition=short")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "#SBATCH --array=0-199%30" in lines
    assert "#SBATCH --partition=short" in lines
    assert f"srun braggio run {plan} --shard auto -j 1" in lines
    (tmp_path / "s.sh").write_text(out)
    assert subprocess.run(["bash", "-n", tmp_path / "s.sh"]).returncode == 0
    assert run("slurm-script", plan, "--shards", "1001")[0] == 1


def test_watch_once(raw, tmp_path, run):
    for path in raw.iterdir():
        os.utime(path, (time.time() - 100, time.time() - 100))
    words = ("watch", raw, "--recipe", "smv", "-o", tmp_path / "out", "--once", "voltage=200")
    code, out, _ = run(*words)
    assert code == 0
    assert out.splitlines() == ["a: done", "b: done", "c: done"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    code, out, _ = run(*words)
    assert (code, out) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_watch_while_files_come(tmp_path):
    """A process that watches, and a detector that writes slowly: each series is converted once, whole."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    words = ["braggio.cli", "watch", raw, "--recipe", "smv", "-o", out, "--interval", "0.1", "--settle", "0.2"]
    code = "import sys; from braggio.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *map(str, words[1:]), "--frames", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for number in (1, 2):
            content = b"\x06\x00" + np.array([17, 12], "<i4").tobytes() + noisy(-number).astype("<i4").tobytes()
            with open(raw / f"f_{number:03d}.bin", "wb") as file:
                for start in range(0, len(content), 300):
                    file.write(content[start : start + 300])
                    file.flush()
                    time.sleep(0.1)
        while json.loads(process.stdout.readline())["event"] != "done":
            pass
        process.terminate()
        rest = [json.loads(line) for line in process.stdout]
    assert [each["event"] for each in rest] == ["summary"]
    assert process.returncode == 0
    assert sorted(path.name for path in out.glob("*.img")) == ["f_001.img", "f_002.img"]


def test_selftest(run):
    code, out, _ = run("selftest")
    assert code == 0
    assert "processor(s): the least of affinity" in out
    assert out.count(": ok") == 5


def test_relion_job(tmp_path, run):
    """Exit files are written last, the right one, and those of an earlier run go first."""
    import mrcfile
    import pandas as pd
    import starfile

    images = np.random.default_rng(0).normal(0, 1, (3, 8, 8)).astype(np.float32)
    with mrcfile.new(tmp_path / "s.mrcs") as mrc:
        mrc.set_data(images)
    optics = pd.DataFrame(
        {
            "rlnOpticsGroup": [1],
            "rlnImagePixelSize": [1.5],
            "rlnImageSize": [8],
            "rlnVoltage": [300.0],
            "rlnSphericalAberration": [2.7],
            "rlnAmplitudeContrast": [0.1],
            "rlnImageDimensionality": [2],
        }
    )
    rows = pd.DataFrame(
        {
            "rlnImageName": [f"{i}@{tmp_path}/s.mrcs" for i in (1, 2, 3)],
            "rlnOpticsGroup": 1,
            "rlnDefocusU": 1e4,
            "rlnDefocusV": 1e4,
            "rlnDefocusAngle": 0.0,
            "rlnAngleRot": 0.0,
            "rlnAngleTilt": 0.0,
            "rlnAnglePsi": 0.0,
        }
    )
    starfile.write({"optics": optics, "particles": rows}, tmp_path / "p.star")
    job = tmp_path / "External" / "job001"
    job.mkdir(parents=True)
    (job / "RELION_JOB_EXIT_FAILURE").touch()
    words = ("relion-job", "--o", job, "--in_parts", tmp_path / "p.star", "--j", "2", "batch_size=2")
    code, _, err = run(*words, 'reading={"allow_outside": true}')
    assert (code, err) == (0, "")
    assert sorted(path.name for path in job.glob("RELION*")) == ["RELION_JOB_EXIT_SUCCESS"]
    assert len(list((job / "particles").glob("*.mrcs"))) == 2
    (job / "RELION_JOB_ABORT_NOW").touch()
    assert run(*words, 'reading={"allow_outside": true}')[0] == 1
    assert (job / "RELION_JOB_EXIT_ABORTED").exists()
    assert not (job / "RELION_JOB_EXIT_SUCCESS").exists()
    (tmp_path / "p.star").write_text("nonsense")
    assert run(*words)[0] == 1
    assert (job / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("batch_sise=1", "batch_sise: no such option; did you mean batch_size?"),
        ("overwrite=false", "overwrite: no such option; "),
        ("out=x", "out: no such option; "),
        ("batch_size=x", "batch_size: expected an integer of at least 1, found 'x'"),
        ("pixel_size=x", "pixel_size: expected a finite number of A, found 'x'"),
        ('reading={"colour": 1}', "colour: no such option of reading; did you mean columns?"),
    ],
)
def test_relion_job_refuses_unknown_parameters(tmp_path, run, word, problem):
    """In one line, and RELION learns of it."""
    code, _, err = run("relion-job", "--o", tmp_path / "job", "--in_parts", tmp_path / "p.star", word)
    assert code == 1 and problem in err and err.count("\n") == 1
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["RELION_JOB_EXIT_FAILURE"]


def test_every_command_has_help(capsys):
    for command in ("plan", "run", "status", "clean", "watch", "slurm-script", "relion-job", "selftest"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert command in capsys.readouterr().out


def test_a_watch_outlives_a_file_that_has_gone(raw, tmp_path):
    """Between two looks at it; a link that leads nowhere is told once and no more."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x_001.bin").symlink_to(tmp_path / "nowhere")
    options = ["--recipe", "smv", "-o", tmp_path / "out", "--settle", "0", "--interval", "0.05", "--frames", "2"]
    words = [sys.executable, "-m", "braggio", "watch", tmp_path / "in", *options, "voltage=200"]
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True) as process:
        assert "x_001.bin" in process.stderr.readline()
        (tmp_path / "in" / "x_001.bin").unlink()
        for file in raw.glob("a_*"):
            file.rename(tmp_path / "in" / file.name)
        end = time.monotonic() + 20
        while not (tmp_path / "out" / "a_002.img").exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.terminate()
    assert (tmp_path / "out" / "a_002.img").exists()


def test_json_is_nothing_but_events(plan, raw, tmp_path, run):
    code, out, _ = run("plan", "smv", raw, "-o", tmp_path / "out", "--json")
    event, summary = map(json.loads, out.splitlines())
    assert (code, event["event"], len(event["content"].splitlines()), summary["event"]) == (0, "plan", 4, "summary")
    code, out, _ = run("slurm-script", plan, "--shards", "2", "--json")
    event, _ = map(json.loads, out.splitlines())
    assert (code, event["event"]) == (0, "script")
    assert event["content"].endswith("--shard auto -j 1\n")


@pytest.mark.parametrize("name", ["a \nb", "-a", "$(x) `y` 'z' \"q\""])
def test_a_script_names_its_plan_exactly(name, run):
    _, out, _ = run("slurm-script", "--shards", "2", "--", name)
    command = shlex.split(out[out.index("srun ") :])
    assert command[:3] == ["srun", "braggio", "run"]
    assert command[3].removeprefix("./") == name
    assert not command[3].startswith("-")


@pytest.mark.parametrize("text", ["nan", "-5", "3x"])
def test_what_is_no_duration(text, plan, raw, tmp_path, run):
    for words in (
        ["run", plan, f"--wait={text}"],
        ["watch", raw, "--recipe", "smv", "-o", tmp_path, f"--settle={text}"],
    ):
        with pytest.raises(SystemExit) as ended:
            run(*words)
        assert ended.value.code == 2
