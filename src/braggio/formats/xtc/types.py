"""Payloads of XTC contributions decoded: plain records, one decoder per type, every version by name.

A version that is not listed is refused; layouts differ between versions and nothing is guessed. Sizes are compared with
the payload before anything is read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, LimitError, UnsupportedError
from braggio.formats.xtc import cspad, epics, jungfrau
from braggio.formats.xtc.names import TYPES, source_name, type_name, type_of
from braggio.formats.xtc.payload import need, text_of

MAX_PIXELS = 1 << 27  # of a camera; the largest there were had 2^24


@dataclass(frozen=True)
class Image:
    """Pixels of a detector with what stands beside them."""

    data: NDArray[Any]
    facts: dict[str, Any]


@dataclass(frozen=True)
class RayonixConfig:
    """RayonixConfig V1 and V2; `test_pattern` is None in V1."""

    version: int
    binning_f: int
    binning_s: int
    test_pattern: int | None
    exposure: int
    trigger: int
    raw_mode: int
    dark_flag: int
    readout_mode: int
    device_id: str


@dataclass(frozen=True)
class EBeam:
    """Electron beam of one shot, EBeamBld V0 to V7.

    Attributes
    ----------
    version, damage_mask : int
        Bit i of the mask: value i is not good.
    values : dict
        Name to number, those that the version has, good or not: charge (nC), l3_energy (MeV), ..., photon_energy (eV).
    """

    version: int
    damage_mask: int
    values: dict[str, float]

    def good(self, name: str) -> float | None:
        """The value, or None when this version has none, or it is marked as damaged or not finite."""
        value = self.values.get(name)
        if value is None or not np.isfinite(value):
            return None
        return None if self.damage_mask >> EBEAM_VALUES.index(name) & 1 else value


@dataclass(frozen=True)
class EvrData:
    """Event codes of one shot: (code, timestamp high, timestamp low) each."""

    version: int
    events: tuple[tuple[int, int, int], ...]

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes alone."""
        return tuple(code for code, _, _ in self.events)


def _cspad2x2(payload: bytes, version: int) -> Image:
    """(185, 388, 2) int16: the section is the fast axis."""
    need(payload, 32 + 185 * 388 * 2 * 2, f"Cspad2x2Element V{version}")
    word0, word1, seq, ticks, fiducials, *temperatures, frame_type = struct.unpack_from("<5I4HI", payload)
    data = np.frombuffer(payload, "<i2", 185 * 388 * 2, 32).reshape(185, 388, 2).astype(np.int16)
    facts = {"virtual_channel": word0 & 3, "lane": word0 >> 6 & 3, "tid": word0 >> 8, "acq_count": word1 & 0xFFFF}
    facts |= {"op_code": word1 >> 16 & 0xFF, "quad": word1 >> 24 & 3, "seq_count": seq, "ticks": ticks}
    return Image(data, facts | {"fiducials": fiducials, "sb_temp": tuple(temperatures), "frame_type": frame_type})


def _frame(payload: bytes, version: int) -> Image:
    need(payload, 16, f"Frame V{version}")
    width, height, depth, offset = struct.unpack_from("<4I", payload)
    if width == 0 or height == 0 or not 1 <= depth <= 16:
        raise FormatError(
            field=f"Frame V{version}", expected="pixels of 1 to 16 bits", found=f"{width} x {height}, {depth} bits"
        )
    if width * height > MAX_PIXELS:
        raise LimitError(
            field=f"Frame V{version}", expected=f"at most {MAX_PIXELS} pixels", found=f"{width} x {height}"
        )
    dtype = np.dtype("u1" if depth <= 8 else "<u2")
    need(payload, 16 + width * height * dtype.itemsize, f"Frame V{version}")
    data = np.frombuffer(payload, dtype, width * height, 16).reshape(height, width).astype(dtype.newbyteorder("="))
    return Image(data, {"width": width, "height": height, "depth": depth, "offset": offset})


def _rayonix_config(payload: bytes, version: int) -> RayonixConfig:
    need(payload, 60, f"RayonixConfig V{version}", exact=True)
    fast, slow, pattern, exposure, trigger, raw, dark, mode, device = struct.unpack_from("<BBhIIHHI40s", payload)
    kept = pattern if version == 2 else None
    return RayonixConfig(version, fast, slow, kept, exposure, trigger, raw, dark, mode, text_of(device))


EBEAM_VALUES = (
    *("charge", "l3_energy", "ltu_pos_x", "ltu_pos_y", "ltu_ang_x", "ltu_ang_y", "pk_curr_bc2", "energy_bc2"),
    *("pk_curr_bc1", "energy_bc1", "und_pos_x", "und_pos_y", "und_ang_x", "und_ang_y"),
    *("xtcav_ampl", "xtcav_phase", "dump_charge", "photon_energy", "ltu250", "ltu450"),
)
_EBEAM_COUNTS = (6, 7, 8, 10, 14, 17, 20, 20)


def _ebeam(payload: bytes, version: int) -> EBeam:
    count = _EBEAM_COUNTS[version]
    need(payload, 4 + 8 * count, f"EBeamBld V{version}", exact=True)
    mask, *values = struct.unpack(f"<I{count}d", payload)
    return EBeam(version, mask, dict(zip(EBEAM_VALUES, values, strict=False)))


def _aliases(payload: bytes, version: int) -> dict[str, str]:
    """Alias to source name."""
    need(payload, 4, f"AliasConfig V{version}")
    count = struct.unpack_from("<I", payload)[0]
    need(payload, 4 + 40 * count, f"AliasConfig V{version}")
    records = (struct.unpack_from("<II30s", payload, 4 + 40 * i) for i in range(count))
    return {text_of(name): source_name(log, phy) for log, phy, name in records}


def _evr(payload: bytes, version: int) -> EvrData:
    need(payload, 4, f"EvrData V{version}")
    count = struct.unpack_from("<I", payload)[0]
    need(payload, 4 + 12 * count, f"EvrData V{version}")
    records = (struct.unpack_from("<III", payload, 4 + 12 * i) for i in range(count))
    return EvrData(version, tuple((code, high, low) for high, low, code in records))


# name: (versions, decoder). CspadElement and JungfrauElement need their configuration, see `stream.py`.
DECODERS: dict[str, tuple[tuple[int, ...], Callable[[bytes, int], Any]]] = {
    "CspadConfig": ((1, 2, 3, 4, 5), cspad.read_config),
    "Cspad2x2Config": ((1, 2), cspad.read_config_2x2),
    "Cspad2x2Element": ((1,), _cspad2x2),
    "Frame": ((1,), _frame),
    "JungfrauConfig": ((1, 2, 3), jungfrau.read_config),
    "RayonixConfig": ((1, 2), _rayonix_config),
    "EBeamBld": ((0, 1, 2, 3, 4, 5, 6, 7), _ebeam),
    "Epics": ((1,), epics.read_value),
    "EpicsConfig": ((1,), epics.read_descriptions),
    "AliasConfig": ((1,), _aliases),
    "EvrData": ((3, 4), _evr),
}
CSPAD_ELEMENTS = (1, 2)  # versions of CspadElement
_BY_CONFIG = {"CspadElement": CSPAD_ELEMENTS, "JungfrauElement": jungfrau.ELEMENTS}
COVERED = {name: versions for name, (versions, _) in DECODERS.items()} | _BY_CONFIG


def decode(word: int, payload: bytes) -> Any:
    """A payload as a record.

    Parameters
    ----------
    word : int
        Type word of the contribution.
    payload : bytes
        Uncompressed.

    Raises
    ------
    UnsupportedError
        The type, or this version of it, is not covered.
    TruncatedError, FormatError
        The payload is not what its type says.

    Examples
    --------
    >>> decode(19 | 4 << 16, bytes([1, 0, 0, 0] + [7, 0, 0, 0] + [9, 0, 0, 0] + [140, 0, 0, 0])).codes
    (140,)
    """
    number, version = type_of(word)
    name = TYPES[number] if number < len(TYPES) else ""
    require_covered(word)
    if name in _BY_CONFIG:
        raise UnsupportedError(field="XTC type", expected="its configuration with it", found=type_name(word))
    return DECODERS[name][1](payload, version)


def require_covered(word: int) -> None:
    """Refuse a type or version that is not covered, by name."""
    number, version = type_of(word)
    name = TYPES[number] if number < len(TYPES) else ""
    if version not in COVERED.get(name, ()):
        versions = ", ".join(f"V{version}" for version in COVERED.get(name, ()))
        raise UnsupportedError(
            field="XTC type",
            expected=f"{name} {versions}" if versions else "a type that is covered",
            found=type_name(word),
        )
