"""The pickle reader: the values of plain pickles, and a refusal of everything that asks for more."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import struct
import sys
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import write_bomb

from braggio.errors import BraggioError, DataWarning, FormatError, LimitError, TruncatedError, UnsafeError
from braggio.storage import pickled

pytestmark = pytest.mark.usefixtures("never_unpickle")

_plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("protocol", range(6))
@given(_plain)
def test_plain_values_of_every_protocol(protocol: int, value: Any) -> None:
    """What Python pickles, we read back, by no code of Python's."""
    assert pickled.loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("bits", [31, 32, 63, 64, 65, 96, 2047, 8150])
def test_integers_of_many_digits(bits: int) -> None:
    for value in (2**bits - 1, 2**bits, 2**bits + 1, -(2**bits) - 1, -(2**bits), -(2**bits) + 1):
        assert pickled.loads(pickle.dumps(value, 0)) == value
    for text in (b"L" + b"9" * 2469 + b"L\n.", b"L12x4567890123456789012L\n.", b"L-L\n.", b"LL\n."):
        with pytest.raises(BraggioError, match="integer"):
            pickled.loads(text)


@given(_plain)
def test_what_is_written_is_read(value: Any) -> None:
    for protocol in (2, 4):
        assert pickled.loads(pickled.dumps(value, protocol=protocol)) == value


def test_python_2_files() -> None:
    """Protocols 0 to 2 of Python 2: str as bytes, INT as truth, long with its L."""
    assert pickled.loads(b"(dp0\nS'SIZE1'\np1\nI3\nsS'a\\x41\\n'\nL12L\nsS'b'\nI01\nsS'd'\nF1.5\nsV\\u00e9\nNs.") == {
        "SIZE1": 3,
        "aA\n": 12,
        "b": True,
        "d": 1.5,
        "é": None,
    }
    assert pickled.loads(b"\x80\x02}q\x00(U\x01aq\x01T\x02\x00\x00\x00\xe9\xffU\x01b]q\x02K\x01au.") == {
        "a": "éÿ",
        "b": [1],
    }


CALLS = {
    "GLOBAL": b"cos\nsystem\n(S'true'\ntR.",
    "GLOBAL alone": b"cos\nsystem\n.",
    "builtins eval": b"c__builtin__\neval\n(S'1'\ntR.",
    "INST": b"(S'true'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nS'true'\no.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "dotted": b"\x80\x04\x8c\x08builtins\x8c\x18int.__init__.__globals__\x93.",
    "dotted within an allowed module": b"\x80\x04\x8c\x0dcctbx.crystal\x8c\x11symmetry.__init__\x93.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "PERSID": b"Pabc\n.",
    "BINPERSID": b"\x80\x02K\x01Q.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "READONLY_BUFFER": b"\x80\x05C\x01a\x98.",
    "NEWOBJ": b"\x80\x02csubprocess\nPopen\n)\x81.",
    "NEWOBJ_EX": b"\x80\x04cscitbx_array_family_flex_ext\nint\n)}\x92.",
    "NEWOBJ of the base": b"\x80\x02c__builtin__\nobject\n)\x81.",
    "BUILD of a list": b"\x80\x02]}b.",
    "REDUCE of a value": b"\x80\x02K\x01)R.",
    "_reconstructor of another class": b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR.",
    "_reconstructor with a state": b"ccopy_reg\n_reconstructor\n(ccctbx.miller\narray\nc__builtin__\nobject\nK\x01tR.",
    "_reconstructor with another base": (b"ccopy_reg\n_reconstructor\n(ccctbx.miller\narray\nccctbx.miller\nset\nNtR."),
    "bytes of something": b"c__builtin__\nbytes\n(K\x0atR.",
    "encode itself as class": b"\x80\x02c_codecs\nencode\n)\x81.",
    "getattr": b"c__builtin__\ngetattr\n.",
    "import": b"c__builtin__\n__import__\n(S'os'\ntR.",
    "numpy": b"cnumpy.core.multiarray\n_reconstruct\n.",
    "apply": b"c__builtin__\napply\n.",
}


@pytest.mark.parametrize("name", CALLS)
def test_every_road_to_a_call_is_refused(name: str) -> None:
    """No import happens, and the error is of its own class."""
    before = set(sys.modules)
    with pytest.raises(UnsafeError) as caught:
        pickled.loads(CALLS[name])
    assert set(sys.modules) - before <= {"subprocess"} - {"subprocess"}
    assert "\n" not in str(caught.value)


def test_the_refused_name_is_told() -> None:
    with pytest.raises(UnsafeError, match=r"os\.system"):
        pickled.loads(CALLS["STACK_GLOBAL"])
    with pytest.raises(UnsafeError, match=r"int\.__init__\.__globals__"):
        pickled.loads(CALLS["dotted"])


def test_audit_hook_sees_no_lookup(tmp_path: Path) -> None:
    """Python reports pickle.find_class and import: none of them while we read, hostile or not."""
    import subprocess

    script = f"""
import sys
from braggio.storage import pickled
from braggio.errors import UnsafeError
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event in ("pickle.find_class", "import", "exec",
    "os.system", "subprocess.Popen") else None)
seen.clear()
for data in {list(CALLS.values())!r}:
    try:
        pickled.loads(data)
    except UnsafeError:
        pass
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("[]", "['import']")  # the error class, imported when the first one is raised


HUGE = {
    "BINBYTES8": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"a.",
    "BINBYTES8 beyond int64": b"\x80\x04\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"a.",
    "BINUNICODE8": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"a.",
    "BINUNICODE": b"\x80\x02X\xff\xff\xff\x7fa.",
    "BINSTRING": b"\x80\x02T\xff\xff\xff\xffa.",
    "LONG4": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    "LONG4 negative": b"\x80\x02\x8b\xff\xff\xff\xff\x01.",
    "FRAME": b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"N.",
    "line": b"cos",
}


@pytest.mark.parametrize("name", HUGE)
def test_lengths_are_checked_before_anything_is_allocated(name: str) -> None:
    with pytest.raises(TruncatedError):
        pickled.loads(HUGE[name])


def test_every_truncation_is_refused(real_data: Path) -> None:
    """Of both protocols, at each byte."""
    for name in ("small_int_p2.pickle", "small_int_p4.pickle"):
        data = (real_data / "xfel" / name).read_bytes()
        for cut in range(len(data)):
            with pytest.raises(BraggioError):
                pickled.loads(data[:cut])


def test_no_damage_gets_through_as_another_exception(real_data: Path) -> None:
    """Each byte set to extremes: a value or an error of ours."""
    data = bytearray((real_data / "xfel" / "small_int_p2.pickle").read_bytes())
    for at in range(len(data)):
        kept = data[at]
        for byte in (0, 0x7F, 0x80, 0xFF, ord("R"), ord("b"), ord("("), ord("u"), ord(".")):
            data[at] = byte
            with contextlib.suppress(BraggioError):
                pickled.loads(bytes(data))
        data[at] = kept


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for head in (b"", b"\x80\x02", b"\x80\x04"):
        with contextlib.suppress(BraggioError, DataWarning):
            pickled.loads(head + data, permissive=True)


def test_billion_laughs_are_refused() -> None:
    """Sixty tuples, each of the one before twice: 2^60 values in 240 bytes."""
    data = b"\x80\x02)" + b"2\x86" * 60 + b"."
    with pytest.raises(LimitError, match="written out"):
        pickled.loads(data)


def test_shared_values_are_fine() -> None:
    assert pickled.loads(b"\x80\x02]q\x00K\x01a2\x86.") == ([1], [1])


def test_depth_is_bounded() -> None:
    assert pickled.loads(b"\x80\x02)" + b"\x85" * 90 + b".")
    with pytest.raises(LimitError, match="nesting"):
        pickled.loads(b"\x80\x02)" + b"\x85" * 100_000 + b".")


def test_cycles_are_refused() -> None:
    with pytest.raises(BraggioError, match="cycle"):
        pickled.loads(b"\x80\x02]q\x00h\x00a.")


def test_number_of_values_is_bounded() -> None:
    with pytest.raises(LimitError, match="values"):
        pickled.loads(b"\x80\x02(" + b"]" * (1 << 21) + b"t.")


@pytest.mark.parametrize(
    "data", [b"", b".", b"(.", b"0.", b"a.", b"K\x01a.", b"]K\x01K\x02s.", b"h\x05.", b"\x80\x09N.", b"~"]
)
def test_stack_errors(data: bytes) -> None:
    with pytest.raises(FormatError):
        pickled.loads(data)


def test_unhashable_keys_are_refused() -> None:
    with pytest.raises(BraggioError, match="keys"):
        pickled.loads(b"\x80\x02}]K\x01s.")
    with pytest.raises(BraggioError, match="keys"):
        pickled.loads(b"\x80\x04\x8f(]\x90.")


def flex(name: str, shape: tuple[int, ...], buffer: bytes, module: str = "scitbx_array_family_flex_ext") -> bytes:
    """A flex array as Python 3 pickles it."""
    last = b"".join(b"J" + struct.pack("<i", n) for n in shape)
    zero = b"K\x00" * len(shape)
    grid = b"cscitbx_array_family_flex_ext\ngrid\n(" + b"(" + zero + b"t(" + last + b"t\x88tR(" + last + b"tb"
    held = b"B" + struct.pack("<I", len(buffer)) + buffer
    return b"\x80\x03c" + module.encode() + b"\n" + name.encode() + b"\n)R" + grid + held + b"\x86b."


def test_flex_types_of_the_specification() -> None:
    """The codings written out by hand."""
    cases: list[tuple[str, bytes, list[Any]]] = [
        ("int", b"\x02\x03\x82\x01\x03\x2c\x01\x85\x00\x00\x00\x80", [-1, 300, -(2**31)]),
        (
            "double",
            b"\x02\x04\x02\x80\x02\x01\x02\xc0\x02\x02\x88\xcc\xcc\xcc\xcc\xcc\xcc\xd0\x82\x03\x00",
            [1, 3, -0.1, 0],
        ),
        ("bool", b"\x02\x0210", [True, False]),
        ("size_t", b"\x02\x01\x09" + b"\xff" * 8, [2**64 - 1]),
        ("uint8", b"\x02\x02\x02\xff\x00", [255, 0]),
        ("std_string", b"\x02\x02\x02\x03abc\x00", ["abc", ""]),
        ("vec2_double", b"\x02\x01\x02\x80\x02\x01\x00", [[1.0, 0.0]]),
        ("complex_double", b"\x02\x01\x02\x80\x02\x01\x00", [1 + 0j]),
        ("float", b"\x02\x01\x02\x80\x00", [0.5]),
    ]
    for name, buffer, expected in cases:
        found = pickled.loads(flex(name, (len(expected),), buffer))
        assert (found if isinstance(found, list) else found.tolist()) == expected, name
    hkl = pickled.loads(flex("miller_index", (1,), b"\x02\x01\x02\x01\x82\x02\x00", "cctbx_array_family_flex_ext"))
    assert hkl.tolist() == [[1, -2, 0]]


BAD_FLEX = {
    "forged count": (4, b"\x05\xff\xff\xff\x7f\x00"),
    "count of 64 bits": (4, b"\x09" + b"\xff" * 8 + b"\x00"),
    "item longer than the buffer": (1, b"\x02\x01\x05\x01"),
    "item longer than the type": (1, b"\x02\x01\x06\x01\x02\x03\x04\x05"),
    "item of 126 digits": (1, b"\x02\x01\x7f" + b"\x01" * 126),
    "too large for the type": (1, b"\x02\x01\x05\x00\x00\x00\x80"),
    "negative zero length": (1, b"\x02\x01\x80"),
    "header without digits": (1, b"\x02\x01\x01"),
    "trailing bytes": (1, b"\x02\x01\x00\x00"),
    "fewer items than the grid": (2, b"\x02\x01\x00"),
    "more items than the grid": (1, b"\x02\x02\x00\x00"),
    "empty": (1, b""),
}


@pytest.mark.parametrize("name", BAD_FLEX)
def test_forged_flex_buffers_are_refused(name: str) -> None:
    """cctbx itself dies of the first and reads beyond the third."""
    count, buffer = BAD_FLEX[name]
    with pytest.raises(FormatError):
        pickled.loads(flex("int", (count,), buffer))


@pytest.mark.parametrize("shape", [(-1,), (2**31 - 1, 2**31 - 1), (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)])
def test_forged_grids_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BraggioError):
        pickled.loads(flex("int", shape, b"\x02\x01\x00"))


@pytest.mark.parametrize("dtype", [name for name in pickled.FLEX_NAMES if name != "complex128"])
@given(data=st.data())
def test_arrays_round_trip(dtype: str, data: st.DataObject) -> None:
    kind = np.dtype(dtype)
    if kind.kind == "b":
        values: Any = data.draw(st.lists(st.booleans(), min_size=1))
    elif kind.kind in "iu":
        values = data.draw(st.lists(st.integers(np.iinfo(kind).min, np.iinfo(kind).max), min_size=1))
    else:
        width = 8 * kind.itemsize
        floats = st.floats(allow_nan=False, allow_infinity=False, width=width)  # type: ignore[arg-type]
        values = data.draw(st.lists(floats, min_size=1))
    array = np.array(values, kind)
    for protocol in (2, 4):
        found = pickled.loads(pickled.dumps(array, protocol=protocol))
        assert found.dtype == kind
        assert (found == array).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_flex_cannot_hold_is_refused(value: float) -> None:
    """cctbx writes it and reads back 0."""
    with pytest.raises(LimitError, match="item 1"):
        pickled.dumps(np.array([0.0, value]))


def test_gzip_and_tar(tmp_path: Path) -> None:
    data = pickled.dumps({"a": 1})
    path = tmp_path / "x.pickle.gz"
    path.write_bytes(gzip.compress(data))
    assert pickled.load(path) == {"a": 1}
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("one.pickle", "two.pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert [(name, pickled.loads(source)) for name, source in pickled.members(archive)] == [
        ("one.pickle", {"a": 1}),
        ("two.pickle", {"a": 1}),
    ]


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "x.pickle.gz"
    data = gzip.compress(pickled.dumps({"a": list(range(1000))}))
    for damaged in (data[:-20], data[:15] + b"\xff\xff" + data[17:]):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"x\.pickle\.gz"):
            pickled.load(path)


@pytest.mark.parametrize(
    ("beginning", "unit"),
    [(b"", b"\0"), (b"\x80\x02}q\x00", b"\0"), (b"\x80\x02}q\x00.", b"N"), (b"\x80\x02}q\x00(", b"\n")],
    ids=["zeros", "zeros after a beginning", "values after the end", "no opcodes"],
)
def test_gzip_bombs_are_refused_with_little_memory(tmp_path: Path, beginning: bytes, unit: bytes) -> None:
    """The beginning shows that there is no such pickle."""
    path = tmp_path / "x.pickle.gz"
    write_bomb(path, beginning, unit)
    tracemalloc.start()
    try:
        with pytest.raises(BraggioError, match=r"x\.pickle\.gz"):
            pickled.load(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_large_compressed_pickle_is_read_whole(tmp_path: Path) -> None:
    """Longer than what is looked at first, as one array and as many small values."""
    path = tmp_path / "x.pickle.gz"
    for value in ({"a": "x" * (9 << 20)}, {"a": [b"y" * 90] * 60_000}):
        path.write_bytes(gzip.compress(pickled.dumps(value), 1))
        assert pickled.load(path) == value


def test_trailing_bytes() -> None:
    with pytest.raises(FormatError, match="after the pickle"):
        pickled.loads(b"N.N.")
    with pytest.warns(DataWarning, match="after the pickle"):
        assert pickled.loads(b"N.N.", permissive=True) is None


def test_scan_lists_names_without_loading() -> None:
    found = pickled.scan(CALLS["STACK_GLOBAL"])
    assert found.refused == ["os.system"]
    assert [name for _, name, _ in found.steps][-3:] == ["TUPLE1", "REDUCE", "STOP"]
    memoized = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93."
    assert pickled.scan(memoized).refused == ["os.system"]
    assert pickled.scan(CALLS["EXT1"]).refused == ["EXT1"]
    assert pickled.scan(pickled.dumps({"a": np.arange(3)})).refused == []
