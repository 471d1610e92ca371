"""A series of signed frames into SMV (and MRC): two streaming passes, all files or none."""

from __future__ import annotations

import datetime
import os
from typing import Literal

from braggio.batch.workers import Progress
from braggio.microed.conversion import Conversion
from braggio.microed.options import SmvOptions
from braggio.microed.policy import MAX_OFFSET
from braggio.microed.publish import publish
from braggio.microed.report import SeriesReport
from braggio.microed.scan import Files, scan_frames
from braggio.microed.write import FirstPass, write_frames
from braggio.options import options_checked


@options_checked
def convert_series(
    files: Files,
    out: str | os.PathLike[str],
    *,
    voltage: float | None = None,
    wavelength: float | None = None,
    distance: float | None = None,
    pixel_size: float | None = None,
    osc_start: float | None = None,
    osc_range: float | None = None,
    first_frame: int | None = None,
    exposure_time: float | None = None,
    gain: float | None = None,
    two_theta: float = 0.0,
    beamline: str | None = None,
    beam_center: tuple[float, float] | None = None,
    beam_convention: Literal["dxtbx", "leginon"] = "dxtbx",
    binning: tuple[int, int] = (1, 1),
    date: datetime.datetime | None = None,
    policy: Literal["leginon", "median", "lossless", "zero"] = "leginon",
    offset: int | None = None,
    pedestal: float | None = None,
    max_offset: int = MAX_OFFSET,
    saturation: float | None = None,
    mrc: bool = False,
    flip: bool = False,
    name: str | None = None,
    fill_gaps: bool = False,
    header_bytes: int = 512,
    permissive: bool = False,
    overwrite: bool = False,
    durable: bool = False,
    threads: int = 1,
    progress: Progress | None = None,
) -> SeriesReport:
    """Convert one series into SMV files with Leginon's offset and pedestal.

    The first pass finds the minima, from which `policy` makes LEGINON_OFFSET and IMAGE_PEDESTAL; the second adds the
    offset, clamps to 0..65535 and writes. Once the offset is certain, because it is given or a minimum has reached the
    cut, the first pass writes the pixels too, and leaves only headers to the second. All files of the series appear
    together, and a record of them last; an interrupted run is continued by the same call. Inputs are never touched, and
    memory stays below a few blocks of 256 KiB per thread.

    Parameters
    ----------
    files : Series, path-like or sequence of path-like
        One series: see `find_series`.
    out : path-like
        Folder of the outputs; made when missing.
    policy : {'leginon', 'median', 'lossless', 'zero'}
        See `zero_point`.
    offset, pedestal : optional
        Given numbers instead of the policy's.
    max_offset : int
        The cut of the leginon and zero policies.
    mrc : bool
        Also write each frame as MRC, exactly (int16 when the whole series fits, else float32).
    flip : bool
        Reverse the order of the rows; recorded.
    permissive : bool
        Accept bytes after the frames.
    overwrite : bool
        Replace outputs of another run.
    durable : bool
        Wait until the disk has every output before it gets its name, and all names: a power cut takes nothing then.
    header_bytes : int
        Size of the SMV header; many readers assume 512.
    saturation : float, optional
        Highest trustworthy count of the detector, for the trusted range printed for DIALS.
    name : str, optional
        Of the series and its files, in the place of what the inputs are called.
    fill_gaps : bool
        Write a blank image for each missing frame number: every pixel 65535, outside the trusted range, so that DIALS
        and XDS have one sweep. There are no MRC files of them.
    threads : int
        Frames at once; the bytes written do not depend on it.
    progress : callable, optional
        Called with (frames done, frames) over both passes.
    voltage, wavelength, distance, pixel_size, osc_start, osc_range, beam_center, ...
        Beam, detector and scan: see `Geometry`, which has the units.

    Returns
    -------
    SeriesReport

    Raises
    ------
    OptionError, GeometryError
        An option cannot be so, or there is none of that name.
    FormatError, MetadataError, LimitError
        The inputs are not fit; nothing is left behind.
    OutputError
        The outputs exist, or cannot be written.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = convert_series(braggio.demo_files(), folder, voltage=200)
    ...     print(report.offset, report.pedestal, [path.name for path in report.outputs][:2])
    2000 1862 ['demo_001.img', 'demo_002.img']
    """
    conversion = Conversion.of(files, out, SmvOptions.picked(locals()), durable=durable)
    if earlier := conversion.earlier():
        return earlier
    count = len(conversion.frames.refs)

    def advance(start: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(start + done, 2 * count)

    with conversion.begin(overwrite=overwrite):
        first = FirstPass(conversion)
        scanned = scan_frames(conversion.frames, first.measure, threads=threads, progress=advance(0))
        conversion = conversion.scanned(scanned)
        frames = write_frames(conversion, scanned, ahead=first.written, threads=threads, progress=advance(count))
        return publish(conversion, frames)
