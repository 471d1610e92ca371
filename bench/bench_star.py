"""STAR tables: read all columns or some, join, write; against starfile and pandas, with peak memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.runner import Case, Context, Figure, Goal
from braggio.formats.star import StarTable, read_tables, write_star, write_tables
from braggio.model.columns import Coded, ImageNames

OPTICS, STACKS = 9, 4000
EIGHT = ("DefocusU", "DefocusV", "DefocusAngle", "PhaseShift", "AngleRot", "AngleTilt", "AnglePsi", "OpticsGroup")
REALS = (
    *("CoordinateX", "CoordinateY", "DefocusU", "DefocusV", "DefocusAngle", "PhaseShift", "CtfBfactor"),
    *("CtfScalefactor", "AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst", "CtfMaxResolution"),
    *(
        "CtfFigureOfMerit",
        "NormCorrection",
        "LogLikeliContribution",
        "MaxValueProbDistribution",
        "AutopickFigureOfMerit",
    ),
)
INTEGERS = ("OpticsGroup", "ClassNumber", "RandomSubset", "GroupNumber")


def make_star(path: Path, rows: int) -> Path:
    """A RELION 3.1 file of 25 columns, as wide as real ones: two names, four integers, 19 reals."""
    random = np.random.default_rng(1)
    stack = np.sort(random.integers(0, STACKS, rows)).astype(np.int32)
    number = (np.arange(rows) - np.searchsorted(stack, stack)).astype(np.int32) + 1
    stacks = tuple(f"Extract/job012/Movies/20170629_{i:05d}_frameImage.mrcs" for i in range(STACKS))
    micrographs = tuple(f"MotionCorr/job002/Movies/20170629_{i:05d}_frameImage.mrc" for i in range(STACKS))
    columns: dict[str, Any] = {
        "rlnImageName": ImageNames(Coded(stack, stacks), number),
        "rlnMicrographName": Coded(stack, micrographs),
    }
    for i, name in enumerate(REALS):
        columns[f"rln{name}"] = random.normal((0, 180, 12000)[i % 3], (1, 90, 4000)[i % 3], rows)
    for name in INTEGERS:
        columns[f"rln{name}"] = random.integers(1, OPTICS + 1, rows)
    groups = np.arange(1, OPTICS + 1)
    optics = {
        "rlnOpticsGroup": groups,
        "rlnOpticsGroupName": Coded.of([f"opticsGroup{i}" for i in groups]),
        "rlnVoltage": np.full(OPTICS, 300.0),
        "rlnSphericalAberration": np.full(OPTICS, 2.7),
        "rlnAmplitudeContrast": np.full(OPTICS, 0.1),
        "rlnImagePixelSize": np.full(OPTICS, 0.885),
        "rlnImageSize": np.full(OPTICS, 256),
    }
    write_tables(path, {"optics": StarTable(optics), "particles": StarTable(columns)}, overwrite=True)
    return path


def pandas_body(path: Path, columns: Sequence[str] | None = None) -> Any:
    """pandas, told where the rows begin and what they are called: the best general reader of padded files."""
    import pandas as pd

    labels: list[str] = []
    number = 0
    with open(path) as file:
        for number, line in enumerate(file):  # noqa: B007 - the line after the labels is what is sought
            if line.startswith("data_"):
                labels = []
            elif line.startswith("_"):
                labels.append(line.split()[0][1:])
            elif len(labels) == 25:
                break
    wanted = None if columns is None else [f"rln{name}" for name in columns]
    return pd.read_csv(path, sep=r"\s+", skiprows=number, header=None, names=labels, usecols=wanted, engine="c")


def cases(context: Context) -> Iterator[Case | Figure]:
    rows = 100_000 if context.quick else 1_000_000
    path = make_star(context.folder / "a.star", rows)
    yield from reading(path, rows)
    yield from joining(path)
    yield from writing(context.folder, path)
    yield from memory(path)


def reading(path: Path, rows: int) -> Iterator[Case]:
    import starfile

    eight = [f"rln{name}" for name in EIGHT]

    def check() -> None:
        ours, body, theirs = read_tables(path)["particles"].columns, pandas_body(path), starfile.read(path)["particles"]
        for name in (*REALS, *INTEGERS):
            np.testing.assert_array_equal(ours[f"rln{name}"], theirs[f"rln{name}"].to_numpy())
            np.testing.assert_array_equal(ours[f"rln{name}"], body[f"rln{name}"].to_numpy())
        assert list(ours["rlnImageName"].to_array()[:1000]) == list(theirs["rlnImageName"][:1000])

    yield Case(
        f"read {rows} x 25, all columns",
        {
            "braggio": lambda: read_tables(path),
            "braggio, 2 threads": lambda: read_tables(path, threads=2),
            "pandas on the body": lambda: pandas_body(path),
            "starfile": lambda: starfile.read(path),
        },
        path.stat().st_size,
        check,
        goals=[
            *(Goal("starfile", faster=20, ours=ours) for ours in ("braggio", "braggio, 2 threads")),
            Goal("pandas on the body", faster=3),
        ],
        threads=2,
    )
    yield Case(
        f"read 8 of 25 columns, {rows} rows",
        {
            "braggio": lambda: read_tables(path, blocks=["particles"], columns=eight),
            "braggio, 2 threads": lambda: read_tables(path, blocks=["particles"], columns=eight, threads=2),
            "pandas on the body": lambda: pandas_body(path, EIGHT),
            "starfile": lambda: starfile.read(path),
        },
        path.stat().st_size,
        lambda: None,  # the case above has compared the columns
        goals=[Goal("starfile", faster=35, ours=ours) for ours in ("braggio", "braggio, 2 threads")],
        threads=2,
    )


def joining(path: Path) -> Iterator[Case]:
    from braggio.batch.cpus import cpu_count
    from braggio.particles import read

    def check() -> None:
        assert read(path).n == read_tables(path)["particles"].rows

    yield Case(
        "read, join the optics, canonical table",
        {  # with as many threads, which cost processor time
            "braggio.particles.read": lambda: read(path),
            "read_tables alone": lambda: read_tables(path, threads=cpu_count()),
        },
        path.stat().st_size,
        check,
        goals=[Goal("read_tables alone", at_most=1.15)],
    )


def writing(folder: Path, path: Path) -> Iterator[Case]:
    import starfile

    tables, frames, out = read_tables(path), starfile.read(path), folder / "out.star"

    def check() -> None:
        write_tables(out, tables, overwrite=True)
        assert out.read_bytes() == path.read_bytes()

    yield Case(
        "write the same",
        {
            "braggio": lambda: write_tables(out, tables),
            "braggio, loss-free": lambda: write_tables(out, tables, precision="exact"),
            "braggio, from DataFrames": lambda: write_star(frames, out),
            "starfile": lambda: starfile.write(frames, out),
        },
        path.stat().st_size,
        check,
        before=lambda: out.unlink(missing_ok=True),
        goals=[Goal("starfile", faster=12)],
    )


# Not ru_maxrss, which a child inherits from the process that forked it.
PEAK = "{}; print([int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"


def peak(code: str) -> float:
    """Peak resident memory, MB, of a fresh process."""
    command = [sys.executable, "-c", PEAK.format(code)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory(path: Path) -> Iterator[Figure]:
    theirs = peak(f"import starfile; t = starfile.read({str(path)!r})")
    ours = peak(f"from braggio.formats.star import read_tables; t = read_tables({str(path)!r})")
    yield Figure("peak memory of starfile.read", theirs, "MB")
    yield Figure("peak memory of read_tables", ours, "MB", at_most=theirs / 10)
