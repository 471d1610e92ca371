"""Files made to mislead: sizes that are not there, text that is no text, names with a trick: errors, at no cost."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from makers import mrc, pixels, ser, smv, smv_lines, tia, tia_header

import braggio
from braggio.errors import BraggioError, FormatError

SMALL = np.zeros((2, 2), "int32")


def patched(data: bytes, fmt: str, at: int, *values: int) -> bytes:
    changed = bytearray(data)
    struct.pack_into(fmt, changed, at, *values)
    return bytes(changed)


def huge_files() -> dict[str, bytes]:
    """Small files that speak of gigabytes, exabytes, or more than 64 bits of them."""
    most = 2**31 - 1
    image, series = mrc(np.zeros((2, 2), "float32")), ser([SMALL, SMALL])
    lines = smv_lines(SMALL)[:4]
    return {
        "tia: 40000 x 40000 float64": tia_header(8, 40000, 40000) + b"\0" * 64,
        "tia: 2^31 x 2^31 float64": tia_header(8, most, most) + b"\0" * 64,
        "tia: 46341 x 46341": tia_header(1, 46341, 46341) + b"\0" * 64,
        "mrc: nx": patched(image, "<i", 0, most),
        "mrc: nz": patched(image, "<i", 8, most),
        "mrc: nx, ny, nz": patched(image, "<3i", 0, most, most, most),
        "mrc: nsymbt": patched(image, "<i", 92, most),
        "mrc: all of them": patched(patched(image, "<3i", 0, most, most, most), "<i", 92, most),
        "mrc: 4-bit": patched(image, "<4i", 0, most, most, most, 101),
        "ser: elements": patched(series, "<ii", 14, most, most),
        "ser: table at the end of the world": patched(series, "<Q", 22, 2**64 - 8),
        "ser: table of the far east": patched(series, "<Q", 22, 2**63),
        "smv: HEADER_BYTES": smv(SMALL, [f"HEADER_BYTES={most};", *lines[1:], "SIZE1=2;", "SIZE2=2;"]),
        "smv: 20 digits": smv(SMALL, ["HEADER_BYTES=18446744073709551616;", *lines[1:]]),
        "smv: SIZE1": smv(SMALL, [*lines, "SIZE1=4000000000;", "SIZE2=4000000000;"]),
        "smv: SIZE1 beyond 64 bits": smv(SMALL, [*lines, "SIZE1=18446744073709551617;", "SIZE2=1;"]),
    }


def test_sizes_that_are_not_there_are_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    """In a process that may not have 256 MB more than it has, each is a BraggioError with one line, at once."""
    for i, data in enumerate(huge_files().values()):
        (tmp_path / f"{i:02d}.dat").write_bytes(data)
    script = """
import resource, sys
from pathlib import Path
import braggio
from braggio.errors import BraggioError
formats = {b"II": "ser", b"{\\n": "smv"}
braggio.open(braggio.demo_files()[0]).read(0)
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (256 << 20),) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    head = path.read_bytes()
    name = formats.get(head[:2], "mrc" if head[208:211] == b"MAP" else "tia_raw")
    try:
        braggio.open(path, format=name)
        print(path.name, "was opened")
    except BraggioError as error:
        assert "\\n" not in str(error), path
    except BaseException as error:
        print(path.name, repr(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""


@pytest.mark.parametrize("kind", ["entries without a key", "one endless value", "one line without an equals sign"])
def test_a_large_text_header_costs_no_more_than_it_is_long(kind: str) -> None:
    """4 MiB of header: refused or read in a second, not in minutes; and the error line is short."""
    size = 4 << 20
    junk = {
        "entries without a key": b"=;",
        "one endless value": b"A=" + b"b" * 64,
        "one line without an equals sign": b"c",
    }[kind]
    text = f"{{\nHEADER_BYTES={size};\nSIZE1=1;\nSIZE2=1;\nTYPE=unsigned_short;\n".encode()
    data = (text + junk * ((size - len(text)) // len(junk))).ljust(size) + b"\1\2"
    start = time.perf_counter()
    with contextlib.suppress(BraggioError):
        braggio.open(data, format="smv")
    assert time.perf_counter() - start < 1.0


def test_an_error_about_text_from_the_file_stays_short() -> None:
    """TYPE= with 60000 letters is not repeated on the terminal."""
    data = smv(SMALL, ["HEADER_BYTES=65536;", "SIZE1=2;", "SIZE2=2;", "TYPE=" + "x" * 60000 + ";"], header_bytes=65536)
    with pytest.raises(FormatError) as caught:
        braggio.open(data)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("key", ["TYPE", "SIZE1", "HEADER_BYTES", "BYTE_ORDER", "COMPRESSION"])
def test_smv_values_that_are_no_utf8_are_format_errors(key: str) -> None:
    """The bytes of a damaged value are named, not decoded into another exception."""
    lines = [line for line in smv_lines(SMALL) if not line.startswith(key + "=")]
    with pytest.raises(FormatError):
        braggio.open(smv(SMALL, [*lines, f"{key}=\xff\xfe;"]), format="smv")


def test_control_characters_of_a_file_do_not_reach_the_terminal() -> None:
    """An escape sequence in a header would recolour, or rewrite, the line that the error prints."""
    lines = [line.replace("unsigned_short", "\x1b[2Kall is well") for line in smv_lines(SMALL)]
    with pytest.raises(FormatError) as caught:
        braggio.open(smv(SMALL, lines))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("call", ["open", "write"])
def test_a_nul_in_a_path_is_refused(call: str, tmp_path: Path) -> None:
    """The system would silently cut the name there: another file would be read or written."""
    path = tmp_path / "a.bin"
    path.write_bytes(tia(SMALL))
    name = f"{path}\0.bin"
    action = braggio.open if call == "open" else lambda name: braggio.write(name, SMALL, overwrite=True)
    with pytest.raises(ValueError, match=r"null|NUL"):
        action(name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.parametrize(
    "raw", [b"plain.bin", b"gr\xfc\xdf.bin", b"new\nline.bin", b" .bin", b"x" * 251 + b".bin"], ids=repr
)
def test_any_file_name_that_the_system_takes(raw: bytes, tmp_path: Path) -> None:
    """Names that are no UTF-8, hold a newline or have 255 bytes, are read and written."""
    path = os.path.join(tmp_path, os.fsdecode(raw))
    braggio.write(path, SMALL)
    np.testing.assert_array_equal(braggio.read(path), SMALL)
    Path(path).write_bytes(b"short")
    with pytest.raises(FormatError) as caught:
        braggio.read(path)
    assert "\n" not in str(caught.value)


def test_special_files_are_refused_at_once(tmp_path: Path) -> None:
    """A pipe nobody writes to must not hang; a folder and a missing file are the system's own errors."""
    os.mkfifo(tmp_path / "pipe.bin")
    with pytest.raises(FormatError, match="regular file"):
        braggio.open(tmp_path / "pipe.bin")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        braggio.open(tmp_path)
    with pytest.raises(FileNotFoundError, match="none.bin"):
        braggio.open(tmp_path / "none.bin")


def test_a_file_cut_while_open_is_truncated_not_a_crash(tmp_path: Path) -> None:
    """The size that was checked at opening may be gone at reading."""
    path = tmp_path / "a.bin"
    path.write_bytes(tia(pixels((300, 300), "int32")))
    with braggio.open(path) as stack:
        os.truncate(path, 5000)
        with pytest.raises(braggio.errors.TruncatedError, match="a.bin"):
            stack.read(0)


def test_a_closed_stack_says_so(tmp_path: Path) -> None:
    """Reading after close is an error, and the file is let go."""
    path = tmp_path / "a.bin"
    path.write_bytes(tia(SMALL))
    before = len(os.listdir("/proc/self/fd"))
    stack = braggio.open(path)
    stack.close()
    assert len(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(ValueError, match="closed|found 0 bytes"):
        stack.read(0)


def test_files_that_fail_to_open_leave_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x63\0" + b"\0" * 40)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(FormatError):
            braggio.open(path)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_an_image_without_pixels_cannot_be_written(tmp_path: Path) -> None:
    for shape in ((0, 4), (4, 0), (4,), (1, 1, 1, 1), ()):
        with pytest.raises(ValueError, match="non-empty"):
            braggio.write(tmp_path / "x.mrc", np.zeros(shape, "float32"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing_while_the_error_is_handled(tmp_path: Path) -> None:
    """Not even a hidden part file, and not only once the traceback is forgotten: an interactive session keeps it."""
    for name, array in (
        ("a.img", [[-1, 0]]),
        ("a.img", [[np.nan]]),
        ("a.mrc", [[2**24 + 1, -(2**31)]]),
        ("a.mrc", [[1e-300]]),
    ):
        try:
            braggio.write(tmp_path / name, np.array(array, "int32" if isinstance(array[0][0], int) else "float64"))
        except BraggioError:
            assert os.listdir(tmp_path) == []
        else:
            pytest.fail(f"{array} was written")
