"""CBF files: real ones, against fabio and pycbf, damaged ones, and what is written."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from braggio.errors import BraggioError, DataWarning, FormatError, OutputError, TruncatedError, UnsupportedError
from braggio.formats import cif
from braggio.formats.cbf import MAGIC, open_cbf, read_cbf, section_bytes, write_cbf

IMAGE = np.random.default_rng(0).normal(0, 15, (7, 11)).round().astype(np.int32)


@pytest.mark.parametrize(
    ("name", "shape", "total", "detector"),
    [
        ("DLS_I03_smargon_0001.cbf.gz", (2527, 2463), 36200, "PILATUS3 6M, S/N 60-0126"),
        ("dlsnxs2cbf_therm_0001.cbf.gz", (4362, 4148), -1210773, "EIGER 16M XR4i S/N 160-0001 Diamond"),
    ],
)
def test_real_mini_cbf(real_data: Path, name: str, shape: tuple[int, int], total: int, detector: str) -> None:
    file = open_cbf(real_data / "xfel" / name)
    (section,) = file.sections
    pixels = section.read()
    assert (pixels.shape, pixels.dtype, int(pixels.sum())) == (shape, np.int32, total)
    assert file.mini_header["Detector"] == detector
    assert (section.digest is None) == name.startswith("dlsnxs")


def test_real_mini_cbf_as_fabio_reads_it(real_data: Path, tmp_path: Path) -> None:
    fabio = pytest.importorskip("fabio")
    path = tmp_path / "x.cbf"
    path.write_bytes(gzip.decompress((real_data / "xfel" / "DLS_I03_smargon_0001.cbf.gz").read_bytes()))
    assert (read_cbf(path) == fabio.open(str(path)).data).all()


@pytest.mark.parametrize("codec", ["byte_offset", "packed", "packed_v2", "none"])
@pytest.mark.parametrize("dtype", ["int32", "uint16", "int8", "float64", "float32"])
def test_what_is_written_is_read(tmp_path: Path, codec: Any, dtype: str) -> None:
    if codec == "byte_offset" and dtype.startswith("f"):
        return
    path = tmp_path / "x.cbf"
    array = IMAGE.astype(dtype)
    write_cbf(path, array, codec=codec, header={"Wavelength": "0.9795 A"})
    file = open_cbf(path)
    assert file.mini_header == {"Wavelength": "0.9795 A"}
    found = file.sections[0].read()
    assert found.dtype == array.dtype
    assert (found == array).all()
    out = np.zeros_like(array)
    assert file.sections[0].read(out=out) is out
    assert (out == array).all()


def test_fabio_reads_what_is_written(tmp_path: Path) -> None:
    fabio = pytest.importorskip("fabio")
    write_cbf(tmp_path / "x.cbf", IMAGE)
    assert (fabio.open(str(tmp_path / "x.cbf")).data == IMAGE).all()


@pytest.mark.parametrize("codec", ["packed", "packed_v2", "byte_offset", "none"])
def test_pycbf_reads_what_is_written_and_back(tmp_path: Path, codec: Any) -> None:
    pycbf = pytest.importorskip("pycbf")
    from braggio.formats.cspad_cbf import write_cspad_cbf
    from braggio.model.cspad import Cspad, Placement, raw

    pixels = np.random.default_rng(0).normal(0, 15, (64, 185, 194)).round().astype(np.int32)
    path = tmp_path / "x.cbf"
    write_cspad_cbf(path, pixels, Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32), codec=codec)
    handle = pycbf.cbf_handle_struct()
    handle.read_widefile(str(path), pycbf.MSG_DIGEST)
    handle.find_category("array_data")
    handle.find_column("data")
    for q in range(4):
        handle.select_row(q)
        found = np.frombuffer(handle.get_integerarray_as_string(), "<i4").reshape(8, 185, 388)
        assert (found == raw(pixels)[q]).all()


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

    def read() -> None:
        file = open_cbf(GOOD.replace(old, new))
        _ = file.block
        file.sections[0].read()

    with pytest.raises(BraggioError) as caught:
        read()
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


def test_several_sections_are_not_one_image(real_data: Path) -> None:
    with pytest.raises(UnsupportedError, match="found 4"):
        read_cbf(real_data / "xfel" / "idx-20130301060858601.cbf")


def test_an_existing_file_survives(tmp_path: Path) -> None:
    path = tmp_path / "x.cbf"
    path.write_bytes(b"kept")
    with pytest.raises(OutputError):
        write_cbf(path, IMAGE)
    with pytest.raises(FormatError):
        write_cbf(path, IMAGE, header={"a": "\n;"}, overwrite=True)
    assert path.read_bytes() == b"kept"


def test_cif_text() -> None:
    block = cif.parse(
        "# c\r\ndata_a\r\n_x.one 'it''s' # c\r\n_x.two \"a 'b\"\r\n_x.three .\r\n_x.four '.'\r\n"
        "loop_\r\n_y.a\r\n_y.b\r\n"
        "1\r\n;text\r\n ; no end\r\n;\r\n? 4\r\n"
    )
    assert block.value("x", "one") == "it''s"
    assert (block.value("x", "two"), block.value("x", "three"), block.value("x", "four")) == ("a 'b", None, ".")
    assert block.category("y").rows == [["1", "text\n ; no end\n"], [None, "4"]]
    for bad in (
        "",
        "x",
        "data_a\n_x",
        "data_a\nloop_\n_a.b\n_a.c\n1\n",
        "data_a\n1\n",
        "data_a\n_x.y 'a\n",
        "data_a loop_ 1",
    ):
        with pytest.raises(FormatError):
            cif.parse(bad)


@pytest.mark.parametrize("pixels", [np.zeros((2, 2), np.float16), np.zeros((0, 2), np.int32)])
def test_what_could_not_be_read_is_not_written(tmp_path: Path, pixels: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"a\.cbf: (codec|pixels): "):
        write_cbf(tmp_path / "a.cbf", pixels, codec="none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        ";x\n" * 200_000,
        "".join(f"_a.b{i} 1\n" for i in range(100_000)) + "_a.B7 1\n",
        "loop_\n_a.b\n_a.B\n1 2\n",
        "loop_\n_a.b\n1\n_a.b 2\n",
    ],
)
def test_cif_text_that_contradicts_itself_is_refused_at_once(text: str) -> None:
    begun = time.monotonic()
    with pytest.raises(FormatError, match="a text field that ends|one value"):
        cif.parse(f"data_a\n{text}")
    assert time.monotonic() - begun < 20
