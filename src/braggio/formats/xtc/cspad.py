"""Configurations of the CSPAD and of the Cspad2x2: what is read out, and the gain of every pixel."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braggio.formats.xtc.payload import need


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


_GAIN_BYTES = 185 * 194 * 2
# version: (size, run delay, event code, payload per quad, first mask, header, registers of a quadrant)
_CSPAD = {
    1: (287804, 24, 36, 44, 71940),
    2: (287808, 24, 36, 48, 71940),
    3: (287844, 60, 72, 84, 71940),
    4: (287892, 60, 72, 84, 71952),
    5: (287928, 64, 76, 88, 71960),
}


def read_config(payload: bytes, version: int) -> CspadConfig:
    """CspadConfig V1 to V5."""
    size, payload_at, masks_at, head, quad = _CSPAD[version]
    need(payload, size, f"CspadConfig V{version}", exact=True)
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


def read_config_2x2(payload: bytes, version: int) -> Cspad2x2Config:
    """Cspad2x2Config V1 and V2."""
    size, at = {1: (71996, 28), 2: (72008, 32)}[version]
    need(payload, size, f"Cspad2x2Config V{version}", exact=True)
    payload_per_quad, _, asic, roi = struct.unpack_from("<4I", payload, at)
    gain = np.frombuffer(payload, "<u2", 185 * 194, size - _GAIN_BYTES).reshape(185, 194).astype(np.uint16)
    return Cspad2x2Config(version, payload_per_quad, asic, roi, gain)
