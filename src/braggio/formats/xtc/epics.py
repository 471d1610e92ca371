"""Process variables (EPICS): values with their time in events, names and limits in Configure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from braggio.errors import FormatError, UnsupportedError
from braggio.formats.xtc.payload import need, text_of


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


def read_value(payload: bytes, version: int) -> Epics:
    """Epics V1, of any of the seven TIME and seven CTRL kinds."""
    need(payload, 6, f"Epics V{version}")
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
    need(payload, at + count * width, f"Epics DBR type {dbr}")
    values = struct.unpack_from("<" + letter * count, payload, at)
    if letter == "40s":
        values = tuple(text_of(value) for value in values)
    if not control:
        status, severity, seconds, nanoseconds = struct.unpack_from("<hhII", payload, 8)
        return Epics(pv_id, dbr, count, values, None, (seconds + _EPICS_EPOCH, nanoseconds), status, severity, {})
    start = 72 if letter in "fid" else 70
    status, severity = struct.unpack_from("<hh", payload, start)
    facts = _control_facts(payload, letter, start)
    return Epics(pv_id, dbr, count, values, text_of(payload[6:70]), None, status, severity, facts)


def _control_facts(payload: bytes, letter: str, start: int) -> dict[str, Any]:
    if letter == "40s":
        return {}
    if letter == "H":
        count = struct.unpack_from("<h", payload, start + 4)[0]
        states = [payload[start + 6 + 26 * i : start + 32 + 26 * i] for i in range(min(max(count, 0), 16))]
        return {"states": tuple(text_of(state) for state in states)}
    facts: dict[str, Any] = {}
    at = start + 4
    if letter in "fd":
        facts["precision"] = struct.unpack_from("<h", payload, at)[0]
        at += 4
    facts["units"] = text_of(payload[at : at + 8])
    limits = struct.unpack_from(f"<8{letter}", payload, at + 8)
    return facts | dict(zip(_LIMITS, limits, strict=True))


def read_descriptions(payload: bytes, version: int) -> dict[int, str]:
    """Number of a process variable to its description."""
    need(payload, 4, f"EpicsConfig V{version}")
    count = struct.unpack_from("<i", payload)[0]
    if count < 0:
        raise FormatError(field=f"EpicsConfig V{version}", expected="at least 0 variables", found=count)
    need(payload, 4 + 72 * count, f"EpicsConfig V{version}")
    records = (struct.unpack_from("<h64s", payload, 4 + 72 * i) for i in range(count))
    return {number: text_of(name) for number, name in records}
