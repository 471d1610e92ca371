"""Protects: the particle commands do what the library does, and refuse with the right exit code."""

from __future__ import annotations

import json

import pytest
from particle_makers import Maker

from braggio.cli import main
from braggio.particles import read


@pytest.fixture
def maker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    maker = Maker(tmp_path)
    maker.stack("a.mrcs")
    maker.table(["3@a.mrcs", "1@a.mrcs", "2@a.mrcs"])
    return maker


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_info(maker, capsys) -> None:
    assert main(["particles", "info", "p.star", "--sheet", "s.png", "--plot", "p.png", "--json"]) == 0
    done = events(capsys)[0]
    assert done["particles"] == 3 and done["stacks"] == 1 and done["defaults"]["CtfBfactor"] == 0
    for name in ("s.png", "p.png"):
        assert (maker.folder / name).read_bytes().startswith(b"\x89PNG")
    assert main(["particles", "info", "p.star", "--plot", "p.png"]) != 0  # it exists


def test_check(maker, capsys) -> None:
    assert main(["particles", "check", "p.star"]) == 0
    assert "3 particles in 1 stacks: ok" in capsys.readouterr().out
    (maker.folder / "a.mrcs").unlink()
    assert main(["particles", "check", "p.star", "--json"]) == 1
    assert events(capsys)[0]["counts"] == {"missing": 1}


def test_convert_restack_select(maker, capsys) -> None:
    assert (
        main(["particles", "convert", "p.star", "-o", "O", "--downsample-factor", "2", "--batch-size", "2", "--json"])
        == 0
    )
    done = next(event for event in events(capsys) if event["event"] == "done")
    assert done["n_pixels"] == 4 and done["pixel_size"] == 3.0 and len(done["batches"]) == 2
    assert main(["particles", "convert", "p.star", "-o", "O"]) != 0  # exists
    assert main(["particles", "convert", "p.star", "-o", "P", "--n-pixels", "9"]) == 1
    assert main(["particles", "restack", "p.star", "-o", "R", "--metadata", "both"]) == 0
    assert main(["particles", "select", "p.star", "--where", "DefocusU>10000", "--rows", ":1", "-o", "s.star"]) == 0
    assert read("s.star")["DefocusU"].tolist() == [10001]
    assert main(["particles", "select", "p.star", "--where", "nonsense", "-o", "t.star"]) == 1


def test_both_ways(maker) -> None:
    assert main(["particles", "star2cs", "p.star", "-o", "a.cs", "--format", "csdat"]) == 0
    assert main(["particles", "cs2star", "a.cs", "-o", "b.star", "--exact"]) == 0
    assert read("b.star")["DefocusU"].tolist() == [10000, 10001, 10002] and read("b.star").index.tolist() == [2, 0, 1]


def test_usage_and_unsafe(maker, capsys) -> None:
    maker.table(["1@../a.mrcs"], name="out.star")
    assert main(["particles", "convert", "out.star", "-o", "O"]) == 4
    with pytest.raises(SystemExit) as caught:
        main(["particles"])
    assert caught.value.code == 2
