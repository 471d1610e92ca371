"""Ready lines for the programs that read the SMV files next."""

from __future__ import annotations

import shlex

from braggio.microed.policy import TOP
from braggio.microed.report import SeriesReport
from braggio.microed.series import split_name


def trusted_range(report: SeriesReport, saturation: float | None = None) -> tuple[float, float]:
    """Lowest and highest trustworthy SMV pixel, inclusive.

    dxtbx compares the stored pixels with it before it subtracts the pedestal, so the saturation of the detector moves
    up by the offset; 0 and 65535 are left out where pixels were clipped to them.
    """
    lowest = 1 if any(frame.clipped_low for frame in report.frames) else 0
    highest = TOP - 1 if any(frame.clipped_high for frame in report.frames) else TOP
    return lowest, highest if saturation is None else min(highest, saturation + report.offset)


def _masked(report: SeriesReport, mask: str) -> str:
    """The file name with `mask` for the digits of the frame number: # for DIALS, ? for XDS."""
    first = report.frames[0]
    name = first.output
    if len(report.frames) == 1 and split_name(first.input)[1] is None:
        return name  # digits at its end count no frames
    stem = name.removesuffix(".img")
    digits = len(stem) - len(stem.rstrip("0123456789"))
    return stem[: len(stem) - digits] + mask * digits + ".img"


def dials_line(report: SeriesReport, saturation: float | None = None) -> str:
    """A dials.import command with the true zero as pedestal.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200)
    >>> dials_line(report)
    'dials.import template=demo_###.img panel.pedestal=2000 panel.trusted_range=1,65535'
    """
    low, high = trusted_range(report, saturation)
    trusted = f"panel.trusted_range={low:.12g},{high:.12g}"
    template = f"template={_masked(report, '#')}"
    if shlex.quote(template.replace("#", "")) != template.replace("#", ""):  # within a word, # needs no quotes
        template = shlex.quote(template)
    return f"dials.import {template} panel.pedestal={report.offset:.12g} {trusted}"


def xds_lines(report: SeriesReport, saturation: float | None = None) -> list[str]:
    """Lines for XDS.INP: OFFSET= is the value of a pixel without counts.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200)
    >>> xds_lines(report)[1]
    'OFFSET= 2000'
    """
    low, high = trusted_range(report, saturation)
    return [
        f"NAME_TEMPLATE_OF_DATA_FRAMES= {_masked(report, '?')} SMV",
        f"OFFSET= {report.offset:.12g}",
        f"MINIMUM_VALID_PIXEL_VALUE= {low:.12g}",
        f"OVERLOAD= {high:.12g}",
        f"DATA_RANGE= {report.frames[0].number} {report.frames[-1].number}",
    ]
