"""The lines for DIALS and XDS: the true zero, and a trusted range in stored pixels."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from makers import noisy, ser, write_series

from braggio.microed import convert_series, dials_line, xds_lines

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def lines(folder: Path, frames: list[np.ndarray], saturation: float | None = None) -> tuple[str, list[str]]:
    report = convert_series(write_series(folder / "raw", frames, numbers=range(3, 3 + len(frames))), folder / "out")
    return dials_line(report, saturation), xds_lines(report, saturation)


def test_the_pedestal_for_dials_and_the_offset_for_xds_are_the_true_zero(tmp_path: Path) -> None:
    """Not IMAGE_PEDESTAL, which is an estimate of the background."""
    dials, xds = lines(tmp_path, [noisy(-100, seed=1), noisy(-50, seed=2)])
    assert dials == "dials.import template=f_###.img panel.pedestal=100 panel.trusted_range=0,65535"
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
    assert "template=p_7.img " in dials_line(report)
    assert xds_lines(report)[0] == "NAME_TEMPLATE_OF_DATA_FRAMES= p_7.img SMV"


def test_a_name_with_a_space_is_one_word(tmp_path: Path) -> None:
    [file] = write_series(tmp_path / "raw", [noisy(-100)])
    report = convert_series(file.rename(tmp_path / "my film_1.bin"), tmp_path / "out")
    assert shlex.split(dials_line(report))[1] == "template=my film_#.img"


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
