"""Progress says how fast and how long still: a bar on a terminal, a line per 10 s elsewhere, JSON on demand."""

import argparse
import json
import os
import pty
import subprocess
import sys
import termios

import pytest
from makers import noisy, write_series

from braggio.cli import session as module
from braggio.cli.session import Session

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def follow(mode, clock, times):
    session = Session(argparse.Namespace(json=False, quiet=False, progress=mode))
    with session.progress("night", unit="task") as progress:
        for done, seconds in enumerate(times, 1):
            clock[0] = 100.0 + seconds
            progress(done, 20)


def test_a_line_per_10_s_with_rate_and_time_left(clock, capsys):
    follow("auto", clock, [2, 5, 9.9, 10, 12, 19.9, 21])
    assert capsys.readouterr().err.splitlines() == [
        "braggio: night: 4 of 20 tasks, 0.4 a second, 40s left",
        "braggio: night: 7 of 20 tasks, 0.333 a second, 39s left",
    ]


def test_json_has_rate_and_eta(clock, capsys):
    follow("json", clock, [2, 4])
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["done"], first["total"], first["rate"], first["eta"]) == (1, 20, 0.5, 38.0)
    assert (second["rate"], second["eta"]) == (0.5, 36.0)
    assert first["item"] == "night"


def test_run_tells_every_task(tmp_path, run):
    for name in "abc":
        write_series(tmp_path / "raw", [noisy(-100)], prefix=f"{name}_")
    run("plan", "smv", tmp_path / "raw", "-o", tmp_path / "out", "-p", tmp_path / "p.jsonl")
    code, _, err = run("run", tmp_path / "p.jsonl", "--engine", "none", "--progress", "json")
    assert code == 0
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert [(line["item"], line["done"], line["total"]) for line in lines] == [("p.jsonl", i, 3) for i in (1, 2, 3)]
    assert lines[-1]["eta"] == 0


def test_a_bar_on_a_terminal(tmp_path, run):
    """With tasks a second and the time that is left, and gone in the end."""
    for name in "abc":
        write_series(tmp_path / "raw", [noisy(-100)], prefix=f"{name}_")
    run("plan", "smv", tmp_path / "raw", "-o", tmp_path / "out", "-p", tmp_path / "p.jsonl")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    words = [sys.executable, "-m", "braggio", "run", str(tmp_path / "p.jsonl"), "--engine", "none"]
    code = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=theirs, check=False).returncode
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError:  # the terminal is gone
        pass
    os.close(ours)
    assert code == 0
    assert b"p.jsonl" in text
    assert b"task/s" in text or b"s/task" in text
