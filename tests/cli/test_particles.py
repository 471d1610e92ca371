"""Protects: the particle commands do what the library does, and refuse with the right exit code."""

from __future__ import annotations

import json

import numpy as np
import pytest
from particle_makers import Maker

from braggio.cli import main
from braggio.formats.cryosparc import write_cs
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
    assert main(["particles", "info", "p.star", "--sheet", "new.png", "--plot", "p.png"]) != 0  # it exists
    assert not (maker.folder / "new.png").exists()


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
    assert main(["particles", "select", "p.star", "--where", "nonsense", "-o", "t.star"]) == 2


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


def test_select_keeps_angles_of_rows_without_images(maker) -> None:
    (maker.folder / "c.star").write_text("data_\nloop_\n_rlnCoordinateX\n_rlnAnglePsi\n10 30\n20 40\n")
    assert main(["particles", "select", "c.star", "--rows", "1:", "-o", "d.star"]) == 0
    assert "_rlnAnglePsi" in (maker.folder / "d.star").read_text()


def test_conditions_on_integers_are_exact(maker, capsys) -> None:
    """As float64, 2^63 to 2^63 + 4 are one number."""
    uid = np.uint64(2**63) + np.arange(5, dtype=np.uint64)
    write_cs("a.cs", {"uid": uid, "my/pair": np.zeros((5, 2), np.float32)})
    for condition, rows in ((f"uid=={uid[2]}", 1), (f"uid>={uid[2]}", 3), ("uid>-1", 5), ("uid<1e30", 5)):
        assert main(["particles", "select", "a.cs", "--where", condition, "-o", "b.cs", "-f"]) == 0
        assert len(read("b.cs", strict=False)) == rows, condition
    capsys.readouterr()
    for condition, problem in (("uid==x", "uid holds numbers"), ("my/pair>1", "my/pair has (2,)")):
        assert main(["particles", "select", "a.cs", "--where", condition, "-o", "c.cs"]) == 1
        assert problem in capsys.readouterr().err


def test_the_box_of_pairs_is_compared(maker, capsys) -> None:
    text = "data_\nloop_\n_rlnDefocusU\n_rlnDefocusV\n_rlnDefocusAngle\n_rlnVoltage\n_rlnSphericalAberration\n"
    (maker.folder / "g.star").write_text(text + "1 2 3 300 2.7\n" * 4)
    words = ["particles", "convert", "g.star", "--stack", "a.mrcs", "-o", "G", "--n-pixels"]
    assert main([*words, "9"]) == 1 and not (maker.folder / "G").exists()
    assert "a.mrcs: n-pixels: expected 8, the box of the stacks, found 9" in capsys.readouterr().err
    assert main([*words, "8"]) == 0
