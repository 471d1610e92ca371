"""--durable and --move-source by the commands."""

import json
import os
import time

import numpy as np
import pytest
from makers import mrc, noisy, tree, write_series

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def test_smv_moves_what_it_can(tmp_path, run):
    write_series(tmp_path / "raw", [noisy(-100), noisy(-50)], prefix="whole_")
    write_series(tmp_path / "raw", [noisy(-5000)], prefix="clipped_")
    code, out, _ = run("smv", tmp_path / "raw", "-o", tmp_path / "out", "--voltage", "200", "--move-source", "--json")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert [each["series"] for each in events if each["event"] == "removed"] == ["whole"]
    (kept,) = [each["message"] for each in events if "source kept" in each.get("message", "")]
    assert "clipped: source kept: frame 1" in kept
    assert "an MRC file keeps them" in kept
    assert list(tree(tmp_path / "raw")) == ["clipped_001.bin"]
    words = ("smv", tmp_path / "raw", "-o", tmp_path / "exact", "--voltage", "200", "--mrc", "--move-source")
    assert run(*words)[0] == 0
    assert tree(tmp_path / "raw") == {}


def test_smv_dry_run_moves_nothing(tmp_path, run):
    write_series(tmp_path / "raw", [noisy(-100)])
    assert run("smv", tmp_path / "raw", "-o", tmp_path / "out", "--move-source", "--dry-run")[0] == 0
    assert list(tree(tmp_path / "raw")) == ["f_001.bin"]


def test_a_stack_is_kept_for_what_it_is(tmp_path, run):
    """Its record is found, though its name has a number."""
    (tmp_path / "a_1.mrc").write_bytes(mrc(np.ones((2, 3, 4), np.int16)))
    run("plan", "smv", tmp_path / "a_1.mrc", "-o", tmp_path / "out", "-p", tmp_path / "p.jsonl", "voltage=200")
    code, _, err = run("run", tmp_path / "p.jsonl", "--durable", "--move-source")
    assert code == 0 and "only TIA raw files are wholly in the outputs, not mrc" in err


def test_run_and_verify(tmp_path, run):
    write_series(tmp_path / "raw", [noisy(-100)])
    run("plan", "smv", tmp_path / "raw", "-o", tmp_path / "out", "-p", tmp_path / "p.jsonl", "voltage=200")
    assert run("run", tmp_path / "p.jsonl", "--durable", "--checksum")[0] == 0
    assert len(tree(tmp_path / "raw")) == 1
    assert run("run", tmp_path / "p.jsonl", "--move-source")[0] == 0
    assert tree(tmp_path / "raw") == {}
    assert run("status", tmp_path / "p.jsonl")[0] == 0
    assert run("verify", tmp_path / "p.jsonl", "--checksum")[0] == 0
    assert "0 done, 0 failed, 1 done before" in run("run", tmp_path / "p.jsonl", "--move-source")[1]


def test_watch_moves(tmp_path, run):
    for path in write_series(tmp_path / "raw", [noisy(-100)], prefix="a_") + write_series(
        tmp_path / "raw", [noisy(-5000)], prefix="b_"
    ):
        os.utime(path, (time.time() - 100, time.time() - 100))
    words = ("watch", tmp_path / "raw", "--recipe", "smv", "-o", tmp_path / "out", "--once", "voltage=200")
    code, out, err = run(*words, "--move-source")
    assert (code, out.splitlines()) == (0, ["a: done", "b: done"])
    assert "b: source kept" in err
    assert list(tree(tmp_path / "raw")) == ["b_001.bin"]


@pytest.mark.parametrize("durable", [[], ["--durable"]])
def test_convert_and_spots(durable, tmp_path, run):
    """The same files, and the same refusals."""
    (tmp_path / "a.mrc").write_bytes(mrc(np.arange(12, dtype=np.int16).reshape(3, 4)))
    assert run("convert", tmp_path / "a.mrc", "-F", "npy", "-o", tmp_path / "out", *durable)[0] == 2
    assert run("convert", tmp_path / "a.mrc", "-F", "tia_raw", "-o", tmp_path / "out", *durable)[0] == 0
    assert len(tree(tmp_path / "out")) == 1
    code, _, err = run("convert", tmp_path / "a.mrc", "-F", "tia_raw", "-o", tmp_path / "out", *durable)
    assert code == 1 and "exists" in err
    import h5py

    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["images"] = np.random.default_rng(0).integers(0, 50, (30, 20, 20)).astype(np.uint16)
    words = ("spots", tmp_path / "b.h5", "-o", tmp_path / "b_spots.h5", "--dataset", "images", "-a", "0")
    code, out, err = run(*words, *durable, "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["output"] == str(tmp_path / "b_spots.h5")
    before = (tmp_path / "b_spots.h5").read_bytes()
    code, _, err = run(*words, *durable)
    assert code == 1 and "exists" in err
    assert (tmp_path / "b_spots.h5").read_bytes() == before
    content = (tmp_path / "b.h5").read_bytes()
    code, _, err = run("spots", tmp_path / "b.h5", "-o", tmp_path / "b.h5", "--dataset", "images", "-f", *durable)
    assert code == 1 and "another file than the input" in err
    assert (tmp_path / "b.h5").read_bytes() == content
