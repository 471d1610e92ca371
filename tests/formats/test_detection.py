"""Which format a file is: content and name must agree, and a file under a wrong name is told what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from makers import mrc, pixels, ser, smv, tia

import braggio
from braggio.errors import FormatError, UnsupportedError
from braggio.formats import by_suffix, formats, named

ARRAY = pixels((6, 7), "uint16")
CONTENTS = {
    "MRC": mrc(ARRAY),
    "SMV": smv(ARRAY),
    "TIA series": ser([ARRAY]),
    "TIA raw": tia(ARRAY),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(3000),
    "TIFF": b"II*\0" + bytes(3000),
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(300),
    "text": b"frame 1 of 7\nfocus: 3.5\n",
    "npy": b"\x93NUMPY\x01\0" + bytes(300),
    "CBF": b"###CBF: VERSION 1.5\r\n" + bytes(300),
    "zip": b"PK\x03\x04" + bytes(300),
    "empty": b"",
}


@pytest.mark.parametrize("suffix", [".bin", ".mrc", ".ser", ".img"])
@pytest.mark.parametrize("what", CONTENTS)
def test_a_file_under_a_wrong_name_says_what_it_is(what: str, suffix: str, tmp_path: Path) -> None:
    """The error names the file and its content; nothing is guessed from the name."""
    path = tmp_path / f"strange{suffix}"
    path.write_bytes(CONTENTS[what])
    promised = by_suffix(str(path))
    if promised is not None and promised.title == what:
        np.testing.assert_array_equal(np.squeeze(braggio.read(path)), ARRAY)
        return
    with pytest.raises(FormatError) as caught:
        braggio.open(path)
    assert "strange" + suffix in str(caught.value)
    assert what in str(caught.value)


def test_format_overrules_the_name(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(mrc(ARRAY))
    np.testing.assert_array_equal(braggio.read(path, format="mrc"), ARRAY)


def test_no_file_is_two_formats() -> None:
    """Each sample is taken by the sniff of its own format only."""
    for title in ("MRC", "SMV", "TIA series", "TIA raw"):
        data = CONTENTS[title]
        assert [each.title for each in formats() if each.sniff(data[:1024], len(data))] == [title]


def test_suffixes_belong_to_one_format_each() -> None:
    suffixes = [suffix for each in formats() for suffix in each.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


def test_suffixes_are_matched_in_any_case() -> None:
    for each in formats():
        for suffix in each.suffixes:
            assert (
                by_suffix("a/b.c" + suffix.upper() + ".GZ") is each
                or by_suffix("a/b.c" + suffix.upper()).name == each.name
            )


def test_unknown_format_names_are_listed() -> None:
    with pytest.raises(UnsupportedError, match="mrc or smv or ser or tia_raw.*'jpeg'"):
        named("jpeg")


@pytest.mark.parametrize("name", ["x.jpeg", "x", "x.ser", ".mrc"])
def test_writing_an_unknown_suffix_lists_what_can_be_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="mrc or smv or tia_raw"):
        braggio.write(tmp_path / name, ARRAY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["HDF5", "TIFF", "PNG", "text", "npy", "CBF", "zip", "empty"])
def test_bytes_without_a_name_are_described(what: str) -> None:
    with pytest.raises(UnsupportedError, match=what):
        braggio.open(CONTENTS[what])
