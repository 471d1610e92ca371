"""The lines for DIALS and XDS: the true zero, and a trusted range in stored pixels."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from makers import noisy, ser, write_series

from braggio.microed import SeriesReport, convert_series, dials_line, xds_lines

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def lines(folder: Path, frames: list[np.ndarray], saturation: float | None = None) -> tuple[str, list[str]]:
    report = convert_series(write_series(folder / "raw", frames, numbers=range(3, 3 + len(frames))), folder / "out")
    return dials_line(report, saturation), xds_lines(report, saturation)


def test_the_pedestal_for_dials_and_the_offset_for_xds_are_the_true_zero(tmp_path: Path) -> None:
    """Not IMAGE_PEDESTAL, which is an estimate of the background."""
    dials, xds = lines(tmp_path, [noisy(-100, seed=1), noisy(-50, seed=2)])
    images = tmp_path / "out" / "f_###.img"
    assert dials == f"dials.import template={images} panel.pedestal=100 panel.trusted_range=0,65535"
    assert xds == [
        "NAME_TEMPLATE_OF_DATA_FRAMES= f_???.img SMV",
        "OFFSET= 100",
        "MINIMUM_VALID_PIXEL_VALUE= 0",
        "OVERLOAD= 65535",
        "DATA_RANGE= 3 4",
    ]


def test_digits_that_count_no_frames_stay(tmp_path: Path) -> None:
    """As in the name of a .ser file with one image."""
    (tmp_path / "p_7.ser").write_bytes(ser([noisy(-100)]))
    report = convert_series(tmp_path / "p_7.ser", tmp_path / "out")
    assert dials_line(report).startswith(f"dials.import {tmp_path}/out/p_7.img ")
    assert xds_lines(report)[0] == "NAME_TEMPLATE_OF_DATA_FRAMES= p_7.img SMV"


def test_a_name_with_a_space_is_one_word(tmp_path: Path) -> None:
    [file] = write_series(tmp_path / "raw", [noisy(-100)])
    report = convert_series(file.rename(tmp_path / "my film_1.bin"), tmp_path / "out")
    assert shlex.split(dials_line(report))[1] == f"template={tmp_path}/out/my film_#.img"
    assert "XDS reads no file names with spaces; give the series another name" in report.warnings


def test_clipped_values_leave_the_trusted_range(tmp_path: Path) -> None:
    frame = noisy(-100)
    frame[0, :2] = -5000, 70000
    dials, xds = lines(tmp_path, [frame])
    assert dials.endswith("trusted_range=1,65534")
    assert xds[2:4] == ["MINIMUM_VALID_PIXEL_VALUE= 1", "OVERLOAD= 65534"]


def test_saturation_moves_up_with_the_offset(tmp_path: Path) -> None:
    """dxtbx compares stored pixels, before the pedestal is subtracted."""
    dials, xds = lines(tmp_path, [noisy(-100)], saturation=8000)
    assert dials.endswith("trusted_range=0,8100")
    assert xds[3] == "OVERLOAD= 8100"


def test_large_numbers_are_written_out(tmp_path: Path) -> None:
    """%g would make 1.23457e+06 of an offset."""
    report = convert_series(write_series(tmp_path / "raw", [noisy(-1_234_567)]), tmp_path / "out", policy="median")
    assert "panel.pedestal=1234567 " in dials_line(report)
    assert xds_lines(report)[1] == "OFFSET= 1234567"


def gapped(folder: Path, **options: Any) -> SeriesReport:
    """Frames 3, 4, 7 and 9."""
    frames = [noisy(-100, seed=seed) for seed in range(4)]
    return convert_series(write_series(folder / "raw", frames, numbers=(3, 4, 7, 9)), folder / "out", **options)


def test_missing_frames_are_no_template(tmp_path: Path) -> None:
    """DIALS wants every frame of a template; as files they are three sweeps. XDS is told what is not there."""
    report = gapped(tmp_path)
    assert dials_line(report).startswith(f"dials.import {tmp_path}/out/f_???.img panel.pedestal=100 ")
    assert xds_lines(report)[4:] == ["DATA_RANGE= 3 9", "EXCLUDE_DATA_RANGE= 5 6", "EXCLUDE_DATA_RANGE= 8 8"]


def test_filled_gaps_are_a_template_again(tmp_path: Path) -> None:
    """The blank images hold 65535, which is above the range."""
    report = gapped(tmp_path, fill_gaps=True)
    assert dials_line(report).endswith(
        f"template={tmp_path}/out/f_###.img panel.pedestal=100 panel.trusted_range=0,65534"
    )
    assert xds_lines(report)[3:] == [
        "OVERLOAD= 65534",
        "DATA_RANGE= 3 9",
        "EXCLUDE_DATA_RANGE= 5 6",
        "EXCLUDE_DATA_RANGE= 8 8",
    ]


def test_a_reversed_scan_is_told_to_xds(tmp_path: Path) -> None:
    """XDS reads no angles from headers: it gets the axis that the angles rise about."""
    report = gapped(tmp_path, osc_start=-30, osc_range=-0.5)
    assert xds_lines(report)[-3:] == ["ROTATION_AXIS= -1 0 0", "STARTING_ANGLE= 30", "OSCILLATION_RANGE= 0.5"]


def test_a_swung_detector_is_told_to_dials(tmp_path: Path) -> None:
    """A quarter turn about +x brings a panel from -z to +y, and its slow axis from -y to -z."""
    report = gapped(tmp_path, two_theta=90, distance=100, pixel_size=1, beam_center=(2, 3))
    assert dials_line(report).split()[-3:] == [
        "geometry.detector.panel.fast_axis=1,0,0",
        "geometry.detector.panel.slow_axis=0,0,-1",
        "geometry.detector.panel.origin=-2,100,3",
    ]
    assert any("DIALS ignores TWOTHETA (90 degrees)" in warning for warning in report.warnings)


@pytest.mark.parametrize("prefix", ["[a]_", "b?_", "c*_", "d$_"])
def test_what_a_template_would_misread_is_given_as_files(tmp_path: Path, prefix: str) -> None:
    """The prefix is quoted for the shell, the digits are left to it."""
    report = convert_series(write_series(tmp_path / "raw", [noisy(-100)] * 2, prefix=prefix), tmp_path / "out")
    images = dials_line(report).split()[1]
    assert images == shlex.quote(f"{tmp_path}/out/{prefix}") + "???.img"


def test_names_that_dials_cannot_read_are_warned_of(tmp_path: Path) -> None:
    """# is a digit of a frame number to it wherever it stands; = makes a parameter of a file."""
    for prefix, second, warned in (("a#", 2, "takes # in a path"), ("b=", 3, "takes a file with ="), ("c=", 2, "")):
        files = write_series(tmp_path / "raw", [noisy(-100)] * 2, prefix=prefix, numbers=(1, second))
        found = [text for text in convert_series(files, tmp_path / "out").warnings if text.startswith("DIALS takes")]
        assert [warned in text for text in found] == ([True] if warned else [])
