"""Known spots among what real detectors add: all of them are found, and nothing else."""

import numpy as np
import pytest
from laue import made

from braggio.laue import find_spots

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def troubled_stack(frames=80, size=256, spots=10):
    """(frames, truth, beam stop): off/on pairs of frames with 10 spots, a beam stop, hot clusters, and streaks."""
    pixels, truth = made.stack(frames=frames, height=size, width=size + 5, spots=spots, seed=4)
    pixels = pixels.astype(np.int64)
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:size, : size + 5]
    stop = np.hypot(rows - size / 2, columns - (size + 5) / 2) < 5
    pixels[:, stop] = 0
    for row, column in rng.integers(4, size - 4, (12, 2)):  # clusters that are hot in every frame
        pixels[:, row : row + 3, column : column + 3] += rng.poisson(4000, (frames, 3, 3))
    for frame in range(frames):
        for row, column in rng.integers(0, size, (20, 2)):  # single pixels that are hot for once
            pixels[frame, row, column] = 60_000
        pixels[frame, rng.integers(size)] += 3000  # a streak of one row
        pixels[frame, :, rng.integers(size) :][:, :1] += 3000
    return np.minimum(pixels, 65535).astype(np.uint16), truth, stop


@pytest.fixture(scope="module")
def troubled():
    return troubled_stack()


@pytest.mark.parametrize("sync", ["none", "pairs"])
def test_all_spots_and_no_others(troubled, sync):
    """Recall 1 and no false spot in 80 frames with 20 hot pixels and two streaks each; the beam stop is masked.

    Two streaks that cross, or run over a spot or a hot pixel, stay one pixel wide, so one erosion removes them.
    """
    frames, truth, stop = troubled
    laser = np.arange(len(frames)) % 2 == 0
    report = find_spots(frames, angle=made.angles(len(frames)), laser_on=laser, sync=sync, mask=stop)
    found = np.column_stack([report.columns["frame"], report.columns["box"]])
    true = np.array(truth)
    shadowed = 0
    for frame, row, column in truth:
        if stop[max(row - 4, 0) : row + 5, max(column - 4, 0) : column + 5].any():
            shadowed += 1
            continue
        near = (found[:, 0] == frame) & (found[:, 1] <= row) & (row < found[:, 2])
        assert (near & (found[:, 3] <= column) & (column < found[:, 4])).any(), (frame, row, column)
    false = [
        spot
        for spot in found
        if not (
            (true[:, 0] == spot[0])
            & (spot[1] - 2 <= true[:, 1])
            & (true[:, 1] < spot[2] + 2)
            & (spot[3] - 2 <= true[:, 2])
            & (true[:, 2] < spot[4] + 2)
        ).any()
    ]
    assert len(false) == 0 and len(truth) - shadowed <= len(found) <= len(truth)


def test_densities_are_those_of_the_theory():
    """-c 3 after a trim of 25 % passes 3.8 % of a Gaussian background; the erosion leaves nothing of it."""
    frames = np.random.default_rng(6).poisson(300, (200, 64, 64)).astype(np.uint16)
    report = find_spots(frames, keep_masks=True)
    assert report.masks["masks_raw"].mean() == pytest.approx(0.04, abs=0.005)
    assert report.n_spots <= 2  # of 819 200 pixels
    trimmed = report.stats
    assert np.mean((trimmed.avg - 300) / np.sqrt(300)) == pytest.approx(-0.424, abs=0.02)
    assert np.mean(trimmed.std) / np.sqrt(300) == pytest.approx(0.731, abs=0.02)
