"""Partial results of a template search (.part.bin): what an accumulator holds, so that shards can be merged exactly.

4096 bytes of header (a magic line, then one line of JSON, blanks), then little-endian arrays one after the other. The
same correlograms give the same bytes, whatever the batches were.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile, Source
from braggio.errors import FormatError, LimitError, TruncatedError, about
from braggio.kernels.accumulate import Accumulator

MAGIC = b"braggio partial template search 1\n"
HEADER_BYTES = 4096
MAX_PIXELS = 1 << 31
_DTYPES = {
    "best": "<f4",
    "index": "<i8",
    "sum_high": "<i8",
    "sum_low": "<i8",
    "square_high": "<i8",
    "square_low": "<i8",
}


@dataclass(frozen=True, eq=False)
class Partial:
    """An accumulator and what its indices mean.

    Attributes
    ----------
    accumulator : Accumulator
    orientations : float32 ndarray (n, 3)
        phi, theta, psi of the search's orientations, degrees; none where it has no rows.
    defoci : float32 ndarray (m,)
        Relative defoci, angstrom; none where it is empty.
    pixel_size : float
        Of the maps, angstrom; 0 where it is not known.
    """

    accumulator: Accumulator
    orientations: NDArray[np.float32]
    defoci: NDArray[np.float32]
    pixel_size: float = 0.0


def write_partial(path: str | os.PathLike[str], partial: Partial, *, overwrite: bool = False) -> None:
    """Write a partial result.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is False, or cannot be written.
    """
    accumulator = partial.accumulator
    facts = {
        "shape": list(accumulator.shape),
        "count": accumulator.count,
        "bins": accumulator.bins,
        "limits": list(accumulator.limits),
        "orientations": len(partial.orientations),
        "defoci": len(partial.defoci),
        "pixel_size": partial.pixel_size,
    }
    header = MAGIC + json.dumps(facts, sort_keys=True).encode()
    target = os.fspath(path)
    with about(target):
        part = PartFile(target)
        offset = 0
        for block in (np.frombuffer(header.ljust(HEADER_BYTES), np.uint8), *_blocks(partial)):
            part.write(block, offset)
            offset += block.nbytes
        part.publish(overwrite=overwrite)


def _blocks(partial: Partial) -> list[NDArray[Any]]:
    arrays = partial.accumulator.arrays()
    found = [arrays[name].astype(dtype, copy=False) for name, dtype in _DTYPES.items()]
    found.append(arrays["histogram"].astype("<i8", copy=False))
    found.append(np.ascontiguousarray(partial.orientations, "<f4").reshape(-1))
    found.append(np.ascontiguousarray(partial.defoci, "<f4"))
    return found


def read_partial(path: str | os.PathLike[str]) -> Partial:
    """Read a partial result.

    Raises
    ------
    FormatError
        Not such a file, or sums that no correlograms make.
    TruncatedError
        Another size than its header says.
    """
    target = os.fspath(path)
    with about(target):
        source = Source.open(target)
        facts = _header(source.read(0, HEADER_BYTES))
        height, width = facts["shape"]
        bins, orientations, defoci = facts["bins"], facts["orientations"], facts["defoci"]
        pixels = height * width
        sizes = [pixels * np.dtype(dtype).itemsize for dtype in _DTYPES.values()]
        counts = bins + 2 if bins else 0
        expected = HEADER_BYTES + sum(sizes) + 8 * counts + 12 * orientations + 4 * defoci
        if source.size != expected:
            raise TruncatedError(field="file size", expected=f"{expected} bytes", found=f"{source.size} bytes")
        accumulator = Accumulator((height, width), bins=bins, limits=tuple(facts["limits"]))
        arrays, offset = accumulator.arrays(), HEADER_BYTES
        for name, dtype in (*_DTYPES.items(), ("histogram", "<i8")):
            wanted = arrays[name]
            wanted[...] = _array(source, offset, dtype, wanted.size).reshape(wanted.shape)
            offset += wanted.nbytes
        accumulator.restore(facts["count"])
        _require_histogram(arrays["histogram"], facts["count"] * pixels)
        angles = _array(source, offset, "<f4", 3 * orientations).reshape(-1, 3)
        values = _array(source, offset + angles.nbytes, "<f4", defoci)
        return Partial(accumulator, angles.copy(), values.copy(), float(facts["pixel_size"]))


def _array(source: Source, offset: int, dtype: str, count: int) -> NDArray[Any]:
    return np.frombuffer(source.read(offset, count * np.dtype(dtype).itemsize), dtype)


def _require_histogram(counts: NDArray[np.int64], total: int) -> None:
    if counts.size and (counts.min() < 0 or int(counts.sum()) != total):
        raise FormatError(field="histogram", expected=f"{total} values in all", found=int(counts.sum()))


def _header(raw: bytes) -> dict[str, Any]:
    if not raw.startswith(MAGIC):
        raise FormatError(field="magic", expected=repr(MAGIC.decode().strip()), found=repr(raw[: len(MAGIC)]), offset=0)
    if len(raw) < HEADER_BYTES:
        raise TruncatedError(field="header", expected=f"{HEADER_BYTES} bytes", found=f"{len(raw)} bytes")
    try:
        facts = json.loads(raw[len(MAGIC) :])
    except (ValueError, RecursionError) as error:
        raise FormatError(field="header", expected="JSON", found=str(error)) from error
    if not isinstance(facts, dict):
        raise FormatError(field="header", expected="a JSON object", found=type(facts).__name__)
    shape = _numbers(facts, "shape", 2, 1, MAX_PIXELS)
    if shape[0] * shape[1] > MAX_PIXELS:
        raise LimitError(field="shape", expected="at most 2^31 pixels", found=f"{shape[0]} x {shape[1]}")
    for name, most in (("count", 1 << 40), ("bins", 1 << 20), ("orientations", 1 << 40), ("defoci", 1 << 40)):
        _numbers({name: [facts.get(name)]}, name, 1, 0, most)
    for name in ("limits", "pixel_size"):
        values = facts.get(name) if name == "limits" else [facts.get(name)]
        if not isinstance(values, list) or not all(_real(value) for value in values):
            raise FormatError(field=name, expected="numbers", found=repr(facts.get(name)))
    if len(facts["limits"]) != 2 or not facts["limits"][0] < facts["limits"][1]:
        raise FormatError(field="limits", expected="two rising numbers", found=repr(facts["limits"]))
    return facts


def _real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _numbers(facts: dict[str, Any], name: str, count: int, least: int, most: int) -> list[int]:
    values = facts.get(name)
    good = isinstance(values, list) and len(values) == count
    if not good or any(isinstance(v, bool) or not isinstance(v, int) or not least <= v <= most for v in values or ()):
        raise FormatError(field=name, expected=f"{count} integers from {least} to {most}", found=repr(values))
    assert isinstance(values, list)
    return values
