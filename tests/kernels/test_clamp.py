"""to_uint16 against Python's own integers and floats: every dtype, every offset, any layout, any thread and level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from makers import pixels

from braggio.errors import UnsupportedError
from braggio.kernels import to_uint16

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
FLOATS = ["float32", "float64"]
TOP = 65535
quick = settings(max_examples=60, deadline=None)


def slow(array: np.ndarray, offset: int) -> tuple[list[int], int, int]:
    """(pixels, low, high) one by one; Python's round is half to even, and its integers do not overflow."""
    totals = [
        round(float(value) + float(offset)) if array.dtype.kind == "f" else int(value) + offset
        for value in array.ravel()
    ]
    return (
        [min(max(total, 0), TOP) for total in totals],
        sum(total < 0 for total in totals),
        sum(total > TOP for total in totals),
    )


def agrees(array: np.ndarray, offset: int, threads: int = 1) -> None:
    before = array.copy()
    found, counts = to_uint16(array, offset, threads=threads)
    expected, low, high = slow(array, offset)
    assert found.dtype == np.uint16
    assert found.shape == array.shape
    assert found.ravel().tolist() == expected
    assert (counts.low, counts.high) == (low, high)
    assert array.tobytes() == before.tobytes()


edges = st.sampled_from(
    [
        0,
        1,
        -1,
        2000,
        TOP,
        -TOP,
        TOP + 1,
        -TOP - 1,
        2**15,
        -(2**15),
        2**30 - 1,
        2**30,
        -(2**30),
        2**31 - 1,
        -(2**31) + 1,
        2**31,
        -(2**31),
    ]
)
offsets = st.one_of(edges, st.integers(-(2**31), 2**31), st.integers(-70000, 70000))


@quick
@given(dtype=st.sampled_from(INTEGERS), offset=offsets, data=st.data())
def test_integers(dtype: str, offset: int, data: st.DataObject) -> None:
    """Nothing wraps, at any offset."""
    limits = np.iinfo(dtype)
    near = st.integers(-offset - 3, -offset + TOP + 3).filter(lambda value: limits.min <= value <= limits.max)
    window = -offset - 3 <= limits.max and -offset + TOP + 3 >= limits.min
    values = (
        st.one_of(st.integers(limits.min, limits.max), near)
        if window and abs(offset) < 60000
        else st.integers(limits.min, limits.max)
    )
    agrees(data.draw(hnp.arrays(dtype, hnp.array_shapes(max_dims=3, max_side=40), elements=values)), offset)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("offset", [0, 5, -5, 2000, -70000, 70000, 2**31, -(2**31), 2**30, 2**31 - 32768])
def test_the_ends_of_each_type(dtype: str, offset: int, level: str) -> None:
    """The least and greatest values, alone and among 5000 others: whole groups, chunks and remainders."""
    limits = np.iinfo(dtype)
    special = np.array([limits.min, limits.min + 1, limits.max - 1, limits.max], dtype)
    agrees(special, offset)
    agrees(np.concatenate([pixels((5000,), dtype, 1), special]), offset)


@quick
@given(dtype=st.sampled_from(FLOATS), offset=offsets, data=st.data())
def test_floats(dtype: str, offset: int, data: st.DataObject) -> None:
    """Summed in float64, rounded half to even, then clamped; huge values included."""
    width = 32 if dtype == "float32" else 64
    values = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, width=width),
        st.integers(-200, 200).map(lambda half: half / 2 - float(np.clip(offset, -(2**20), 2**20))),
        st.integers(-4, 4).map(lambda half: TOP + half / 2 - float(np.clip(offset, -(2**20), 2**20))),
    )
    agrees(data.draw(hnp.arrays(dtype, st.integers(1, 200), elements=values)), offset)


@pytest.mark.parametrize("dtype", FLOATS)
def test_halves_go_to_even(dtype: str, level: str) -> None:
    array = np.array([-0.5, 0.5, 1.5, 2.5, 65534.5, 65535.5, -0.75, -1.0, 65535.25, 65536.0, -0.0], dtype)
    found, counts = to_uint16(array)
    assert found.tolist() == [0, 0, 2, 2, 65534, 65535, 0, 0, 65535, 65535, 0]
    assert (counts.low, counts.high) == (2, 2)


@pytest.mark.parametrize("dtype", FLOATS)
def test_rounded_counts_the_pixels_that_were_kept_but_changed(dtype: str, level: str) -> None:
    """A pixel is lost or rounded, not both, however far outside it lies: the counts add up to the changed ones."""
    array = np.array([0.5, 3.25, 7.0, -0.25, -0.75, -1.25, -3.5, 65534.75, 65535.75, 70000.5], dtype)
    _, counts = to_uint16(array)
    assert (counts.low, counts.high, counts.rounded) == (3, 2, 4)


def test_integers_are_never_rounded() -> None:
    assert to_uint16(np.arange(-5, 70000, 7, dtype="int32"), 3)[1].rounded == 0
    assert to_uint16(np.arange(0, 5, dtype="float64"), 3)[1].rounded == 0


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_levels_and_threads_give_the_same(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the size from which threads are used, with losses on both sides."""
    from braggio._core import cpu_levels

    array = (
        pixels((3001, 1003), dtype, 5)
        if dtype not in FLOATS
        else pixels((3001, 1003), dtype, 5) * np.dtype(dtype).type(900)
    )
    results = set()
    for level in cpu_levels():
        monkeypatch.setenv("BRAGGIO_CPU", level)
        for threads in (1, 2, 3, 4):
            found, counts = to_uint16(array, 1000, threads=threads)
            results.add((found.tobytes(), counts.low, counts.high, counts.rounded))
    assert len(results) == 1
    expected = np.clip(np.rint(array.astype("float64") + 1000), 0, TOP).astype("uint16")
    assert results.pop()[0] == expected.tobytes()


def test_an_unknown_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAGGIO_CPU", "sse9")
    with pytest.raises(UnsupportedError, match="BRAGGIO_CPU.*baseline.*sse9"):
        to_uint16(np.zeros(3, "int32"))


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
def test_any_memory_layout(dtype: str) -> None:
    """Big-endian, strided, reversed, transposed, Fortran-ordered, read-only, unaligned."""
    array = pixels((6, 10), dtype, 2)
    raw = np.zeros(array.nbytes + 1, "uint8")
    raw[1:] = array.view("uint8").ravel()
    unaligned = raw[1:].view(dtype).reshape(array.shape)
    frozen = array.copy()
    frozen.flags.writeable = False
    for given_ in (
        array.astype(array.dtype.newbyteorder(">")),
        array[::2, ::3],
        array[::-1, ::-1],
        array.T,
        np.asfortranarray(array),
        frozen,
        unaligned,
        array[:0],
        array[3, 4],
    ):
        agrees(given_, 100)


def test_out_is_filled_and_returned() -> None:
    array = pixels((5, 7), "int32")
    out = np.zeros((5, 7), "uint16")
    found, _ = to_uint16(array, 10, out=out)
    assert found is out
    np.testing.assert_array_equal(out, to_uint16(array, 10)[0])


def frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((5, 6), "uint16"),
        np.zeros((5, 7), "int16"),
        np.zeros((5, 7), ">u2"),
        np.zeros((5, 14), "uint16")[:, ::2],
        np.zeros((7, 5), "uint16").T,
        frozen(np.zeros((5, 7), "uint16")),
    ],
)
def test_an_out_that_does_not_fit_is_refused(out: np.ndarray) -> None:
    with pytest.raises(ValueError, match="out"):
        to_uint16(pixels((5, 7), "int32"), out=out)


def test_out_over_the_input_is_refused() -> None:
    """Clamping in place would read what was just written."""
    memory = np.zeros(100, "uint16")
    with pytest.raises(ValueError, match="overlap"):
        to_uint16(memory[:50], out=memory[:50])
    with pytest.raises(ValueError, match="overlap"):
        to_uint16(memory[:50].view("int16"), out=memory[1:51])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", FLOATS)
def test_not_a_number_is_refused_with_its_place(bad: float, dtype: str) -> None:
    array = np.zeros((4, 5), dtype)
    array[2, 3] = bad
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        to_uint16(array)


@pytest.mark.parametrize("dtype", ["complex64", "bool", "U3", "object", "longdouble", "datetime64[s]"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match="array: expected integers or reals"):
        to_uint16(np.zeros(3, dtype))


@pytest.mark.parametrize("offset", [10.7, 0.5, np.nan, "3", None, 1j])
def test_an_offset_that_is_no_integer_is_refused(offset: Any) -> None:
    """Not cut down to one silently."""
    with pytest.raises((TypeError, ValueError)):
        to_uint16(np.zeros(3, "int32"), offset)


@pytest.mark.parametrize("offset", [2**31 + 1, -(2**31) - 1, 2**63, -(2**70)])
def test_an_offset_beyond_31_bits_is_refused(offset: int) -> None:
    with pytest.raises(ValueError, match="offset"):
        to_uint16(np.zeros(3, "int32"), offset)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_some(threads: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        to_uint16(np.zeros(3, "int32"), threads=threads)
