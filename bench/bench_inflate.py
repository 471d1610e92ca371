"""gzip chunks of frames: decoded by ours, by zlib and, where it is installed, by ISA-L; encoded by ours and by zlib."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from bench.bench_laue import synthetic
from bench.runner import Case, Context, Goal
from braggio._core import deflate_shuffled, inflate

LEVEL = 4  # h5py's own


def cases(context: Context) -> Iterator[Case]:
    [frame] = synthetic(1, 1024)
    shuffled = frame.view(np.uint8).reshape(-1, 2).T.tobytes()
    yield decoding("as they are", frame.tobytes())
    yield decoding("shuffled", shuffled)
    yield encoding(frame, shuffled)


def decoding(name: str, data: bytes) -> Case:
    stream, out = zlib.compress(data, LEVEL), np.empty(len(data), np.uint8)
    variants: dict[str, Callable[[], object]] = {
        "braggio": lambda: inflate(stream, out),
        "zlib": lambda: zlib.decompress(stream),
    }
    try:
        from isal import isal_zlib
    except ImportError:
        pass
    else:
        variants["ISA-L"] = lambda: isal_zlib.decompress(stream)

    def check() -> None:
        inflate(stream, out)
        assert out.tobytes() == data

    title = f"decode gzip of 1024 x 1024 Poisson counts, uint16, {name}"
    return Case(title, variants, len(data), check, goals=[Goal("zlib", faster=1.5)])


def encoding(frame: np.ndarray, shuffled: bytes) -> Case:
    def check() -> None:
        ours, theirs = deflate_shuffled(frame), zlib.compress(shuffled, 1)
        assert zlib.decompress(ours) == shuffled
        assert len(ours) <= len(theirs), f"{len(ours)} bytes against {len(theirs)}"

    return Case(
        "shuffle and encode the same",
        {"braggio": lambda: deflate_shuffled(frame), "zlib, level 1": lambda: zlib.compress(shuffled, 1)},
        frame.nbytes,
        check,
        goals=[Goal("zlib, level 1", faster=1.5)],
    )
