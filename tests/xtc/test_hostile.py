"""Damaged runs: every answer is what can be read, a damage that is told, or a typed error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import xtc_makers as made

from braggio.errors import BraggioError
from braggio.xtc import DumpOptions, IndexedRun, Run, dump_run, open_run, run_info

MAX_EVENTS = 50  # a file of 1460 bytes cannot hold more


def use(path: Path) -> tuple[int, int]:
    """Read everything that a run offers: (events, images)."""
    run = open_run(path)
    events = images = 0
    for event in run.events():
        events += 1
        assert isinstance(event.timestamp, str)
        with suppress(BraggioError):
            event.wavelength  # noqa: B018
        with suppress(BraggioError):
            event.evr  # noqa: B018
        with suppress(BraggioError):
            assert event.image("Tm6740").size <= 24 * 8
            images += 1
        assert len(event.faults) < 10 and len(event.damaged) < 50
    assert events <= MAX_EVENTS
    return events, images


@pytest.fixture(scope="module")
def whole() -> bytes:
    return made.tiny_run()


def test_every_truncation(tmp_path: Path, whole: bytes) -> None:
    """Events whose last byte is there are given; the cut one is not, and the run says so."""
    path, found = tmp_path / "e1-r0054-s00-c00.xtc", []
    messages: list[str] = []
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        try:
            found.append(use(path)[1])
        except BraggioError as error:
            messages.append(str(error))
            found.append(-1)
    path.write_bytes(whole)
    assert use(path) == (2, 2)
    assert found == sorted(found) and set(found) == {-1, 0, 1, 2}
    assert all(str(path) in message for message in messages) and len(messages) < 400


def test_flipped_bits(tmp_path: Path, whole: bytes) -> None:
    path, messages = tmp_path / "e1-r0054-s00-c00.xtc", []
    for i in range(len(whole)):  # one bit of each byte; the C++ tests flip them all
        damaged = bytearray(whole)
        damaged[i] ^= 1 << i % 8
        path.write_bytes(damaged)
        try:
            use(path)
        except BraggioError as error:
            messages.append(str(error))
    assert all(str(path) in message for message in messages)
    assert 0 < len(messages) < 40  # only damage of the first datagram's header loses all


def test_words_of_ones_and_zeros(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "e1-r0054-s00-c00.xtc"
    for i in range(0, len(whole) - 3, 4):
        for word in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x14\0\0\0"):
            path.write_bytes(whole[:i] + word + whole[i + 4 :])
            with suppress(BraggioError):
                use(path)


def test_damaged_cspad_runs_are_dumped_as_far_as_they_go(tmp_path: Path) -> None:
    """Headers of a CSPAD run damaged at random; what is written is exact or left out."""
    whole = made.small_run(2)
    config = whole.index(np.array([made.CSPAD_CONFIG | 5 << 16], "<u4").tobytes())
    random = np.random.default_rng(5)
    places = np.concatenate([np.arange(config - 12, config + 100), np.arange(288300, 288520), [len(whole) - 30]])
    for turn, place in enumerate(random.choice(places, 60, replace=False)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path = made.write(tmp_path, bytes(damaged))
        with suppress(BraggioError):
            report = dump_run(open_run(path), DumpOptions("cspad", output_dir=str(tmp_path / f"out{turn}")))
            assert report.written + len(report.failed) + sum(report.missing.values()) == report.events
        assert not list(tmp_path.glob("out*/.*.part"))


def test_info_and_index_of_damaged_runs(tmp_path: Path, whole: bytes) -> None:
    random = np.random.default_rng(7)
    path = tmp_path / "e1-r0054-s00-c00.xtc"
    for _ in range(150):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            damaged[place] = int(random.integers(256))
        path.write_bytes(damaged)
        with suppress(BraggioError):
            run = Run([path])
            run_info(run)
            indexed = IndexedRun(run)
            for i in range(len(indexed)):
                assert indexed[i].index == i


def test_a_file_that_is_cut_while_it_is_read(tmp_path: Path) -> None:
    path = made.write(tmp_path, made.small_run(3))
    run = open_run(path)
    events = run.events()
    next(events)
    with path.open("r+b") as file:
        file.truncate(300000)
    with pytest.raises(BraggioError):
        next(events).image("cspad")


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BraggioError, match="regular file"):
        open_run(tmp_path / "pipe")
