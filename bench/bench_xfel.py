"""CBF files and codecs against pycbf and fabio, image pickles against cctbx: whole files, and codecs in memory.

Peers that are not installed are left out, with a line that says so. Images are made here: noise of sigma 15 for the
CSPAD and pickles, Poisson counts with spots for the mini-CBF.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.runner import Case, Context, Goal
from braggio.formats import cbf
from braggio.formats.cspad_cbf import open_cspad_cbf, write_cspad_cbf
from braggio.kernels.cbf import decode, encode
from braggio.model.cspad import Cspad, Placement
from braggio.storage import pickled

PILATUS = (2527, 2463)
PICKLE = (1765, 1765)


def cases(context: Context) -> Iterator[Case | str]:
    for dtype, goal in (("int32", 8), ("float64", 20)):
        yield cspad(context.folder, dtype, goal) if find_spec("pycbf") else "pycbf is not installed: no CSPAD case"
    if find_spec("fabio"):
        yield from mini(context.folder)
    else:
        yield "fabio is not installed: no mini-CBF and byte_offset cases"
    for dtype, goal in (("int32", 1.5), ("float64", 3)):
        if find_spec("libtbx"):
            yield image_pickle(context.folder, dtype, goal)
        else:
            yield "cctbx-base is not installed: no image pickle case"


def noise(shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    values = np.random.default_rng(0).normal(0, 15, shape)
    return values if dtype == "float64" else values.round().astype(dtype)


def cspad(folder: Path, dtype: str, goal: float) -> Case:
    pycbf = import_module("pycbf")
    path = str(folder / f"cspad_{dtype}.cbf")
    pixels = noise((4, 8, 185, 388), dtype)
    flat = Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32, distance=100)
    write_cspad_cbf(path, pixels, flat, overwrite=True)
    kind, read = ("<i4", "get_integerarray_as_string") if dtype == "int32" else ("<f8", "get_realarray_as_string")

    def by_pycbf() -> list[NDArray[Any]]:
        handle = pycbf.cbf_handle_struct()
        handle.read_widefile(path, pycbf.MSG_DIGEST)
        handle.find_category("array_data")
        handle.find_column("data")
        arrays = []
        for row in range(4):
            handle.select_row(row)
            arrays.append(np.frombuffer(getattr(handle, read)(), kind).reshape(8, 185, 388))
        return arrays

    def ours() -> NDArray[Any]:
        return open_cspad_cbf(path).read_raw()

    def check() -> None:
        for mine, theirs, expected in zip(ours(), by_pycbf(), pixels, strict=True):
            assert (mine == expected).all()
            assert (theirs == expected).all()
        assert len(open_cspad_cbf(path).detector.panels) == 64

    return Case(
        f"CSPAD CBF, packed {dtype}, file -> arrays, MD5 checked",
        {"braggio": ours, "pycbf": by_pycbf},
        bytes=pixels.nbytes,
        check=check,
        goals=[Goal("pycbf", faster=goal)],
    )


def mini(folder: Path) -> Iterator[Case]:
    fabio = import_module("fabio")
    codec = import_module("fabio.ext.byte_offset")
    random = np.random.default_rng(0)
    image = random.poisson(8, PILATUS).astype(np.int32)
    for row, column in zip(*random.integers(0, 2400, (2, 300)), strict=True):
        image[row : row + 4, column : column + 4] += random.integers(100, 30000)
    path = str(folder / "mini.cbf")
    cbf.write_cbf(path, image, header={"Wavelength": "0.97 A"})
    stored = encode(image)
    out = np.empty_like(image)

    def same(*ways: Callable[[], NDArray[Any]]) -> None:
        for way in ways:
            assert (way() == image).all()

    def by_fabio() -> NDArray[Any]:
        return np.asarray(fabio.open(path).data)

    for verify, goal in (("raise", 2), ("skip", 4)):

        def ours(verify: Any = verify) -> NDArray[Any]:
            return cbf.read_cbf(path, verify=verify)

        yield Case(
            f"mini-CBF file -> array, MD5 {'checked' if verify == 'raise' else 'skipped'}",
            {"braggio": ours, "fabio": by_fabio},
            bytes=image.nbytes,
            check=lambda ours=ours: same(ours, by_fabio),
            goals=[Goal("fabio", faster=goal)],
        )
    yield Case(
        "byte_offset decode in memory",
        {
            "braggio": lambda: decode(stored, "byte_offset", shape=PILATUS),
            "fabio": lambda: codec.dec_cbf32(stored, image.size),
            "braggio, out=": lambda: decode(stored, "byte_offset", out=out),
        },
        bytes=image.nbytes,
        check=lambda: same(
            lambda: decode(stored, "byte_offset", shape=PILATUS),
            lambda: codec.dec_cbf32(stored, image.size).reshape(PILATUS),
        ),
        goals=[Goal("fabio", faster=1.5)],
    )
    flat = image.ravel()

    def check_encoded() -> None:
        assert bytes(codec.comp_cbf32(flat)) == stored

    yield Case(
        "byte_offset encode in memory",
        {"braggio": lambda: encode(image), "fabio": lambda: codec.comp_cbf32(flat)},
        bytes=image.nbytes,
        check=check_encoded,
        goals=[Goal("fabio", faster=1.5)],
    )


def image_pickle(folder: Path, dtype: str, goal: float) -> Case:
    """cctbx's own file, as its Python 3 writes it, loaded by both."""
    path = str(folder / f"image_{dtype}.pickle")
    pixels = noise(PICKLE, dtype)
    np.save(folder / "pixels.npy", pixels)
    # written elsewhere: pycbf and cctbx do not live in one process
    script = f"""
import numpy as np
from cctbx.array_family import flex
from libtbx import easy_pickle
data = np.load({str(folder / "pixels.npy")!r})
easy_pickle.dump({path!r}, {{"DATA": flex.{"int" if dtype == "int32" else "double"}(data)}})
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    server = _Loader(path)

    def check() -> None:
        assert (pickled.load(path)["DATA"] == pixels).all()
        server.load()

    return Case(
        f"image pickle {PICKLE[0]} x {PICKLE[1]} {dtype}, file -> array",
        {"braggio": lambda: pickled.load(path)["DATA"], "cctbx": server.load},
        bytes=pixels.nbytes,
        check=check,
        goals=[Goal("cctbx", faster=goal)],
    )


class _Loader:
    """cctbx in a process of its own, which loads the file when it is told to; the round trip costs 0.1 ms."""

    SCRIPT = """
import sys
from cctbx.array_family import flex
from libtbx import easy_pickle
for line in sys.stdin:
    size = easy_pickle.load(line.strip())["DATA"].size()
    print(size, flush=True)
"""

    def __init__(self, path: str) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def load(self) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(self.path + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())
