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

from braggio.errors import FormatError, LimitError, TruncatedError, UnsupportedError
from braggio.formats.xtc import jungfrau
from braggio.formats.xtc.names import TYPES, source_name, type_name, type_of

MAX_PIXELS = 1 << 27  # of a camera; the largest there were had 2^24


@dataclass(frozen=True)
class CspadConfig:
    """CspadConfig V1 to V5.

    Attributes
    ----------
    version, run_delay, event_code, payload_per_quad, asic_mask, quad_mask, roi_mask : int
        `roi_mask` is None in V1, which has none.
    masks : tuple of 4 int
        Sections that each quadrant sends, one bit each; 0 where the quadrant is not read out.
    gain : numpy.ndarray
        (4, 185, 194) uint16: bit i is the gain of ASIC i of the quadrant, 1 high, 0 low.
    readout_versions : tuple of 4 int
    """

    version: int
    run_delay: int
    event_code: int
    payload_per_quad: int
    asic_mask: int
    quad_mask: int
    roi_mask: int | None
    masks: tuple[int, int, int, int]
    gain: NDArray[np.uint16]
    readout_versions: tuple[int, ...]

    @property
    def low_gain(self) -> NDArray[np.bool_]:
        """(4, 8, 185, 388): pixels in low gain."""
        bits = self.gain[:, None, :, :] >> np.arange(16, dtype=np.uint16)[None, :, None, None] & 1
        return np.ascontiguousarray(
            bits.reshape(4, 8, 2, 185, 194).transpose(0, 1, 3, 2, 4).reshape(4, 8, 185, 388) == 0
        )


@dataclass(frozen=True)
class Cspad2x2Config:
    """Cspad2x2Config V1 and V2: `gain` is (185, 194) uint16, bits 0 to 3 are the four ASICs."""

    version: int
    payload_per_quad: int
    asic_mask: int
    roi_mask: int
    gain: NDArray[np.uint16]


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
class Epics:
    """One process variable.

    Attributes
    ----------
    pv_id, dbr_type, count : int
    values : tuple
        Numbers, or texts of the two string types.
    name : str or None
        CTRL types (in Configure) name the variable; TIME types only number it.
    stamp : tuple of int or None
        (seconds, nanoseconds) since 1970 UTC; TIME types only.
    status, severity : int
    facts : dict
        Of CTRL types: units, precision, limits, enum states.
    """

    pv_id: int
    dbr_type: int
    count: int
    values: tuple[Any, ...]
    name: str | None
    stamp: tuple[int, int] | None
    status: int
    severity: int
    facts: dict[str, Any]


@dataclass(frozen=True)
class EvrData:
    """Event codes of one shot: (code, timestamp high, timestamp low) each."""

    version: int
    events: tuple[tuple[int, int, int], ...]

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes alone."""
        return tuple(code for code, _, _ in self.events)


def _need(payload: bytes, size: int, what: str, *, exact: bool = False) -> None:
    if len(payload) < size:
        raise TruncatedError(field=what, expected=f"{size} bytes", found=len(payload))
    if exact and len(payload) != size:
        raise FormatError(field=what, expected=f"{size} bytes", found=len(payload))


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1")


_GAIN_BYTES = 185 * 194 * 2
# version: (size, run delay, event code, payload per quad, first mask, header, registers of a quadrant)
_CSPAD = {
    1: (287804, 24, 36, 44, 71940),
    2: (287808, 24, 36, 48, 71940),
    3: (287844, 60, 72, 84, 71940),
    4: (287892, 60, 72, 84, 71952),
    5: (287928, 64, 76, 88, 71960),
}


def _cspad_config(payload: bytes, version: int) -> CspadConfig:
    size, payload_at, masks_at, head, quad = _CSPAD[version]
    _need(payload, size, f"CspadConfig V{version}", exact=True)
    asic, quads = struct.unpack_from("<II", payload, masks_at)
    roi = None if version == 1 else struct.unpack_from("<I", payload, masks_at + 8)[0]
    whole = 0x03 if asic & 15 == 1 else 0xFF  # what V1 reads out
    sections = [whole if roi is None else roi >> 8 * q & 0xFF for q in range(4)]
    gain, readout = np.empty((4, 185, 194), np.uint16), []
    for q in range(4):
        end = head + (q + 1) * quad
        gain[q] = np.frombuffer(payload, "<u2", 185 * 194, end - _GAIN_BYTES).reshape(185, 194)
        readout.append(struct.unpack_from("<I", payload, end - _GAIN_BYTES - 80 - 4)[0])
    return CspadConfig(
        version=version,
        run_delay=struct.unpack_from("<I", payload, 4)[0],
        event_code=struct.unpack_from("<I", payload, 8)[0],
        payload_per_quad=struct.unpack_from("<I", payload, payload_at)[0],
        asic_mask=asic,
        quad_mask=quads,
        roi_mask=roi,
        masks=tuple(sections[q] if quads >> q & 1 else 0 for q in range(4)),  # type: ignore[arg-type]
        gain=gain,
        readout_versions=tuple(readout),
    )


def _cspad2x2_config(payload: bytes, version: int) -> Cspad2x2Config:
    size, at = {1: (71996, 28), 2: (72008, 32)}[version]
    _need(payload, size, f"Cspad2x2Config V{version}", exact=True)
    payload_per_quad, _, asic, roi = struct.unpack_from("<4I", payload, at)
    gain = np.frombuffer(payload, "<u2", 185 * 194, size - _GAIN_BYTES).reshape(185, 194).astype(np.uint16)
    return Cspad2x2Config(version, payload_per_quad, asic, roi, gain)


def _cspad2x2(payload: bytes, version: int) -> Image:
    """(185, 388, 2) int16: the section is the fast axis."""
    _need(payload, 32 + 185 * 388 * 2 * 2, f"Cspad2x2Element V{version}")
    word0, word1, seq, ticks, fiducials, *temperatures, frame_type = struct.unpack_from("<5I4HI", payload)
    data = np.frombuffer(payload, "<i2", 185 * 388 * 2, 32).reshape(185, 388, 2).astype(np.int16)
    facts = {"virtual_channel": word0 & 3, "lane": word0 >> 6 & 3, "tid": word0 >> 8, "acq_count": word1 & 0xFFFF}
    facts |= {"op_code": word1 >> 16 & 0xFF, "quad": word1 >> 24 & 3, "seq_count": seq, "ticks": ticks}
    return Image(data, facts | {"fiducials": fiducials, "sb_temp": tuple(temperatures), "frame_type": frame_type})


def _frame(payload: bytes, version: int) -> Image:
    _need(payload, 16, f"Frame V{version}")
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
    _need(payload, 16 + width * height * dtype.itemsize, f"Frame V{version}")
    data = np.frombuffer(payload, dtype, width * height, 16).reshape(height, width).astype(dtype.newbyteorder("="))
    return Image(data, {"width": width, "height": height, "depth": depth, "offset": offset})


def _rayonix_config(payload: bytes, version: int) -> RayonixConfig:
    _need(payload, 60, f"RayonixConfig V{version}", exact=True)
    fast, slow, pattern, exposure, trigger, raw, dark, mode, device = struct.unpack_from("<BBhIIHHI40s", payload)
    kept = pattern if version == 2 else None
    return RayonixConfig(version, fast, slow, kept, exposure, trigger, raw, dark, mode, _text(device))


EBEAM_VALUES = (
    *("charge", "l3_energy", "ltu_pos_x", "ltu_pos_y", "ltu_ang_x", "ltu_ang_y", "pk_curr_bc2", "energy_bc2"),
    *("pk_curr_bc1", "energy_bc1", "und_pos_x", "und_pos_y", "und_ang_x", "und_ang_y"),
    *("xtcav_ampl", "xtcav_phase", "dump_charge", "photon_energy", "ltu250", "ltu450"),
)
_EBEAM_COUNTS = (6, 7, 8, 10, 14, 17, 20, 20)


def _ebeam(payload: bytes, version: int) -> EBeam:
    count = _EBEAM_COUNTS[version]
    _need(payload, 4 + 8 * count, f"EBeamBld V{version}", exact=True)
    mask, *values = struct.unpack(f"<I{count}d", payload)
    return EBeam(version, mask, dict(zip(EBEAM_VALUES, values, strict=False)))


# DBR type: (struct letter, offset of the value in a TIME record, the same in a CTRL record). Offsets are those of the
# C structs that the data acquisition wrote. Headers generated later round the records of 14, 15 and 21 bytes up, which
# puts values of three types elsewhere (the last pair); the size of the payload tells.
_DBR = {
    0: ("40s", 20, 74, None, None),
    1: ("h", 22, 98, 24, None),
    2: ("f", 20, 120, None, None),
    3: ("H", 22, 492, 24, None),
    4: ("B", 23, 91, 24, 92),
    5: ("i", 20, 116, None, None),
    6: ("d", 24, 152, None, None),
}
_EPICS_EPOCH = 631152000  # 1990-01-01 in Unix seconds
_LIMITS = (
    *("upper_disp_limit", "lower_disp_limit", "upper_alarm_limit", "upper_warning_limit"),
    *("lower_warning_limit", "lower_alarm_limit", "upper_ctrl_limit", "lower_ctrl_limit"),
)


def _epics(payload: bytes, version: int) -> Epics:
    _need(payload, 6, f"Epics V{version}")
    pv_id, dbr, count = struct.unpack_from("<hhh", payload)
    if not (14 <= dbr <= 20 or 28 <= dbr <= 34):
        raise UnsupportedError(field="Epics DBR type", expected="14 to 20 (TIME) or 28 to 34 (CTRL)", found=dbr)
    if count < 0:
        raise FormatError(field="Epics number of elements", expected="at least 0", found=count)
    control = dbr >= 28
    letter, time_at, control_at, *rounded = _DBR[dbr - (28 if control else 14)]
    at, width = (control_at if control else time_at), struct.calcsize("<" + letter)
    other = rounded[control]
    if other is not None and len(payload) >= other + count * width and len(payload) > -(-(at + count * width) // 4) * 4:
        at = other
    _need(payload, at + count * width, f"Epics DBR type {dbr}")
    values = struct.unpack_from("<" + letter * count, payload, at)
    if letter == "40s":
        values = tuple(_text(value) for value in values)
    if not control:
        status, severity, seconds, nanoseconds = struct.unpack_from("<hhII", payload, 8)
        return Epics(pv_id, dbr, count, values, None, (seconds + _EPICS_EPOCH, nanoseconds), status, severity, {})
    start = 72 if letter in "fid" else 70
    status, severity = struct.unpack_from("<hh", payload, start)
    facts = _control_facts(payload, letter, start)
    return Epics(pv_id, dbr, count, values, _text(payload[6:70]), None, status, severity, facts)


def _control_facts(payload: bytes, letter: str, start: int) -> dict[str, Any]:
    if letter == "40s":
        return {}
    if letter == "H":
        count = struct.unpack_from("<h", payload, start + 4)[0]
        states = [payload[start + 6 + 26 * i : start + 32 + 26 * i] for i in range(min(max(count, 0), 16))]
        return {"states": tuple(_text(state) for state in states)}
    facts: dict[str, Any] = {}
    at = start + 4
    if letter in "fd":
        facts["precision"] = struct.unpack_from("<h", payload, at)[0]
        at += 4
    facts["units"] = _text(payload[at : at + 8])
    limits = struct.unpack_from(f"<8{letter}", payload, at + 8)
    return facts | dict(zip(_LIMITS, limits, strict=True))


def _aliases(payload: bytes, version: int) -> dict[str, str]:
    """Alias to source name."""
    _need(payload, 4, f"AliasConfig V{version}")
    count = struct.unpack_from("<I", payload)[0]
    _need(payload, 4 + 40 * count, f"AliasConfig V{version}")
    records = (struct.unpack_from("<II30s", payload, 4 + 40 * i) for i in range(count))
    return {_text(name): source_name(log, phy) for log, phy, name in records}


def _evr(payload: bytes, version: int) -> EvrData:
    _need(payload, 4, f"EvrData V{version}")
    count = struct.unpack_from("<I", payload)[0]
    _need(payload, 4 + 12 * count, f"EvrData V{version}")
    records = (struct.unpack_from("<III", payload, 4 + 12 * i) for i in range(count))
    return EvrData(version, tuple((code, high, low) for high, low, code in records))


def _epics_config(payload: bytes, version: int) -> dict[int, str]:
    """Number of a process variable to its description."""
    _need(payload, 4, f"EpicsConfig V{version}")
    count = struct.unpack_from("<i", payload)[0]
    if count < 0:
        raise FormatError(field=f"EpicsConfig V{version}", expected="at least 0 variables", found=count)
    _need(payload, 4 + 72 * count, f"EpicsConfig V{version}")
    records = (struct.unpack_from("<h64s", payload, 4 + 72 * i) for i in range(count))
    return {number: _text(name) for number, name in records}


# name: (versions, decoder). CspadElement and JungfrauElement need their configuration, see `stream.py`.
DECODERS: dict[str, tuple[tuple[int, ...], Callable[[bytes, int], Any]]] = {
    "CspadConfig": ((1, 2, 3, 4, 5), _cspad_config),
    "Cspad2x2Config": ((1, 2), _cspad2x2_config),
    "Cspad2x2Element": ((1,), _cspad2x2),
    "Frame": ((1,), _frame),
    "JungfrauConfig": ((1, 2, 3), jungfrau.read_config),
    "RayonixConfig": ((1, 2), _rayonix_config),
    "EBeamBld": ((0, 1, 2, 3, 4, 5, 6, 7), _ebeam),
    "Epics": ((1,), _epics),
    "EpicsConfig": ((1,), _epics_config),
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
