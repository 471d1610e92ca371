"""What a plan costs over the direct call: many small tasks for the overhead of each, long series for throughput."""

from __future__ import annotations

import multiprocessing
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np

import braggio
from bench.runner import Case, Context, Goal
from braggio.batch.plan import make_plan
from braggio.batch.run import run_plan
from braggio.errors import DataWarning
from braggio.microed import convert_series
from braggio.microed.series import find_series
from braggio.recipes import perform, tasks_of

SMALL = 100  # series of one tiny frame
LOCAL, DASK = 2.0, 10.0  # milliseconds a task may cost


def cases(context: Context) -> Iterator[Case]:
    series, frames = (2, 12) if context.quick else (4, 60)
    raw = write_raw(context.folder / "large", series, frames, 2048)
    yield conversion(
        f"plan of {series} series of {frames} frames of 2048 x 2048", raw, {}, Goal("direct calls", at_most=1.05)
    )
    raw = write_raw(context.folder / "small", SMALL, 1, 16)
    yield conversion(f"plan of {SMALL} tiny series", raw, {}, Goal("direct calls", over=LOCAL * SMALL))
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("forkserver"), quiet))
        name = f"plan of {SMALL} tiny series, a process that is there already"
        yield conversion(name, raw, {"executor": pool}, Goal("direct calls", over=LOCAL * SMALL))
        workers = dask_workers(stack)
        if workers is not None:
            name = f"plan of {SMALL} tiny series, a Dask worker that is there already"
            yield conversion(name, raw, {"executor": workers}, Goal("direct calls", over=DASK * SMALL))


def dask_workers(stack: ExitStack) -> Executor | None:
    """One worker process with one thread; as ``--engine dask://`` hands tasks to it."""
    try:
        import distributed
    except ImportError:
        print("    Dask is not installed: not measured")
        return None
    cluster = stack.enter_context(
        distributed.LocalCluster(1, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50)
    )
    client = stack.enter_context(distributed.Client(cluster))
    client.run(quiet)
    executor: Executor = client.get_executor(pure=False)
    return executor


def quiet() -> None:
    """Outcomes tell the warnings."""
    warnings.simplefilter("ignore", DataWarning)


def write_raw(folder: Path, series: int, frames: int, size: int) -> Path:
    raw = folder / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    frame = random.integers(-100, 900, (size, size), dtype=np.int32)
    for i in range(series):
        for j in range(frames):
            braggio.write(raw / f"s{i:03d}_{j + 1:03d}.bin", np.roll(frame, i + j))
    return raw


def conversion(name: str, raw: Path, how: dict[str, Executor], goal: Goal) -> Case:
    out = raw.parent / "out"
    found = [series.files for series in find_series(raw)]

    def direct() -> None:
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            for files in found:
                convert_series(files, out, voltage=200)

    def planned() -> None:
        plan = make_plan(out, tasks_of("smv", [str(raw)], {"voltage": 200}))
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            report = run_plan(plan, perform, engine="none", executor=how.get("executor"))
        assert len(report.done) == len(found)

    def forget() -> None:
        shutil.rmtree(out, ignore_errors=True)

    def images(convert: Callable[[], None]) -> dict[str, bytes]:
        forget()
        convert()
        return {path.name: path.read_bytes() for path in out.glob("*.img")}

    def check() -> None:
        assert images(planned) == images(direct)
        assert len(list(out.glob("*.img"))) == sum(map(len, found))
        forget()

    total = sum(path.stat().st_size for path in raw.iterdir())
    return Case(
        name,
        {"braggio run": planned, "direct calls": direct},
        bytes=total * 5 // 2,  # read twice, and half of it written
        check=check,
        before=forget,
        goals=[goal],
    )
