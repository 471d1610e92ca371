"""Compressed sources: bytes are those of the plain file, and no more is decompressed than a file can have."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio._core import Source
from braggio.errors import FormatError, LimitError, TruncatedError
from braggio.storage import source as sources
from braggio.storage.source import inflate, open_source, open_stored, read_head

PACKERS = {"plain": lambda data: data, "gzip": gzip.compress, "bzip2": bz2.compress}


def whole(beginning: bytes) -> None:
    """Nothing tells where the file ends."""


def all_of(source: Source) -> bytes:
    return source.read(0, source.size)


@pytest.mark.parametrize("packer", PACKERS)
@given(data=st.binary(max_size=300).filter(lambda data: data[:2] not in (b"\x1f\x8b", b"BZ")))
def test_the_bytes_are_those_of_the_plain_file(packer: str, data: bytes) -> None:
    packed = PACKERS[packer](data)
    source, path = open_source(packed, whole)
    assert (all_of(source), path) == (data, None)
    assert read_head(packed, 7) == data[:7]


def test_paths_bytes_and_file_objects(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        for given_as, name in ((path, str(path)), (b"abc", None), (io.BytesIO(b"abc"), None), (file, str(path))):
            source, found = open_stored(given_as)
            assert (all_of(source), None if found is None else str(found)) == (b"abc", name)
    with pytest.raises(FileNotFoundError):
        open_stored(tmp_path / "b")


@pytest.mark.parametrize("packer", ["gzip", "bzip2"])
@pytest.mark.parametrize("known", [0, 5, sources.PEEK_BYTES + 5, 3 * sources.PEEK_BYTES])
def test_one_byte_more_than_the_extent_is_read(packer: str, known: int) -> None:
    """It shows that there is more; the beginning that was looked at is there anyway."""
    data = bytes(range(256)) * (8 * sources.PEEK_BYTES // 256)
    found = all_of(inflate(Source.over(PACKERS[packer](data)), lambda beginning: known))
    assert found == data[: max(sources.PEEK_BYTES, known + 1)]


def test_longer_beginnings_are_shown_until_one_tells() -> None:
    shown = []

    def extent(beginning: bytes) -> int:
        shown.append(len(beginning))
        if len(shown) < 3:
            raise TruncatedError("more")
        return 0

    inflate(Source.over(gzip.compress(bytes(100 << 20), 1)), extent)
    assert shown == [sources.PEEK_BYTES * sources.PEEK_GROWTH**n for n in range(3)]


def test_a_refused_beginning_is_the_end_of_it() -> None:
    def extent(beginning: bytes) -> int:
        raise FormatError("no such file")

    with pytest.raises(FormatError, match="no such file"):
        inflate(Source.over(gzip.compress(bytes(2 << 20))), extent)


@pytest.mark.parametrize("extent", [whole, lambda beginning: 1 << 40], ids=["never told", "told too large"])
def test_there_is_one_limit(monkeypatch: pytest.MonkeyPatch, extent: sources.Extent) -> None:
    monkeypatch.setattr(sources, "MAX_DECOMPRESSED", 3 << 20)
    assert inflate(Source.over(gzip.compress(bytes(3 << 20))), extent).size == 3 << 20
    with pytest.raises(LimitError, match="at most 3145728 bytes"):
        inflate(Source.over(gzip.compress(bytes((3 << 20) + 1))), extent)


@pytest.mark.parametrize("packer", ["gzip", "bzip2"])
def test_damage_is_named(packer: str, tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    data = PACKERS[packer](bytes(range(256)) * 100)
    path.write_bytes(data[:-9])
    with pytest.raises(TruncatedError, match=r"a\.gz: damaged"):
        open_source(path, whole)
    path.write_bytes(data[:12] + b"\xff" * 40 + data[52:])
    with pytest.raises(FormatError, match=r"a\.gz: damaged"):
        open_source(path, whole)
    with pytest.raises(FormatError, match=r"a\.gz: damaged"):
        read_head(path, 1 << 16)
