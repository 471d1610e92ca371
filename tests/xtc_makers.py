"""Conformant XTC made for tests: datagrams, contributions and payloads, field by field as the DAQ wrote them.

Independent of the code that reads: plain `struct`, sizes from SLAC's layouts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

SERVICES = {
    "Configure": 4,
    "BeginRun": 6,
    "EndRun": 7,
    "BeginCalibCycle": 8,
    "Enable": 10,
    "Disable": 11,
    "L1Accept": 12,
}
XTC, FRAME, EPICS, EBEAM, EVR, CSPAD, CSPAD_CONFIG = 1, 2, 13, 15, 19, 28, 29
CSPAD2X2, CSPAD2X2_CONFIG, EPICS_CONFIG, ALIAS, RAYONIX_CONFIG = 41, 43, 54, 69, 73
DS1 = (0x010001F0, 0x20000A00)  # CxiDs1-0|Cspad-0
SC1 = (0x010001F1, 0x23000D00)  # CxiSc1-0|Cspad2x2-0
CAMERA = (0x010001F2, 0x1C000400)  # CxiDg2-0|Tm6740-0
RAYONIX = (0x010001F3, 0x30001E00)  # MfxEndstation-0|Rayonix-0
ARCHIVER = (0x01000037, 0x09000000)  # EpicsArch-0|NoDevice-0
EVR_SOURCE = (0x01000038, 0x00000100)  # NoDetector-0|Evr-0
BEAM = (0x06000000, 0)  # BldInfo(EBeam)
SEGMENT = (0x02000064, 0xAC150A01)
EVENT_LEVEL = (0x03000CA1, 0xAC150A0B)
START = 1417419351


def xtc(
    kind: int,
    payload: bytes = b"",
    source: tuple[int, int] = SEGMENT,
    *,
    version: int = 1,
    damage: int = 0,
    compressed: bool = False,
    extent: int | None = None,
) -> bytes:
    """One Xtc: damage, source, type, extent, payload."""
    word = kind | version << 16 | compressed << 31
    return struct.pack("<5I", damage, *source, word, 20 + len(payload) if extent is None else extent) + payload


def datagram(
    service: str,
    clock: tuple[int, int],
    *children: bytes,
    fiducials: int = 0,
    env: int = 0,
    damage: int = 0,
    ticks: int = 0,
    vector: int = 0,
    kind: int = XTC,
) -> bytes:
    """One datagram of these Xtcs."""
    seconds, nanoseconds = clock
    low, high = ticks & 0xFFFFFF | SERVICES[service] << 24, fiducials & 0x1FFFF | vector << 17
    head = struct.pack("<5I", nanoseconds, seconds, low, high, env)
    return head + xtc(kind, b"".join(children), EVENT_LEVEL, damage=damage)


def container(*children: bytes, damage: int = 0) -> bytes:
    """A container of Xtcs."""
    return xtc(XTC, b"".join(children), damage=damage)


CSPAD_HEADS = {1: (24, 36, 44, 71940), 2: (24, 36, 48, 71940), 3: (60, 72, 84, 71940), 4: (60, 72, 84, 71952)}
CSPAD_HEADS[5] = (64, 76, 88, 71960)


def cspad_config(version: int = 5, quads: int = 15, roi: int = 0xFFFFFFFF, asics: int = 0xFFFF, gain=None) -> bytes:
    """CspadConfig; `gain` (4, 185, 194) uint16."""
    payload_at, masks_at, head, quad = CSPAD_HEADS[version]
    raw = bytearray(head + 4 * quad)
    struct.pack_into("<II", raw, 4, 560, 140)  # run delay, event code
    struct.pack_into("<I", raw, payload_at, 1148516)
    struct.pack_into("<II", raw, masks_at, asics, quads)
    if version > 1:
        struct.pack_into("<I", raw, masks_at + 8, roi)
    for q in range(4):
        end = head + (q + 1) * quad
        struct.pack_into("<II", raw, end - 71780 - 80 - 8, 0, 4096 + q)  # shift test, version
        if gain is not None:
            raw[end - 71780 : end] = np.asarray(gain[q], "<u2").tobytes()
    return xtc(CSPAD_CONFIG, bytes(raw), DS1, version=version)


def cspad_quad(quad: int, data: np.ndarray, fiducials: int = 0) -> tuple[bytes, bytes]:
    """(header, pixels with what follows them) of one quadrant."""
    head = struct.pack(
        "<5I4HI",
        quad | 2 << 6 | 0x1234 << 8,
        7 | 140 << 16 | quad << 24,
        1000,
        5000,
        fiducials,
        2000,
        2001,
        2002,
        2003,
        3840,
    )
    return head, np.asarray(data, "<i2").tobytes() + b"\0\0\0\0"


def cspad_payload(data: np.ndarray, quads: int = 15, roi: int = 0xFFFFFFFF, order: Sequence[int] = range(4)) -> bytes:
    """CspadElement payload of a (4, 8, 185, 388) image: quadrants and sections as the masks say."""
    parts = []
    for q in order:
        if quads >> q & 1:
            sections = [s for s in range(8) if roi >> (8 * q + s) & 1]
            parts += cspad_quad(q, data[q, sections])
    return b"".join(parts)


def cspad(data: np.ndarray, version: int = 2, damage: int = 0, **masks: int) -> bytes:
    return xtc(CSPAD, cspad_payload(data, **masks), DS1, version=version, damage=damage)


def masked(data: np.ndarray, quads: int, roi: int) -> np.ndarray:
    """The image with what the masks leave out set to 0."""
    kept = data.copy()
    for q in range(4):
        for s in range(8):
            if not (quads >> q & 1 and roi >> (8 * q + s) & 1):
                kept[q, s] = 0
    return kept


def cspad2x2(data: np.ndarray) -> bytes:
    head = struct.pack("<5I4HI", 1, 140 << 16, 1, 2, 3, 4, 5, 6, 7, 8)
    return xtc(CSPAD2X2, head + np.asarray(data, "<i2").tobytes(), SC1)


def frame(data: np.ndarray, depth: int, offset: int = 32, source: tuple[int, int] = CAMERA, damage: int = 0) -> bytes:
    """A camera's Frame V1."""
    height, width = data.shape
    pixels = np.asarray(data, "u1" if depth <= 8 else "<u2").tobytes()
    return xtc(FRAME, struct.pack("<4I", width, height, depth, offset) + pixels, source, damage=damage)


def rayonix_config(version: int = 2) -> bytes:
    payload = struct.pack("<BBhIIHHI40s", 2, 3, 4, 100, 1, 0, 1, 2, b"MX170-HS:125")
    return xtc(RAYONIX_CONFIG, payload, RAYONIX, version=version)


JUNGFRAU = (0x010001F4, 0x20002B00)  # CxiDs1-0|Jungfrau-0


def jungfrau_config(version: int, shape: tuple[int, int, int]) -> bytes:
    payload = struct.pack("<4IHHdd", *shape, 200, 0, 1, 0.25, 1e-5).ljust({1: 36, 2: 60, 3: 252}[version], b"\0")
    return xtc(107, payload, JUNGFRAU, version=version)


def jungfrau(data: np.ndarray, version: int) -> bytes:
    head = struct.pack("<3I", 1, 2, 3) if version == 1 else struct.pack("<Q2I", 1, 2, 3) + bytes(20 * len(data))
    return xtc(108, head + np.asarray(data, "<u2").tobytes(), JUNGFRAU, version=version)


EBEAM_COUNTS = (6, 7, 8, 10, 14, 17, 20, 20)


def ebeam(version: int, values: Iterable[float], mask: int = 0, damage: int = 0) -> bytes:
    payload = struct.pack(f"<I{EBEAM_COUNTS[version]}d", mask, *values)
    return xtc(EBEAM, payload, BEAM, version=version, damage=damage)


def beam_values(version: int, energy: float = 7079.77687909, l3: float = 13600.5) -> list[float]:
    values = [0.15, l3] + [0.125 * i for i in range(EBEAM_COUNTS[version] - 2)]
    if version >= 6:
        values[17] = energy
    return values


# DBR type of a value: (letter, bytes before the value in the TIME record, in the CTRL record)
DBR = {0: ("40s", 12, 4), 1: ("h", 14, 28), 2: ("f", 12, 48), 3: ("H", 14, 422), 4: ("B", 15, 21)}
DBR |= {5: ("i", 12, 44), 6: ("d", 16, 80)}


def epics_time(number: int, kind: int, values: Sequence[object], seconds: int = 790000000, wide: bool = False) -> bytes:
    """An EPICS value; `wide`: as headers lay it out that round every record up to 4 bytes."""
    letter, before, _ = DBR[kind]
    if wide:
        before = -(-before // 4) * 4
    record = struct.pack("<hhII", 1, 2, seconds, 123456789).ljust(before, b"\0") + struct.pack(
        f"<{letter * len(values)}", *values
    )
    payload = struct.pack("<hhhxx", number, 14 + kind, len(values)) + record
    return xtc(EPICS, payload + b"\0" * (-len(payload) % 4), ARCHIVER)


def epics_control(number: int, kind: int, name: str, values: Sequence[object], units: str = "mm") -> bytes:
    """An EPICS value with its name and limits, as Configure has it."""
    letter, before, _ = DBR[kind]
    before = DBR[kind][2]
    record = struct.pack("<hh", 1, 2)
    if kind == 3:
        record += struct.pack("<h26s26s", 2, b"off", b"on")
    elif kind != 0:
        record += struct.pack("<hxx", 3) if letter in "fd" else b""
        record += struct.pack("<8s", units.encode()) + struct.pack(f"<8{letter}", *range(1, 9))
    record = record.ljust(before, b"\0") + struct.pack(f"<{letter * len(values)}", *values)
    head = struct.pack("<hhh64s", number, 28 + kind, len(values), name.encode())
    payload = head + (b"\0\0" if letter in "fid" else b"") + record
    return xtc(EPICS, payload + b"\0" * (-len(payload) % 4), ARCHIVER)


def aliases(pairs: Iterable[tuple[str, tuple[int, int]]]) -> bytes:
    pairs = list(pairs)
    records = b"".join(struct.pack("<II30sxx", *source, name.encode()) for name, source in pairs)
    return xtc(ALIAS, struct.pack("<I", len(pairs)) + records, (1, 0))


def evr(codes: Iterable[int], version: int = 4) -> bytes:
    codes = list(codes)
    records = b"".join(struct.pack("<III", 17 + i, 4000 + i, code) for i, code in enumerate(codes))
    return xtc(EVR, struct.pack("<I", len(codes)) + records, EVR_SOURCE, version=version)


# ---- compression, written from the description of the formats


def _bitmap(flags: np.ndarray, runs: bool) -> bytes:
    padded = np.zeros(-(-len(flags) // 16) * 16, bool)
    padded[: len(flags)] = flags
    words = np.packbits(padded.reshape(-1, 16), axis=1, bitorder="little").view("<u2").ravel()
    if not runs:
        return struct.pack("<I", len(words)) + words.tobytes()
    pairs: list[int] = []
    for word in words.tolist():
        if pairs and pairs[-1] == word and pairs[-2] < 0xFFFF:
            pairs[-2] += 1
        else:
            pairs += [1, word]
    return struct.pack("<I", len(pairs)) + np.array(pairs, "<u2").tobytes()


def hist16(values: np.ndarray, base: int | None, runs: bool = True) -> bytes:
    """Hist16 of uint16; `base` None: stored as it is."""
    values = np.asarray(values, "<u2").ravel()
    checksum = int(values.astype(np.uint64).sum()) & 0xFFFFFFFF
    if base is None:
        return struct.pack("<3I", 0, checksum, values.nbytes) + values.tobytes()
    near = (values >= base) & (values.astype(int) < base + 256)
    data = b"".join(
        bytes([int(value) - base]) if short else struct.pack("<H", value)
        for value, short in zip(values, near, strict=True)
    )
    body = struct.pack("<HI", base, len(data)) + data + _bitmap(near, runs)
    return struct.pack("<3I", 3 if runs else 1, checksum, len(body)) + body


def histn(values: np.ndarray, base: int | None, bits: int = 4, runs: bool = True) -> bytes:
    """HistN of uint8 or uint16."""
    values = np.asarray(values).ravel()
    depth = values.dtype.itemsize
    checksum = int(values.astype(np.uint64).sum()) & 0xFFFFFFFF
    if base is None:
        return struct.pack("<HHII", 0, depth, checksum, values.nbytes) + values.astype(f"<u{depth}").tobytes()
    clear = max(int(values.max()).bit_length(), 1)
    near = (values >= base) & (values.astype(int) < base + (1 << bits))
    stream, held = 0, 0
    for value, short in zip(values.tolist(), near.tolist(), strict=True):
        stream |= (value - base if short else value) << held
        held += bits if short else clear
    data = stream.to_bytes(-(-held // 32) * 4, "little")
    body = struct.pack("<HHII", clear, bits, base, len(data)) + data + _bitmap(near, runs)
    return struct.pack("<HHII", 3 if runs else 1, depth, checksum, len(body)) + body


def packed(parts: Iterable[tuple[bytes, int, bytes, int]]) -> bytes:
    """A compressed payload of (header, engine, packed, uncompressed size) parts."""
    out = b""
    for header, engine, data, size in parts:
        out += struct.pack("<I", len(header)) + header + struct.pack("<4I", engine, 0, size, len(data)) + data
        out += b"\0" * (-len(out) % 4)
    return out


# ---- whole files


def image(seed: int = 0) -> np.ndarray:
    """A (4, 8, 185, 388) int16 image, negative and large values too."""
    random = np.random.default_rng(seed)
    data = random.normal(1200, 40, (4, 8, 185, 388)).astype(np.int16)
    data[:, :, 0, :4] = (-7, 32767, -32768, 0)
    return data


MOTOR = "CXI:DS1:MMS:06.RBV"


def configure(*extra: bytes, config: bytes | None = None, clock: tuple[int, int] = (START, 5)) -> bytes:
    """Configure with a CSPAD, aliases and the motor."""
    inside = container(config or cspad_config(), aliases([("DscCsPad", DS1), ("DG2", CAMERA)]), *extra)
    return datagram("Configure", clock, inside, container(epics_control(3, 6, MOTOR, [-449.5])))


def begin(run: int = 54) -> bytes:
    return b"".join(
        (
            datagram("BeginRun", (START + 1, 0), env=run),
            datagram("BeginCalibCycle", (START + 2, 0)),
            datagram("Enable", (START + 3, 0)),
        )
    )


def end() -> bytes:
    return datagram("Disable", (START + 1000, 0)) + datagram("EndRun", (START + 1001, 0))


def event_clock(i: int) -> tuple[int, int]:
    """120 Hz."""
    nanoseconds = 249000000 + i * 8333333
    return START + 10 + nanoseconds // 10**9, nanoseconds % 10**9


def shot(i: int, *contributions: bytes, damage: int = 0) -> bytes:
    """Event `i` with EBeam, EPICS and these contributions."""
    return datagram(
        "L1Accept",
        event_clock(i),
        container(*contributions),
        container(ebeam(7, beam_values(7)), evr([140, 40 + i])),
        container(epics_time(3, 6, [-449.5 - i])),
        fiducials=100 + 3 * i,
        damage=damage,
        vector=i,
    )


SMALL_QUADS, SMALL_ROI = 1, 4  # one section of one quadrant: 143 kB an image


def small_run(n: int = 3, run: int = 54) -> bytes:
    """A file of `n` CSPAD events of one section."""
    config = cspad_config(quads=SMALL_QUADS, roi=SMALL_ROI)
    shots = (shot(i, cspad(image(i), quads=SMALL_QUADS, roi=SMALL_ROI)) for i in range(n))
    return configure(config=config) + begin(run) + b"".join(shots) + end()


def tiny_run() -> bytes:
    """Two events of a 6 x 4 camera: a file small enough to damage everywhere."""
    camera = frame(np.arange(24).reshape(4, 6) * 20, 10)
    inside = container(aliases([("DG2", CAMERA)]))
    head = datagram("Configure", (START, 5), inside, container(epics_control(3, 6, MOTOR, [-449.5])))
    return head + begin() + shot(0, camera) + shot(1, camera) + end()


def write(folder: Path, data: bytes, name: str = "e157-r0054-s00-c00.xtc") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
