"""Ready lines for the programs that read the SMV files next."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable

from braggio.microed.policy import TOP
from braggio.microed.report import SeriesReport
from braggio.microed.series import split_name

_PATTERNS = frozenset("#*?[]$")  # dials.import takes these in a template for its own


def trusted_range(report: SeriesReport, saturation: float | None = None) -> tuple[float, float]:
    """Lowest and highest trustworthy SMV pixel, inclusive.

    dxtbx compares the stored pixels with it before it subtracts the pedestal (3.12 masks both ends too, see
    docs/microed.md), so the saturation of the detector moves up by the offset; 0 and 65535 are left out where pixels
    were clipped to them, and 65535 where blank images hold it.
    """
    lowest = 1 if any(frame.clipped_low for frame in report.frames) else 0
    clipped = report.blanks or any(frame.clipped_high for frame in report.frames)
    highest = TOP - 1 if clipped else TOP
    return lowest, highest if saturation is None else min(highest, saturation + report.offset)


def _split(report: SeriesReport) -> tuple[str, int]:
    """What stands before the frame number in the file names, and the digits of the number; 0 where there is none."""
    first = report.frames[0]
    stem = first.output.removesuffix(".img")
    if len(report.frames) == 1 and split_name(first.input)[1] is None:
        return stem, 0  # digits at its end count no frames
    digits = len(stem) - len(stem.rstrip("0123456789"))
    return stem[: len(stem) - digits], digits


def _images(report: SeriesReport) -> str:
    """The images as dials.import takes them, with their folder: a template, or files where frames are missing."""
    prefix, digits = _split(report)
    place = os.path.join(os.path.abspath(report.folder), prefix)
    missing = len(report.gaps) > len(report.blanks)
    if missing or digits == 0 or not _PATTERNS.isdisjoint(place):
        return shlex.quote(place) + "?" * digits + ".img"  # for the shell to expand
    template = f"template={place}"
    quoted = shlex.quote(template)
    hashes = "#" * digits + ".img"  # within a word, # needs no quotes
    return quoted + hashes if quoted == template else shlex.quote(template + hashes)


def dials_line(report: SeriesReport, saturation: float | None = None) -> str:
    """A dials.import command with the true zero as pedestal, to be run from any folder.

    A series with missing frames becomes several sweeps in DIALS. A detector on a two-theta arm is described by its
    axes, since dxtbx ignores TWOTHETA.

    Examples
    --------
    >>> import os, tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200, fill_gaps=True)
    ...     dials_line(report).replace(os.path.abspath(folder), "smv")
    'dials.import template=smv/demo_###.img panel.pedestal=2000 panel.trusted_range=1,65534'
    """
    low, high = trusted_range(report, saturation)
    words = [f"panel.pedestal={report.offset:.12g}", f"panel.trusted_range={low:.12g},{high:.12g}"]
    return " ".join(["dials.import", _images(report), *words, *_swung_panel(report)])


def _swung_panel(report: SeriesReport) -> list[str]:
    """The axes of a panel that the two-theta arm has turned about +x, in the frame of dxtbx."""
    if not report.two_theta:
        return []
    angle = math.radians(report.two_theta)

    def turned(x: float, y: float, z: float) -> str:
        return _numbers((x, y * math.cos(angle) - z * math.sin(angle), y * math.sin(angle) + z * math.cos(angle)))

    fast, slow = report.beam_center
    corner = (-fast * report.pixel_size, slow * report.pixel_size, -report.distance)
    axes = {"fast_axis": turned(1, 0, 0), "slow_axis": turned(0, -1, 0), "origin": turned(*corner)}
    return [f"geometry.detector.panel.{name}={value}" for name, value in axes.items()]


def _numbers(values: Iterable[float]) -> str:
    return ",".join(f"{round(value, 12) + 0.0:.12g}" for value in values)  # -0 is 0


def xds_lines(report: SeriesReport, saturation: float | None = None) -> list[str]:
    """Lines for an XDS.INP in the folder of the images: OFFSET= is the value of a pixel without counts.

    Missing frames are excluded. For a reversed scan the axis and the width are given as the headers have them.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200)
    >>> xds_lines(report)[1]
    'OFFSET= 2000'
    """
    low, high = trusted_range(report, saturation)
    prefix, digits = _split(report)
    lines = [
        f"NAME_TEMPLATE_OF_DATA_FRAMES= {prefix}{'?' * digits}.img SMV",
        f"OFFSET= {report.offset:.12g}",
        f"MINIMUM_VALID_PIXEL_VALUE= {low:.12g}",
        f"OVERLOAD= {high:.12g}",
        f"DATA_RANGE= {report.frames[0].number} {report.frames[-1].number}",
    ]
    lines += [f"EXCLUDE_DATA_RANGE= {first} {last}" for first, last in _runs(report.gaps)]
    if report.reversed:
        lines += [
            "ROTATION_AXIS= -1 0 0",
            f"STARTING_ANGLE= {report.header_angle(report.frames[0]):.12g}",
            f"OSCILLATION_RANGE= {-report.osc_range:.12g}",
        ]
    return lines


def _runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of consecutive numbers."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((number, number))
    return runs
