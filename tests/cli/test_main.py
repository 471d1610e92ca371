"""The top of the command line: help, version, exit codes, streams, signals."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from makers import smv, smv_lines

from braggio.cli import COMMANDS, main


def braggio(*words, **options):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "braggio", *map(str, words)], capture_output=True, text=True, timeout=60, **options
    )


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS) and "exit codes" in text


def test_help_imports_nothing_heavy():
    """--help is instant because it imports neither argparse nor numpy."""
    code = "import sys; from braggio.cli import main; main(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    assert not {"numpy", "argparse", "numba", "pandas", "h5py", "PIL", "tqdm"} & set(loaded)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_of_each_command_imports_no_numpy(name):
    code = f"""
import sys
from braggio.cli import main
try:
    main([{name!r}, "--help"])
except SystemExit:
    print("numpy" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip().endswith("False") and f"usage: braggio {name}" in found


def test_unknown_command_is_wrong_usage(capsys):
    assert main(["frobnicate"]) == 2
    assert "frobnicate" in capsys.readouterr().err


def test_unknown_option_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["info", "--no-such-option"])
    assert stopped.value.code == 2


def test_bad_file_is_one_line_and_the_others_are_done(tmp_path, demo_copy):
    """A batch goes on past a bad file, and says file, field, expected and found in one line."""
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"\x00\x00" + bytes(20))
    result = braggio("info", demo_copy[0], bad, demo_copy[1], tmp_path / "missing.bin")
    assert result.returncode == 1
    assert result.stdout.count("tia_raw, 1 frame(s)") == 2
    first, second = result.stderr.splitlines()
    assert "bad.bin" in first and "data_type" in first and "expected 1 to 8" in first and "found 0" in first
    assert "missing.bin" in second and "No such file" in second


def test_json_is_one_object_a_line_with_a_summary_last(demo_copy):
    events = [json.loads(line) for line in braggio("info", "--json", *demo_copy[:2]).stdout.splitlines()]
    assert [event["event"] for event in events] == ["done", "done", "summary"]
    assert all(event["schema"] == "braggio/1" for event in events)
    assert events[-1]["done"] == 2 and events[-1]["exit_code"] == 0


def test_json_has_no_nan(tmp_path):
    path = tmp_path / "a.img"
    path.write_bytes(smv(np.zeros((2, 3), np.uint16), ["OSC_START=nan;", "X=-1e400;", *smv_lines(np.zeros((2, 3)))]))
    event = json.loads(braggio("info", "--json", path).stdout.splitlines()[0], parse_constant=pytest.fail)
    assert event["header"]["OSC_START"] is None and event["header"]["X"] is None


def test_names_and_values_steer_no_terminal(tmp_path):
    """Nor does a name that is no UTF-8 make a failure of what has been done."""
    path = tmp_path / os.fsdecode(b"a\x1b\xff.img")
    path.write_bytes(smv(np.zeros((2, 3), np.uint16), [*smv_lines(np.zeros((2, 3))), "NOTE=b\x1b[2J;"]))
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    words = [sys.executable, "-m", "braggio", "info", path, tmp_path / "no\x1b.img"]
    result = subprocess.run(words, capture_output=True, env=environment)
    assert r"a\x1b\udcff.img: smv" in result.stdout.decode() and r"b\x1b[2J" in result.stdout.decode()
    assert result.stderr.decode().count("\n") == 1 and r"no\x1b.img: No such file" in result.stderr.decode()


def test_output_that_cannot_be_written_is_exit_5(tmp_path, demo_copy):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    result = braggio("smv", demo_copy[0].parent, "-o", blocker / "smv", "-q")
    assert result.returncode == 5 and len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_no_part_of_a_series_and_are_raised_again(tmp_path, big_series, number):
    """Whoever stopped us sees it, and no output has appeared."""
    out = tmp_path / "smv"
    process = subprocess.Popen(
        [sys.executable, "-m", "braggio", "smv", str(big_series), "-o", str(out), "-q"], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 20
    while not list(out.glob(".*.part/*.img")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, number)
    process.communicate(timeout=20)
    if process.returncode == 0:
        pytest.skip("the conversion was faster than the signal")
    assert process.returncode == -number
    assert not list(out.glob("*.img")) and not list(out.glob("*.json"))
    assert not list(out.glob(".*.part/.*.part"))  # part files go; finished frames stay for the next run
    assert braggio("smv", big_series, "-o", out, "-q").returncode == 0
    assert braggio("verify", out, "-q").returncode == 0


def test_closed_pipe_is_quiet(demo_copy):
    """``braggio info ... | head -1`` prints no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "braggio", "info", *map(str, demo_copy * 200)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)


def test_words_that_cannot_be_meant_together_are_wrong_usage(tmp_path, monkeypatch):
    """Whatever argparse cannot see ends as it would, with 2; what fails by itself with 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bin").write_bytes(b"")
    for words in (["convert"], ["convert", "a.bin"], ["pickle2cbf", "a.bin", "b.bin", "-o", "x.cbf"]):
        assert main(words) == 2
    assert main(["convert", "a.bin", "-F", "mrc"]) == 1


def test_a_misspelt_command_names_the_nearest(run):
    code, out, err = run("smw", "raw")
    assert (code, out) == (2, "")
    assert err == "braggio: error: no command 'smw'; did you mean smv?\n"


def test_options_are_not_shortened(run, demo_copy, tmp_path):
    """A new option must not change what a script means."""
    with pytest.raises(SystemExit, match="2"):
        run("smv", demo_copy[0].parent, "-o", tmp_path / "out", "--volt", "200")
    assert not (tmp_path / "out").exists()


def braggio_process(*words, **options):
    return subprocess.Popen([sys.executable, "-m", "braggio", *map(str, words)], stderr=subprocess.PIPE, **options)


def test_a_full_disk_under_standard_output(demo_copy):
    """One line and the exit code of outputs; the file that was asked about is not blamed."""
    with open("/dev/full", "wb") as full, braggio_process("info", demo_copy[0], stdout=full) as process:
        err = process.stderr.read().decode()
    assert process.returncode == 5
    assert err == "braggio: error: standard output: No space left on device\n"


def test_a_pipe_that_nobody_reads(demo_copy):
    """As any program: ended by SIGPIPE, without a word."""
    read, write = os.pipe()
    os.close(read)
    with braggio_process("info", demo_copy[0], stdout=write) as process:
        os.close(write)
        err = process.stderr.read()
    assert (process.returncode, err) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_moment(demo_copy, tmp_path, number):
    """While modules are imported too, where an exception of ours would come out as an ImportError."""
    for moment in (0.06, 0.08, 0.1, 0.15, 0.2, 0.3):
        command = ("smv", demo_copy[0].parent, "-o", tmp_path / str(moment), "--voltage", "200")
        with braggio_process(*command, stdout=subprocess.DEVNULL) as process:
            time.sleep(moment)
            process.send_signal(number)
            err = process.stderr.read().decode()
        assert process.returncode in (0, -number), err
        assert "Traceback" not in err or "site.py" in err  # the interpreter itself was still starting
