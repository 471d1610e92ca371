"""The table of bad inputs, row by row: a one-line error that names file, found and expected; nothing left behind.

Each case also stands beside an earlier good conversion in the same folder, which must survive it byte for byte.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import entries, mrc, noisy, ser, smv, tia, tia_header, tree, write_series

import braggio
from braggio.errors import (
    BraggioError,
    DataWarning,
    FormatError,
    GeometryError,
    LimitError,
    MetadataError,
    OutputError,
    TruncatedError,
    UnknownOptionError,
)
from braggio.microed import convert_series
from braggio.microed.conversion import frame_date
from braggio.microed.scan import FrameRef

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
FRAME = noisy(-100)
BODY = bytes(4 * 64)


def with_pixel(value: float) -> bytes:
    frame = FRAME.astype("float32")
    frame[3, 4] = value
    return tia(frame)


# second file of a series of three -> (error, what its line must say)
BAD_FILES: dict[str, tuple[bytes, type[Exception], str]] = {
    "empty file": (b"", TruncatedError, "10 bytes.*0 bytes"),
    "fewer than 10 bytes": (tia(FRAME)[:9], TruncatedError, "10 bytes.*9 bytes"),
    "code 0": (tia_header(0, 8, 8) + BODY, FormatError, "data_type.*1 to 8.*0"),
    "code 9, complex": (tia_header(9, 8, 8) + BODY, FormatError, "complex"),
    "code 10, complex": (tia_header(10, 8, 8) + BODY, FormatError, "complex"),
    "code -1": (tia_header(-1, 8, 8) + BODY, FormatError, "1 to 8.*-1"),
    "code 255": (tia_header(255, 8, 8) + BODY, FormatError, "1 to 8.*255"),
    "nx 0": (tia_header(6, 0, 8) + BODY, FormatError, "nx.*at least 1.*0"),
    "ny 0": (tia_header(6, 8, 0) + BODY, FormatError, "ny.*at least 1.*0"),
    "nx negative": (tia_header(6, -8, 8) + BODY, FormatError, "nx.*-8"),
    "ny negative": (tia_header(6, 8, -1) + BODY, FormatError, "ny.*-1"),
    "huge sizes": (tia_header(6, 2**31 - 1, 2**31 - 1) + BODY, BraggioError, "2147483647"),
    "large sizes": (tia_header(6, 40000, 40000) + BODY, TruncatedError, "6400000010 bytes.*266 bytes"),
    "truncated": (tia(FRAME)[:-1], TruncatedError, "826 bytes.*825 bytes"),
    "trailing bytes": (tia(FRAME) + b"\0", FormatError, "1 trailing"),
    "big-endian": (tia(FRAME, ">"), FormatError, "big-endian"),
    "an MRC file": (mrc(FRAME.astype("int16")), FormatError, "MRC"),
    "an SER file": (ser([FRAME]), FormatError, "TIA series"),
    "an SMV file": (smv(FRAME.astype("uint16")), FormatError, "SMV"),
    "a text file": (b"these are no pixels\n" * 9, FormatError, "text"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(900), FormatError, "HDF5"),
    "another size": (tia(FRAME[1:]), MetadataError, "17 x 12 int32.*17 x 11 int32"),
    "another type": (tia(FRAME.astype("int16")), MetadataError, "int32.*int16"),
}
BAD_SERIES: dict[str, tuple[bytes, type[Exception], str]] = {
    "NaN": (with_pixel(np.nan), FormatError, "finite.*row 3, column 4"),
    "infinity": (with_pixel(np.inf), FormatError, "finite.*row 3, column 4"),
    "minus infinity": (with_pixel(-np.inf), FormatError, "finite.*row 3, column 4"),
}


def refused(call: Callable[[], object], out: Path, kind: type[Exception], match: str) -> BaseException:
    """`call` fails as said, in one line, and `out` is as it was, also while the error is being handled."""
    before, names = tree(out), entries(out)
    with pytest.raises(kind, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert entries(out) == names
    assert tree(out) == before
    return caught.value


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with an earlier good conversion of a series of the same name."""
    convert_series(write_series(tmp_path / "earlier", [FRAME, FRAME + 1]), tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_in_a_series(case: str, threads: int, tmp_path: Path, out: Path) -> None:
    """The second of three files: its name is in the line."""
    data, kind, match = BAD_FILES[case]
    files = write_series(tmp_path / "raw", [FRAME] * 3)
    files[1].write_bytes(data)
    error = refused(lambda: convert_series(files, out, overwrite=True, threads=threads), out, kind, match)
    assert "f_002.bin" in str(error)


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file_alone(case: str, tmp_path: Path) -> None:
    """As the first and only file; no folder is left where none was."""
    data, kind, match = BAD_FILES[case]
    path = tmp_path / "f_001.bin"
    path.write_bytes(data)
    if case.startswith("another"):
        return
    with pytest.raises(kind, match=match) as caught:
        convert_series(path, tmp_path / "out")
    assert "f_001.bin" in str(caught.value)
    assert entries(tmp_path) == ["f_001.bin"]


@pytest.mark.parametrize("case", BAD_SERIES)
def test_pixels_that_are_no_numbers(case: str, tmp_path: Path, out: Path) -> None:
    """Frame, row and column are named."""
    data, kind, match = BAD_SERIES[case]
    files = write_series(tmp_path / "raw", [FRAME.astype("float32")] * 3)
    files[1].write_bytes(data)
    error = refused(lambda: convert_series(files, out, overwrite=True), out, kind, match)
    assert "f_002.bin" in str(error)
    assert "frame 2" in str(error)


def test_missing_file(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME] * 3)
    files[1].unlink()
    refused(lambda: convert_series(files, out, overwrite=True), out, OSError, "f_002.bin")


def test_folder_named_like_a_file(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME] * 3)
    files[1].unlink()
    files[1].mkdir()
    refused(lambda: convert_series(files, out, overwrite=True), out, OSError, "f_002.bin")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME] * 3)
    files[1].chmod(0)
    refused(lambda: convert_series(files, out, overwrite=True), out, PermissionError, "f_002.bin")


@pytest.mark.parametrize("where", ["an empty folder", "no files", "a pattern without match"])
def test_empty_series(where: str, tmp_path: Path, out: Path) -> None:
    (tmp_path / "empty").mkdir()
    files: Any = {"an empty folder": tmp_path / "empty", "no files": [], "a pattern without match": tmp_path / "*.bin"}[
        where
    ]
    refused(lambda: convert_series(files, out), out, MetadataError, "series")


def test_duplicate_frame_numbers(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME] * 2)
    (tmp_path / "raw" / "f_2.bin").write_bytes(tia(FRAME))
    refused(
        lambda: convert_series([*files, tmp_path / "raw" / "f_2.bin"], out),
        out,
        MetadataError,
        "f_2.bin.*f_002.bin|f_002.bin.*f_2.bin",
    )


def test_mixed_series(tmp_path: Path, out: Path) -> None:
    write_series(tmp_path / "raw", [FRAME], prefix="f_1_")
    write_series(tmp_path / "raw", [FRAME], prefix="f_10_")
    refused(
        lambda: convert_series(tmp_path / "raw", out),
        out,
        MetadataError,
        "one series.*2: f_10_.bin, f_1_.bin|one series.*2: f_1_.bin, f_10_.bin",
    )


@pytest.mark.parametrize("target", ["a file", "below a file", "where nobody can write"])
def test_unwritable_target(target: str, tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME])
    (tmp_path / "file").write_bytes(b"x")
    where = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "out",
        "where nobody can write": Path("/proc/out"),
    }[target]
    before = tree(tmp_path)
    with pytest.raises(OutputError) as caught:
        convert_series(files, where)
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_folder_without_permission(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME])
    out.chmod(0o555)
    try:
        refused(lambda: convert_series(files, out, overwrite=True), out, OutputError, "denied")
    finally:
        out.chmod(0o755)


def test_an_output_name_taken_by_a_folder(tmp_path: Path, out: Path) -> None:
    """Known before the first file is replaced."""
    files = write_series(tmp_path / "raw", [FRAME + 5] * 3)
    (out / "f_003.img").mkdir()
    refused(lambda: convert_series(files, out, overwrite=True), out, OutputError, "f_003.img")


def test_existing_output(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME + 5] * 3)
    refused(lambda: convert_series(files, out), out, OutputError, "f_001.img.*overwrite")


DISK_FULL = """
import resource, sys, warnings, os
import braggio
from braggio.errors import OutputError
warnings.simplefilter("ignore")
limit, mrc, source, out = int(sys.argv[1]), sys.argv[2] == "mrc", sys.argv[3], sys.argv[4]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    braggio.microed.convert_series(source, out, mrc=mrc, overwrite=True, threads=2)
except OutputError as error:
    assert "\\n" not in str(error)
    sys.exit(7)
"""


@pytest.mark.parametrize(("limit", "kind"), [(100, "smv"), (600, "smv"), (900, "smv"), (2000, "mrc")])
def test_disk_full(limit: int, kind: str, tmp_path: Path, out: Path) -> None:
    """No room for a header, the pixels, the record, the MRC file: an OutputError, and what was there is still there."""
    write_series(tmp_path / "raw", [noisy(-100, (30, 40), seed=i) for i in range(3)] if kind == "mrc" else [FRAME] * 3)
    before = tree(out)
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, str(limit), kind, str(tmp_path / "raw"), str(out)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7, done.stderr
    assert tree(out) == before
    assert entries(out) == sorted(before)


def test_disk_full_while_the_record_is_written(tmp_path: Path, out: Path) -> None:
    """Files of 920 bytes fit, the record of some kilobytes does not: nothing may have been replaced by then."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    write_series(tmp_path / "raw", [FRAME + 3] * 3)
    before = tree(out)
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, "1200", "smv", str(tmp_path / "raw"), str(out)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7, done.stderr
    assert tree(out) == before


def test_header_over_512_bytes(tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME])
    refused(
        lambda: convert_series(files, out, overwrite=True, beamline="x" * 200),
        out,
        LimitError,
        "512.*header_bytes=1024|header_bytes=1024.*512",
    )
    report = convert_series(files, tmp_path / "long", beamline="x" * 200, header_bytes=1024)
    assert braggio.info(report.outputs[0])["header"]["BEAMLINE"] == "x" * 200


@pytest.mark.parametrize("character", ["=", ";", "{", "}", "\r", "\n", "\xe9"])
def test_reserved_character(character: str, tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME])
    refused(
        lambda: convert_series(files, out, overwrite=True, beamline=f"a{character}b"), out, MetadataError, "BEAMLINE"
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"voltage": 0}, "voltage"),
        ({"voltage": -200}, "voltage"),
        ({"osc_range": 0}, "osc_range"),
        ({"osc_range": 0.0}, "osc_range"),
        ({"pixel_size": -1}, "pixel_size"),
    ],
)
def test_geometry_that_cannot_be(given: dict[str, Any], field: str, tmp_path: Path, out: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME])
    refused(lambda: convert_series(files, out, overwrite=True, **given), out, GeometryError, field)


@pytest.mark.parametrize(
    "given",
    [
        {"offset": 10.5},
        {"offset": 2**40},
        {"offset": 2**70},
        {"offset": -(2**63)},
        {"offset": "7"},
        {"pedestal": float("nan")},
        {"pedestal": float("inf")},
        {"saturation": 0},
        {"saturation": -1},
        {"max_offset": 0.5},
        {"max_offset": -1},
        {"threads": 0},
        {"policy": "none"},
        {"header_bytes": 700},
        {"date": "yesterday"},
        {"no_such_option": 1},
    ],
    ids=str,
)
def test_parameters_that_cannot_be(given: dict[str, Any], tmp_path: Path) -> None:
    """An error of some kind before any output, and no staging folder, whatever the kind."""
    files = write_series(tmp_path / "raw", [FRAME])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises((BraggioError, ValueError, TypeError, AttributeError)):
        convert_series(files, out, **given)
    assert entries(out) == []


def test_a_time_that_no_calendar_has(tmp_path: Path) -> None:
    """Some file systems keep times of change far beyond the year 9999."""
    [file] = write_series(tmp_path / "raw", [FRAME])
    with braggio.open(file) as stack:
        stack.header = {"time": [10**12]}
        with pytest.raises(MetadataError, match=f"{file}: time: give the date"):
            frame_date(stack, FrameRef(str(file), 0, 1))


@pytest.mark.parametrize("policy", ["leginon", "median", "lossless", "zero"])
def test_float_frames_far_out_of_range(policy: str, tmp_path: Path) -> None:
    """A pixel of -1e300 gives an offset that no integer of the core holds."""
    frame = np.zeros((4, 4))
    frame[1, 1] = -1e300
    (tmp_path / "out").mkdir()
    try:
        convert_series(write_series(tmp_path / "raw", [frame]), tmp_path / "out", policy=policy)
    except BraggioError:
        assert entries(tmp_path / "out") == []


@pytest.mark.parametrize("where", ["missing parents", "missing folder"])
def test_a_failure_leaves_no_new_folder(where: str, tmp_path: Path) -> None:
    """The folder that the conversion made for its outputs goes with them."""
    files = write_series(tmp_path / "raw", [FRAME.astype("float32")] * 2)
    files[1].write_bytes(with_pixel(np.nan))
    with pytest.raises(FormatError):
        convert_series(files, tmp_path / "a" / "b" if where == "missing parents" else tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_frame_that_changes_its_size_between_the_passes(tmp_path: Path) -> None:
    """Cut while it is converted: an error, and nothing left."""
    files = write_series(tmp_path / "raw", [noisy(-100, (100, 100), seed=i) for i in range(4)])
    (tmp_path / "out").mkdir()

    def progress(done: int, total: int) -> None:
        if done == 4:
            os.truncate(files[2], 1000)

    with pytest.raises(TruncatedError, match="f_003.bin"):
        convert_series(files, tmp_path / "out", progress=progress)
    assert entries(tmp_path / "out") == []


def test_permissive_takes_trailing_bytes(tmp_path: Path) -> None:
    files = write_series(tmp_path / "raw", [FRAME] * 2)
    files[1].write_bytes(tia(FRAME) + b"trailing")
    with pytest.warns(DataWarning, match="8 trailing"):
        report = convert_series(files, tmp_path / "out", permissive=True)
    assert len(report.frames) == 2


def test_other_formats_are_series_too(tmp_path: Path) -> None:
    """Signed MRC files of a series convert like .bin files."""
    (tmp_path / "raw").mkdir()
    for i in (1, 2):
        (tmp_path / "raw" / f"f_{i}.mrc").write_bytes(mrc(FRAME.astype("int16")))
    report = convert_series(sorted((tmp_path / "raw").glob("*.mrc")), tmp_path / "out")
    assert (report.offset, report.dtype) == (100, "int16")


def test_rows_that_a_format_does_not_turn(tmp_path: Path, out: Path) -> None:
    (tmp_path / "f_1.mrc").write_bytes(mrc(FRAME.astype("int16")))
    refused(
        lambda: convert_series(tmp_path / "f_1.mrc", out, overwrite=True, flip=True), out, UnknownOptionError, "flip"
    )


def test_a_number_in_the_name_of_a_stack_is_no_frame_number(tmp_path: Path) -> None:
    """Two stacks convert into one folder, and XDS needs frame numbers of one length."""
    for name in ("f_1.mrc", "f_2.mrc"):
        (tmp_path / name).write_bytes(mrc(np.stack([FRAME.astype("int16")] * 12)))
        report = convert_series(tmp_path / name, tmp_path / "out")
        assert [path.name for path in report.outputs][::11] == [f"{name[:3]}_001.img", f"{name[:3]}_012.img"]


def test_a_single_image_without_a_number(tmp_path: Path) -> None:
    (tmp_path / "dark.bin").write_bytes(struct.pack("<hii", 6, 17, 12) + FRAME.astype("<i4").tobytes())
    report = convert_series(tmp_path / "dark.bin", tmp_path / "out")
    assert [path.name for path in report.outputs] == ["dark_001.img"]
