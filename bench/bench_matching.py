"""Template matching: picking, maps to CSV, accumulating, boxes; against scikit-image, numpy, torch if it is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.runner import Case, Context, Figure, Goal
from braggio.formats import write
from braggio.kernels.accumulate import Accumulator
from braggio.kernels.boxes import copy_boxes
from braggio.kernels.peaks import pick_peaks
from braggio.matching import MatchTable, write_table
from braggio.model.columns import Coded
from braggio.model.matches import GENERATIONS, TEXTS, empty_column

RADIUS, CUTOFF = 5.0, 7.775
MAP_NAMES = (
    "mip scaled_mip orientation_psi orientation_theta orientation_phi relative_defocus correlation_average"
    " correlation_variance"
).split()


def cases(context: Context) -> Iterator[Case | Figure]:
    size = 2048 if context.quick else 4096
    scale = size**2 / 4096**2
    for count, *goals in ((500, 150, 8), (5000, 60, 60)):
        yield picking(scores(size, round(count * scale)), CUTOFF, *goals)
    noise = scores(size, round(500 * scale))
    yield picking(noise, cutoff_above(noise, round(61_000 * scale)), 200, 500)
    yield accumulating(1024 if context.quick else 4096)
    yield boxes(size, 100 if context.quick else 500)
    yield extraction(context, size, 500 if context.quick else 5000)
    yield from whole_process(context, 1200 if context.quick else 3585)


def scores(size: int, count: int) -> NDArray[np.float32]:
    """The maximum of many correlations of noise, with blobs of particles."""
    rng = np.random.default_rng(count)
    found = rng.gumbel(5.0, 0.12, (size, size)).astype(np.float32)
    blob = np.exp(-(np.add.outer(np.arange(-2, 3) ** 2, np.arange(-2, 3) ** 2)) / 3.0)
    for y, x, height in zip(*rng.integers(2, size - 3, (2, count)), rng.uniform(8.5, 20, count), strict=True):
        place = found[y - 2 : y + 3, x - 2 : x + 3]
        np.maximum(place, (height * blob).astype(np.float32), out=place)
    return found


def cutoff_above(values: NDArray[np.float32], count: int) -> float:
    """The cutoff that so many pixels exceed: in noise, which makes nearly all of them peaks of their own."""
    return float(np.partition(values, values.size - count - 1, axis=None)[values.size - count - 1])


def sort_and_suppress(values: NDArray[np.float32], cutoff: float) -> NDArray[np.int64]:
    """The form of the reference: candidates by value, each clearing its disc among all that are left."""
    flat = np.flatnonzero(values > np.float32(cutoff))
    order = flat[np.argsort(-values.ravel()[flat], kind="stable")]
    y, x = np.divmod(order, values.shape[1])
    kept = []
    while len(y):
        kept.append(y[0] * values.shape[1] + x[0])
        far = np.sqrt((y - y[0]) ** 2 + (x - x[0]) ** 2) >= RADIUS
        y, x = y[far], x[far]
    return np.array(kept)


def _torch_sort_and_suppress(
    values: NDArray[np.float32], cutoff: float, threads: int
) -> Callable[[], NDArray[np.int64]] | None:
    """The same as the reference has it, in torch."""
    try:
        import torch
    except ImportError:
        return None
    scores = torch.from_numpy(values)

    def run() -> NDArray[np.int64]:
        torch.set_num_threads(threads)
        places = torch.nonzero(scores > cutoff)
        order = torch.sort(scores[places[:, 0], places[:, 1]], descending=True, stable=True).indices
        places = places[order]
        kept = []
        while len(places):
            first = places[0]
            kept.append(first)
            places = places[torch.sqrt(((places - first) ** 2).sum(dim=1).float()) >= RADIUS]
        y, x = torch.stack(kept).T
        return np.asarray(y * values.shape[1] + x)

    return run


def picking(values: NDArray[np.float32], cutoff: float, skimage_goal: float, sorted_goal: float) -> Case:
    size = len(values)

    def ours(threads: int = 2) -> NDArray[np.int64]:
        y, x = pick_peaks(values, cutoff, radius=RADIUS, threads=threads)
        return y * size + x

    variants: dict[str, Callable[[], object]] = {
        "braggio": ours,
        "braggio, 1 thread": lambda: ours(1),
        "numpy sort and suppress": lambda: sort_and_suppress(values, cutoff),
    }
    goals = [Goal("numpy sort and suppress", faster=sorted_goal)]
    in_torch = []
    for count, name in ((1, "braggio, 1 thread"), (2, "braggio")):
        if (run := _torch_sort_and_suppress(values, cutoff, count)) is not None:
            theirs = f"torch sort and suppress, threads: {count}"
            in_torch.append(run)
            variants[theirs] = run
            goals.append(Goal(theirs, faster=sorted_goal, ours=name))
    try:
        from skimage.feature import peak_local_max
    except ImportError:
        peak_local_max = None  # the case is run without it
    else:
        variants["skimage peak_local_max"] = lambda: peak_local_max(
            values, min_distance=int(RADIUS), threshold_abs=cutoff, exclude_border=False
        )
        goals.append(Goal("skimage peak_local_max", faster=skimage_goal))

    def check() -> None:
        found = ours()
        np.testing.assert_array_equal(found, sort_and_suppress(values, cutoff))
        for run in in_torch:
            np.testing.assert_array_equal(found, run())
        if peak_local_max is not None:  # its rule is another one (squares), but it finds the same highest peak
            theirs = variants["skimage peak_local_max"]()
            assert list(theirs[0]) == [*np.divmod(found[0], size)]

    name = f"{len(ours())} peaks in {size} x {size}, 2 threads"
    return Case(name, variants, bytes=values.nbytes, check=check, goals=goals, threads=2)


def accumulating(size: int) -> Case:
    batch = 8
    values = np.random.default_rng(0).normal(size=(batch, size, size)).astype(np.float32)
    accumulator = Accumulator((size, size))
    high = np.full((size, size), 4, np.float32)  # as late in a search: few values are better than all before
    accumulator.update(high)
    state = {
        "mip": high.copy(),
        "index": np.full((size, size), -1, np.int32),
        "sum": np.zeros((size, size), np.float32),
        "squares": np.zeros((size, size), np.float32),
    }
    better, square = np.empty((size, size), bool), np.empty((size, size), np.float32)

    def numpy_one_by_one() -> None:
        for k, values_k in enumerate(values):
            np.greater(values_k, state["mip"], out=better)
            np.copyto(state["mip"], values_k, where=better)
            np.copyto(state["index"], k, where=better)
            state["sum"] += values_k
            np.multiply(values_k, values_k, out=square)
            state["squares"] += square

    variants: dict[str, Callable[[], object]] = {
        "braggio": lambda: accumulator.update(values),
        "numpy one by one": numpy_one_by_one,
    }
    goals = [Goal("numpy one by one", faster=2)]
    torch = _torch_eager(values, high)
    if torch is not None:
        variants["torch eager"] = torch
        goals.append(Goal("torch eager", faster=8))

    def check() -> None:
        fresh = Accumulator((size, size))
        fresh.update(values)
        found = fresh.finish()
        np.testing.assert_array_equal(found.mip, values.max(0))
        np.testing.assert_array_equal(found.index, values.argmax(0))
        np.testing.assert_allclose(found.mean, values.mean(0, dtype=np.float64), rtol=1e-6, atol=1e-9)

    return Case(f"{batch} correlograms of {size} x {size}", variants, bytes=values.nbytes, check=check, goals=goals)


def _torch_eager(values: NDArray[np.float32], high: NDArray[np.float32]) -> Callable[[], object] | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    batch = torch.from_numpy(values)
    shape = values.shape[1:]
    mip, index = torch.from_numpy(high.copy()), torch.full(shape, -1, dtype=torch.int32)
    total, squares = torch.zeros(shape), torch.zeros(shape)

    def run() -> None:
        best, place = torch.max(batch, dim=0)
        better = best > mip
        torch.where(better, best, mip, out=mip)
        torch.where(better, place.to(torch.int32), index, out=index)
        total.add_(batch.sum(dim=0))
        squares.add_((batch**2).sum(dim=0))

    return run


def boxes(size: int, count: int) -> Case:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(size, size)).astype(np.float32)
    box = 512
    corners = rng.integers(-box // 4, size - box // 2, (count, 2))
    buffer, out = np.empty((1, box, box), np.float32), np.empty((count, box, box), np.float32)

    def one_buffer() -> None:
        for at in range(count):
            copy_boxes(image, corners[at : at + 1], (box, box), out=buffer)

    def padded_crops() -> NDArray[np.float32]:
        whole = np.pad(image, box - 1)
        return np.stack([whole[y + box - 1 : y + 2 * box - 1, x + box - 1 : x + 2 * box - 1] for y, x in corners])

    variants: dict[str, Callable[[], object]] = {
        "braggio, each in one buffer": one_buffer,
        "braggio, in one stack": lambda: copy_boxes(image, corners, (box, box), out=out),
        "numpy pad, crop, stack": padded_crops,
    }
    goals = []
    reference = _torch_stack(image, corners, box)
    if reference is not None:
        variants["torch: pad, crop, stack, assign"] = reference
        goals.append(Goal("torch: pad, crop, stack, assign", faster=12))

    def check() -> None:
        np.testing.assert_array_equal(copy_boxes(image, corners, (box, box)), padded_crops())
        if reference is not None:
            np.testing.assert_array_equal(reference(), padded_crops())

    return Case(
        f"{count} boxes of 512 x 512 from {size} x {size}",
        variants,
        bytes=out.nbytes,
        check=check,
        goals=goals,
    )


def _torch_stack(image: NDArray[np.float32], corners: NDArray[np.int64], box: int) -> Callable[[], object] | None:
    """The form of the reference: the stack of all particles, filled by rows of the table for each micrograph."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    pixels, margin = torch.from_numpy(image), box - 1

    def run() -> NDArray[np.float32]:
        stack = torch.zeros((len(corners), box, box))
        whole = torch.nn.functional.pad(pixels[None], (margin,) * 4, mode="constant", value=0.0)[0]
        crops = [whole[y + margin : y + margin + box, x + margin : x + margin + box] for y, x in corners.tolist()]
        stack[torch.arange(len(corners))] = torch.stack(crops)
        return stack.numpy()

    return run


def extraction(context: Context, size: int, count: int) -> Figure:
    """Memory of a process that writes boxes to a stack, over that of the micrograph."""
    rng = np.random.default_rng(0)
    folder = context.folder / "stack"
    folder.mkdir()
    write(folder / "m.mrc", rng.random((size, size), np.float32))
    y, x = rng.integers(-128, size - 256, (2, count))
    columns: dict[str, Any] = {name: empty_column(name, count) for name in GENERATIONS[39]}
    columns |= {name: Coded(np.zeros(count, np.int32), ("m.mrc",)) for name in TEXTS if name.endswith("_path")}
    columns |= {"pos_y": y, "pos_x": x, "particle_index": np.arange(count)}
    columns |= {"pixel_size": np.ones(count), "refined_pixel_size": np.ones(count)}
    write_table(folder / "t.csv", MatchTable(columns).arranged(GENERATIONS[39]))
    words = [sys.executable, "-m", "braggio", "matching", "extract", str(folder / "t.csv"), "--box", "512"]
    words += ["--template-size", "256", "-o", str(folder / "p.mrcs"), "-q"]
    found = Figure(
        f"memory of extracting {count} boxes, over the micrograph's {4 * size * size / 1e6:.0f} MB",
        peak_memory(words) / 1e6 - 4 * size * size / 1e6,
        "MB",
        at_most=300,
    )
    shutil.rmtree(folder)
    return found


def whole_process(context: Context, size: int) -> Iterator[Case | Figure]:
    folder = context.folder / "search"
    config = write_search(folder, size)
    target = context.folder / "matches.csv"
    words = [sys.executable, "-m", "braggio", "matching", "table", str(config), "-o", str(target), "-f", "-q"]
    numpy_alone = [sys.executable, "-c", "import numpy"]

    def run() -> None:
        subprocess.run(words, check=True)

    variants: dict[str, Callable[[], object]] = {
        "braggio": run,
        "a process that imports numpy": lambda: subprocess.run(numpy_alone, check=True),
    }
    goals = []
    theirs = context.folder / "reference.csv"
    if find_spec("leopard_em") is not None:
        reference = [sys.executable, "-c", REFERENCE, str(config), str(theirs)]
        variants["Leopard-EM"] = lambda: subprocess.run(reference, check=True, cwd=folder)
        goals.append(Goal("Leopard-EM", faster=10))

    def check() -> None:
        run()
        if goals:
            variants["Leopard-EM"]()
            assert theirs.read_bytes() == target.read_bytes()

    yield Case(
        f"eight maps of {size} x {size} to a CSV, whole process",
        variants,
        bytes=4 * size * size,
        check=check,
        goals=goals,
        floor="a process that imports numpy",
    )
    yield Figure("memory of that process", peak_memory(words) / 1e9, "GB", at_most=0.6)


def peak_memory(words: list[str]) -> float:
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True, text=True)
    return float(done.stdout) * 1024


REFERENCE = """
import sys
from leopard_em.pydantic_models.managers import MatchTemplateManager
manager = MatchTemplateManager.from_yaml(sys.argv[1])
manager.match_template_result.load_tensors_from_paths()
manager.results_to_dataframe().to_csv(sys.argv[2])
"""
# What the reference wants to be told besides; a table needs none of it.
SEARCHED = """
computational_config:
  gpu_ids:
  - 0
  num_cpus: 1
defocus_search_config:
  enabled: true
  defocus_max: 400.0
  defocus_min: -400.0
  defocus_step: 200.0
orientation_search_config:
  base_grid_method: uniform
  psi_step: 1.5
  theta_step: 2.5
preprocessing_filters:
  whitening_filter:
    enabled: true
"""


def write_search(folder: Path, size: int) -> Path:
    """Eight maps, a template and their configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = [*SEARCHED.split("\n")[1:-1], "match_template_result:", "  allow_file_overwrite: true"]
    for name in MAP_NAMES:
        values = scores(size, 200) if name == "scaled_mip" else rng.random((size, size), np.float32)
        write(folder / f"{name}.mrc", values)
        lines.append(f"  {name}_path: {name}.mrc")
    write(folder / "template.mrc", np.zeros((64, 64, 64), np.float32), volume=True)
    write(folder / "m.mrc", rng.random((size, size), np.float32))
    lines += ["  total_projections: 20598240", "  total_orientations: 4119648", "  total_defocus: 5"]
    lines += ["template_volume_path: template.mrc", "micrograph_path: m.mrc"]
    lines += ["optics_group:", "  pixel_size: 1.06", "  voltage: 300.0", "  defocus_u: 5200.0", "  defocus_v: 4950.0"]
    lines += ["  astigmatism_angle: 25.0", "  label: g1", "  spherical_aberration: 2.7"]
    lines += ["  amplitude_contrast_ratio: 0.07", "  phase_shift: 0.0", "  ctf_B_factor: 60.0"]
    path = folder / "search.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path
