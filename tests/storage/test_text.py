"""Texts: read up to a limit, which holds for compressed ones too; another encoding is refused with its place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from braggio.errors import FormatError, LimitError
from braggio.storage.text import read_text


def test_utf8_with_or_without_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for data in ("Å".encode(), b"\xef\xbb\xbf" + "Å".encode(), gzip.compress("Å".encode())):
        path.write_bytes(data)
        assert read_text(path, most=2000) == read_text(data, most=2000) == "Å"
    assert read_text(b"\xc5", most=1, encoding="latin-1") == "Å"


def test_another_encoding_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ab\xff")
    with pytest.raises(FormatError, match=r"a\.txt: text: expected UTF-8.*byte 2"):
        read_text(path, most=10)


def test_there_is_a_limit() -> None:
    most = 2 << 20
    for pack in (bytes, gzip.compress):
        assert len(read_text(pack(b"a" * most), most=most)) == most
        with pytest.raises(LimitError, match=f"at most {most} bytes"):
            read_text(pack(b"a" * (most + 1)), most=most)
