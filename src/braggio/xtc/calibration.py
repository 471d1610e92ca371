"""Pedestals and gain: what is subtracted from and multiplied with the pixels of a CSPAD, and where it is kept."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source
from braggio.errors import FormatError, LimitError, MetadataError, TruncatedError, about, numpy_errors
from braggio.formats.xtc import CSPAD_SHAPE, CspadConfig, psana_name

LOW_GAIN_FACTOR = 6.85  # of a CSPAD pixel in low gain to one in high gain, as psana has it
MAX_TEXT = 256 << 20
_FILE = re.compile(r"(\d+)-(\d+|end)\.data")


@dataclass(frozen=True)
class Calibration:
    """What is done with the pixels of an image.

    Attributes
    ----------
    pedestals : numpy.ndarray or None
        Of the shape of the image, float64; subtracted.
    gain_mask_value : float or None
        CSPAD pixels in low gain, as the configuration says, are multiplied with it after that.
    """

    pedestals: NDArray[np.float64] | None = None
    gain_mask_value: float | None = None

    def apply(self, raw: NDArray[Any], config: CspadConfig | None = None) -> NDArray[Any]:
        """Calibrated pixels: float64, or `raw` itself where there is nothing to do.

        Raises
        ------
        FormatError
            The pedestals have another shape.
        MetadataError
            A gain mask is wanted of a detector without one.
        """
        if self.pedestals is None and self.gain_mask_value is None:
            return raw
        data = raw.astype(np.float64)
        if self.pedestals is not None:
            if self.pedestals.shape != data.shape:
                raise FormatError(field="pedestals", expected=f"shape {data.shape}", found=self.pedestals.shape)
            data -= self.pedestals
        if self.gain_mask_value is not None:
            if config is None:
                raise MetadataError(field="gain_mask_value", expected="a CSPAD with its configuration", found="none")
            data[config.low_gain] *= self.gain_mask_value
        return data


def read_pedestals(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Pedestals of a detector: ``.npy`` of any shape, or SLAC's text.

    A text of 4 x 8 x 185 x 388 numbers is given in that shape, any other as its rows; ``#`` begins a comment.

    Raises
    ------
    FormatError
        Not numbers, rows of several lengths, values that are not finite.
    """
    path = os.fspath(path)
    with about(path):
        size = Source.open(path).size  # refuses a pipe, which would be waited for
    if size > MAX_TEXT:
        raise LimitError(path=path, field="file size", expected=f"at most {MAX_TEXT} bytes", found=size)
    try:
        data = _npy(path) if path.endswith(".npy") else _text(path)
        if data.dtype.kind not in "iuf":
            raise ValueError(f"dtype {data.dtype}")
        data = data.astype(np.float64)
    except (FormatError, OSError):
        raise
    except numpy_errors() as error:
        raise FormatError(str(error), path=path, expected="a table of numbers") from None
    if data.size == 0:
        raise TruncatedError(path=path, field="pedestals", expected="numbers", found="none")
    if not np.isfinite(data).all():
        raise FormatError(path=path, field="pedestals", expected="finite numbers", found="nan or inf")
    return data.reshape(CSPAD_SHAPE) if data.size == np.prod(CSPAD_SHAPE) else data


def _npy(path: str) -> NDArray[Any]:
    """Mapped, so that nothing is allocated for a shape that the file does not fill."""
    with np.errstate(over="ignore"):
        return np.lib.format.open_memmap(path, mode="r")


def _text(path: str) -> NDArray[np.float64]:
    with open(path, encoding="latin-1") as file:
        lines = [line for line in file if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return np.empty(0)
    return np.loadtxt(io.StringIO("".join(lines)), np.float64, ndmin=2)


def find_calibration(calib_dir: str | os.PathLike[str], source: str, kind: str, run: int | None) -> Path | None:
    """The file of a kind (`pedestals`, `geometry`) that is valid for a run, or None.

    SLAC's layout: ``<calib_dir>/<Group>::CalibV1/<CxiDs1.0:Cspad.0>/<kind>/<first>-<last|end>.data``; of several, the
    one that begins last.

    Parameters
    ----------
    calib_dir : path-like
    source : str
        `CxiDs1-0|Cspad-0`.
    kind : str
    run : int or None
        None takes files that hold for every run (`0-end.data`).
    """
    best: tuple[int, Path] | None = None
    for folder in sorted(Path(calib_dir).glob(f"*/{psana_name(source)}/{kind}")):
        for path in sorted(folder.iterdir()):
            found = _FILE.fullmatch(path.name)
            if found is None:
                continue
            first, last = int(found[1]), found[2]
            number = 0 if run is None else run
            if first <= number and (last == "end" or number <= int(last)) and (best is None or first > best[0]):
                best = (first, path)
    return None if best is None else best[1]
