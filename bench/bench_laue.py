"""Laue: statistics, Kruskal-Wallis, frame to spots, labelling, whole files; against numpy, scipy, OpenCV, cc3d."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import h5py
import numpy as np
import scipy.ndimage as nd
import scipy.stats
from numpy.typing import NDArray

from bench.runner import Case, Context, Goal
from braggio._core import BitMask, SpotPass
from braggio.kernels import label
from braggio.kernels.kruskal_numba import kruskal
from braggio.kernels.trimmed import PixelSums, trimmed
from braggio.laue import find_spots

SQUARE = np.ones((3, 3), bool)


def cases(context: Context) -> Iterator[Case]:
    stack = synthetic(60 if context.quick else 200, 256 if context.quick else 1024)
    yield statistics(stack)
    yield kruskal_blocks(256 if context.quick else 512)
    yield frame_to_spots(stack)
    for density in (0.001, 0.01, 0.1):
        yield labelling(f"discs {density:.1%}", discs(2048, density))
    for density in (0.1, 0.5):
        yield labelling(f"noise {density:.0%}", np.random.default_rng(0).random((2048, 2048)) < density)
    yield files(context, stack)


def synthetic(frames: int, size: int) -> NDArray[np.uint16]:
    """Poisson background of 200 to 600 counts and 150 spots per Mpixel and frame."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size]
    background = 200 + 400 * np.exp(-((rows - size / 2) ** 2 + (columns - size / 2) ** 2) / (0.3 * size) ** 2)
    stack = np.empty((frames, size, size), np.uint16)
    window = 2000 * np.exp(-(np.add.outer(np.arange(-7, 8) ** 2, np.arange(-7, 8) ** 2)) / 5.0)
    for frame in stack:
        frame[:] = rng.poisson(background)
        for row, column in rng.integers(8, size - 8, (max(1, 150 * size * size >> 20), 2)):
            frame[row - 7 : row + 8, column - 7 : column + 8] += window.astype(np.uint16)
    return stack


def discs(size: int, density: float) -> NDArray[np.bool_]:
    """What filtered masks look like: discs of radius 4 at that density."""
    rng = np.random.default_rng(1)
    mask = np.zeros((size, size), bool)
    disc = np.add.outer(np.arange(-4, 5) ** 2, np.arange(-4, 5) ** 2) <= 16
    for row, column in rng.integers(4, size - 5, (int(density * size * size / disc.sum()), 2)):
        mask[row - 4 : row + 5, column - 4 : column + 5] |= disc
    return mask


def statistics(stack: NDArray[np.uint16]) -> Case:
    flat = stack.reshape(len(stack), -1)
    removed = len(stack) // 4
    out = PixelSums.empty(flat.shape[1], flat.dtype)

    def banded(order: Callable[[NDArray], NDArray]) -> Callable[[], list[NDArray]]:
        def run() -> list[NDArray]:
            found = []
            for start in range(0, flat.shape[1], 65536):
                band = flat[:, start : start + 65536]
                kept = order(np.ascontiguousarray(band.T))[:, : len(stack) - removed]
                iqr = np.subtract(*np.percentile(kept, [75, 25], axis=1))
                found.append(
                    np.stack([kept.mean(axis=1), kept.std(axis=1), iqr, band.max(axis=0), band.argmax(axis=0)])
                )
            return found

        return run

    partition = banded(lambda values: np.partition(values, len(stack) - removed - 1, axis=1))

    def script() -> tuple[NDArray, ...]:
        kept = np.sort(stack, axis=0)[: len(stack) - removed]
        q25, q75 = np.percentile(kept, [25, 75], axis=0)
        return kept.mean(axis=0), kept.std(axis=0), q75 - q25, stack.max(axis=0), stack.argmax(axis=0)

    def check() -> None:
        ours = trimmed(flat, removed, out=out)
        theirs = np.concatenate(partition(), axis=1)
        kept = len(stack) - removed
        for mine, other in zip(
            (ours.avg, np.sqrt(ours.spread) / kept, ours.iqr, ours.max, ours.arg), theirs, strict=True
        ):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)

    return Case(
        f"trimmed statistics, {len(stack)} x {stack.shape[1]} x {stack.shape[2]} uint16",
        {
            "braggio": lambda: trimmed(flat, removed, out=out),
            "read once": lambda: stack.max(),
            "np.partition in bands": partition,
            "sort and percentile": script,
        },
        stack.nbytes,
        check,
        floor="read once",
        goals=[
            Goal("np.partition in bands", faster=20),
            Goal("sort and percentile", faster=40),
            Goal("read once", faster=1 / 16),
        ],
    )


def kruskal_blocks(pixels: int) -> Case:
    rng = np.random.default_rng(2)
    stack = rng.poisson(300, (200, pixels)).astype(np.uint16)
    groups = list(np.arange(200).reshape(20, 10))
    for pixel in range(0, pixels, 3):
        stack[groups[rng.integers(20)], pixel] += 100
    many = np.ascontiguousarray(np.tile(stack, 64))

    def loop() -> list[tuple[float, int]]:
        found = []
        for column in stack.T:
            live = list(range(20))
            while len(live) > 10:
                blocks = [column[groups[g]] for g in live]
                if scipy.stats.kruskal(*blocks).pvalue >= 0.05:
                    break
                ranks = scipy.stats.rankdata(np.concatenate(blocks)).reshape(len(live), 10).mean(axis=1)
                live.pop(int(np.argmax(ranks)))
            kept = column[np.concatenate([groups[g] for g in live])]
            found.append((float(kept.mean()), len(kept)))
        return found

    def check() -> None:
        sums, kept = kruskal(stack, groups)
        theirs = loop()
        assert kept.tolist() == [count for _, count in theirs]
        np.testing.assert_allclose(sums.avg, [mean for mean, _ in theirs], rtol=1e-12)

    return Case(
        f"Kruskal-Wallis, 20 angles x 10 frames ({pixels} pixels; braggio does 64 times as many)",
        {"braggio": lambda: kruskal(many, groups), "scipy.stats.kruskal loop": loop},
        many.nbytes,
        check,
        goals=[Goal("scipy.stats.kruskal loop", faster=150 / 64)],
    )


def frame_to_spots(stack: NDArray[np.uint16]) -> Case:
    from braggio.laue.stats import pixel_stats

    stats = pixel_stats(stack)
    limits, _ = stats.threshold(3.0)
    level = stats.avg + 3.0 * stats.std
    shape = stack.shape[1:]
    allowed = BitMask(*shape)
    allowed.pack(np.ones(shape, np.uint8))
    work = SpotPass(allowed, erosions=1, dilations=2, filter_connectivity=2, label_connectivity=2, min_pixels=1)
    turn = iter(range(1 << 62))

    def frame() -> NDArray[np.uint16]:
        return stack[next(turn) % len(stack)]

    def ours(pixels: NDArray | None = None) -> tuple[int, NDArray, NDArray]:
        pixels = frame() if pixels is None else pixels
        found = work.find([pixels], limits, background=stats.avg)
        return found["count"], found["spots"][0]["sum"], found["spots"][0]["argmax"]

    def masked(pixels: NDArray) -> NDArray[np.bool_]:
        return nd.binary_dilation(nd.binary_erosion(pixels >= level, SQUARE), SQUARE, 2)

    def usual(pixels: NDArray | None = None) -> tuple[int, NDArray, NDArray]:
        pixels = frame() if pixels is None else pixels
        labels, count = nd.label(masked(pixels), SQUARE)
        index = np.arange(1, count + 1)
        sums = nd.sum_labels(pixels, labels, index)
        nd.sum_labels(stats.avg, labels, index)
        places = nd.maximum_position(pixels, labels, index)
        nd.find_objects(labels)
        np.argsort(labels[labels > 0], kind="stable")
        return count, sums, np.ravel_multi_index(np.array(places, int).reshape(-1, 2).T, shape)

    def well_written(pixels: NDArray | None = None) -> tuple[int, NDArray, NDArray]:
        pixels = frame() if pixels is None else pixels
        labels, count = nd.label(masked(pixels), SQUARE)
        flat = np.flatnonzero(labels)
        owner, values = labels.ravel()[flat], pixels.ravel()[flat]
        sums = np.bincount(owner, values, count + 1)[1:]
        np.bincount(owner, stats.avg.ravel()[flat], count + 1)
        order = np.lexsort((flat, -values.astype(np.int64), owner))
        first = np.searchsorted(owner[order], np.arange(1, count + 1))
        nd.find_objects(labels)
        return count, sums, flat[order][first]

    variants: dict[str, Callable[[], object]] = {
        "braggio": ours,
        "scipy, usual": usual,
        "scipy, well written": well_written,
    }
    goals = [Goal("scipy, usual", faster=130), Goal("scipy, well written", faster=25)]
    try:
        import cc3d
        import cv2
    except ImportError:
        pass
    else:
        kernel = np.ones((3, 3), np.uint8)

        def assembly(labels_of: Callable[[NDArray], object]) -> Callable[[], object]:
            def run() -> object:
                found = (frame() >= level).astype(np.uint8)
                found = cv2.erode(found, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
                return labels_of(cv2.dilate(found, kernel, iterations=2))

            return run

        def cc3d_statistics(found: NDArray) -> object:
            return cc3d.statistics(cc3d.connected_components(found, connectivity=8))

        variants["numpy + OpenCV WithStats"] = assembly(lambda m: cv2.connectedComponentsWithStats(m, connectivity=8))
        variants["numpy + OpenCV + cc3d"] = assembly(cc3d_statistics)
        goals += [Goal("numpy + OpenCV WithStats", faster=6), Goal("numpy + OpenCV + cc3d", faster=6)]

    def check() -> None:
        for pixels in stack[:3]:
            results = [ours(pixels), usual(pixels), well_written(pixels)]
            for other in results[1:]:
                assert other[0] == results[0][0]
                assert np.array_equal(other[1], results[0][1])
                assert np.array_equal(
                    pixels.ravel()[other[2]], pixels.ravel()[results[0][2]]
                )  # scipy takes any of equals
            assert np.array_equal(results[2][2], results[0][2])

    return Case(
        f"frame to masks, labels and spots, {shape[0]} x {shape[1]}", variants, 2 * stack[0].nbytes, check, goals=goals
    )


def labelling(name: str, mask: NDArray[np.bool_]) -> Case:
    out, narrow = np.zeros(mask.shape, np.int32), np.zeros(mask.shape, np.uint16)
    bytes_ = mask.view(np.uint8)
    narrow_is_enough = label(mask)[1] <= np.iinfo(np.uint16).max
    variants: dict[str, Callable[[], object]] = {
        "braggio": lambda: label(mask),
        "braggio, out=": lambda: label(mask, out=out),
        "scipy": lambda: nd.label(mask, SQUARE),
    }
    if narrow_is_enough:
        variants["braggio, uint16"] = lambda: label(mask, dtype=np.uint16)
        variants["braggio, uint16, out="] = lambda: label(mask, out=narrow)
    goals = []
    try:
        import cc3d
        import cv2
    except ImportError:
        pass
    else:
        variants["OpenCV"] = lambda: cv2.connectedComponents(bytes_, connectivity=8)
        theirs = np.zeros(mask.shape, np.int32)
        variants["OpenCV, labels="] = lambda: cv2.connectedComponents(bytes_, labels=theirs, connectivity=8)
        sparse = narrow_is_enough and not name.startswith("noise")  # of which OpenCV's first labels overflow 16 bits
        if sparse:
            variants["OpenCV, CV_16U"] = lambda: cv2.connectedComponents(bytes_, connectivity=8, ltype=cv2.CV_16U)
        variants["cc3d"] = lambda: cc3d.connected_components(bytes_, connectivity=8)
        least = {"discs 0.1%": 6, "discs 1.0%": 4, "discs 10.0%": 1.8}.get(name, 1)
        # cc3d takes uint16 where that is enough.
        goals = [Goal("OpenCV", faster=least), Goal("cc3d", faster=least)]
        if sparse:
            goals += [Goal(name, faster=least, ours="braggio, uint16") for name in ("OpenCV, CV_16U", "cc3d")]

    def check() -> None:
        labels, count = label(mask)
        expected, number = nd.label(mask, SQUARE)
        assert count == number and np.array_equal(labels, expected)

    return Case(f"labelling 2048 x 2048, {name}", variants, mask.nbytes * 5, check, goals=goals)


def files(context: Context, stack: NDArray[np.uint16]) -> Case:
    source, ours, theirs = (context.folder / name for name in ("x__mccd.h5", "ours.h5", "theirs.h5"))
    with h5py.File(source, "w") as file:
        file.create_dataset("frames", data=stack, chunks=(1, *stack.shape[1:]), compression="gzip")
        file["lauecollect/angle"] = np.arange(len(stack)) * 0.5

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            find_spots(source, ours, overwrite=True, threads=2)

    def script() -> None:
        with h5py.File(source) as file:
            frames = file["frames"][()]
        removed = len(frames) // 4
        avg, std = np.empty(frames.shape[1:]), np.empty(frames.shape[1:])
        for row in range(0, frames.shape[1], 64):
            kept = np.partition(frames[:, row : row + 64], len(frames) - removed - 1, axis=0)[: len(frames) - removed]
            avg[row : row + 64], std[row : row + 64] = kept.mean(axis=0), kept.std(axis=0)
            np.percentile(kept, [25, 75], axis=0)
        level = avg + 3.0 * std
        with h5py.File(theirs, "w") as file:
            options = {"shape": frames.shape, "chunks": (1, *frames.shape[1:]), "compression": "gzip"}
            raw, filtered = (
                file.create_dataset(name, dtype="u1", **options) for name in ("masks_raw", "masks_filtered")
            )
            images = file.create_dataset("masks/labels", dtype="i4", **options)
            for i, frame in enumerate(frames):
                raw[i] = mask = frame >= level
                filtered[i] = mask = nd.binary_dilation(nd.binary_erosion(mask, SQUARE), SQUARE, 2)
                labels, count = nd.label(mask, SQUARE)
                images[i] = labels
                flat = np.flatnonzero(labels)
                np.bincount(labels.ravel()[flat], frame.ravel()[flat] - avg.ravel()[flat], count + 1)

    def check() -> None:
        run(), script()
        with h5py.File(ours) as mine, h5py.File(theirs) as other:
            # numpy's rounding takes a pixel that equals the threshold for one below it, once in some ten million.
            lost = [int((a != b).sum()) for a, b in zip(mine["masks_raw"], other["masks_raw"], strict=True)]
            assert sum(lost) <= 1e-6 * stack.size
            for name in ("masks_filtered", "masks/labels"):
                for frame in (frame for frame, pixels in enumerate(lost) if pixels == 0):
                    assert np.array_equal(mine[name][frame], other[name][frame]), f"{name}, frame {frame}"

    return Case(
        f"gzip file to gzip file, {len(stack)} x {stack.shape[1]} x {stack.shape[2]}, 2 threads",
        {"braggio": run, "numpy, scipy, h5py": script},
        stack.nbytes,
        check,
        goals=[Goal("numpy, scipy, h5py", faster=6)],
        threads=2,
    )
