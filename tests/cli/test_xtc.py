"""``braggio xtc``: the words, the answers and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xtc_makers as made

from braggio.cli import main


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made.write(tmp_path, made.small_run(3))


def test_info(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xtc", "info", str(path), "--epics"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("run 54: 1 files, ")
    assert "3 events, 2014-12-01T07:36Z01.249 to 2014-12-01T07:36Z01.265" in out
    assert "CxiDs1-0|Cspad-0  CspadElement V2  3x" in out
    assert "alias DscCsPad = CxiDs1-0|Cspad-0" in out
    assert f"{made.MOTOR} = -451.5" in out


def test_info_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xtc", "info", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (facts["run"], facts["transitions"]["L1Accept"]) == (54, 3)
    assert facts["epics"] == {made.MOTOR: -451.5}


def test_names_of_a_file_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.write(tmp_path, made.configure(made.aliases([("a\x1b[2Kb", made.DS1)])))
    assert main(["xtc", "info", str(path), "--epics"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_list(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xtc", "info", "--list", str(path)]) == 0
    assert "L1Accept fiducials 103" in capsys.readouterr().out


def test_dump_takes_words_anywhere(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["xtc", "dump", "input.address=cspad", "--format", "npz", str(path), "-j", "2", "max_events=2"]
    assert main([*words, f"output.output_dir={out}", "--quiet", "detz_offset=100"]) == 0
    assert len(list(out.glob("shot-*.npz"))) == 2
    assert main([*words, f"output.output_dir={out}", "detz_offset=100"]) == 0
    assert "0 images written, 2 kept" in capsys.readouterr().out
    assert main([*words, f"output.output_dir={out}", "detz_offset=200"]) == 1
    assert "another dump" in capsys.readouterr().err


def test_dump_finds_the_files_of_a_run(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["file_format=h5", "address=cspad", "run_num=54", f"xtc_dir={tmp_path}", "experiment=xpptut15"]
    assert main(["xtc", "dump", *words, "-o", str(out)]) == 0
    assert (out / "r0054.h5").exists()


def test_dump_by_a_parameter_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.phil").write_text(f"input {{\n address = cspad\n}}\noutput.output_dir = {tmp_path / 'out'}\n")
    assert main(["xtc", "dump", "--phil", str(tmp_path / "a.phil"), str(path), "--format=npz"]) == 0
    assert len(list((tmp_path / "out").glob("*.npz"))) == 3


def test_the_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xtc", "dump", "-c", "-a", "2", "max_events=7"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Showing configuration parameters with:\n  attributes_level = 2\n")
    assert "  max_events = 7\n" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["address=cspad", "experiment=xpptut15", "run_num=54", "file_format=npz"], "SLAC's experiment database"),
        (["FILE", "file_format=npz"], "input.address"),
        (["FILE", "address=cspad"], "detz_offset"),
        (["FILE", "address=cspad", "nonsense=1"], "nonsense"),
        (["FILE", "address=cspad", "file_format=npz", "selected_events=True"], "input.timestamp"),
        (["address=cspad", "file_format=npz"], "expected XTC files"),
        (["address=cspad", "file_format=npz", "xtc_dir=."], "input.run_num"),
        (["FILE", "address=cspad", "detz_offset=1", "mode=rayonix"], "rayonix"),
    ],
)
def test_wrong_usage_is_one_line(
    path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["xtc", "dump", *(str(path) if word == "FILE" else word for word in words)])
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_a_bad_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = made.write(tmp_path, b"no xtc at all, but long enough to hold a datagram header")
    assert main(["xtc", "info", str(bad)]) == 1
    err = capsys.readouterr().err
    assert "not an LCLS-I XTC file" in err and len(err.splitlines()) == 1
    assert main(["xtc", "info", str(tmp_path / "nowhere.xtc")]) == 1


def test_a_cut_file_is_a_warning(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["xtc", "info", str(path)]) == 0
    assert "what stands before is used" in capsys.readouterr().err
