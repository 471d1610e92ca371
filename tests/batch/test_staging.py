"""Outputs that appear together or not at all; and part files, which are how each of them is made."""

from __future__ import annotations

import datetime
import errno
import os
import stat
from pathlib import Path

import pytest
from makers import entries

from braggio._core import PartFile
from braggio.batch.staging import Staging, digest
from braggio.errors import OutputError


def made(folder: Path, names: dict[str, bytes], task: str = "1" * 16) -> Staging:
    staging = Staging(folder, "task", task)
    staging.begin([*names, "record"], overwrite=False)
    for name, content in names.items():
        staging.path(name).write_bytes(content)
    return staging


def test_everything_appears_with_the_record(tmp_path: Path) -> None:
    staging = made(tmp_path, {"a": b"1", "b": b"2"})
    assert [name for name in entries(tmp_path) if not name.startswith(".")] == []
    staging.publish(["a", "b"], "record", b"done")
    assert entries(tmp_path) == ["a", "b", "record"]
    assert (tmp_path / "record").read_bytes() == b"done"


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    staging = made(tmp_path, {"a": b"1"})
    staging.discard()
    assert entries(tmp_path) == []


@pytest.mark.parametrize("existing", ["a", "record"])
def test_existing_outputs_are_refused_before_any_work(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).write_bytes(b"precious")
    with pytest.raises(OutputError, match="overwrite"):
        made(tmp_path, {"a": b"1"})
    assert entries(tmp_path) == [existing]


def test_a_dangling_link_exists_too(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError):
        made(tmp_path, {"a": b"1"})
    assert entries(tmp_path) == ["a"]


def test_a_folder_under_an_output_name_is_refused_before_any_work(tmp_path: Path) -> None:
    """Even with `overwrite`: the rename would fail half way through the group."""
    (tmp_path / "b").mkdir()
    staging = Staging(tmp_path, "task", "1" * 16)
    with pytest.raises(OutputError):
        staging.begin(["a", "b", "record"], overwrite=True)
    assert entries(tmp_path) == ["b"]


def test_two_tasks_of_one_name_do_not_mix(tmp_path: Path) -> None:
    """Both began while nothing was there; the second to finish is refused, not laid over the first."""
    first = made(tmp_path, {"a": b"first", "b": b"first"}, "1" * 16)
    second = made(tmp_path, {"a": b"second", "b": b"second"}, "2" * 16)
    first.publish(["a", "b"], "record", b"first")
    with pytest.raises(OutputError):
        second.publish(["a", "b"], "record", b"second")
    assert {(tmp_path / name).read_bytes() for name in ("a", "b", "record")} == {b"first"}


def test_an_old_record_does_not_vouch_for_a_half_replaced_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off between two renames, with `overwrite`: no record is there, so that nobody takes the mixture for whole."""
    made(tmp_path, {"a": b"old", "b": b"old"}).publish(["a", "b"], "record", b"old")
    staging = Staging(tmp_path, "task", "2" * 16)
    staging.begin(["a", "b", "record"], overwrite=True)
    for name in "ab":
        staging.path(name).write_bytes(b"new")
    real = os.replace

    def cut_off(source: str, target: str) -> None:
        if Path(target).name == "b":
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt), staging:
        staging.publish(["a", "b"], "record", b"new")
    monkeypatch.undo()
    if (tmp_path / "a").read_bytes() == b"new":
        assert not (tmp_path / "record").exists()
    again = Staging(tmp_path, "task", "2" * 16)
    again.begin(["a", "b", "record"], overwrite=True)
    assert again.finished("a", 3)
    assert again.finished("b", 3)
    again.publish(["a", "b"], "record", b"new")
    assert {(tmp_path / name).read_bytes() for name in ("a", "b", "record")} == {b"new"}
    assert entries(tmp_path) == ["a", "b", "record"]


def test_finished_knows_only_whole_files_of_this_task(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"22")
    staging = Staging(tmp_path, "task", "1" * 16)
    staging.begin(["a", "record"], overwrite=True)
    staging.path("a").write_bytes(b"1")
    assert staging.finished("a", 1)
    assert not staging.finished("a", 2)
    assert not staging.finished("b", 2), "a file of somebody else in the target"


def test_a_target_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for target in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere/x")):
        with pytest.raises(OutputError) as caught:
            Staging(target, "task", "1" * 16).begin(["a"], overwrite=False)
        assert caught.value.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.EACCES, errno.EPERM)


def test_missing_parents_are_made(tmp_path: Path) -> None:
    made(tmp_path / "x" / "y", {"a": b"1"}).publish(["a"], "record", b"")
    assert entries(tmp_path / "x") == ["y", "y/a", "y/record"]


def test_equal_tasks_have_equal_digests() -> None:
    """And any difference another: no collision of types that print alike is possible within one parameter's type."""
    base = {"offset": None, "files": [("a", 1)], "date": datetime.datetime(2020, 1, 1)}
    assert digest(base) == digest(dict(reversed(base.items())))
    for changed in (
        {"offset": 0},
        {"files": [("a", 2)]},
        {"files": []},
        {"date": datetime.datetime(2020, 1, 2)},
        {"more": 1},
    ):
        assert digest(base | changed) != digest(base)
    assert len(digest({})) == 16


# --- part files


def test_a_part_file_is_hidden_until_published(tmp_path: Path) -> None:
    part = PartFile(str(tmp_path / "a"))
    part.write(b"hello", 0)
    assert all(name.startswith(".") for name in entries(tmp_path))
    part.publish(overwrite=False)
    assert entries(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"hello"


def test_a_dropped_part_file_is_gone(tmp_path: Path) -> None:
    part = PartFile(str(tmp_path / "a"))
    part.write(b"hello", 0)
    del part
    assert entries(tmp_path) == []


def test_publishing_twice_or_after_discard_is_refused(tmp_path: Path) -> None:
    part = PartFile(str(tmp_path / "a"))
    part.publish(overwrite=False)
    for call in (lambda: part.publish(overwrite=True), lambda: part.write(b"x", 0), lambda: part.reserve(1)):
        with pytest.raises(OutputError):
            call()
    part = PartFile(str(tmp_path / "b"))
    part.discard()
    with pytest.raises(OutputError):
        part.publish(overwrite=True)
    assert entries(tmp_path) == ["a"]


def test_many_part_files_of_one_target(tmp_path: Path) -> None:
    """Each has a name of its own; the last to publish wins with `overwrite`, the first without."""
    parts = [PartFile(str(tmp_path / "a")) for _ in range(5)]
    for i, part in enumerate(parts):
        part.write(bytes([i]), 0)
    parts[3].publish(overwrite=False)
    with pytest.raises(OutputError):
        parts[1].publish(overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"\3"
    parts[4].publish(overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"\4"
    del parts, part
    assert entries(tmp_path) == ["a"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        part = PartFile(str(tmp_path / "a"))
        part.publish(overwrite=False)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_names_up_to_the_limit(tmp_path: Path) -> None:
    """The part file's longer name is cut, never the target's."""
    name = "x" * 255
    part = PartFile(str(tmp_path / name))
    part.publish(overwrite=False)
    assert entries(tmp_path) == [name]
    with pytest.raises(OutputError):
        PartFile(str(tmp_path / ("x" * 256))).publish(overwrite=False)
    assert entries(tmp_path) == [name]


def test_durable_publishing(tmp_path: Path) -> None:
    part = PartFile(str(tmp_path / "a"))
    part.write(b"x", 0)
    part.publish(overwrite=False, durable=True)
    assert (tmp_path / "a").read_bytes() == b"x"
