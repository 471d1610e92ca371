"""CBF codecs: exact for every value, against plain definitions written here, and safe on any bytes."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braggio.errors import BraggioError, FormatError, TruncatedError
from braggio.kernels.cbf import CODECS, decode, encode

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def byte_offset_by_hand(values: Any, bits: int) -> bytes:
    """The definition, a value at a time; differences modulo 2^bits."""
    out, before = b"", 0
    for value in map(int, values):
        d = (value - before + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        before = value
        if -127 <= d <= 127:
            out += struct.pack("<b", d)
        elif -32767 <= d <= 32767:
            out += struct.pack("<bh", -128, d)
        elif -(2**31) < d < 2**31:
            out += struct.pack("<bhi", -128, -32768, d)
        else:
            out += struct.pack("<bhiq", -128, -32768, -(2**31), d)
    return out


@pytest.mark.parametrize("dtype", INTEGERS)
@given(data=st.data())
def test_byte_offset_is_its_definition(dtype: str, data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(dtype, st.integers(1, 70)))
    encoded = encode(array, "byte_offset")
    assert encoded == byte_offset_by_hand(array, 8 * array.itemsize)
    assert (decode(encoded, "byte_offset", shape=len(array), dtype=dtype) == array).all()


@pytest.mark.parametrize(
    "values",
    [
        [0, -(2**31), 0, 9],
        [2**31 - 1, -(2**31), 2**31 - 1],
        [0, 127, -128, 128, 32767, -1, -32768],
        [1, -1] * 40,
        [5] * 15 + [200] + [5] * 40,
    ],
)
def test_byte_offset_of_values_that_others_get_wrong(values: list[int]) -> None:
    array = np.array(values, np.int32)
    assert (decode(encode(array, "byte_offset"), "byte_offset", shape=len(array)) == array).all()


def test_byte_offset_reads_the_64_bit_form() -> None:
    data = struct.pack("<bbhiqb", 5, -128, -32768, -(2**31), 2**40, -1)
    assert decode(data, "byte_offset", shape=3, dtype="int64").tolist() == [5, 5 + 2**40, 4 + 2**40]
    assert decode(data, "byte_offset", shape=3, dtype="int32").tolist() == [5, 5, 4]  # modulo 2^32


def test_runs_of_every_length_around_an_escape() -> None:
    """The vector path ends and begins anywhere."""
    for length in range(70):
        array = np.concatenate([np.arange(length), [100_000], np.arange(70 - length)]).astype(np.int32)
        assert (decode(encode(array, "byte_offset"), "byte_offset", shape=len(array)) == array).all()


def unpack_by_hand(data: bytes, shape: tuple[int, int, int], bits: int, v2: bool) -> list[int]:
    """CBF_PACKED as its description says, in Python integers."""
    stream = int.from_bytes(data[32:], "little")
    at = 0

    def take(n: int) -> int:
        nonlocal at
        value = stream >> at & ((1 << n) - 1)
        at += n
        return value

    widths = [0, *range(3, 17), bits] if v2 else [0, 4, 5, 6, 7, 8, 16, bits]
    slow, mid, fast = shape
    out: list[int] = []
    left = width = 0

    def signed(value: int, n: int) -> int:
        value &= (1 << n) - 1
        return value - (1 << n) if value >> (n - 1) else value

    for z in range(slow):
        for y in range(mid):
            for x in range(fast):
                if left == 0:
                    code = take(7 if v2 else 6)
                    left, width = 1 << (code & 7), widths[code >> 3]
                left -= 1
                offset = signed(take(width), width) if width else 0
                here = len(out)
                below = here - fast * mid
                if x == y == 0:
                    near = [out[below]] if z else []
                elif y == 0:
                    near = [out[here - 1]]
                elif x == 0:
                    near = [out[here - fast], out[here - fast + 1]]
                    near += [out[below - fast], out[below - fast + 1]] if z else []
                elif x < fast - 1:
                    near = [out[here - 1], *out[here - fast - 1 : here - fast + 2]]
                    near += [out[below], *out[below - fast - 1 : below - fast + 2]] if z else []
                else:
                    near = [out[here - 1], out[here - fast]]
                    near += [out[below], out[below - fast]] if z else []
                n = len(near)
                total = signed(sum(near), bits) if bits < 64 else signed(sum(near) + n // 2, bits) - n // 2
                average = (total + n // 2) >> (n.bit_length() - 1) if n else 0
                out.append(signed(average + offset, bits))
    return out


@pytest.mark.parametrize("codec", ["packed", "packed_v2"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
@given(data=st.data())
@settings(max_examples=30)
def test_packed_is_its_definition(codec: Any, dtype: str, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 40)))
    scale = data.draw(st.sampled_from([1, 3, 20, 1000, None]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    limits = np.iinfo(dtype)
    if scale is None:
        array = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    else:
        array = random.normal(0, scale, shape).round().clip(limits.min, limits.max).astype(dtype)
    encoded = encode(array, codec)
    assert unpack_by_hand(encoded, shape, 8 * array.itemsize, codec == "packed_v2") == array.ravel().tolist()
    assert (decode(encoded, codec, shape=shape, dtype=dtype) == array).all()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64"])
def test_every_type_round_trips(codec: Any, dtype: str, level: str) -> None:
    if codec == "byte_offset" and dtype.startswith("f"):
        pytest.skip("integers only")
    random = np.random.default_rng(1)
    bits = random.integers(0, 256, (3, 5, 33, np.dtype(dtype).itemsize), np.uint8)
    noisy = bits.view(dtype).reshape(3, 5, 33)
    smooth = random.normal(0, 15, (2, 7, 300)).astype("float64").astype(dtype)
    for array in (noisy, smooth, np.zeros((1, 1), dtype), np.zeros(300, dtype), noisy[:, :, :1].copy()):
        found = decode(encode(array, codec), codec, shape=array.shape, dtype=dtype)
        assert found.tobytes() == array.tobytes()


def test_flat_sections() -> None:
    """Differences from the value before, 65 bits at full width."""
    bits = 0b000_000 | (5 << 3 | 1) | 0 << 6
    stream = (5 << 3 | 1) | (7 & 0xFF) << 6 | (0xFE) << 14
    data = struct.pack("<QqqQ", 2, 0, 0, 0) + stream.to_bytes(8, "little")
    assert bits >= 0
    assert decode(data, "packed", shape=2, flat=True).tolist() == [7, 5]
    full = (7 << 3 | 0) | (123456789012 << 6)
    data = struct.pack("<QqqQ", 1, 0, 0, 0) + full.to_bytes(16, "little")
    assert decode(data, "packed", shape=1, dtype="int64", flat=True).tolist() == [123456789012]


@pytest.mark.parametrize("codec", CODECS)
def test_every_truncation_is_refused(codec: Any) -> None:
    array = np.random.default_rng(0).normal(0, 500, (2, 3, 20)).astype(np.int32)
    data = encode(array, codec)
    for cut in range(len(data)):
        with pytest.raises(TruncatedError):
            decode(data[:cut], codec, shape=array.shape)


@pytest.mark.parametrize("codec", ["byte_offset", "packed", "packed_v2"])
@given(data=st.binary(max_size=300), shape=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 40)))
def test_any_bytes(codec: Any, data: bytes, shape: tuple[int, int, int]) -> None:
    count = shape[0] * shape[1] * shape[2]
    for dtype in ("int8", "int32", "float64"):
        if codec == "byte_offset" and dtype[0] == "f":
            continue
        with contextlib.suppress(BraggioError):
            decode(data, codec, shape=shape, dtype=dtype)
        with contextlib.suppress(BraggioError):
            decode(
                struct.pack("<QqqQ", count, 0, 0, 0) + data, codec, shape=shape, dtype=dtype, flat=len(data) % 2 == 1
            )


def test_no_memory_for_sizes_that_cannot_be() -> None:
    for codec in CODECS:
        with pytest.raises(TruncatedError):
            decode(b"abc", codec, shape=(2**20, 2**20))  # type: ignore[arg-type]


def test_a_count_that_differs_is_refused() -> None:
    data = encode(np.zeros(5, np.int32), "packed")
    with pytest.raises(FormatError, match="count"):
        decode(data, "packed", shape=4)


def test_out_is_filled() -> None:
    array = np.arange(12, dtype=np.int32).reshape(3, 4)
    out = np.zeros_like(array)
    assert decode(encode(array), "byte_offset", out=out) is out
    assert (out == array).all()
    for bad in (np.zeros((3, 4), ">i4"), np.zeros((3, 4)), np.zeros((3, 8), np.int32)[:, ::2]):
        with pytest.raises(ValueError, match="holds|contiguous"):
            decode(encode(array), "byte_offset", out=bad)
    with pytest.raises(ValueError, match="codec"):
        encode(array, "lz4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape or out"):
        decode(b"", "none")
