"""Binary sections within CIF text: line ends, encodings, digests; damage and bombs are refused."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from makers import write_bomb

from braggio.errors import BraggioError, DataWarning, FormatError, TruncatedError
from braggio.formats.cbf import read_cbf
from braggio.storage.cbf import is_cbf, open_cbf, section_bytes
from braggio.storage.cbf.section import MAGIC

IMAGE = np.random.default_rng(0).normal(0, 15, (7, 11)).round().astype(np.int32)


def file_with(section: bytes, newline: bytes = b"\r\n") -> bytes:
    return b"###CBF: VERSION 1.5\n\ndata_x\n\n_array_data.data\n".replace(b"\n", newline) + section


GOOD = file_with(section_bytes(IMAGE))


def test_line_ends_of_unix() -> None:
    data = file_with(section_bytes(IMAGE, newline=b"\n"), b"\n")
    assert b"\r" not in data.split(MAGIC)[0]
    assert (read_cbf(data) == IMAGE).all()


def test_base64() -> None:
    head, rest = section_bytes(IMAGE).split(MAGIC)
    size = int(head.split(b"X-Binary-Size: ")[1].split(b"\r")[0])
    text = base64.encodebytes(rest[:size]).replace(b"\n", b"\r\n")
    section = head.replace(b"BINARY\r\nX", b"BASE64\r\nX") + text + b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"
    assert (read_cbf(file_with(section)) == IMAGE).all()
    with pytest.raises(FormatError):
        read_cbf(file_with(section.replace(text[:4], b"####")))


def test_big_endian_without_compression() -> None:
    section = section_bytes(IMAGE, codec="none")
    head, rest = section.split(MAGIC, 1)
    swapped = IMAGE.astype(">i4").tobytes()
    digest = base64.b64encode(hashlib.md5(swapped).digest())
    old = head.split(b"Content-MD5: ")[1].split(b"\r")[0]
    head = head.replace(b"LITTLE_ENDIAN", b"BIG_ENDIAN").replace(old, digest)
    assert (read_cbf(file_with(head + MAGIC + swapped + rest[len(swapped) :])) == IMAGE).all()


def test_pixels_may_look_like_text() -> None:
    r"""A section that holds "\n;" and the boundary itself."""
    words = np.frombuffer(
        b"\n;\r\n--CIF-BINARY-FORMAT-SECTION--\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\nxx", np.uint8
    )
    assert (read_cbf(file_with(section_bytes(words[None], codec="none"))) == words).all()


def test_wrong_md5() -> None:
    head, rest = GOOD.split(MAGIC)
    bad = head + MAGIC + bytes([rest[0] ^ 1]) + rest[1:]
    with pytest.raises(FormatError, match="Content-MD5"):
        read_cbf(bad)
    with pytest.warns(DataWarning, match="Content-MD5"):
        changed = read_cbf(bad, verify="warn")
    assert (changed != IMAGE).any()
    assert (read_cbf(bad, verify="skip") == changed).all()


def test_without_md5() -> None:
    line = next(line for line in GOOD.split(b"\r\n") if line.startswith(b"Content-MD5"))
    assert (read_cbf(GOOD.replace(line + b"\r\n", b"")) == IMAGE).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"X-Binary-Size: ", b"X-Binary-Size: 9"),
        (b"X-Binary-Size: ", b"X-Binary-Size: 99999999999999999"),
        (b"X-Binary-Size: ", b"X-Binary-Size: x"),
        (b"X-Binary-Size: ", b"X-Binary-Length: "),
        (b"Fastest-Dimension: 11", b"Fastest-Dimension: 12"),
        (b"Fastest-Dimension: 11", b"Fastest-Dimension: 99999999999"),
        (b"Fastest-Dimension: 11", b"Fastest-Dimension: 0"),
        (b"Number-of-Elements: 77", b"Number-of-Elements: 78"),
        (b"Second-Dimension: 7", b"Second-Dimension: -7"),
        (b"x-CBF_BYTE_OFFSET", b"x-CBF_CANONICAL"),
        (b"x-CBF_BYTE_OFFSET", b"x-CBF_PACKED"),
        (b"signed 32-bit integer", b"signed 24-bit integer"),
        (b"signed 32-bit integer", b"signed 32-bit complex"),
        (b"LITTLE_ENDIAN", b"PDP_ENDIAN"),
        (b"Content-Transfer-Encoding: BINARY", b"Content-Transfer-Encoding: X-BASE32K"),
        (b"Content-MD5: ", b"Content-MD5: AA"),
        (MAGIC, b"\x0c\x1a\x04\xd6"),
        (b"--CIF-BINARY-FORMAT-SECTION----", b"--CIF-BINARY-FORMAT-SECTIOM----"),
        (b"data_x", b"x_data"),
    ],
)
def test_contradictions_are_refused(old: bytes, new: bytes) -> None:
    assert old in GOOD

    def parse() -> None:
        file = open_cbf(GOOD.replace(old, new))
        _ = file.block
        file.sections[0].read()

    with pytest.raises(BraggioError) as caught:
        parse()
    assert "\n" not in str(caught.value)


def test_every_truncation_is_refused() -> None:
    end = GOOD.rindex(b"--CIF")
    for cut in [*range(500), *range(GOOD.index(MAGIC), GOOD.index(MAGIC) + 200), end, end + 20]:
        with pytest.raises(BraggioError):
            read_cbf(GOOD[:cut])


def test_no_byte_of_the_header_breaks_the_reader() -> None:
    data = bytearray(GOOD)
    for at in range(GOOD.index(MAGIC) + 4):
        kept = data[at]
        for byte in (0, 10, 59, 255, kept ^ 1):
            data[at] = byte
            with contextlib.suppress(BraggioError):
                read_cbf(bytes(data))
        data[at] = kept


def test_damaged_gzip(tmp_path: Path) -> None:
    path = tmp_path / "x.cbf.gz"
    path.write_bytes(gzip.compress(GOOD)[:-30])
    with pytest.raises(TruncatedError):
        read_cbf(path)


@pytest.mark.parametrize(
    ("beginning", "unit"),
    [
        (b"", b"\0"),
        (b"###CBF: VERSION 1.5\ndata_x\n", b"\0"),
        (b"###CBF: VERSION 1.5\ndata_x\n", b"_a.b 1\n"),
        (GOOD, b"\0"),
    ],
    ids=["zeros", "zeros as text", "text", "zeros after the last section"],
)
def test_bombs_are_refused_with_little_memory(tmp_path: Path, beginning: bytes, unit: bytes) -> None:
    """The beginning shows that there is no such CBF."""
    path = tmp_path / "x.cbf.gz"
    write_bomb(path, beginning, unit)
    tracemalloc.start()
    try:
        assert is_cbf(path) == bool(beginning)
        with pytest.raises(BraggioError, match=r"x\.cbf\.gz"):
            open_cbf(path)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [(1 << 20) + at for at in (-4096, -300, -20, -1, 0, 1)])
def test_a_section_may_end_where_the_first_look_does(tmp_path: Path, size: int) -> None:
    """Wherever the beginning that is looked at first is cut, the file is whole."""
    plain = file_with(section_bytes(np.zeros((1, 1), np.int8), codec="none"))
    pixels = np.arange(size - len(plain) + 1).astype(np.int8)[None]
    path = tmp_path / "x.cbf.gz"
    for more in (pixels, np.concatenate([pixels, pixels], axis=1)):
        path.write_bytes(gzip.compress(file_with(section_bytes(more, codec="none")), 1))
        assert (read_cbf(path) == more).all()
