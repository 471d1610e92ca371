"""Protects: .cs files are read as numpy reads them, without unpickling, and joined without losing a row."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braggio.errors import (
    BraggioError,
    DataWarning,
    FormatError,
    LimitError,
    MetadataError,
    TruncatedError,
    UnsafeError,
)
from braggio.formats.cryosparc import field_names, join_on_uid, read_cs, write_cs
from braggio.model.columns import Coded

DTYPE = [
    ("uid", "<u8"),
    ("blob/path", "S12"),
    ("blob/idx", "<u4"),
    ("blob/shape", "<u4", (2,)),
    ("ctf/df1_A", "<f4"),
    ("n", "U5"),
]


def records(rows: int = 5, dtype=DTYPE) -> np.ndarray:
    random = np.random.default_rng(0)
    array = np.zeros(rows, dtype)
    for name in array.dtype.names:
        kind = array.dtype[name].base.kind
        if kind in "SU":
            array[name] = [f"J1/{i % 3}.m" for i in range(rows)]
        else:
            array[name] = random.integers(0, 1000, array[name].shape)
    array["uid"] = random.permutation(rows) + 100
    return array


def npy(array: np.ndarray, version=None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version, allow_pickle=True)
    return buffer.getvalue()


def assert_same(table, array: np.ndarray) -> None:
    assert list(table) == list(array.dtype.names)
    for name in array.dtype.names:
        column = table[name]
        if isinstance(column, Coded):
            expected = [text.decode() if isinstance(text, bytes) else str(text) for text in array[name].tolist()]
            assert list(column) == expected
        else:
            assert column.dtype.isnative and np.array_equal(column, array[name]) and column.shape == array[name].shape


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("rows", [0, 1, 5, 70_000])
def test_npy_is_what_numpy_reads(version, rows: int) -> None:
    assert_same(read_cs(npy(records(rows), version)), records(rows))


def test_big_endian() -> None:
    array = records(4, [("uid", ">u8"), ("a", ">f4"), ("b", ">u4", (2,)), ("c", ">U3")])
    assert_same(read_cs(npy(array)), array)


def test_headers_beyond_numpys_limit() -> None:
    """100 class groups make a header that np.load refuses."""
    array = records(3, [("uid", "<u8"), *((f"alignments_class3D_{i}/pose", "<f4", (3,)) for i in range(400))])
    content = npy(array)
    with pytest.raises(ValueError, match="max_header_size|too large|Header info length"):
        np.load(io.BytesIO(content))
    assert_same(read_cs(content), array)


def test_fields() -> None:
    array = records(5)
    table = read_cs(npy(array), fields=["ctf/df1_A", "blob/path"])
    assert list(table) == ["blob/path", "ctf/df1_A"] and np.array_equal(table["ctf/df1_A"], array["ctf/df1_A"])
    assert field_names(npy(array)) == list(array.dtype.names)
    with pytest.raises(MetadataError, match="ctf/df3_A"):
        read_cs(npy(array), fields=["ctf/df3_A"])


def test_real_files_are_what_numpy_reads(real_data) -> None:
    for name in ("empiar_10076_7", "4k_dataset"):
        path = real_data / "particles" / f"{name}.cs"
        assert_same(read_cs(path), np.load(path))


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_nothing_is_unpickled(tmp_path) -> None:
    for content in (npy(np.array([Bomb()], object)), npy(np.array([(1, Bomb())], [("uid", "u8"), ("a", "O")]))):
        with pytest.raises(UnsafeError, match="never loaded"):
            read_cs(content)
    with pytest.raises(FormatError, match="magic"):
        read_cs(pickle.dumps(Bomb()))


def header(text: bytes) -> bytes:
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x07\x00" + bytes(20),
        header(b"__import__('os').abort()"),
        header(b"(" * 100_000),
        header(b"[" * 7 + b"1" + b"]" * 7),
        header(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"),
        header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (-1,)}"),
        header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (True,)}"),
        header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (10**30,)}"),
        header(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (9999999999,)}"),
        header(b"{'descr': [('a', '<f4', (1048575, 1048575))], 'fortran_order': False, 'shape': (1,)}"),
        header(b"{'descr': [('a', [('b', '<f4')])], 'fortran_order': False, 'shape': (0,)}"),
        header(b"{'descr': [('a', '<f4'), ('a', '<f4')], 'fortran_order': False, 'shape': (0,)}"),
        header(b"{'descr': [('a', 'M8[s]')], 'fortran_order': False, 'shape': (0,)}"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff",
    ],
)
def test_hostile_npy(content: bytes) -> None:
    with pytest.raises(BraggioError):
        read_cs(content)


def test_every_truncation_is_refused() -> None:
    for content in (npy(records(3)), csdat(records(3))):
        for size in range(len(content)):
            with pytest.raises((FormatError, LimitError)):
                read_cs(content[:size])
    with pytest.raises(TruncatedError):
        read_cs(npy(records(3))[:-1])


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2000), st.integers(0, 255), st.booleans())
def test_damage_gives_a_typed_error_or_a_table(place: int, value: int, compressed: bool) -> None:
    content = bytearray(csdat(records(3)) if compressed else npy(records(3)))
    content[place % len(content)] = value
    with contextlib.suppress(BraggioError):
        read_cs(bytes(content))


# ---- CSDAT


def csdat(array: np.ndarray, compressed: bool = True) -> bytes:
    """An independent writer, from the layout's description."""
    import lz4.block

    heap, columns, dtype = bytearray(b"\0"), [], []
    for name in array.dtype.names:
        values = array[name]
        if values.dtype.kind in "SU":
            offsets = []
            for text in values.tolist():
                offsets.append(len(heap))
                heap += (text if isinstance(text, bytes) else text.encode()) + b"\0"
            values = np.array(offsets, "<u8")
            dtype.append([name, "|O"])
        else:
            dtype.append(
                [name, values.dtype.str, list(values.shape[1:])] if values.ndim > 1 else [name, values.dtype.str]
            )
        raw = values.tobytes()
        columns.append(lz4.block.compress(raw, store_size=False) if compressed and name != "uid" else raw)
    names = [name for name in array.dtype.names if name != "uid"] if compressed else []
    head = {
        "length": len(array),
        "dtype": dtype,
        "compression": "lz4" if compressed else None,
        "compressed_fields": names,
    }
    text = json.dumps(head).encode()
    body = b"".join(struct.pack("<I", len(column)) + column for column in columns) if len(array) else b""
    return b"\x95CSDAT" + struct.pack("<I", len(text)) + text + body + bytes(heap)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("rows", [0, 1, 5, 3000])
def test_csdat(rows: int, compressed: bool) -> None:
    assert_same(read_cs(csdat(records(rows), compressed)), records(rows))
    assert list(read_cs(csdat(records(5)), fields=["blob/idx"])) == ["blob/idx"]


def test_hostile_csdat() -> None:
    content = csdat(records(3))
    length = struct.unpack("<I", content[6:10])[0]
    for change in (
        {"length": 10**9},
        {"length": -1},
        {"length": "3"},
        {"compression": "zip"},
        {"dtype": 3},
        {"dtype": [["a"]]},
        {"dtype": [["uid", "<u8", [0]]]},
        {"dtype": [["uid", "<u8", [65536, 65536, 65536, 65536]]]},
        {"dtype": [[["uid"], "<u8"]]},
        {"dtype": [["uid", {}]]},
        {"compression": ["lz4"]},
        {"compressed_fields": [["uid"]]},
        {"compressed_fields": 5},
    ):
        head = json.dumps({**json.loads(content[10 : 10 + length]), **change}).encode()
        with pytest.raises(BraggioError):
            read_cs(content[:6] + struct.pack("<I", len(head)) + head + content[10 + length :])
    with pytest.raises(FormatError):
        read_cs(b"\x95CSDAT" + struct.pack("<I", 5) + b"[[[[[")


def test_damaged_columns_of_csdat() -> None:
    """Bad LZ4, offsets past the heap, and text that is no characters."""

    def column(code: str, raw: bytes, squeezed: bool = False) -> bytes:
        head = {"length": 1, "dtype": [["a", code]], "compression": "lz4", "compressed_fields": ["a"] * squeezed}
        text = json.dumps(head).encode()
        return b"\x95CSDAT" + struct.pack("<I", len(text)) + text + struct.pack("<I", len(raw)) + raw + b"\0"

    assert read_cs(column("<u8", bytes(8)))["a"].tolist() == [0]
    assert list(read_cs(column("<U2", "é".encode("utf-32-le") + bytes(4)))["a"]) == ["é"]
    for content, message in (
        (column("<u8", b"\xff" * 8, True), "damaged LZ4"),
        (column("<u8", b"\0", True), "damaged LZ4|expected 8 bytes"),
        (column("|O", struct.pack("<Q", 9)), "offsets below the heap's 1 bytes, found 9"),
        (column("<U1", b"\xff" * 4), "expected characters"),
        (column("<u8", bytes(9)), "expected 8 bytes"),
    ):
        with pytest.raises(FormatError, match=message):
            read_cs(content)
    with pytest.raises(FormatError, match="expected characters"):
        read_cs(npy(np.array([("a",)], [("n", "<U1")])).replace(b"a\0\0\0", b"a\0\0\xff"))


@pytest.mark.parametrize("format", ["npy", "csdat"])
@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_written_files_are_read_back(tmp_path, format: str, rows: int) -> None:
    table = read_cs(npy(records(rows)))
    write_cs(tmp_path / "a.cs", table, format=format)
    again = read_cs(tmp_path / "a.cs")
    assert_same(again, records(rows))
    if format == "npy":
        loaded = np.load(tmp_path / "a.cs")
        assert loaded.dtype.names == records().dtype.names and np.array_equal(
            loaded["blob/shape"], records(rows)["blob/shape"]
        )
    with pytest.raises(FormatError, match="one length"):
        write_cs(tmp_path / "b.cs", {"uid": np.zeros(2), "a": np.zeros(3)})


def test_csdat_is_that_of_cryosparc_tools(tmp_path) -> None:
    """Both ways, field by field, where the package is installed."""
    dataset = pytest.importorskip("cryosparc.dataset", reason="CSDAT NOT COMPARED: no cryosparc-tools")
    array = records(500)
    array["n"] = "é"
    theirs = dataset.Dataset(
        [
            (name, array[name].tolist() if array[name].dtype.kind in "SU" else array[name])
            for name in ("uid", "blob/idx", "blob/shape", "ctf/df1_A")
        ]
        + [("blob/path", [text.decode() for text in array["blob/path"].tolist()]), ("n", array["n"].tolist())]
    )
    theirs.save(str(tmp_path / "theirs.cs"), format=dataset.CSDAT_FORMAT)
    ours = read_cs(tmp_path / "theirs.cs")
    assert (tmp_path / "theirs.cs").read_bytes().startswith(b"\x95CSDAT")
    for name in ("uid", "blob/idx", "blob/shape", "ctf/df1_A"):
        assert np.array_equal(ours[name], array[name]) and ours[name].dtype == array[name].dtype, name
    assert list(ours["blob/path"]) == [text.decode() for text in array["blob/path"].tolist()]
    assert list(ours["n"]) == ["é"] * 500
    for format in ("csdat", "npy"):
        write_cs(tmp_path / f"{format}.cs", ours, format=format)
        again = dataset.Dataset.load(str(tmp_path / f"{format}.cs"))
        for name in ("uid", "blob/idx", "blob/shape", "ctf/df1_A"):
            assert np.array_equal(np.asarray(again[name]), array[name]), name
        assert list(again["blob/path"]) == list(ours["blob/path"]) and list(again["n"]) == ["é"] * 500


# ---- passthrough


def test_join_keeps_order_and_every_row() -> None:
    first = read_cs(npy(records(200)))
    rng = np.random.default_rng(3)
    order = rng.permutation(200)
    second = {"uid": first["uid"][order], "extra": order.astype(np.float32), "names": Coded.of([str(i) for i in order])}
    table, rows = join_on_uid([first, second])
    assert rows.tolist() == list(range(200))
    assert np.array_equal(table["uid"], first["uid"]) and table["extra"].tolist() == list(range(200))
    assert list(table["names"]) == [str(i) for i in range(200)]


def test_join_refuses_unmatched_and_double_uids() -> None:
    first = {"uid": np.array([1, 2, 3], np.uint64), "a": np.arange(3)}
    with pytest.raises(MetadataError, match="1 of them missing, 1 others"):
        join_on_uid([first, {"uid": np.array([1, 2, 4], np.uint64)}])
    table, rows = join_on_uid(
        [first, {"uid": np.array([3, 1, 4], np.uint64), "b": np.array([30, 10, 40])}], how="inner"
    )
    assert rows.tolist() == [0, 2] and table["b"].tolist() == [10, 30] and table["a"].tolist() == [0, 2]
    with pytest.raises(MetadataError, match="every uid once, found 1 more than once, 2 first"):
        join_on_uid([first, {"uid": np.array([1, 2, 2], np.uint64)}])
    with pytest.raises(MetadataError, match="no such field"):
        join_on_uid([first, {"b": np.arange(3)}])


def test_the_earlier_file_wins_and_differences_are_told() -> None:
    first = {"uid": np.array([1, 2], np.uint64), "a": np.array([1.0, 2.0])}
    with pytest.warns(DataWarning, match="a differs in 1 rows"):
        table, _ = join_on_uid([first, {"uid": np.array([2, 1], np.uint64), "a": np.array([2.0, 7.0])}])
    assert table["a"].tolist() == [1.0, 2.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        join_on_uid([first, {"uid": np.array([2, 1], np.uint64), "a": np.array([2.0, 1.0])}])


# ---- names and widths beyond the usual


def test_names_beyond_latin_1_are_written(tmp_path) -> None:
    write_cs(tmp_path / "a.cs", {"uid": np.array([1, 2], np.uint64), "star/温度": np.array([1.5, 2.5])})
    assert read_cs(tmp_path / "a.cs")["star/温度"].tolist() == [1.5, 2.5]
    assert np.load(tmp_path / "a.cs")["star/温度"].tolist() == [1.5, 2.5]


def raw_npy(text: bytes, body: bytes = b"", version: int = 1) -> bytes:
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + body


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            raw_npy(b"{'descr': [('\xff', '<u8')], 'fortran_order': False, 'shape': (0,)}", version=3),
            "header: expected UTF",
        ),
        (raw_npy(b"{'descr': [('a', 'S0')], 'fortran_order': False, 'shape': (1099511627776,)}"), "at least 1 byte"),
        (raw_npy(b"{'descr': [('a', '<U0')], 'fortran_order': False, 'shape': (1099511627776,)}"), "at least 1 byte"),
        (raw_npy(b"{'descr': [('a', 'S0', (2,))], 'fortran_order': False, 'shape': (2,)}"), "at least 1 byte"),
        (
            raw_npy(b"{'descr': [('a', '<U1')], 'fortran_order': False, 'shape': (1,)}", b"\x00\xd8\x00\x00"),
            "a: expected characters, found 0xd800",
        ),
    ],
)
def test_odd_texts_and_names_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(FormatError, match=problem):
        read_cs(data)


def test_texts_without_width_are_empty() -> None:
    descr = b"{'descr': [('a', '<U0'), ('b', 'S0'), ('uid', '<u8')], 'fortran_order': False, 'shape': (2,)}"
    table = read_cs(raw_npy(descr, bytes(16)))
    assert list(table["a"]) == list(table["b"]) == ["", ""] and table["uid"].tolist() == [0, 0]


def test_csdat_of_odd_headers_is_refused() -> None:
    def csdat(header, body=b"") -> bytes:
        text = json.dumps(header).encode()
        return b"\x95CSDAT" + struct.pack("<I", len(text)) + text + body

    many = csdat({"length": 0, "dtype": [[f"f{i}", "<u8"] for i in range(70_000)]})
    with pytest.raises(LimitError, match="at most 65536 fields, found 70000"):
        read_cs(many)
    with pytest.raises(FormatError, match="a: expected texts of at least 1 byte"):
        read_cs(csdat({"length": 2, "dtype": [["a", "|S0"]]}, bytes(5)))


def test_uids_of_either_sign_are_compared_exactly() -> None:
    """As float64, which numpy compares int64 with uint64 in, 2^53 and 2^53 + 1 are one."""
    uid = 2**53 + np.arange(6)
    first, second = {"uid": uid.astype(np.uint64)}, {"uid": uid[::-1].astype(np.int64), "a": np.arange(6)[::-1]}
    assert join_on_uid([first, second])[0]["a"].tolist() == list(range(6))
    for bad in (-uid, uid.astype(float), uid.reshape(3, 2), Coded.of(["a"] * 6)):
        with pytest.raises(MetadataError, match=r"table 2: uid: expected one integer a row, from 0"):
            join_on_uid([first, {"uid": bad}])
