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


def test_outputs_that_exist(maker, capsys) -> None:
    """-f replaces, -n leaves and is no failure, -u replaces what has changed, --dry-run writes nothing."""
    import os
    from pathlib import Path

    convert = ["particles", "convert", "p.star", "-o", "O", "--batch-size", "2", "-j", "2"]
    assert main([*convert, "--dry-run"]) == 0 and not Path("O").exists()
    assert "3 images of 8 x 8 at 1.5 A in 2 batches: would be written" in capsys.readouterr().out
    assert main(convert) == 0
    made = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in Path("O").iterdir()}

    def untouched() -> bool:
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in Path("O").iterdir()} == made

    assert main(convert) == 1 and main([*convert, "-n"]) == 0 and main([*convert, "-u"]) == 0 and untouched()
    assert "up to date" in capsys.readouterr().out
    assert main([*convert, "-u", "--normalize", "none"]) == 0 and not untouched()
    assert main([*convert, "-u"]) == 0 and {p.name: p.read_bytes() for p in Path("O").iterdir()} == {
        name: content for name, (_, content) in made.items()
    }
    made = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in Path("O").iterdir()}
    os.utime("a.mrcs")
    assert main([*convert, "-u"]) == 0 and not untouched()
    for action, name in (("select", "s.star"), ("star2cs", "s.cs")):
        command = ["particles", action, "p.star", "-o", name]
        assert main([*command, "--dry-run"]) == 0 and not Path(name).exists()
        assert main(command) == 0
        Path(name).write_text("mine")
        assert main(command) == 1 and main([*command, "-n"]) == 0 and Path(name).read_text() == "mine"
        assert main([*command, "-f"]) == 0 and read(name).n == 3


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
