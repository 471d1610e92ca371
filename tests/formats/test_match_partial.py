"""Protects: a partial result comes back to the bit; the same correlograms make the same file; damage is refused."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest

from braggio.errors import BraggioError, FormatError, LimitError, TruncatedError
from braggio.formats.match_partial import HEADER_BYTES, MAGIC, Partial, read_partial, write_partial
from braggio.kernels.accumulate import Accumulator


def partial(order=range(12), batch=5, bins=8):
    values = np.random.default_rng(0).normal(size=(12, 4, 5)).astype(np.float32)
    accumulator = Accumulator((4, 5), bins=bins, limits=(-3, 3))
    order = np.array(list(order), np.int64)
    for at in range(0, len(order), batch):
        accumulator.update(values[order[at : at + batch]], order[at : at + batch])
    return Partial(accumulator, np.float32([[1, 2, 3], [4, 5, 6]]), np.float32([-100, 0, 100]), 1.25)


@pytest.mark.parametrize("bins", [0, 8])
@pytest.mark.parametrize("count", [0, 12])
def test_round_trip(tmp_path, bins, count):
    written = partial(range(count), bins=bins)
    write_partial(tmp_path / "a.part", written)
    found = read_partial(tmp_path / "a.part")
    assert found.accumulator == written.accumulator
    np.testing.assert_array_equal(found.orientations, written.orientations)
    np.testing.assert_array_equal(found.defoci, written.defoci)
    assert found.pixel_size == 1.25
    found.accumulator.update(np.zeros((1, 4, 5), np.float32))  # and goes on


def test_the_same_bytes_for_any_order_and_batches(tmp_path):
    write_partial(tmp_path / "a", partial())
    write_partial(tmp_path / "b", partial(reversed(range(12)), batch=1))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_length_is_refused(tmp_path):
    write_partial(tmp_path / "a", partial())
    whole = (tmp_path / "a").read_bytes()
    for size in (0, 5, len(MAGIC), 100, HEADER_BYTES, HEADER_BYTES + 1, len(whole) - 1):
        (tmp_path / "b").write_bytes(whole[:size])
        with pytest.raises(FormatError):
            read_partial(tmp_path / "b")
    (tmp_path / "b").write_bytes(whole + b"x")
    with pytest.raises(TruncatedError):
        read_partial(tmp_path / "b")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [1 << 30, 1 << 30]},
        {"shape": [0, 5]},
        {"shape": [4]},
        {"shape": "x"},
        {"shape": [4, True]},
        {"count": -1},
        {"count": 1 << 50},
        {"count": None},
        {"count": 0},
        {"count": 3},
        {"bins": 1 << 30},
        {"bins": 1.5},
        {"limits": [3, -3]},
        {"limits": [0, 1e400]},
        {"limits": None},
        {"orientations": 1 << 39},
        {"pixel_size": "x"},
        {"pixel_size": float("nan")},
    ],
)
def test_hostile_headers(tmp_path, change):
    write_partial(tmp_path / "a", partial())
    whole = (tmp_path / "a").read_bytes()
    facts = json.loads(whole[len(MAGIC) : HEADER_BYTES]) | change
    (tmp_path / "b").write_bytes((MAGIC + json.dumps(facts).encode()).ljust(HEADER_BYTES) + whole[HEADER_BYTES:])
    with pytest.raises((FormatError, LimitError)):
        read_partial(tmp_path / "b")


def test_flipped_bytes_never_crash(tmp_path):
    write_partial(tmp_path / "a", partial())
    whole = bytearray((tmp_path / "a").read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = whole.copy()
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "b").write_bytes(damaged)
        with suppress(BraggioError):
            found = read_partial(tmp_path / "b")
            found.accumulator.finish()
            found.accumulator.merge(partial().accumulator)
