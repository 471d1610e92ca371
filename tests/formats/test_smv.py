"""SMV: every writer's dialect is read; what is written keeps the rules of dxtbx, iotbx and Leginon."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import LEGINON_KEYS, pixels, smv, smv_lines

import braggio
from braggio.errors import FormatError, LimitError, MetadataError, UnknownOptionError, UnsupportedError
from braggio.formats.smv import KEYS, decimal, header_text

ARRAY = pixels((4, 7), "uint16")


def read_same(data: bytes, expected: np.ndarray = ARRAY) -> dict[str, Any]:
    with braggio.open(data) as stack:
        assert stack.format == "smv"
        np.testing.assert_array_equal(stack.read(0), expected)
        return dict(stack.header)


def test_sizes_are_columns_and_rows() -> None:
    """SIZE1 is the fast axis, as dxtbx, fabio and ncempy read it."""
    header = read_same(smv(ARRAY))
    assert (header["SIZE1"], header["SIZE2"]) == (7, 4)


def test_big_endian() -> None:
    assert read_same(smv(ARRAY, big_endian=True))["BYTE_ORDER"] == "big_endian"


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("signed char", "int8"),
        ("unsigned char", "uint8"),
        ("short int", "int16"),
        ("unsigned short int", "uint16"),
        ("long int", "int32"),
        ("unsigned long int", "uint32"),
        ("float IEEE", "float32"),
    ],
)
@pytest.mark.parametrize("big_endian", [False, True])
def test_dtrek_types(name: str, dtype: str, big_endian: bool) -> None:
    """d*TREK names the pixel type in Data_type, and TYPE is something else there."""
    array = pixels((3, 5), dtype)
    lines = [
        line
        for line in smv_lines(array, order="big_endian" if big_endian else "little_endian")
        if not line.startswith("TYPE")
    ]
    read_same(smv(array, [*lines, "TYPE=mad;", f"Data_type={name};"], big_endian=big_endian), array)


def test_header_bytes_late() -> None:
    """instamatic and microed-tools do not put it first."""
    first, *rest = smv_lines(ARRAY)
    read_same(smv(ARRAY, [*rest, first]))
    read_same(smv(ARRAY, sorted(smv_lines(ARRAY))))


def test_header_bytes_after_512() -> None:
    first, *rest = smv_lines(ARRAY, header_bytes=2048)
    data = smv(ARRAY, [*[f"COMMENT{i}={'x' * 60};" for i in range(20)], *rest, first], header_bytes=2048)
    np.testing.assert_array_equal(braggio.read(data, format="smv"), ARRAY)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("pad", [b" ", b"\0", b"\f", b"\n"], ids=repr)
def test_line_ends_and_padding(newline: str, pad: bytes) -> None:
    header = read_same(smv(ARRAY, newline=newline, pad=pad))
    assert header["BIN"] == "2x2"
    assert header["OSC_RANGE"] == 0.5


def test_values_in_the_wild() -> None:
    """nan, a brace, an equals sign, an unfilled template, no value; keys with blanks around."""
    lines = [
        "PHI={phi:.4f};",
        "OSC_START=nan;",
        "COMMENT=a } b = c;",
        "EMPTY=;",
        "  TIME = 1.5 ;",
        "DETECTOR_SN=unknown;",
    ]
    header = read_same(
        smv(ARRAY, [*[line for line in smv_lines(ARRAY) if not line.startswith(("PHI", "OSC_START"))], *lines])
    )
    assert header["PHI"] == "{phi:.4f}"
    assert math.isnan(header["OSC_START"])
    assert header["COMMENT"] == "a } b = c"
    assert header["EMPTY"] == ""
    assert header["TIME"] == 1.5
    assert header["DETECTOR_SN"] == "unknown"


def test_text_that_only_looks_like_a_number_stays_text() -> None:
    """Python would read 1_000 as a thousand; no SMV program does."""
    header = read_same(smv(ARRAY, [*smv_lines(ARRAY), "DETECTOR_SN=12_34;", "COMMENT=1_0.5;"]))
    assert header["DETECTOR_SN"] == "12_34"
    assert header["COMMENT"] == "1_0.5"


def test_several_entries_on_a_line_and_closing_brace_behind_them() -> None:
    text = "{HEADER_BYTES=512;SIZE1=7;SIZE2=4;TYPE=unsigned_short;\nBYTE_ORDER=little_endian;}\n"
    read_same(text.encode().ljust(512) + ARRAY.astype("<u2").tobytes())


def test_a_missing_byte_order_is_little_only_when_permissive() -> None:
    """A damaged key must not turn the bytes of a big-endian file round."""
    data = smv(ARRAY, [line for line in smv_lines(ARRAY) if "BYTE_ORDER" not in line])
    with pytest.raises(FormatError, match="BYTE_ORDER"):
        braggio.open(data)
    np.testing.assert_array_equal(braggio.read(data, permissive=True), ARRAY)


def test_nothing_after_the_closing_brace_counts() -> None:
    """Padding may hold old text: the header ends at the line that is a brace."""
    data = bytearray(smv(ARRAY))
    end = data.index(b"}\n") + 2
    data[end : end + 16] = b"SIZE1=3;SIZE2=3;"
    read_same(bytes(data))


def test_a_real_image(real_data: Path) -> None:
    """A Timepix image written by another program: as fabio reads it."""
    import fabio

    path = real_data / "microed" / "TIMEPIX_SU_516-stdgoni_0001.img"
    theirs = fabio.open(str(path))
    header = read_same(path.read_bytes(), theirs.data)
    assert header["SIZE1"] == theirs.data.shape[1]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("SIZE1=0;", "SIZE1"),
        ("SIZE1=-7;", "SIZE1"),
        ("SIZE1=7.5;", "SIZE1"),
        ("SIZE1=;", "SIZE1"),
        ("BYTE_ORDER=middle;", "BYTE_ORDER"),
        ("TYPE=double;", "TYPE"),
        ("HEADER_BYTES=nan;", "HEADER_BYTES"),
        ("HEADER_BYTES=0;", "HEADER_BYTES"),
    ],
)
def test_values_that_cannot_be_name_their_key(line: str, what: str) -> None:
    lines = [line if each.startswith(line.split("=")[0] + "=") else each for each in smv_lines(ARRAY)]
    with pytest.raises(FormatError, match=what):
        braggio.open(smv(ARRAY, lines), format="smv")


@pytest.mark.parametrize("key", ["HEADER_BYTES", "SIZE1", "SIZE2", "TYPE"])
def test_missing_keys_are_named(key: str) -> None:
    with pytest.raises(FormatError, match=key):
        braggio.open(smv(ARRAY, [line for line in smv_lines(ARRAY) if not line.startswith(key)]), format="smv")


# --- written headers: the rules of the readers, written down again from their description


def dxtbx_header(data: bytes) -> dict[str, str]:
    """FormatSMV: the first 15 bytes, the size within 45, exactly one '=' a line, the end at a line that is '}'."""
    assert data[:15] == b"{\nHEADER_BYTES="
    size = int(data[:45].decode("ascii", "ignore").split("\n")[1].split("=")[1].replace(";", "").strip())
    found = {}
    for line in data[:size].decode("ascii").split("\n"):
        if line == "}":
            return found
        if "=" not in line:
            continue
        key, value = line.replace(";", "").split("=")
        found[key.strip()] = value.strip()
    raise AssertionError("no line that is '}'")


def leginon_header(data: bytes) -> dict[str, str]:
    """numsmv.parseHeader: 512 bytes, up to '}', parts between ';', one '=' each, its own keys only."""
    text = data[:512].decode("ascii").split("}")[0].lstrip("{")
    found = {}
    for part in text.split(";"):
        if part.strip():
            key, value = part.strip().split("=")
            assert key in LEGINON_KEYS, f"Leginon exits on {key}"
            found[key] = value
    return found


HEADER = {
    "PIXEL_SIZE": 0.028,
    "BIN": (2, 2),
    "BEAMLINE": "CETAD_TUI",
    "DATE": "Wed Jun 06 09:43:09 2007",
    "TIME": 1.0,
    "DISTANCE": 1500.0,
    "OSC_START": -30.0,
    "OSC_RANGE": 0.0844,
    "WAVELENGTH": 0.0250793404,
    "BEAM_CENTER_X": 0.098,
    "BEAM_CENTER_Y": 0.056,
    "GAIN": 28.0,
    "IMAGE_PEDESTAL": 37.0,
    "LEGINON_OFFSET": 351.0,
}


def test_other_readers_take_the_header(tmp_path: Path) -> None:
    """dxtbx, iotbx (the same magic) and Leginon find every key and value."""
    path = tmp_path / "x.img"
    braggio.write(path, ARRAY, header=HEADER)
    data = path.read_bytes()
    assert len(data) == 512 + ARRAY.nbytes
    found = dxtbx_header(data)
    assert found == leginon_header(data) | {"HEADER_BYTES": "512"}
    assert (found["SIZE1"], found["SIZE2"], found["DIM"]) == ("7", "4", "2")
    assert (found["BYTE_ORDER"], found["TYPE"], found["BIN"]) == ("little_endian", "unsigned_short", "2x2")
    for key, value in HEADER.items():
        if isinstance(value, float):
            assert float(found[key]) == value
    assert {"DISTANCE", "PIXEL_SIZE", "WAVELENGTH", "OSC_START", "OSC_RANGE", "BEAM_CENTER_X", "BEAM_CENTER_Y"} <= set(
        found
    )


def test_fabio_reads_what_is_written(tmp_path: Path) -> None:
    import fabio

    path = tmp_path / "x_001.img"
    braggio.write(path, ARRAY, header=HEADER)
    theirs = fabio.open(str(path))
    np.testing.assert_array_equal(theirs.data, ARRAY)
    assert float(theirs.header["OSC_RANGE"]) == 0.0844


def test_ncempy_reads_what_is_written(tmp_path: Path) -> None:
    from ncempy.io import smv as theirs

    path = tmp_path / "x_001.img"
    braggio.write(path, ARRAY, header=HEADER)
    np.testing.assert_array_equal(theirs.smvReader(str(path))["data"], ARRAY)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"])
def test_files_of_fabio_are_read(dtype: str, tmp_path: Path) -> None:
    """fabio writes SMV with d*TREK's Data_type and without TYPE."""
    from fabio.dtrekimage import DtrekImage

    array = pixels((4, 7), dtype)
    path = tmp_path / "x.img"
    DtrekImage(data=array).write(str(path))
    read_same(path.read_bytes(), array)


def test_files_of_ncempy_are_read(tmp_path: Path) -> None:
    from ncempy.io import smv as theirs

    path = tmp_path / "x.img"
    if not hasattr(theirs, "smvWriter"):
        pytest.skip("this ncempy writes no SMV")
    theirs.smvWriter(str(path), ARRAY)
    read_same(path.read_bytes(), ARRAY)


def test_written_keys_are_leginons() -> None:
    assert set(KEYS) == LEGINON_KEYS
    assert KEYS[0] == "HEADER_BYTES"


def test_header_reads_back(tmp_path: Path) -> None:
    """Written, read and written again: the same bytes."""
    path, copy = tmp_path / "x.img", tmp_path / "y.img"
    braggio.write(path, ARRAY, header=HEADER)
    with braggio.open(path) as stack:
        assert {key: stack.header[key] for key in HEADER if key != "BIN"} == {
            key: HEADER[key] for key in HEADER if key != "BIN"
        }
        braggio.write(copy, stack, header=stack.header)
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("bad", ["a=b", "a;b", "a}b", "{a", "a\rb", "a\nb", "\xe9", "a\0b", "tab\t"], ids=repr)
def test_reserved_characters_in_a_value_are_refused(bad: str, tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="BEAMLINE"):
        braggio.write(tmp_path / "x.img", ARRAY, header={"BEAMLINE": bad})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["", "A B", "A=", "{", "A;", "\xc9"], ids=repr)
def test_reserved_characters_in_a_key_are_refused(bad: str, tmp_path: Path) -> None:
    with pytest.raises(MetadataError):
        braggio.write(tmp_path / "x.img", ARRAY, header={bad: 1}, any_key=True)


def test_unknown_keys_need_any_key(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="any_key"):
        braggio.write(tmp_path / "x.img", ARRAY, header={"COMMENT": "x"})
    braggio.write(tmp_path / "x.img", ARRAY, header={"COMMENT": "x"}, any_key=True)
    assert braggio.info(tmp_path / "x.img")["header"]["COMMENT"] == "x"


@pytest.mark.parametrize("number", ["442", "926", "  457", 445, "0442"])
def test_a_detector_number_would_choose_a_synchrotron(number: Any) -> None:
    """dxtbx compares int(DETECTOR_SN) with the serial numbers of beamline detectors."""
    with pytest.raises(MetadataError, match="DETECTOR_SN"):
        header_text({"DETECTOR_SN": number}, (4, 7), any_key=True)


def test_a_long_header_says_which_size_would_do() -> None:
    """Never 542 bytes under the number 512."""
    with pytest.raises(LimitError, match="header_bytes=1024") as caught:
        header_text({"BEAMLINE": "x" * 500}, (4, 7))
    assert "512" in str(caught.value)
    text = header_text({"BEAMLINE": "x" * 500}, (4, 7), header_bytes=1024)
    assert len(text) == 1024
    assert dxtbx_header(text)["HEADER_BYTES"] == "1024"


def test_every_header_length_up_to_the_limit() -> None:
    """The last byte that fits, and one more: no off-by-one at the block's end."""
    spare = 512 - len(header_text({"BEAMLINE": ""}, (4, 7)).rstrip(b" \n")) - 1
    for length in range(spare - 3, spare + 1):
        text = header_text({"BEAMLINE": "x" * length}, (4, 7))
        assert len(text) == 512
        assert dxtbx_header(text)["BEAMLINE"] == "x" * length
        read_same(text + ARRAY.astype("<u2").tobytes())
    with pytest.raises(LimitError):
        header_text({"BEAMLINE": "x" * (spare + 1)}, (4, 7))


@pytest.mark.parametrize("size", [0, 511, 513, -512, 256])
def test_header_bytes_must_be_whole_blocks(size: int) -> None:
    with pytest.raises(MetadataError, match="512"):
        header_text({}, (4, 7), header_bytes=size)


@pytest.mark.parametrize(
    ("dtype", "value"), [("int16", -1), ("int32", 65536), ("float32", 0.5), ("float64", -0.25), ("uint32", 2**32 - 1)]
)
def test_values_that_smv_cannot_hold_are_refused(dtype: str, value: float, tmp_path: Path) -> None:
    array = np.full((3, 3), 7, dtype)
    array[1, 2] = value
    with pytest.raises(LimitError, match="0..65535"):
        braggio.write(tmp_path / "x.img", array)
    with pytest.raises(FormatError, match="NaN"):
        braggio.write(tmp_path / "x.img", np.array([[1.0, np.nan]]))
    with pytest.raises(UnsupportedError):
        braggio.write(tmp_path / "x.img", np.zeros((2, 3, 3), "uint16"))


def test_compressed_smv_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="COMPRESSION"):
        braggio.open(smv(ARRAY, [*smv_lines(ARRAY), "COMPRESSION=byte_offset;"]))


def test_decimals_keep_a_long_scan() -> None:
    """Angles of 1000 frames of 0.0844 degrees, and wavelengths, come back as they were."""
    for i in range(1000):
        angle = -42.1 + i * 0.0844
        assert abs(float(decimal(angle)) - angle) < 1e-9
    assert float(decimal(0.0250793404)) == 0.0250793404


def test_decimals_of_zeros_and_of_numpy() -> None:
    """Whatever was asked before; a numpy float prints as its number, not as what it is."""
    assert [decimal(number) for number in (0.0, -0.0, 0.0, 1.0)] == ["0.0", "-0.0", "0.0", "1.0"]
    assert decimal(np.float64(3e-11)) == "3e-11"


@pytest.mark.parametrize("value", [1e-12, -3e-11, 1e16, 123456.0])
def test_decimals_do_not_lose_a_small_or_large_value(value: float) -> None:
    """A float that is not 0 is not written as 0."""
    assert float(decimal(value)) == pytest.approx(value, rel=1e-9, abs=0)


def test_options_of_another_format_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownOptionError, match="flip: not an option of SMV files; there are permissive"):
        braggio.open(smv(ARRAY), flip=True)
