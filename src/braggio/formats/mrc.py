"""MRC (.mrc .mrcs .map .st ...): images, stacks and volumes of electron microscopy, after MRC2014.

Read: modes 0, 1, 2, 4, 6, 12, pyami's 5 (uint8) and 101 (4-bit), both byte orders, gz and bz2, with the FEI1 and FEI2
extended headers decoded. Written: one streaming pass with exact statistics in the header. MRC has no int32 mode, so
int32 frames become mode 1 when every value fits int16, else mode 2 when every value is at most 2^24 in size (float32
then holds it exactly), else they are refused unless ``lossy=True``. A label records the source dtype, and frames so
labelled are given back in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile, Scratch, Sink, Source, parse_mrc, transcode
from braggio.errors import FormatError, GeometryError, LimitError, UnsupportedError, about, warn
from braggio.kernels.stats import FrameStats, combined, from_core
from braggio.model.frames import FrameStack
from braggio.storage.format import Format
from braggio.storage.frames import StoredFrames, check_end, streamed

MODES = {"int8": 0, "int16": 1, "float32": 2, "complex64": 4, "uint16": 6, "float16": 12}
MAX_CELL = float(np.finfo(np.float32).max)  # angstrom: what the header holds
MAX_EXACT = 1 << 24  # float32 holds every integer up to this size
_SOURCE_DTYPE = re.compile(r"braggio: source dtype (u?int(?:8|16|32)|float64)")
_FEI = ("FEI1", "FEI2")


def sniff(head: bytes, size: int) -> bool:
    """The MAP magic of MRC2014 and a known machine stamp."""
    return (
        len(head) >= 1024
        and head[208:211] == b"MAP"
        and head[212:214] in (b"\x44\x44", b"\x44\x41", b"\x11\x11", b"\x00\x00")
    )


class MrcFrames(StoredFrames):
    """The sections of an MRC file."""

    packed = False  # mode 101: two 4-bit pixels a byte

    def read_into(self, index: int, out: NDArray[Any]) -> None:
        """Fill `out` with frame `index`."""
        if self.packed:
            bytes_ = np.empty((self.layout.height, self.layout.width), np.uint8)
            with about(self.path):
                self.source.read_frame(self.layout, index, bytes_)
            out[:, 0::2] = (bytes_ & 15)[:, : out[:, 0::2].shape[1]]
            out[:, 1::2] = (bytes_ >> 4)[:, : out[:, 1::2].shape[1]]
            return
        if np.can_cast(self.stored_dtype, self.dtype, "safe"):
            super().read_into(index, out)
        else:
            self._read_restored(index, out)

    @property
    def streams(self) -> bool:
        """See `StoredFrames.streams`; 4-bit pixels do not."""
        return super().streams and not self.packed

    def _read_restored(self, index: int, out: NDArray[Any]) -> None:
        """Narrow the stored pixels to the labelled dtype; another program may have changed them and kept our label."""
        stored = np.empty(self.frame_shape, self.stored_dtype)
        with about(self.path):
            self.source.read_frame(self.layout, index, stored)
        kept = stored.real if stored.dtype.kind == "c" else stored
        with np.errstate(invalid="ignore", over="ignore"):
            np.copyto(out, kept, casting="unsafe")
        if not np.array_equal(stored, out):
            raise FormatError(
                "the label does not describe the pixels any more; pass restore_dtype=False",
                path=self.path,
                field=f"frame {index}",
                expected=f"{self.dtype} values as the label says",
                found="others",
            )

    @property
    def pixel_size(self) -> tuple[float, float, float]:
        """Cell over intervals along x, y, z, in angstrom; 0 where the header does not say."""
        return tuple(
            self.header[f"cella_{axis}"] / self.header[f"m{axis}"] if self.header[f"m{axis}"] > 0 else 0.0
            for axis in "xyz"
        )  # type: ignore[return-value]

    @property
    def labels(self) -> list[str]:
        """The labels in use."""
        count = min(max(self.header["nlabl"], 0), 10)
        text = self.header["label"]
        return [text[80 * i : 80 * i + 80].split(b"\0")[0].decode("latin-1").rstrip() for i in range(count)]

    @property
    def extended_header(self) -> bytes:
        """The bytes between the main header and the pixels."""
        return self.source.read(1024, self.header["nsymbt"])

    def fei_metadata(self) -> NDArray[Any]:
        """The FEI1 or FEI2 extended header: one structured record per frame.

        Raises
        ------
        UnsupportedError
            The file has another extended header, or none.
        TruncatedError
            The header is shorter than its records say.
        """
        from mrcfile.dtypes import get_ext_header_dtype

        kind = self.header["exttyp"].decode("latin-1")
        if kind not in _FEI:
            raise UnsupportedError(path=self.path, field="exttyp", expected=" or ".join(_FEI), found=repr(kind))
        dtype = get_ext_header_dtype(kind.encode(), ">" if self.layout.big_endian else "<")
        raw = self.extended_header
        if len(raw) < dtype.itemsize:
            raise FormatError(path=self.path, field="nsymbt", expected=f"at least {dtype.itemsize}", found=len(raw))
        # Records may be padded: the first one says how long each is.
        stride = max(int(np.frombuffer(raw, dtype, count=1)["Metadata size"][0]), dtype.itemsize)
        count = min(self.nframes, (len(raw) - dtype.itemsize) // stride + 1)
        return np.array([np.frombuffer(raw, dtype, count=1, offset=i * stride)[0] for i in range(count)], dtype)


def open_mrc(
    source: Source, path: str | None = None, *, permissive: bool = False, restore_dtype: bool = True
) -> MrcFrames:
    """Open an MRC file.

    Parameters
    ----------
    permissive : bool
        Accept a missing MAP magic and bytes after the last section, with a DataWarning.
    restore_dtype : bool
        Give frames back in the dtype that our label records, for example int32; False gives the stored one.
    """
    fields, layout = parse_mrc(source)
    if fields["map"][:3] != b"MAP":
        error = FormatError(
            path=path, field="magic", expected="'MAP '", found=repr(fields["map"].decode("latin-1")), offset=208
        )
        if not permissive:
            raise error
        warn(str(error))
    check_end(layout, source, path, permissive=permissive)
    stack = MrcFrames(source, layout, format="mrc", header=fields, path=path)
    stack.single = fields["ispg"] == 0 and layout.nframes == 1
    if fields["mode"] == 101:
        stack.packed = True
        stack.frame_shape = (fields["ny"], fields["nx"])
    if restore_dtype:
        recorded = [match[1] for label in stack.labels if (match := _SOURCE_DTYPE.fullmatch(label))]
        if recorded:
            stack.dtype = np.dtype(recorded[-1])
    return stack


def known_pixel_size(stack: FrameStack) -> tuple[float, ...] | None:
    """Pixel size along x, y and z of an MRC file that tells it; that along x where it does not tell another."""
    if not isinstance(stack, MrcFrames) or not stack.pixel_size[0] > 0:
        return None
    return tuple(size if size > 0 else stack.pixel_size[0] for size in stack.pixel_size)


def mode_choices(name: str, *, lossy: bool) -> list[tuple[str, tuple[int, int] | None]]:
    """Stored dtypes to try in order, each with the range of values that it holds exactly (None: any)."""
    if name in MODES:
        return [(name, None)]
    if name == "uint8":
        return [("uint16", None)]
    if name == "float64":
        return [("float32", None)]
    if name not in ("int32", "uint32"):
        raise UnsupportedError(field="dtype", expected="a dtype with an MRC mode", found=name)
    narrow: tuple[str, tuple[int, int] | None] = (
        ("int16", (-32768, 32767)) if name == "int32" else ("uint16", (0, 65535))
    )
    return [narrow, ("float32", None if lossy else (-MAX_EXACT, MAX_EXACT))]


def write_mrc(
    path: str,
    stack: FrameStack,
    *,
    overwrite: bool = False,
    lossy: bool = False,
    pixel_size: float | Sequence[float] | None = None,
    volume: bool = False,
    labels: Sequence[str] = (),
    stored: str | None = None,
) -> FrameStats:
    """Write frames as one MRC file.

    Parameters
    ----------
    lossy : bool
        Allow int32 beyond 2^24 and float64 to be rounded to float32.
    pixel_size : float or three of them, optional
        In angstrom, along x, y and z, for the cell; by default that of an MRC source, else 1.
    volume : bool
        A volume (ispg 1, mz = nz) instead of an image stack (ispg 0, mz = 1).
    labels : sequence of str
        At most 9 of at most 80 ASCII characters.
    stored : {'int8', 'int16', 'uint16', 'float16', 'float32', 'complex64'}, optional
        The stored pixel type, one of those that `mode_choices` allows for the frames; by default the first that is
        exact.

    Returns
    -------
    FrameStats
        Exact statistics of all pixels that are finite. They are in the header too, unless there are others: then the
        header says, as MRC2014 has it, that statistics were not determined.

    Raises
    ------
    LimitError
        A value that no MRC mode holds exactly, without `lossy`.
    UnsupportedError
        A dtype without an MRC mode, or `stored` is none of its choices.
    """
    if pixel_size is None:
        pixel_size = known_pixel_size(stack) or 1.0
    sizes = tuple(map(float, pixel_size)) if isinstance(pixel_size, Iterable) else (float(pixel_size),) * 3
    cell = [size * edge for size, edge in zip(sizes, (*stack.frame_shape[::-1], stack.nframes), strict=True)]
    if not all(0 < edge <= MAX_CELL for edge in cell):
        raise GeometryError(field="pixel_size", expected="a positive number of angstrom", found=pixel_size)
    choices = mode_choices(stack.dtype.name, lossy=lossy)
    if stored is not None:
        choices = [choice for choice in choices if choice[0] == stored]
        if not choices:
            able = " or ".join(name for name, _ in mode_choices(stack.dtype.name, lossy=lossy))
            raise UnsupportedError(field="stored", expected=f"{able} for {stack.dtype}", found=repr(stored))
    for chosen, exact_range in choices:
        with PartFile(path) as part:
            stats = _write_frames(part, stack, chosen, exact_range, lossy)
            if stats is None:
                continue
            text = [*labels]
            if chosen != stack.dtype.name and not (lossy and _rounds(stack.dtype, chosen, stats)):
                text.append(f"braggio: source dtype {stack.dtype.name}")
            part.write(_header(stack, MODES[chosen], stats, sizes, volume, text), 0)
            part.publish(overwrite=overwrite)
            return stats
    raise LimitError(
        "pass lossy=True to round to float32",
        field="pixels",
        expected="integers of magnitude at most 2^24",
        found=_first_beyond(stack),
    )


def _first_beyond(stack: FrameStack) -> str:
    """The first integer that float32 does not hold, and its place."""
    for index, frame in enumerate(stack.frames()):
        beyond = np.abs(frame.astype(np.int64)) > MAX_EXACT
        if beyond.any():
            row, column = map(int, np.unravel_index(int(beyond.argmax()), beyond.shape))
            return f"{frame[row, column]} in frame {index}, row {row}, column {column}"
    return "a larger one"


def _rounds(dtype: np.dtype[Any], stored: str, stats: FrameStats) -> bool:
    """May storing as `stored` have changed values of `dtype`? Only reached with `lossy`."""
    return stored == "float32" and (dtype.kind == "f" or max(abs(stats.min), abs(stats.max)) > MAX_EXACT)


def _write_frames(
    part: PartFile, stack: FrameStack, stored: str, exact_range: tuple[int, int] | None, lossy: bool
) -> FrameStats | None:
    """All frames after the header; None as soon as a value lies outside `exact_range`."""
    dtype = np.dtype(stored)
    frame_bytes = stack.frame_shape[0] * stack.frame_shape[1] * dtype.itemsize
    part.reserve(1024 + stack.nframes * frame_bytes)
    scratch = Scratch()
    found = []
    for index in range(stack.nframes):
        position = 1024 + index * frame_bytes
        if stored in ("float16", "complex64"):
            found.append(_copy_frame(part, position, stack.read(index)))
            continue
        source, layout, frame = streamed(stack, index)
        if layout.dtype == "float64" and not lossy:
            _require_float32(stack.read(index), index)
        sink = Sink(part, position=position, dtype=stored)
        exact, _, stats = transcode(source, layout, frame, sink, stats=True, exact_range=exact_range, scratch=scratch)
        if not exact:
            return None
        assert stats is not None
        found.append(_float_stats(stack, index) if stats["not_finite"] is not None else from_core(stats))
    return combined(found)


def _copy_frame(part: PartFile, position: int, frame: NDArray[Any]) -> FrameStats:
    part.write(frame.astype(frame.dtype.newbyteorder("<"), copy=False), position)
    return _numpy_stats(np.abs(frame) if frame.dtype.kind == "c" else frame)


def _float_stats(stack: FrameStack, index: int) -> FrameStats:
    return _numpy_stats(stack.read(index))


def _numpy_stats(values: NDArray[Any]) -> FrameStats:
    """NaN and infinity are legal in an MRC file; the statistics are those of the finite pixels."""
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    if not finite.size:
        return FrameStats(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    low = float(finite.min())
    return FrameStats(finite.size, low, float(finite.max()), float(finite.mean()), float(finite.std()), low)


def _require_float32(frame: NDArray[Any], index: int) -> None:
    with np.errstate(over="ignore"):
        same = frame.astype(np.float32) == frame
    if not (same | np.isnan(frame)).all():
        raise LimitError(
            "pass lossy=True to round to float32",
            field=f"frame {index}",
            expected="values that float32 holds",
            found="others",
        )


@cache
def _header_dtype() -> np.dtype[Any]:
    from mrcfile.dtypes import HEADER_DTYPE

    dtype: np.dtype[Any] = np.dtype(HEADER_DTYPE)
    return dtype.newbyteorder("<")


def _header(
    stack: FrameStack, mode: int, stats: FrameStats, sizes: Sequence[float], volume: bool, labels: Sequence[str]
) -> bytes:
    ny, nx = stack.frame_shape
    header = np.zeros((), _header_dtype())
    mz = stack.nframes if volume else 1
    for name, value in {"nx": nx, "ny": ny, "nz": stack.nframes, "mode": mode, "mx": nx, "my": ny, "mz": mz}.items():
        header[name] = value
    header["cella"] = tuple(edge * size for edge, size in zip((nx, ny, mz), sizes, strict=True))
    header["cellb"] = (90, 90, 90)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    # MRC2014's marks of statistics that were not determined: complex numbers have no order, and NaN has no place in it.
    if stack.dtype.kind == "c" or stats.count < stack.nframes * nx * ny:
        header["dmin"], header["dmax"], header["dmean"], header["rms"] = 0, -1, -2, -1
    else:
        header["dmin"], header["dmax"], header["dmean"], header["rms"] = stats.min, stats.max, stats.mean, stats.std
    header["ispg"] = 1 if volume else 0
    header["nversion"] = 20141
    header["map"] = b"MAP "
    header["machst"] = (0x44, 0x44, 0, 0)
    header["nlabl"] = len(labels)
    for i, label in enumerate(labels):
        header["label"][i] = _label(label, i)
    return header.tobytes()


def _label(text: str, index: int) -> bytes:
    if index >= 10 or len(text) > 80 or not text.isascii() or not text.isprintable():
        raise LimitError(
            field=f"label {index}", expected="at most 10 of at most 80 printable ASCII characters", found=repr(text)
        )
    return text.encode("ascii")


FORMAT = Format("mrc", "MRC", (".mrc", ".mrcs", ".map", ".st", ".ali", ".rec"), sniff, open_mrc, write_mrc)
