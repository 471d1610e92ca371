"""What a plan costs over the direct call: small tasks for the overhead of each, large ones for throughput."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import braggio
from bench.runner import Case, Context, Goal
from braggio.batch.plan import make_plan
from braggio.batch.run import run_plan
from braggio.errors import DataWarning
from braggio.microed import convert_series
from braggio.recipes import perform, tasks_of


def cases(context: Context) -> Iterator[Case]:
    yield conversion(context.folder / "small", 100, 16, [Goal("direct calls", over=2 * 100)])
    yield conversion(context.folder / "large", 6, 2048, [Goal("direct calls", at_most=1.05)])


def conversion(folder: Path, count: int, size: int, goals: list[Goal]) -> Case:
    raw, out = folder / "raw", folder / "out"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(count):
        frame = random.integers(-100, 900, (size, size), dtype=np.int32)
        braggio.write(raw / f"s{i:03d}_001.bin", frame)
    files = sorted(raw.iterdir())

    def direct() -> None:
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            for path in files:
                convert_series([path], out, voltage=200)

    def planned() -> None:
        plan = make_plan(out, tasks_of("smv", [str(raw)], {"voltage": 200}))
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            report = run_plan(plan, perform, engine="none")
        assert len(report.done) == count

    def check() -> None:
        trees = []
        for convert in (planned, direct):
            forget()
            convert()
            trees.append({path.name: path.read_bytes() for path in out.glob("*.img")})
        assert trees[0] == trees[1]
        assert len(trees[0]) == count
        forget()

    def forget() -> None:
        shutil.rmtree(out, ignore_errors=True)

    return Case(
        f"plan of {count} series of one frame of {size} x {size}",
        {"braggio run": planned, "direct calls": direct},
        bytes=count * size * size * 10,
        check=check,
        before=forget,
        goals=goals,
    )
