"""TIA raw -> SMV: a whole series, against the same system calls without arithmetic and against numpy."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data import TIA_HEADER, forget, write_series
from bench.floor import Floor
from bench.runner import Case, Context, Figure, Goal
from braggio.batch.workers import TOGETHER
from braggio.errors import DataWarning
from braggio.formats.smv import header_text
from braggio.microed import convert_series

SIZE = 2048
CUT = 2000  # Leginon's largest offset
HEADER = 512


def cases(context: Context) -> Iterator[Case | Figure]:
    count = 20 if context.quick else 200
    floor = Floor(context.folder, TIA_HEADER)
    for rays in (True, False):
        files = write_series(context.folder / "in", count, SIZE, rays=rays)
        for threads in (1, 2):
            yield conversion(context.folder / "out", files, floor, threads, rays=rays)
        forget(context.folder / "in")
    yield memory(context.folder / "large", size=SIZE)
    yield memory(context.folder / "large", size=2 * SIZE)


def conversion(out: Path, files: Sequence[Path], floor: Floor, threads: int, *, rays: bool) -> Case:
    """With `rays` the offset is certain after the first groups of frames, and the others are read once.

    The floor reads all frames twice, as the goal has it; what is left of its calls stands beside it.
    """
    out.mkdir(exist_ok=True)
    outputs = [out / f"{path.stem}.img" for path in files]

    def ours() -> None:
        with warnings.catch_warnings(action="ignore", category=DataWarning):
            convert_series(files, out, voltage=200, threads=threads)

    def calls() -> None:
        floor.read(files, threads)
        floor.convert(files, outputs, HEADER, (4, 2), threads)

    def calls_left() -> None:
        floor.read(files[: TOGETHER * threads], threads)
        floor.convert(files, outputs, HEADER, (4, 2), threads)

    variants: dict[str, Callable[[], object]] = {"braggio": ours, "floor: the calls alone": calls}
    if rays:
        variants["floor: the calls that are left"] = calls_left
    goals = [Goal("floor: the calls alone", at_most=1.10)]
    if threads == 1 and rays:
        variants |= {
            "numpy tuned": lambda: tuned(files, outputs, SIZE * SIZE),
            "numpy tuned, in blocks": lambda: tuned(files, outputs, 1 << 16),
            "numpy plain": lambda: plain(files, outputs, clipped),
            "Leginon's arithmetic": lambda: plain(files, outputs, masked),
        }
        goals += [Goal("numpy tuned", faster=1.25)]
        goals += [Goal(name, faster=2.7) for name in ("numpy plain", "Leginon's arithmetic")]
    pixels = SIZE * SIZE * len(files)
    return Case(
        f"TIA -> SMV, {len(files)} frames of {SIZE} x {SIZE} int32, {threads} thread(s)"
        + ("" if rays else ", no minimum at the cut"),
        variants,
        bytes=pixels * (4 + 4 + 2),
        check=lambda: same_pixels(variants, out, outputs),
        before=lambda: forget(out),
        floor="floor: the calls alone",
        goals=goals,
        threads=threads,
    )


def same_pixels(variants: dict[str, Callable[[], object]], out: Path, outputs: Sequence[Path]) -> None:
    """Every variant but the floor writes the same bytes after its header."""
    expected: list[bytes] = []
    for name, convert in variants.items():
        if name.startswith("floor"):
            continue
        forget(out)
        convert()
        pixels = [path.read_bytes()[HEADER:] for path in outputs[:20]]
        expected = expected or pixels
        assert pixels == expected, f"{name} writes other pixels"
    forget(out)


def tuned(files: Sequence[Path], outputs: Sequence[Path], block: int) -> None:
    """As good as numpy gets: two passes into buffers that are used again, arithmetic in place."""
    pixels, narrow = np.empty(block, np.int32), np.empty(block, np.uint16)

    def blocks(path: Path) -> Iterator[NDArray[np.int32]]:
        with open(path, "rb", buffering=0) as file:
            file.seek(TIA_HEADER)
            while size := file.readinto(pixels):
                yield pixels[: size // 4]

    least = min(int(each.min()) for path in files for each in blocks(path))
    offset = min(-least, CUT)
    for path, output in zip(files, outputs, strict=True):
        part = output.with_name(f".{output.name}.part")
        with open(part, "xb", buffering=0) as file:
            file.write(header_text({}, (SIZE, SIZE), header_bytes=HEADER))
            for each in blocks(path):
                np.add(each, offset, out=each)
                np.clip(each, 0, 65535, out=each)
                target = narrow[: each.size]
                np.copyto(target, each, casting="unsafe")
                file.write(target)
        part.rename(output)


def plain(files: Sequence[Path], outputs: Sequence[Path], narrow: Callable[[NDArray, int], NDArray[np.uint16]]) -> None:
    """As it is written first: whole frames, a new array for every step."""

    def load(path: Path) -> NDArray[np.int32]:
        return np.fromfile(path, "<i4", offset=TIA_HEADER)

    offset = min(-min(int(load(path).min()) for path in files), CUT)
    for path, output in zip(files, outputs, strict=True):
        with open(output, "wb") as file:
            file.write(header_text({}, (SIZE, SIZE), header_bytes=HEADER))
            narrow(load(path), offset).tofile(file)


def clipped(frame: NDArray[np.int32], offset: int) -> NDArray[np.uint16]:
    return np.clip(frame.astype(np.int64) + offset, 0, 65535).astype(np.uint16)


def masked(frame: NDArray[np.int32], offset: int) -> NDArray[np.uint16]:
    """The steps of pyami's numsmv: float64 temporaries, assignment through masks."""
    shifted = frame + np.ones(frame.shape) * offset
    shifted[shifted >= 65536] = 65535
    shifted[shifted < 0] = 0
    return shifted.astype(np.uint16)


# In an interpreter of its own, after a first conversion has imported everything.
MEMORY = """
import sys, warnings, braggio
from braggio.microed import convert_series
warnings.simplefilter("ignore")

def status(field):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(field))

folder, threads = sys.argv[1], int(sys.argv[2])
convert_series(braggio.demo_files(), folder + "/warm", voltage=200)
open("/proc/self/clear_refs", "w").write("5")  # the peak starts again here
before = status("VmRSS")
convert_series(folder + "/in", folder + "/out", voltage=200, threads=threads)
print((status("VmHWM") - before) / 1024)
"""


def memory(folder: Path, size: int, threads: int = 2) -> Figure:
    """Peak resident memory of a conversion over that of the interpreter after imports."""
    files = write_series(folder / "in", 6, size)
    command = [sys.executable, "-c", MEMORY, folder, str(threads)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    for sub in ("in", "out", "warm"):
        forget(folder / sub)
    name = f"memory over the interpreter's, {len(files)} frames of {size} x {size}, {threads} threads"
    return Figure(name, float(found.stdout), "MiB", at_most=32)
