"""Shift, clamp and narrow in memory, with the losses counted, at every instruction level, against numpy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from bench.data import diffraction_frame
from bench.runner import Case, Context, Goal
from braggio._core import cpu_levels
from braggio.kernels import to_uint16

OFFSET = 2000
FLOOR = "floor: a copy of as many bytes"


def cases(context: Context) -> Iterator[Case]:
    frame = diffraction_frame(2048)
    frame[:4, 5] = -2500
    yield clamping("int32", frame)
    yield clamping("int32, every pixel out of range", frame * 1000 + (1 << 24))
    yield clamping("float32", frame.astype(np.float32) + np.float32(0.25))
    yield clamping("int16", frame.astype(np.int16))
    if not context.quick:
        yield clamping("int32, 16 frames, 2 threads", np.stack([frame] * 16), threads=2)


@contextmanager
def level(name: str) -> Iterator[None]:
    """Run the kernels at that instruction level; empty for the best."""
    os.environ["BRAGGIO_CPU"] = name
    try:
        yield
    finally:
        del os.environ["BRAGGIO_CPU"]


def clamping(name: str, frame: NDArray, threads: int = 1) -> Case:
    out, wide = np.empty(frame.shape, np.uint16), np.empty_like(frame)
    copied, copy = np.ones(3 * frame.size, np.uint8), np.empty(3 * frame.size, np.uint8)
    integer = frame.dtype.kind == "i"

    def at(cpu: str) -> Callable[[], object]:
        def run() -> object:
            with level(cpu):
                return to_uint16(frame, OFFSET, out=out, threads=threads)

        return run

    def plain() -> NDArray:
        if integer:
            return np.clip(frame.astype(np.int64) + OFFSET, 0, 65535).astype(np.uint16)
        return np.clip(np.rint(frame.astype(np.float64) + OFFSET), 0, 65535).astype(np.uint16)

    def in_place() -> NDArray:
        shifted = frame if frame.dtype != np.int16 else frame.astype(np.int32)
        target = wide if frame.dtype != np.int16 else shifted
        np.add(shifted, OFFSET, out=target)
        if not integer:
            np.rint(target, out=target)
        np.clip(target, 0, 65535, out=target)
        np.copyto(out, target, casting="unsafe")
        return out

    variants: dict[str, Callable[[], object]] = {"braggio": lambda: to_uint16(frame, OFFSET, out=out, threads=threads)}
    variants |= {f"braggio, {cpu}": at(cpu) for cpu in cpu_levels()}
    variants |= {FLOOR: lambda: np.copyto(copy, copied), "numpy plain": plain, "numpy in place": in_place}

    def check() -> None:
        sums = frame.astype(np.float64) + OFFSET
        expected = plain()
        lost = int((np.rint(sums) < 0).sum()), int((np.rint(sums) > 65535).sum())
        for cpu in ("", *cpu_levels()):
            out.fill(7)
            with level(cpu):
                pixels, counts = to_uint16(frame, OFFSET, out=out, threads=threads)
            assert pixels.tobytes() == expected.tobytes(), f"level {cpu} differs"
            assert (counts.low, counts.high) == lost, f"level {cpu} counts {counts.low}, {counts.high}, not {lost}"
        assert in_place().tobytes() == expected.tobytes()

    return Case(
        f"{name} -> uint16",
        variants,
        bytes=frame.nbytes + out.nbytes,
        check=check,
        floor=FLOOR,
        goals=[Goal("numpy plain", faster=10)] if name == "int32" else [],
        threads=threads,
    )
