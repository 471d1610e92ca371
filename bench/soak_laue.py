"""A stack larger than memory: ``python -m bench.soak_laue [--gigabytes 20] [--memory 1] [--layout rows]``.

Prints the time, the peak of resident memory and the spots. The frames repeat 16 made ones, so that their compressed
chunks can be written again and again: making 20 GB takes seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

from bench.bench_laue import synthetic

SIZE = 1024
LAYOUTS = {"rows": (1, 64, SIZE), "frame": (1, SIZE, SIZE), "deep": (16, 128, 128), "contiguous": None}

RUN = """
import sys, warnings
from braggio.laue import find_spots
warnings.simplefilter("ignore")
report = find_spots(sys.argv[1], sys.argv[2], memory=int(sys.argv[3]), threads=2)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(report.n_spots, "spots,", round(peak / 1024), "MiB resident at most")
"""


def write_stack(path: Path, frames: int, chunks: tuple[int, int, int] | None) -> None:
    """`frames` frames, gzip level 1 in `chunks`, or contiguous and not compressed."""
    base = synthetic(16, SIZE)
    with h5py.File(path, "w") as file:
        options = {"chunks": chunks, "compression": "gzip", "compression_opts": 1} if chunks else {}
        data = file.create_dataset("frames", (frames, SIZE, SIZE), "<u2", **options)
        file["lauecollect/angle"] = np.arange(frames) * 0.5
        if chunks is None:
            for start in range(0, frames, len(base)):
                data[start : start + len(base)] = base[: frames - start]
            return
        deep, high, wide = chunks
        for row in range(0, SIZE, high):
            for column in range(0, SIZE, wide):
                stored = [
                    zlib.compress(base[i : i + deep, row : row + high, column : column + wide].tobytes(), 1)
                    for i in range(0, len(base), deep)
                ]
                for start in range(0, frames, deep):
                    data.id.write_direct_chunk((start, row, column), stored[start // deep % len(stored)])


def main() -> None:
    """Make the stack, search it in a process of its own, print what that took."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak_laue", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--memory", type=float, default=1, metavar="GIB")
    parser.add_argument("--layout", choices=LAYOUTS, default="rows")
    parser.add_argument("--folder", type=Path, help="with room for the stack, a scratch file of its size and the spots")
    options = parser.parse_args()
    frames = int(options.gigabytes * 1e9 / (2 * SIZE * SIZE)) // 16 * 16
    with tempfile.TemporaryDirectory(prefix="braggio-soak-", dir=options.folder) as folder:
        source = Path(folder, "soak__mccd.h5")
        write_stack(source, frames, LAYOUTS[options.layout])
        stored = os.path.getsize(source) / 1e9
        print(f"{frames} frames, {frames * 2 * SIZE * SIZE / 1e9:.1f} GB, stored in {stored:.1f} GB", flush=True)
        began = time.perf_counter()
        command = [sys.executable, "-c", RUN, source, Path(folder, "spots.h5"), str(int(options.memory * 2**30))]
        subprocess.run(command, check=True)
        print(f"{options.layout}: {time.perf_counter() - began:.0f} s with {options.memory:g} GiB of memory allowed")


if __name__ == "__main__":
    main()
