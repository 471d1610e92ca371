"""One way to measure everything: all variants of a case round by round in one process, ratios taken within a round.

Two functions timed one after the other differ by up to 40 % on a shared machine though they do the same; interleaved,
by less than 2 %. So a claim is a median of per-round ratios, and it stands only when its 10-90 % band excludes 1.
"""

from __future__ import annotations

import hashlib
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Context:
    """What a bench is given: a folder of its own for files, and whether a minute is all there is."""

    folder: Path
    quick: bool


@dataclass(frozen=True)
class Goal:
    """A bound for `ours` against another variant of the case.

    `at_most`: time of ours over the other's. `faster`: time of the other over ours, at least. `over`: at most so many
    milliseconds more than the other.
    """

    other: str
    at_most: float | None = None
    faster: float | None = None
    over: float | None = None
    ours: str = ""

    def text(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:g} of it"
        return f"{self.faster:g}x faster" if self.faster is not None else f"at most {self.over:g} ms more"

    def met(self, ours: float, other: float, ratio: float) -> bool:
        """`ratio`: the other's time over ours, the median of the rounds."""
        if self.at_most is not None:
            return 1 / ratio <= self.at_most
        return ratio >= self.faster if self.faster is not None else (ours - other) * 1e3 <= self.over


@dataclass(frozen=True)
class Case:
    """Variants of one piece of work; the first is ours, and `floor` names the one that cannot be beaten, if any.

    `check` runs once, before the rounds, and raises unless all variants give the same answer. `before` runs before
    every variant of every round and is not timed.
    """

    name: str
    variants: Mapping[str, Callable[[], Any]]
    bytes: int  # read and written by one run: for GB/s
    check: Callable[[], None]
    before: Callable[[], None] = lambda: None
    floor: str = ""
    goals: Sequence[Goal] = ()
    threads: int = 1


@dataclass(frozen=True)
class Figure:
    """A number that is no ratio of times, with its bound."""

    name: str
    value: float
    unit: str
    at_most: float | None = None


@dataclass
class Samples:
    seconds: list[float] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)


# Processor time is for a busy machine: it leaves out waiting for a core, and sees nothing of a gain by threads.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def measure(case: Case, rounds: int, clock: str = "wall") -> dict[str, Samples]:
    """Each round runs every variant once, starting one further along; a round before the first warms up."""
    now = CLOCKS[clock]
    names = list(case.variants)
    samples = {name: Samples() for name in names}
    for turn in range(rounds + 1):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            case.before()
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            begin = now()
            case.variants[name]()
            seconds = now() - begin
            if turn:
                samples[name].seconds.append(seconds)
                samples[name].faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
    return samples


def band(values: Iterable[float]) -> tuple[float, float, float]:
    """(10 % quantile, median, 90 % quantile)."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[round(0.1 * last)], statistics.median(ordered), ordered[round(0.9 * last)]


def against(one: Samples, other: Samples) -> tuple[float, float, float]:
    """Band of the time of `other` over the time of `one`."""
    return band(b / a for a, b in zip(one.seconds, other.seconds, strict=True))


def run(case: Case, rounds: int, clock: str = "wall") -> dict[str, Any]:
    """Check, measure, and say everything about a case."""
    case.check()
    samples = measure(case, rounds, clock)
    ours = next(iter(case.variants))
    rows = []
    for name, sample in samples.items():
        low, ratio, high = against(samples[ours], sample)
        seconds = statistics.median(sample.seconds)
        row = {
            "variant": name,
            "ms": seconds * 1e3,
            "GB/s": case.bytes / seconds / 1e9,
            "faults": statistics.median(sample.faults),
            "over ours": None if name == ours else [low, ratio, high],
            "claim stands": None if name == ours else low > 1 or high < 1,
            "over floor": [1 / v for v in reversed(against(sample, samples[case.floor]))] if case.floor else None,
            "goals": [],
        }
        rows.append(row)
    for goal in case.goals:
        first = samples[goal.ours or ours]
        low, ratio, high = against(first, samples[goal.other])
        seconds, base = statistics.median(first.seconds), statistics.median(samples[goal.other].seconds)
        row = next(row for row in rows if row["variant"] == goal.other)
        row["goals"].append({"goal": goal.text(), "of": goal.ours or ours, "met": goal.met(seconds, base, ratio)})
    found = {"case": case.name, "rounds": rounds, "clock": clock, "threads": case.threads, "rows": rows}
    found["load"] = os.getloadavg()[0]
    if case.threads > 1:
        found["parallelism available"] = parallelism(case.threads)
    return found


def parallelism(threads: int) -> float:
    """How many times the work of one thread `threads` of them do here and now, by a spin that needs no memory."""
    block = bytes(1 << 20)

    def spin(_: int) -> None:
        for _ in range(40):
            hashlib.sha256(block)  # without the interpreter lock

    with ThreadPoolExecutor(threads) as pool:
        ratios = []
        for _ in range(5):
            begin = time.perf_counter()
            spin(0)
            middle = time.perf_counter()
            list(pool.map(spin, range(threads)))
            ratios.append(threads * (middle - begin) / (time.perf_counter() - middle))
    return statistics.median(ratios)
