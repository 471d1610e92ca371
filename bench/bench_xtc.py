"""XTC: walking a run against reading its bytes, CSPAD images, decompression, and the memory of a dump."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.runner import Case, Context, Figure, Goal
from braggio._core import Source, unpack_xtc, walk_xtc
from braggio.xtc import open_run

sys.path.append(str(Path(__file__).parents[1] / "tests"))
import xtc_makers as made

BLOCK = 1 << 20


def cases(context: Context) -> Iterator[Case | Figure]:
    events = 8 if context.quick else 64
    path = write_run(context.folder, events)
    yield walking(path)
    yield images(path, events)
    yield unpacking()
    yield from memory(path)


def write_run(folder: Path, events: int) -> Path:
    """A run of whole CSPAD images, 4.6 MB each, with what stands beside them."""
    path = folder / "e157-r0054-s00-c00.xtc"
    element = made.cspad(made.image())
    with path.open("wb") as file:
        file.write(made.configure() + made.begin())
        for i in range(events):
            file.write(made.shot(i, element))
    return path


def walking(path: Path) -> Case:
    source, buffer = Source.open(str(path)), bytearray(BLOCK)

    def walk() -> int:
        return len(walk_xtc(source, 0, 1 << 20)[1])

    def read() -> int:
        total = 0
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
        return total

    def events() -> int:
        return sum(1 for _ in open_run(path).events())

    def check() -> None:
        assert read() == path.stat().st_size
        assert walk() > 7 * events()

    return Case(
        "walk a run of CSPAD images, every contribution",
        {"braggio core": walk, "braggio events()": events, "read the bytes": read},
        path.stat().st_size,
        check,
        goals=[
            Goal("read the bytes", at_most=1 / 0.6),
            Goal("read the bytes", at_most=1 / 0.6, ours="braggio events()"),
        ],
    )


def images(path: Path, events: int) -> Case:
    found = list(open_run(path).events())
    out = np.empty((4, 8, 185, 388), np.int16)
    raw = bytearray(out.nbytes)
    offsets = [event.find("cspad").offset + 20 for event in found]
    quad = 32 + out.nbytes // 4 + 4

    def ours() -> None:
        for event in found:
            event.image("cspad", out)

    def plain() -> NDArray[np.int16]:
        with path.open("rb", buffering=0) as file:
            for offset in offsets:
                file.seek(offset)
                data = file.read(4 * quad)
                image = np.zeros_like(out)
                for q in range(4):
                    image[q] = np.frombuffer(data, "<i2", out.size // 4, q * quad + 32).reshape(out.shape[1:])
        return image

    def floor() -> None:
        with path.open("rb", buffering=0) as file:
            for offset in offsets:
                file.seek(offset)
                file.readinto(raw)

    def check() -> None:
        ours()
        np.testing.assert_array_equal(out, plain())

    return Case(
        f"{events} CSPAD images",
        {"braggio": ours, "floor: read as many bytes": floor, "numpy plain": plain},
        events * out.nbytes,
        check,
        floor="floor: read as many bytes",
        goals=[Goal("numpy plain", faster=1)],
    )


def unpacking() -> Case:
    values = made.image()[0].view(np.uint16)[:, 1:].ravel()
    body = made.hist16(values, 1100)
    payload = made.packed([(b"", 1, body, values.nbytes)])
    other = made.packed([(b"", 2, made.histn(values[:20000], 1136, 7), 40000)])
    source, small = Source.over(payload), Source.over(other)

    def plain() -> NDArray[np.uint16]:
        base, size = int.from_bytes(body[12:14], "little"), int.from_bytes(body[14:18], "little")
        data = np.frombuffer(body, np.uint8, size, 18)
        pairs = np.frombuffer(body, "<u2", offset=18 + size + 4).reshape(-1, 2)
        words = np.repeat(pairs[:, 1], pairs[:, 0])
        near = np.unpackbits(words.view(np.uint8), bitorder="little")[: values.size].astype(bool)
        start = np.concatenate([[0], np.cumsum(2 - near.astype(np.int64))])[:-1]
        low = data[start].astype(np.uint16)
        high = data[np.minimum(start + 1, size - 1)].astype(np.uint16) << 8
        return np.where(near, low + np.uint16(base), low | high)

    def check() -> None:
        assert unpack_xtc(source, 0, len(payload)) == values.tobytes() == plain().tobytes()
        assert unpack_xtc(small, 0, len(other)) == values[:20000].tobytes()

    return Case(
        "one compressed quadrant, Hist16",
        {"braggio": lambda: unpack_xtc(source, 0, len(payload)), "numpy plain": plain},
        values.nbytes,
        check,
        goals=[Goal("numpy plain", faster=5)],
    )


DUMP = """
import sys
from braggio.xtc import DumpOptions, dump_run, open_run
dump_run(open_run({path!r}), DumpOptions("cspad", output_dir={out!r}, max_events={n}), threads=2)
print([int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')][0])
"""


def memory(path: Path) -> Iterator[Figure]:
    """Peak resident memory of a dump does not grow with its events."""

    def peak(n: int) -> float:
        code = DUMP.format(path=str(path), out=str(path.parent / f"out{n}"), n=n)
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    few, many = peak(1), peak(1000)
    yield Figure("peak memory of a dump of 1 event, 2 threads", few, "MB")
    yield Figure("peak memory of a dump of all events, 2 threads", many, "MB", at_most=few + 12 * 4.6)
