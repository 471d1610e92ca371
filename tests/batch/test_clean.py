"""What the dead have left goes, what the living work on and what is finished stays."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from braggio._core import PartFile
from braggio.batch.clean import clean, clean_notes
from braggio.batch.staging import Staging
from braggio.formats.spots_h5 import SpotsWriter
from braggio.laue.archive import writing


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_part_files(tmp_path: Path) -> None:
    host = socket.gethostname()[:32]
    dead = tmp_path / f".a.img.{host}.{dead_process()}.0123456789abcdef.part"
    alive = tmp_path / f".b.img.{host}.{os.getpid()}.0123456789abcdef.part"
    other = tmp_path / "sub" / f".c.img.elsewhere.{dead_process()}.0123456789abcdef.part"
    mine = [tmp_path / "a.part", tmp_path / ".hidden.part", tmp_path / "a.img"]
    other.parent.mkdir()
    for path in (dead, alive, other, *mine):
        path.touch()
    assert clean(tmp_path) == [dead]
    assert clean(tmp_path, other_hosts=True) == [other]
    assert alive.exists()
    assert all(path.exists() for path in mine)


def test_a_number_that_no_process_has(tmp_path: Path) -> None:
    name = tmp_path / f".a.{socket.gethostname()[:32]}.{10**30}.0123456789abcdef.part"
    name.touch()
    assert clean(tmp_path) == [name]


def test_the_name_is_that_of_the_part_files_we_make(tmp_path: Path) -> None:
    with PartFile(str(tmp_path / "a.img")):
        (path,) = tmp_path.iterdir()
        assert f".{socket.gethostname()[:32]}.{os.getpid()}." in path.name
        assert clean(tmp_path, other_hosts=True) == []  # its process is alive
        gone = path.rename(path.with_name(path.name.replace(f".{os.getpid()}.", f".{dead_process()}.")))
        assert clean(tmp_path) == [gone]


def test_the_names_of_what_is_made_by_other_libraries(tmp_path: Path) -> None:
    """HDF5 files and archives are written by h5py and zipfile, under names like those of part files."""
    kinds: dict[str, Any] = {"arrays": (), "extra": (), "compression": "none", "overwrite": False}
    writer = SpotsWriter(str(tmp_path / "a.h5"), (1, 2, 2), 1, **kinds)
    with writing(tmp_path / "b.npz"):
        halves = list(tmp_path.iterdir())
        gone = [half.with_name(half.name.replace(f".{os.getpid()}.", f".{dead_process()}.")) for half in halves]
        for name in gone:
            name.touch()
        assert clean(tmp_path) == sorted(gone)
        assert all(half.exists() for half in halves)
    writer.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["b.npz"]


def test_notes_of_tasks(tmp_path: Path) -> None:
    """Receipts that a kill has cut off go with the next run of their tasks; nobody else's do."""
    ours, theirs, host = "0123456789abcdef", "fedcba9876543210", socket.gethostname()[:32]
    notes = tmp_path / ".braggio"
    clean_notes(tmp_path, {ours})  # nothing there yet
    notes.mkdir()
    cut = notes / f".{ours}.done.json.{host}.{dead_process()}.{'0' * 16}.part"
    kept = [
        notes / f"{ours}.done.json",
        notes / f".{ours}.done.json.{host}.{os.getpid()}.{'0' * 16}.part",
        notes / f".{ours}.done.json.elsewhere.{dead_process()}.{'0' * 16}.part",
        notes / f".{theirs}.done.json.{host}.{dead_process()}.{'0' * 16}.part",
        tmp_path / f".{ours}.img.{host}.{dead_process()}.{'0' * 16}.part",
    ]
    for path in (cut, *kept):
        path.touch()
    clean_notes(tmp_path, {ours})
    assert not cut.exists()
    assert all(path.exists() for path in kept)


def test_staging_folders(tmp_path: Path) -> None:
    working = Staging(tmp_path, "alive", "0123456789abcdef")
    working.begin(["a"], overwrite=False)
    left = tmp_path / ".dead.fedcba9876543210.part"
    left.mkdir()
    (left / "a").touch()
    assert clean(tmp_path) == [left]
    assert working.folder.exists()
    working.discard()
