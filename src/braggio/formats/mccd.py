"""MarCCD and Rayonix (.mccd): a TIFF whose pixels stand at byte 4096, with a header of 3072 bytes at byte 1024.

The TIFF part is written for viewers; size, type and everything else is in the mar header, which TIFF readers lose.
Fields below are in the order of the maker's C structure, 4-byte integers unless said otherwise.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from braggio._core import FrameLayout, Source
from braggio.errors import FormatError, TruncatedError, UnsupportedError
from braggio.storage.frames import StoredFrames

HEADER_START, HEADER_SIZE, PIXEL_START = 1024, 3072, 4096
MAGIC = {b"II*\x00": "<", b"MM\x00*": ">"}

# (offset in the header, numpy type or S<bytes>, names); a name of the form name[n] is an array.
_FIELDS: tuple[tuple[int, str, str], ...] = (
    (0, "u4", "header_type"),
    (4, "S16", "header_name"),
    (20, "u4", "header_major_version header_minor_version header_byte_order data_byte_order header_size frame_type"),
    (
        44,
        "u4",
        "magic_number compression_type compression1 compression2 compression3 compression4 compression5 compression6",
    ),
    (
        76,
        "u4",
        "nheaders nfast nslow depth record_length signif_bits data_type saturated_value sequence nimages origin",
    ),
    (
        120,
        "u4",
        "orientation view_direction overflow_location over_8_bits over_16_bits multiplexed nfastimages nslowimages",
    ),
    (152, "u4", "background_applied bias_applied flatfield_applied distortion_applied original_header_type file_saved"),
    (
        256,
        "u4",
        "total_counts[2] special_counts1[2] special_counts2[2] min max mean rms p10 p90 stats_uptodate pixel_noise[9]",
    ),
    (384, "u2", "percentile[128]"),
    (640, "i4", "xtal_to_detector beam_x beam_y integration_time exposure_time readout_time nreads"),
    (
        668,
        "i4",
        "start_twotheta start_omega start_chi start_kappa start_phi start_delta start_gamma start_xtal_to_detector",
    ),
    (700, "i4", "end_twotheta end_omega end_chi end_kappa end_phi end_delta end_gamma end_xtal_to_detector"),
    (732, "i4", "rotation_axis rotation_range detector_rotx detector_roty detector_rotz"),
    (768, "i4", "detector_type pixelsize_x pixelsize_y mean_bias photons_per_100adu measured_bias[9]"),
    (824, "i4", "measured_temperature[9] measured_pressure[9]"),
    (
        896,
        "i4",
        "source_type source_dx source_dy source_wavelength source_power source_voltage source_current source_bias",
    ),
    (928, "i4", "source_polarization_x source_polarization_y"),
    (
        952,
        "i4",
        "optics_type optics_dx optics_dy optics_wavelength optics_dispersion optics_crossfire_x optics_crossfire_y",
    ),
    (980, "i4", "optics_angle optics_polarization_x optics_polarization_y"),
    (1024, "S128", "filetitle filepath"),
    (1280, "S64", "filename"),
    (1344, "S32", "acquire_timestamp header_timestamp save_timestamp"),
    (1440, "S512", "file_comments"),
    (2048, "S512", "dataset_comments"),
)

# What the integers mean: name, field, unit, factor.
_DERIVED = (
    ("distance", "xtal_to_detector", "mm", 1e-3),
    ("exposure", "exposure_time", "s", 1e-3),
    ("phi", "start_phi", "deg", 1e-3),
    ("phi_end", "end_phi", "deg", 1e-3),
    ("phi_range", "rotation_range", "deg", 1e-3),
    ("beam_x_px", "beam_x", "pixel", 1e-3),
    ("beam_y_px", "beam_y", "pixel", 1e-3),
    ("pixel_size_x", "pixelsize_x", "mm", 1e-6),
    ("pixel_size_y", "pixelsize_y", "mm", 1e-6),
    ("bias", "mean_bias", "ADU", 1e-3),
    ("wavelength", "source_wavelength", "angstrom", 1e-5),
)
UNITS = {name: unit for name, _, unit, _ in _DERIVED}


def header_dtype(order: str = "<") -> np.dtype[Any]:
    """The mar header as a numpy record of 3072 bytes; order is "<" or ">"."""
    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    for start, kind, listed in _FIELDS:
        offset = start
        for item in listed.split():
            name, _, size = item.partition("[")
            one = np.dtype(kind if kind[0] == "S" else order + kind)
            shape = int(size[:-1]) if size else 1
            names.append(name)
            formats.append((one, shape) if size else one)
            offsets.append(offset)
            offset += one.itemsize * shape
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": HEADER_SIZE})


def parse_header(data: bytes) -> dict[str, Any]:
    """Every field of the mar header under its own name, and the physical values that follow from them.

    Parameters
    ----------
    data : bytes
        The first 4096 bytes of the file.

    Returns
    -------
    dict
        Integers, lists of integers and texts as stored; ``distance`` and ``pixel_size_x``, ``_y`` in mm, ``exposure``
        in s, ``phi``, ``phi_end``, ``phi_range`` in degrees, ``beam_x_px``, ``beam_y_px`` in pixels, ``wavelength``
        in angstrom, ``bias`` in ADU, ``time`` as seconds since 1970 taken as UTC (None where the stamp is empty).

    Raises
    ------
    TruncatedError, FormatError
    """
    if len(data) < PIXEL_START:
        raise TruncatedError(field="header", expected=f"{PIXEL_START} bytes", found=len(data))
    order = MAGIC.get(data[:4])
    if order is None:
        raise FormatError(field="magic", expected="a TIFF", found=data[:4].hex(" "), offset=0)
    record = np.frombuffer(data, header_dtype(order), 1, HEADER_START)[0]
    fields: dict[str, Any] = {}
    for name in record.dtype.names or ():
        value = record[name]
        fields[name] = value.split(b"\0")[0].decode("latin-1").strip() if isinstance(value, bytes) else value.tolist()
    if fields["xtal_to_detector"] == 0:  # some writers fill only the start of the scan
        fields["xtal_to_detector"] = fields["start_xtal_to_detector"]
    fields |= {name: fields[field] * factor for name, field, _, factor in _DERIVED}
    fields["time"] = _seconds(bytes(record["acquire_timestamp"]), data[HEADER_START + 1344 : HEADER_START + 1376])
    return fields


def _seconds(stamp: bytes, raw: bytes) -> float | None:
    """``MMDDhhmmYYYY.SS``, and microseconds after a NUL in files since February 2015."""
    text, _, tail = raw.partition(b"\0")
    try:
        moment = datetime.datetime.strptime(text.decode("ascii").strip(), "%m%d%H%M%Y.%S").replace(tzinfo=datetime.UTC)
    except (ValueError, UnicodeDecodeError):
        return None
    micro = tail.split(b"\0")[0]
    return moment.timestamp() + (int(micro) * 1e-6 if micro.isdigit() and len(micro) <= 6 else 0.0)


def open_mccd(source: Source, path: str | None = None, *, permissive: bool = False) -> StoredFrames:
    """Open an mccd image.

    Raises
    ------
    TruncatedError, FormatError, UnsupportedError
        Cut short; no mar header; pixels that are not 16-bit, or compressed.
    """
    header = parse_header(source.read(0, PIXEL_START))
    if header["depth"] != 2 or header["compression_type"] != 0 or header["nimages"] > 1:
        found = f"{header['depth']} bytes, compression {header['compression_type']}, {header['nimages']} images"
        raise UnsupportedError(field="pixels", expected="one image of plain 16-bit integers", found=found)
    order = MAGIC[source.read(0, 4)]
    layout = FrameLayout(
        dtype="uint16", width=header["nfast"], height=header["nslow"], first=PIXEL_START, big_endian=order == ">"
    )
    if layout.extent > source.size:
        raise TruncatedError(field="file size", expected=f"{layout.extent} bytes", found=source.size)
    return StoredFrames(source, layout, format="mccd", header=header, path=path, single=True)
