"""SMV (.img): a text header of ``KEY=value;`` lines and one frame, the format of DIALS, XDS and adxv users.

Read: what ADSC, Leginon, instamatic, microed-tools, d*TREK and fabio write, in both byte orders, with HEADER_BYTES
anywhere, CRLF, braces or ``nan`` in values. Written: little-endian uint16, HEADER_BYTES first, one ``KEY=value;`` a
line, no key that Leginon's own reader does not know, so that dxtbx, iotbx, fabio, ncempy and Leginon take it. SIZE1 is
the fast axis (columns) and SIZE2 the slow one (rows), as dxtbx, fabio and ncempy read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from braggio._core import Clipped, PartFile, Scratch, Sink, Source, parse_smv, transcode
from braggio.errors import FormatError, LimitError, MetadataError, UnsupportedError
from braggio.model.frames import FrameStack
from braggio.storage.format import Format
from braggio.storage.frames import StoredFrames, check_end, streamed

# The keys of Leginon's writer, in the order of ADSC headers: its reader exits on any other.
KEYS = (
    "HEADER_BYTES",
    "DIM",
    "BYTE_ORDER",
    "TYPE",
    "SIZE1",
    "SIZE2",
    "PIXEL_SIZE",
    "BIN",
    "BIN_TYPE",
    "ADC",
    "CREV",
    "BEAMLINE",
    "DATE",
    "TIME",
    "ACC_TIME",
    "DISTANCE",
    "TWOTHETA",
    "PHI",
    "OSC_START",
    "OSC_RANGE",
    "WAVELENGTH",
    "BEAM_CENTER_X",
    "BEAM_CENTER_Y",
    "GAIN",
    "IMAGE_PEDESTAL",
    "LEGINON_OFFSET",
)
MAX_HEADER = 1 << 24  # bytes; smv_max_header of the core, which reads no more
_KNOWN = frozenset(KEYS)
_RESERVED = set("={};\r\n")


def sniff(head: bytes, size: int) -> bool:
    """A brace, and HEADER_BYTES (which may come late: then any KEY=value; line)."""
    return head[:1] == b"{" and (b"HEADER_BYTES" in head or (b"=" in head and b";" in head and b"SIZE1" in head))


def open_smv(source: Source, path: str | None = None, *, permissive: bool = False) -> StoredFrames:
    """Open an SMV image; header values are numbers where they read as numbers, else text.

    Parameters
    ----------
    permissive : bool
        Accept bytes after the frame, with a DataWarning, and a header without BYTE_ORDER as little-endian.
    """
    entries, layout = parse_smv(source, strict=not permissive)
    check_end(layout, source, path, permissive=permissive)
    header: dict[str, Any] = {}
    for key, value in entries:
        header.setdefault(key.decode("latin-1"), _number(value.decode("latin-1")))
    return StoredFrames(source, layout, format="smv", header=header, path=path, single=True)


def _number(text: str) -> int | float | str:
    if "_" in text:  # Python would take 1_0 for 10
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def header_text(
    header: Mapping[str, Any], shape: tuple[int, int], *, header_bytes: int = 512, any_key: bool = False
) -> bytes:
    """The header block of a frame.

    Parameters
    ----------
    header : Mapping
        Values of `KEYS`; those that describe the pixels are set here whatever it says.
    shape : tuple of int
        Rows and columns.
    header_bytes : int
        Size of the block, a multiple of 512, at most 16 MiB. Many readers assume 512.
    any_key : bool
        Allow keys that Leginon's reader does not know.

    Returns
    -------
    bytes
        `header_bytes` of them.

    Raises
    ------
    MetadataError
        A key or value that SMV cannot hold.
    LimitError
        The header needs more than `header_bytes`.
    """
    if not 512 <= header_bytes <= MAX_HEADER or header_bytes % 512:
        raise MetadataError(field="HEADER_BYTES", expected="a multiple of 512, at most 16 MiB", found=header_bytes)
    rows, columns = shape
    values: dict[str, Any] = {
        **{key: value for key, value in header.items() if key != "Data_type"},  # TYPE, as d*TREK and fabio have it
        "HEADER_BYTES": f"{header_bytes:5d}",
        "DIM": 2,
        "BYTE_ORDER": "little_endian",
        "TYPE": "unsigned_short",
        "SIZE1": columns,
        "SIZE2": rows,
    }
    unknown = [key for key in values if key not in _KNOWN]
    if unknown and not any_key:
        raise MetadataError("Leginon's reader knows no such key; pass any_key=True to write it", field=unknown[0])
    for key in unknown:
        _require_clean(key)
    ordered = [key for key in KEYS if key in values] + unknown
    text = "{\n" + "".join([_line(key, _text(values[key])) for key in ordered]) + "}\n"
    if len(text) > header_bytes:
        raise LimitError(
            f"pass header_bytes={-(-len(text) // 512) * 512} for a longer header",
            field="header",
            expected=f"at most {header_bytes} bytes",
            found=f"{len(text)} bytes",
        )
    return (text.ljust(header_bytes - 1) + "\n").encode("ascii") if len(text) < header_bytes else text.encode("ascii")


def _require_clean(key: str) -> None:
    if not key or not key.isascii() or not key.replace("_", "").isalnum():
        raise MetadataError(field="key", expected="letters, digits and _", found=repr(key))


def _text(value: Any) -> str:
    if isinstance(value, float):
        return decimal(value)
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


@lru_cache(maxsize=256)  # most lines of a header are those of the frame before
def _line(key: str, text: str) -> str:
    if not text.isascii() or not text.isprintable() or _RESERVED & set(text):
        raise MetadataError(field=key, expected="printable ASCII without = ; { }", found=repr(text))
    if key == "DETECTOR_SN" and text.strip().isdigit():
        raise MetadataError(
            "dxtbx takes some numbers for detectors of synchrotrons", field=key, expected="text", found=text
        )
    return f"{key}={text};\n"


@lru_cache(maxsize=64)
def _decimal(number: float) -> str:
    text = f"{number:.10f}".rstrip("0")
    if abs(float(text) - number) > 1e-9 * abs(number):
        return repr(number)
    return text + "0" if text.endswith(".") else text


def decimal(number: float) -> str:
    """A float to 10 decimals, without trailing zeros: a step so written is off by less than 1e-7 after 1000 frames.

    Numbers that 10 decimals would change by more than 1e-9 of themselves are written in full.

    Examples
    --------
    >>> decimal(0.0844), decimal(2.0), decimal(1 / 3), decimal(3e-11)
    ('0.0844', '2.0', '0.3333333333', '3e-11')
    """
    # Zeros of either sign are one key to a cache, and texts of two.
    return _decimal(float(number)) if number else f"{number:.1f}"


def write_smv(
    path: str,
    stack: FrameStack,
    *,
    overwrite: bool = False,
    header: Mapping[str, Any] | None = None,
    header_bytes: int = 512,
    any_key: bool = False,
) -> None:
    """Write one frame as SMV; every pixel must be an integer in 0..65535.

    Parameters
    ----------
    header : Mapping, optional
        Values of `KEYS`.
    header_bytes, any_key
        See `header_text`.

    Raises
    ------
    LimitError
        A pixel does not fit: `braggio.microed.convert_series` writes signed frames with an offset.
    """
    if stack.nframes != 1:
        raise UnsupportedError(field="frames", expected="1", found=stack.nframes)
    text = header_text(header or {}, stack.frame_shape, header_bytes=header_bytes, any_key=any_key)
    source, layout, frame = streamed(stack, 0)
    with PartFile(path) as part:
        part.reserve(len(text) + layout.width * layout.height * 2)
        part.write(text, 0)
        sink = Sink(part, position=len(text), dtype="uint16", clamp_offset=0)
        _, lost, found = transcode(source, layout, frame, sink, stats=True, scratch=Scratch())
        _require_kept(stack, lost, found or {})
        part.publish(overwrite=overwrite)


def _require_kept(stack: FrameStack, lost: Clipped, found: Mapping[str, Any]) -> None:
    """Every pixel must be in the file as it was."""
    if found["not_finite"] is not None:
        row, column = divmod(found["not_finite"], stack.frame_shape[1])
        raise FormatError(
            path=stack.path,
            field="pixels",
            expected="finite numbers",
            found=f"NaN or infinity at row {row}, column {column}",
        )
    if lost.low or lost.high or lost.rounded:
        raise LimitError(
            f"{lost.low} below, {lost.high} above, {lost.rounded} not integers; braggio smv adds an offset",
            path=stack.path,
            field="pixels",
            expected="integers in 0..65535",
            found=f"{found['min']}..{found['max']}",
        )


FORMAT = Format("smv", "SMV", (".img", ".smv"), sniff, open_smv, write_smv)
