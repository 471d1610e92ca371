"""Particles: .cs tables against numpy, images against mrcfile, pixel work against numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

import braggio
from bench.bench_star import peak
from bench.runner import Case, Context, Figure, Goal
from braggio.formats.cryosparc import read_cs
from braggio.kernels.images import prepare_images
from braggio.model.columns import Coded
from braggio.particles import Particles
from braggio.particles.stream import images

CTF = ("df1_A", "df2_A", "df_angle_rad", "cs_mm", "accel_kv", "amp_contrast", "phase_shift_rad")
FIELDS = [*(f"ctf/{name}" for name in CTF), "blob/path"]
BOX = 256


def make_cs(path: Path, rows: int) -> Path:
    """A structured npy of 38 fields, 383 bytes a record, as cryoSPARC's are."""
    more = [(f"alignments3D/extra_{i}", "<f4", (4,)) for i in range(14)]
    scalars = [(f"ctf/{name}", "<f4") for name in CTF] + [(f"stats/{i}", "<f4") for i in range(13)]
    dtype = [("uid", "<u8"), ("blob/path", "S63"), ("blob/idx", "<u4"), *scalars, *more]
    table = np.zeros(rows, dtype)
    random = np.random.default_rng(0)
    table["uid"] = np.arange(rows)
    names = np.array([f"J12/extract/{i:021d}_particles.mrc".encode() for i in range(4000)])
    table["blob/path"] = names[np.sort(random.integers(0, 4000, rows))]
    for name in CTF:
        table[f"ctf/{name}"] = random.normal(1e4, 1e3, rows)
    np.save(path.with_suffix(".npy"), table)
    return path.with_suffix(".npy").rename(path)


def cases(context: Context) -> Iterator[Case | Figure]:
    yield from tables(context)
    yield from reading(context)
    yield from pixel_work(context)


def tables(context: Context) -> Iterator[Case | Figure]:
    path = make_cs(context.folder / "a.cs", 100_000 if context.quick else 1_000_000)

    def by_numpy() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        table = np.load(path)
        columns = {name: table[name].copy() for name in FIELDS[:-1]}
        return columns, *np.unique(table["blob/path"], return_inverse=True)

    def check() -> None:
        ours = read_cs(path, fields=FIELDS)
        columns, names, codes = by_numpy()
        for name, column in columns.items():
            assert np.array_equal(ours[name], column)
        assert isinstance(ours["blob/path"], Coded)
        assert ours["blob/path"].to_array().tolist() == [name.decode() for name in names[codes].tolist()]

    yield Case(
        "7 CTF fields and paths of a .cs",
        {"braggio": lambda: read_cs(path, fields=FIELDS), "np.load, np.unique": by_numpy},
        path.stat().st_size,
        check,
        goals=[Goal("np.load, np.unique", at_most=1.0)],
    )
    code = f"import numpy as np; t = np.load({str(path)!r}); c = [t[n].copy() for n in {FIELDS[:-1]!r}]"
    theirs = peak(f"{code}; u = np.unique(t['blob/path'], return_inverse=True)")
    ours = peak(f"from braggio.formats.cryosparc import read_cs; t = read_cs({str(path)!r}, fields={FIELDS!r})")
    yield Figure("peak memory of np.load, np.unique", theirs, "MB")
    yield Figure("peak memory of read_cs", ours, "MB", at_most=theirs / 2)


def reading(context: Context) -> Iterator[Case]:
    stacks, each, count = (4, 100, 1000) if context.quick else (20, 250, 10_000)
    random = np.random.default_rng(1)
    names = [context.folder / f"s{i:02d}.mrcs" for i in range(stacks)]
    for name in names:
        braggio.write(name, random.normal(0, 1, (each, BOX, BOX)).astype(np.float32), format="mrc")
    stack_id = random.integers(0, stacks, count).astype(np.int32)
    index = random.integers(0, each, count).astype(np.int32)
    table = Particles({}, "star", ("made",), np.arange(count), tuple(map(str, names)), stack_id, index)
    table = table._placed(None, None, True)

    mine, theirs_batch = np.empty((256, BOX, BOX), np.float32), np.empty((256, BOX, BOX), np.float32)

    def ours(order: str) -> float:
        batches = images(table, batch=256, order=order, out=mine)  # as below, one batch in memory
        return float(sum(batch[:, 0, 0].sum(dtype=np.float64) for _, batch in batches))

    def by_mrcfile() -> float:
        batch = theirs_batch
        total = 0.0
        for start in range(0, count, 256):
            rows = range(start, min(start + 256, count))
            for image, row in zip(batch, rows, strict=False):
                with mrcfile.mmap(names[stack_id[row]], permissive=True) as mrc:
                    image[:] = mrc.data[index[row]]
            total += float(batch[: len(rows), 0, 0].sum(dtype=np.float64))
        return total

    def check() -> None:
        assert np.isclose(ours("row"), by_mrcfile()) and np.isclose(ours("file"), by_mrcfile())

    size = count * BOX * BOX * 4
    theirs = "mrcfile.mmap opened per image"
    yield Case(
        f"{count} random images of {BOX} x {BOX}, row order",
        {"braggio": lambda: ours("row"), theirs: by_mrcfile},
        size,
        check,
        goals=[Goal(theirs, faster=2)],
    )
    yield Case(
        "the same, file order",
        {"braggio": lambda: ours("file"), theirs: by_mrcfile},
        size,
        lambda: None,
        goals=[Goal(theirs, faster=5)],
    )


def pixel_work(context: Context) -> Iterator[Case]:
    raw = np.random.default_rng(2).normal(3, 20, (200 if context.quick else 2000, BOX, BOX)).astype(np.float32)

    def numpys(bin: int) -> np.ndarray:
        small = raw
        if bin > 1:
            small = raw.reshape(len(raw), BOX // bin, bin, BOX // bin, bin).mean(axis=(2, 4))
        centred = small - small.mean(axis=(1, 2), keepdims=True)
        return np.asarray(centred / np.abs(centred).max(axis=(1, 2), keepdims=True))

    for bin, name in ((1, "mean/max normalise"), (2, "bin 2 x 2 and normalise")):
        out = np.empty((len(raw), BOX // bin, BOX // bin), np.float32)

        def ours(threads: int, bin: int = bin, out: np.ndarray = out) -> np.ndarray:
            return prepare_images(raw, bin=bin, normalize="max", out=out, threads=threads)[0]

        variants: dict[str, Callable[[], object]] = {
            "braggio": lambda ours=ours: ours(1),
            "braggio, 2 threads": lambda ours=ours: ours(2),
            "the input read once": lambda: raw.max(),
            "numpy": lambda bin=bin: numpys(bin),
        }
        goals = [Goal("numpy", faster=40, ours=each) for each in ("braggio", "braggio, 2 threads")]
        answers = [lambda bin=bin: numpys(bin)]
        for threads, mine in ((1, "braggio"), (2, "braggio, 2 threads")):
            if (torchs := _torch_form(raw, bin, threads)) is not None:
                theirs = f"torch, {threads} thread(s)"
                variants[theirs] = torchs
                goals.append(Goal(theirs, faster=5, ours=mine))
                answers.append(torchs)

        def check(ours: Callable[[int], np.ndarray] = ours, answers: list[Callable[[], Any]] = answers) -> None:
            for threads in (1, 2):
                for answer in answers:
                    np.testing.assert_allclose(ours(threads), answer(), rtol=1e-4, atol=1e-5)

        yield Case(
            f"{name}, {len(raw)} images",
            variants,
            raw.nbytes,
            check,
            goals=goals,
            floor="the input read once",
            threads=2,
        )


def _torch_form(raw: np.ndarray, bin: int, threads: int) -> Callable[[], Any] | None:
    """CryoLike's steps on the whole stack, if torch is installed: pool, subtract the mean, divide by the extreme."""
    try:
        import torch
    except ImportError:
        return None
    pixels = torch.from_numpy(raw)

    def run() -> Any:
        torch.set_num_threads(threads)
        small = torch.nn.functional.avg_pool2d(pixels, bin) if bin > 1 else pixels
        centred = small - small.mean(dim=(1, 2), keepdim=True)
        return (centred / centred.abs().amax(dim=(1, 2), keepdim=True)).numpy()

    return run
