"""Recovery of raw frames, byte for byte, from what was made of them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

from braggio import formats
from braggio.batch.durable import forget
from braggio.errors import BraggioError, printable
from braggio.formats.tia_raw import CODES
from braggio.microed.report import FrameReport, SeriesReport, read_record

_HEADER = struct.Struct("<hii")  # of TIA raw: all of the file that is not pixels


def losses(record: str | os.PathLike[str] | SeriesReport) -> str:
    """Say in one line what would be lost with the raw files of a converted series; empty when nothing would.

    The outputs are read from the disk again. Each raw file is made of them, from the MRC file where there is one, else
    from the SMV file less its offset, and compared byte by byte. Only TIA raw files can pass: what else stands in other
    formats is not in the outputs.

    Parameters
    ----------
    record : path-like or SeriesReport
        As of `verify_series`.

    Examples
    --------
    >>> import tempfile, braggio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = braggio.microed.convert_series(braggio.demo_files(), folder, voltage=200)
    ...     print(losses(report))
    frame 3 cannot be made again from its outputs: 1 pixels lost at 0, 0 at 65535, 0 rounded (an MRC file keeps them)
    """
    try:
        report = record if isinstance(record, SeriesReport) else read_record(Path(record))
        mrc = report.mrc or (None,) * len(report.frames)
        for frame, exact in zip(report.frames, mrc, strict=True):
            if problem := _loss(report, frame, exact):
                return problem
    except (BraggioError, OSError, ValueError, TypeError, MemoryError) as error:
        return printable(str(error))
    return ""


def _loss(report: SeriesReport, frame: FrameReport, exact: str | None) -> str:
    with formats.open(frame.input) as stack:
        if stack.format != "tia_raw":
            return f"{frame.input}: only TIA raw files are wholly in the outputs, not {stack.format}"
    output = Path(report.folder) / (exact or frame.output)
    forget(output)
    with formats.open(output) as stack:
        written = stack.read(0)
    if exact is None:
        written = written.astype(np.int64) - report.offset
    with np.errstate(all="ignore"):
        pixels = written.astype(np.dtype(report.dtype).newbyteorder("<"))
    rows, columns = pixels.shape
    content = _HEADER.pack(CODES[report.dtype], columns, rows) + (pixels[::-1] if report.flip else pixels).tobytes()
    if os.stat(frame.input).st_size == len(content) and Path(frame.input).read_bytes() == content:
        return ""
    lost = f"{frame.clipped_low} pixels lost at 0, {frame.clipped_high} at 65535, {frame.rounded} rounded"
    advice = " (an MRC file keeps them)" if exact is None else ""
    return f"frame {frame.number} cannot be made again from its outputs: {lost}{advice}"
