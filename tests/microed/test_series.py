"""Which files are one series: exact prefixes, numeric order, gaps, duplicates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from braggio.errors import MetadataError
from braggio.microed.scan import as_series
from braggio.microed.series import find_series, group_series, split_name


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def test_target_1_is_not_target_10(tmp_path: Path) -> None:
    """The glob of the old chain, 123_1*.bin, took all three together."""
    touch(tmp_path, "123_1_001.bin", "123_1_002.bin", "123_10_001.bin", "123_11_001.bin", "123_1_003.bin")
    found = {each.prefix: each.numbers for each in find_series(tmp_path)}
    assert found == {"123_1_": (1, 2, 3), "123_10_": (1,), "123_11_": (1,)}


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell makes of a variable that was never set."""
    touch(tmp_path, "a_1.bin")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MetadataError, match="series"):
        find_series("")


def test_order_is_numeric_not_lexical(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a_{i}.bin" for i in (10, 9, 100, 1)))
    [series] = find_series(tmp_path)
    assert [path.name for path in series.files] == ["a_1.bin", "a_9.bin", "a_10.bin", "a_100.bin"]


def test_order_does_not_depend_on_how_files_are_given(tmp_path: Path) -> None:
    files = touch(tmp_path, *(f"a_{i:03d}.bin" for i in range(1, 8)))
    assert (
        group_series(reversed(files))
        == group_series(files)
        == find_series(tmp_path)
        == find_series(str(tmp_path / "a_*.bin"))
    )


def test_gaps_and_duplicates() -> None:
    [series] = group_series(["a_2.bin", "a_7.bin", "a_4.bin"])
    assert (series.gaps, series.duplicates, len(series)) == ((3, 5, 6), (), 3)
    [series] = group_series(["a_7.bin", "a_007.bin", "a_8.bin"])
    assert (series.gaps, series.duplicates) == ((), (7,))


def test_numbers_far_apart_cost_nothing() -> None:
    """A time stamp in one name is not a gap of twenty billion frames to be listed: bounded, or refused."""
    script = """
import resource
from braggio.errors import BraggioError
from braggio.microed.series import group_series
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    [series] = group_series(["scan_1.bin", "scan_20240101120000.bin"])
    assert len(series.gaps) < 1_000_000
except BraggioError:
    pass
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=10, capture_output=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("123_10_007.bin", ("123_10_", 7)),
        ("dark.bin", ("dark", None)),
        ("007.bin", ("", 7)),
        ("a.1.bin", ("a.", 1)),
        ("a1b.bin", ("a1b", None)),
        ("x_5.ser", ("x_5", None)),
        ("a_0.bin", ("a_", 0)),
        ("a-01.BIN", ("a-", 1)),
        ("a b_3.bin", ("a b_", 3)),
        ("a\n_3.bin", ("a\n_", 3)),
    ],
)
def test_split_name(name: str, expected: tuple[str, int | None]) -> None:
    assert split_name(name) == expected


def test_folders_suffixes_and_bare_names_are_series_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = touch(tmp_path, "a_1.bin", "dark.bin", "light.bin", "a_1.ser", "a.bin") + touch(tmp_path / "b", "a_1.bin")
    assert all(len(series) == 1 for series in group_series(files))
    assert len(group_series(files)) == 6


def test_each_ser_file_is_a_series(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.ser", "a_2.ser")
    assert [series.prefix for series in find_series(tmp_path)] == ["a_1", "a_2"]


def test_series_of_different_prefixes_have_different_names() -> None:
    """The name is that of the record: a_ and a- beside each other must not share one."""
    for names in (["a_1.bin", "a-1.bin"], ["a_1.bin", "a_1.ser"], ["1.bin", "_1.bin"], ["a_1.bin", "a__1.bin"]):
        found = group_series(names)
        assert len({series.name for series in found}) == len(found), names


def test_what_a_folder_search_leaves_out(tmp_path: Path) -> None:
    """Hidden files (part files, the staging folder) and other suffixes; suffixes count in any case."""
    touch(tmp_path, ".a_1.bin", "a_1.img", "a_1.txt", "b_1.BIN")
    assert [series.prefix for series in find_series(tmp_path)] == ["b_"]


def test_mrc_files_of_a_folder_without_raw_ones(tmp_path: Path) -> None:
    """Beside raw files they are copies of them; alone they are the series."""
    touch(tmp_path, "a_1.mrc", "a_2.mrc.gz", "b.txt")
    assert [series.numbers for series in find_series(tmp_path)] == [(1, 2)]
    touch(tmp_path, "a_1.bin")
    assert [[path.suffix for path in series.files] for series in find_series(tmp_path)] == [[".bin"]]


def test_a_folder_without_frames_says_what_is_there(tmp_path: Path) -> None:
    """It exists: "no such file" would be untrue."""
    touch(tmp_path, "a.tif", "b.TIF", "notes")
    with pytest.raises(MetadataError, match=r"no frames.*expected \.bin, \.ser, \.mrc.*3 file.*\.tif"):
        find_series(tmp_path)
    with pytest.raises(MetadataError, match="no such file or folder"):
        find_series(tmp_path / "nothing")


def test_a_name_with_glob_characters_is_a_file(tmp_path: Path) -> None:
    [path] = touch(tmp_path, "a[1]_1.bin")
    assert find_series(path)[0].files == (path,)
    assert find_series(tmp_path)[0].files == (path,)


def test_the_same_file_twice_is_one_frame(tmp_path: Path) -> None:
    files = touch(tmp_path, "a_1.bin", "a_2.bin")
    assert find_series([*files, tmp_path, files[0]])[0].numbers == (1, 2)


@pytest.mark.parametrize("where", ["", "nothing*.bin", "missing.bin"])
def test_nothing_found_is_an_error(where: str, tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="series"):
        find_series(tmp_path / where)


def test_as_series_takes_one_series_only(tmp_path: Path) -> None:
    files = touch(tmp_path, "a_1.bin", "b_1.bin")
    with pytest.raises(MetadataError, match="mixed series"):
        as_series(tmp_path)
    with pytest.raises(MetadataError, match="at least 1 file"):
        as_series([])
    with pytest.raises(MetadataError, match=r"two files of one frame number"):
        as_series(touch(tmp_path, "c_1.bin", "c_01.bin"))
    assert as_series(files[:1]).numbers == (1,)
    assert as_series(as_series(files[:1])).numbers == (1,)


def test_compressed_files_belong_to_their_series(tmp_path: Path) -> None:
    """A frame that somebody has compressed is no gap."""
    touch(tmp_path, "a_1.bin", "a_2.bin.gz", "a_3.bin.BZ2", "a_4.bin", "b.ser.gz", "c_1.txt.gz", ".a_5.bin.gz")
    found = {each.prefix: (each.numbers, each.gaps) for each in find_series(tmp_path)}
    assert found == {"a_": ((1, 2, 3, 4), ()), "b": ((1,), ())}


def test_a_frame_and_its_compressed_copy_are_duplicates(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.bin", "a_1.bin.gz", "a_2.bin")
    with pytest.raises(MetadataError, match=f"{tmp_path}/a_1.bin.gz.*expected a_1.bin"):
        as_series(tmp_path)
