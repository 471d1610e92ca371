"""TIA raw -> MRC with exact statistics in the same pass, against its system calls alone, mrcfile and numpy."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import mrcfile
import numpy as np

import braggio
from bench.data import TIA_HEADER, forget, write_series
from bench.floor import Floor
from bench.runner import Case, Context, Goal

SIZE = 2048
HEADER = 1024
FLOOR = "floor: the calls alone"


def cases(context: Context) -> Iterator[Case]:
    files = write_series(context.folder / "in", 10 if context.quick else 50, SIZE)
    floor = Floor(context.folder, TIA_HEADER)
    for stored in ("int16", "float32"):
        yield conversion(context.folder / "out", files, floor, stored)


def conversion(out: Path, files: Sequence[Path], floor: Floor, stored: str) -> Case:
    out.mkdir(exist_ok=True)
    outputs = [out / f"{path.stem}.mrc" for path in files]
    itemsize = np.dtype(stored).itemsize

    def ours() -> None:
        for path, output in zip(files, outputs, strict=True):
            with braggio.open(path) as stack:
                braggio.write(output, stack, stored=stored)

    def by_mrcfile() -> None:
        for path, output in zip(files, outputs, strict=True):
            frame = np.fromfile(path, "<i4", offset=TIA_HEADER).reshape(SIZE, SIZE)
            with mrcfile.new(output) as mrc:
                mrc.set_data(frame.astype(stored))

    def by_numpy() -> None:
        pixels, narrow = np.empty((SIZE, SIZE), np.int32), np.empty((SIZE, SIZE), stored)
        for path, output in zip(files, outputs, strict=True):
            with open(path, "rb", buffering=0) as file:
                file.seek(TIA_HEADER)
                file.readinto(pixels)
            np.copyto(narrow, pixels, casting="unsafe")
            found = pixels.min(), pixels.max(), pixels.mean(), pixels.std()
            with open(output, "xb", buffering=0) as file:
                file.write(bytes(76) + struct.pack("<3f", *found[:3]) + bytes(HEADER - 88))
                file.write(narrow)

    variants = {
        "braggio": ours,
        FLOOR: lambda: floor.convert(files, outputs, HEADER, (4, itemsize)),
        "numpy, buffers used again": by_numpy,
        "mrcfile": by_mrcfile,
    }

    def check() -> None:
        answers = []
        for convert in (ours, by_numpy, by_mrcfile):
            forget(out)
            convert()
            pixels = [path.read_bytes()[HEADER:] for path in outputs[:10]]
            statistics = [struct.unpack_from("<3f", path.read_bytes(), 76) for path in outputs[:10]]
            answers.append((pixels, statistics))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert all(mrcfile.validate(str(path)) for path in outputs[:2])
        for pixels, statistics in answers[1:]:
            assert pixels == answers[0][0]
            np.testing.assert_allclose(statistics, answers[0][1], rtol=1e-4, atol=1e-3)  # mrcfile sums in float32

    return Case(
        f"TIA -> MRC {stored}, {len(files)} frames of {SIZE} x {SIZE} int32",
        variants,
        bytes=len(files) * SIZE * SIZE * (4 + itemsize),
        check=check,
        before=lambda: forget(out),
        floor=FLOOR,
        goals=[Goal(FLOOR, at_most=1.15)],
    )
