"""Statistics of a frame in memory, one pass against numpy's four."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from bench.bench_clamp import level
from bench.data import diffraction_frame
from bench.runner import Case, Context, Goal
from braggio._core import FrameLayout, Scratch, Source, cpu_levels, scan
from braggio.kernels.stats import LOW_FRACTION, FrameStats, from_core

DTYPES = ("int32", "uint16", "int16", "uint8", "float32", "float64")


def cases(context: Context) -> Iterator[Case]:
    frame = diffraction_frame(2048)
    for dtype in DTYPES[:1] if context.quick else DTYPES:
        limits = np.iinfo(dtype) if dtype[0] in "iu" else np.iinfo(np.int32)
        pixels = np.clip(frame + (200 if limits.min == 0 else 0), limits.min, limits.max).astype(dtype)
        yield extremes(pixels)
        yield moments(pixels)


def scanner(pixels: NDArray, *, sums: bool, low_fraction: float) -> Callable[[], FrameStats]:
    """What `frame_stats` and a series' first pass run; the buffers are kept, as in a series."""
    source, scratch = Source.over(pixels), Scratch()
    layout = FrameLayout(dtype=pixels.dtype.name, width=pixels.shape[1], height=pixels.shape[0])
    frames = [(source, layout, 0)]
    return lambda: from_core(scan(frames, moments=sums, low_fraction=low_fraction, scratch=scratch)[0])


def at(cpu: str, run: Callable[[], FrameStats]) -> Callable[[], FrameStats]:
    def inside() -> FrameStats:
        with level(cpu):
            return run()

    return inside


def extremes(pixels: NDArray) -> Case:
    quick, full = (scanner(pixels, sums=False, low_fraction=fraction) for fraction in (0.0, LOW_FRACTION))
    rank = int(LOW_FRACTION * (pixels.size - 1))
    variants: dict[str, Callable[[], object]] = {"braggio, and the low quantile": full, "braggio": quick}
    variants |= {f"braggio, {cpu}": at(cpu, quick) for cpu in cpu_levels()}
    variants |= {
        "numpy min": pixels.min,
        "numpy min, max": lambda: (pixels.min(), pixels.max()),
        "numpy min, max, partition": lambda: (pixels.min(), pixels.max(), np.partition(pixels.ravel(), rank)[rank]),
    }

    def check() -> None:
        expected = pixels.min(), pixels.max(), np.sort(pixels, axis=None)[rank]
        for cpu in ("", *cpu_levels()):
            found = at(cpu, full)()
            assert (found.min, found.max, found.low_quantile) == expected, f"level {cpu}: {found}, not {expected}"

    return Case(f"{pixels.dtype}: extremes", variants, bytes=pixels.nbytes, check=check, floor="numpy min")


def moments(pixels: NDArray) -> Case:
    full = scanner(pixels, sums=True, low_fraction=0.0)
    variants: dict[str, Callable[[], object]] = {"braggio": full}
    variants |= {f"braggio, {cpu}": at(cpu, full) for cpu in cpu_levels()}
    variants |= {
        "numpy min": pixels.min,
        "numpy min, max, mean, std": lambda: (
            pixels.min(),
            pixels.max(),
            pixels.mean(dtype=np.float64),
            pixels.std(dtype=np.float64),
        ),
    }

    def check() -> None:
        answers = [at(cpu, full)() for cpu in ("", *cpu_levels())]
        assert answers == answers[:1] * len(answers), "the levels differ"
        assert math.isclose(answers[0].mean, pixels.mean(dtype=np.float64), rel_tol=1e-12)
        assert math.isclose(answers[0].std, pixels.std(dtype=np.float64), rel_tol=1e-9)

    return Case(
        f"{pixels.dtype}: minimum, maximum, mean, standard deviation",
        variants,
        bytes=pixels.nbytes,
        check=check,
        floor="numpy min",
        goals=[Goal("numpy min, max, mean, std", faster=1)],
    )
