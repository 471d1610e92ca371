"""Chunks: zlib's own streams are read as zlib reads them, and refused where it refuses; forged sizes cost nothing."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import pixels

from braggio._core import cpu_levels, deflate_shuffled, inflate, unshuffle
from braggio.errors import BraggioError, TruncatedError
from braggio.storage.hdf5 import ChunkedStack, encode_chunk


def inflated(stream: bytes, size: int) -> bytes:
    out = np.full(size, 0xAA, np.uint8)
    inflate(stream, out)
    return out.tobytes()


def deflated(data: bytes, level: int, strategy: int, window: int = 15, memory: int = 8) -> bytes:
    encoder = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
    return encoder.compress(data) + encoder.flush()


@given(
    data=st.one_of(
        st.binary(max_size=3000),
        st.builds(lambda piece, count: piece * count, st.binary(max_size=40), st.integers(0, 400)),
    ),
    level=st.integers(0, 9),
    strategy=st.sampled_from([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]),
    window=st.integers(9, 15),
    memory=st.integers(1, 9),
)
def test_what_zlib_writes(data: bytes, level: int, strategy: int, window: int, memory: int) -> None:
    stream = deflated(data, level, strategy, window, memory)
    assert inflated(stream, len(data)) == data
    for size in {0, max(0, len(data) - 1), len(data) + 1} - {len(data)}:
        with pytest.raises(BraggioError):
            inflated(stream, size)


@pytest.mark.parametrize("level", cpu_levels())
def test_frames_at_every_level(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAGGIO_CPU", level)
    counts = np.random.default_rng(1).poisson(200, (300, 301)).astype(np.uint16)
    for data in (counts.tobytes(), counts.view(np.uint8).reshape(-1, 2).T.tobytes(), pixels((99991,), np.uint8)):
        for effort in (0, 1, 4, 9):
            assert inflated(zlib.compress(data, effort), len(bytes(data))) == bytes(data)


def test_damaged_streams_are_refused_where_zlib_refuses_them() -> None:
    rng = random.Random(4)
    counts = np.random.default_rng(2).poisson(30, 2000).astype(np.uint16).tobytes()
    agreed = 0
    for round_ in range(4000):
        stream = bytearray(deflated(counts, rng.randrange(10), rng.choice([0, 2, 3, 4])))
        if round_ % 4 == 0:
            del stream[rng.randrange(len(stream)) :]
        for _ in range(rng.randrange(1, 4)):
            if stream:
                stream[rng.randrange(min(len(stream), rng.choice([8, 80, 10**6])))] ^= 1 << rng.randrange(8)
        decoder = zlib.decompressobj()
        try:
            expected: bytes | None = decoder.decompress(bytes(stream), len(counts) + 1)
            expected = expected if decoder.eof and expected is not None and len(expected) == len(counts) else None
        except zlib.error:
            expected = None
        try:
            found: bytes | None = inflated(bytes(stream), len(counts))
        except BraggioError:
            found = None
        assert found == expected
        agreed += found is None
    assert agreed > 3000


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float64", "S3", "S7"])
@pytest.mark.parametrize("count", [0, 1, 7, 64, 1001])
def test_shuffled_numbers(dtype: str, count: int) -> None:
    itemsize = np.dtype(dtype).itemsize
    planes = pixels((itemsize * count,), np.uint8)
    values = np.empty(count, dtype)
    unshuffle(planes, values)
    assert values.tobytes() == planes.reshape(itemsize, count).T.tobytes()
    with pytest.raises(ValueError, match="one size"):
        unshuffle(planes, np.empty(count + 1, dtype))


def test_our_own_streams_are_zlibs() -> None:
    values = pixels((50, 61), np.uint16)
    assert encode_chunk(np.zeros((3, 4), np.uint16)) is None
    stream = encode_chunk(values)
    assert stream == deflate_shuffled(values)
    assert zlib.decompress(stream) == values.view(np.uint8).reshape(-1, 2).T.tobytes()


def stack_of(path: Path, values: np.ndarray, **options: object) -> ChunkedStack:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, **options)
    return ChunkedStack(h5py.File(path)["x"])


@pytest.mark.parametrize("dtype", [">u2", "<u2", "<i4", "<f8", "u1"])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_pipeline(dtype: str, compression: str | None, shuffle: bool, tmp_path: Path) -> None:
    values = pixels((5, 17, 23), np.dtype(dtype).newbyteorder("=")).astype(dtype)
    stack = stack_of(tmp_path / "a.h5", values, chunks=(2, 8, 23), compression=compression, shuffle=shuffle)
    assert stack.direct
    out = np.empty((3, 10, 21), stack.dtype)
    stack.read(((1, 4), (5, 15), (2, 23)), out)
    np.testing.assert_array_equal(out, values[1:4, 5:15, 2:23])


@pytest.mark.parametrize("skipped", [0, 1, 2, 3])
def test_filters_that_a_chunk_has_skipped(skipped: int, tmp_path: Path) -> None:
    """A writer leaves a filter out where it does not pay; the chunk's mask says so."""
    values = pixels((1, 6, 7), np.uint16)
    data = values.tobytes() if skipped & 1 else values.view(np.uint8).reshape(-1, 2).T.tobytes()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        item = file.create_dataset("x", values.shape, np.uint16, chunks=values.shape, compression="gzip", shuffle=True)
        item.id.write_direct_chunk((0, 0, 0), data if skipped & 2 else zlib.compress(data), filter_mask=skipped)
    stack = ChunkedStack(h5py.File(tmp_path / "a.h5")["x"])
    assert stack.direct
    out = np.empty(values.shape, np.uint16)
    stack.read(((0, 1), (0, 6), (0, 7)), out)
    np.testing.assert_array_equal(out, values)


@pytest.mark.parametrize("forged", [b"\x78", zlib.compress(bytes(100)), zlib.compress(bytes(1 << 20))])
def test_a_chunk_of_another_size_is_refused(forged: bytes, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", (1, 500, 1000), np.uint16, chunks=(1, 500, 1000), compression="gzip")
        data.id.write_direct_chunk((0, 0, 0), forged)
    stack = ChunkedStack(h5py.File(tmp_path / "a.h5")["x"])
    with pytest.raises(TruncatedError, match=r"a\.h5: chunk at frame 0, row 0"):
        stack.read(((0, 1), (0, 500), (0, 1000)), np.empty((1, 500, 1000), np.uint16))
