"""Jungfrau: configurations, and images whose shape they tell."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, LimitError

CONFIG_SIZES = {1: 36, 2: 60, 3: 252}
ELEMENTS = (1, 2)  # versions of JungfrauElement
MAX_PIXELS = 1 << 25  # 64 modules of 512 x 1024; LCLS had 8 at most in one source
_MODULE_INFO = 20


@dataclass(frozen=True)
class JungfrauConfig:
    """JungfrauConfig V1 to V3, what they have in common.

    Attributes
    ----------
    version, modules, rows, columns : int
        Rows and columns of one module.
    bias_voltage : int
        Volts.
    gain_mode, speed_mode : int
    trigger_delay, exposure_time : float
        Seconds.
    """

    version: int
    modules: int
    rows: int
    columns: int
    bias_voltage: int
    gain_mode: int
    speed_mode: int
    trigger_delay: float
    exposure_time: float


def read_config(payload: bytes, version: int) -> JungfrauConfig:
    """The configuration; its size must be that of its version."""
    if len(payload) != CONFIG_SIZES[version]:
        raise FormatError(
            field=f"JungfrauConfig V{version}", expected=f"{CONFIG_SIZES[version]} bytes", found=len(payload)
        )
    config = JungfrauConfig(version, *struct.unpack_from("<4IHHdd", payload))
    if not 0 < config.modules * config.rows * config.columns <= MAX_PIXELS:
        raise LimitError(
            field=f"JungfrauConfig V{version}",
            expected=f"1 to {MAX_PIXELS} pixels",
            found=f"{config.modules} x {config.rows} x {config.columns}",
        )
    return config


def read_image(payload: bytes, version: int, config: JungfrauConfig) -> NDArray[np.uint16]:
    """(modules, rows, columns) uint16 as read out: the two highest bits are the gain of the pixel.

    Raises
    ------
    FormatError
        The payload is not of the size that the configuration says.
    """
    start = 12 if version == 1 else 16 + _MODULE_INFO * config.modules
    shape = (config.modules, config.rows, config.columns)
    count = config.modules * config.rows * config.columns
    if len(payload) != start + 2 * count:
        raise FormatError(
            field=f"JungfrauElement V{version}",
            expected=f"{start + 2 * count} bytes (by the configuration)",
            found=len(payload),
        )
    return np.frombuffer(payload, "<u2", count, start).reshape(shape).astype(np.uint16)
