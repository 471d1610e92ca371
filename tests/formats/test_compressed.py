"""gz and bz2 inputs: read by content, damage named, bombs refused before they fill the memory."""

from __future__ import annotations

import bz2
import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from makers import mrc, pixels, smv, tia

import braggio
from braggio.errors import BraggioError, FormatError, TruncatedError

ARRAY = pixels((20, 30), "uint16")
PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress}
each_packer = pytest.mark.parametrize("ending", PACKERS)


@each_packer
@pytest.mark.parametrize(("suffix", "make"), [(".mrc", mrc), (".img", smv), (".bin", tia)], ids=["mrc", "smv", "tia"])
def test_read_like_the_plain_file(ending: str, suffix: str, make: object, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}{ending}"
    path.write_bytes(PACKERS[ending](make(ARRAY)))  # type: ignore[operator]
    np.testing.assert_array_equal(braggio.read(path), ARRAY)


@each_packer
def test_known_by_content_not_by_name(ending: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mrc"
    path.write_bytes(PACKERS[ending](mrc(ARRAY)))
    np.testing.assert_array_equal(braggio.read(path), ARRAY)


@each_packer
def test_compressed_bytes_read_like_the_file(ending: str) -> None:
    """Bytes and file objects are inputs like any other."""
    np.testing.assert_array_equal(braggio.read(PACKERS[ending](mrc(ARRAY))), ARRAY)


@each_packer
def test_every_truncation_is_refused(ending: str, tmp_path: Path) -> None:
    data = PACKERS[ending](mrc(ARRAY))
    path = tmp_path / f"x.mrc{ending}"
    for cut in [*range(40), *range(40, len(data), 31), len(data) - 1]:
        path.write_bytes(data[:cut])
        with pytest.raises(FormatError, match="x.mrc"):
            braggio.read(path)


@each_packer
def test_a_stream_that_ends_early_is_truncated(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.mrc{ending}"
    path.write_bytes(PACKERS[ending](mrc(ARRAY))[:-20])
    with pytest.raises(TruncatedError):
        braggio.read(path)


@each_packer
def test_damage_is_refused_or_harmless(ending: str, tmp_path: Path) -> None:
    """Any flipped bit: a BraggioError or the same data; no zlib.error, and never other data."""
    data = PACKERS[ending](tia(ARRAY))
    path = tmp_path / f"x.bin{ending}"
    for at in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        try:
            found = braggio.read(path)
        except BraggioError:
            continue
        np.testing.assert_array_equal(found, ARRAY)


@pytest.mark.parametrize("head", ["zeros", "a small MRC file"])
@each_packer
def test_a_bomb_is_refused_with_little_memory(ending: str, head: str, tmp_path: Path) -> None:
    """200 MB of zeros, alone or after an image: what an honest header cannot need is not inflated."""
    path = tmp_path / f"x.mrc{ending}"
    start = mrc(ARRAY) if head != "zeros" else b""
    path.write_bytes(PACKERS[ending](start + bytes(200 << 20), 1))
    tracemalloc.start()
    try:
        with pytest.raises(BraggioError):
            braggio.open(path)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@each_packer
def test_a_blank_image_is_no_bomb(ending: str, tmp_path: Path) -> None:
    """A dark frame of 512 x 512 zeros compresses 10000 times with bzip2."""
    path = tmp_path / f"x.mrc{ending}"
    path.write_bytes(PACKERS[ending](mrc(np.zeros((512, 512), "float32"))))
    assert not braggio.read(path).any()


@each_packer
@pytest.mark.parametrize("suffix", [".mrc", ".img", ".bin"])
def test_writing_does_not_promise_compression(ending: str, suffix: str, tmp_path: Path) -> None:
    """A plain file under a .gz name would fool every other reader."""
    with pytest.raises(BraggioError, match="compress"):
        braggio.write(tmp_path / f"x{suffix}{ending}", ARRAY)
    assert list(tmp_path.iterdir()) == []
