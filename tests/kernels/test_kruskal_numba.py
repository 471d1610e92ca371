"""The Kruskal-Wallis background against a loop over scipy.stats.kruskal."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

import braggio
from braggio.kernels.kruskal_numba import chi2_isf, kruskal


def by_scipy(values, groups, alpha):
    """Rules R6 to R8, one pixel: mean, std, IQR and number of the values kept."""
    live = list(range(len(groups)))
    while len(live) > max(2, math.ceil(len(groups) / 2)):
        blocks = [values[groups[g]] for g in live]
        together = np.concatenate(blocks)
        if (together == together[0]).all() or scipy.stats.kruskal(*blocks).pvalue >= alpha:
            break
        ranks = np.split(scipy.stats.rankdata(together), np.cumsum([len(block) for block in blocks])[:-1])
        means = [block.mean() for block in ranks]
        live.pop(next(i for i, mean in enumerate(means) if mean > max(means) - 1e-9))
    kept = np.concatenate([values[groups[g]] for g in live]).astype(float)
    return kept.mean(), kept.std(), np.subtract(*np.percentile(kept, [75, 25])), len(kept)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "u4", "f4", "f8"])
@pytest.mark.parametrize(("blocks", "size"), [(20, 10), (6, 4), (5, 3), (3, 2), (2, 5), (1, 4)])
def test_equals_a_scipy_loop(dtype, blocks, size):
    rng = np.random.default_rng(blocks)
    groups = list(rng.permutation(blocks * size).reshape(blocks, size))  # not contiguous
    stack = rng.poisson(60, (blocks * size, 66)).astype(dtype)
    for pixel in range(66):
        for g in rng.integers(0, blocks, 2):
            stack[groups[g], pixel] += np.array(rng.integers(0, 40)).astype(dtype)
    stack[:, 5] = 7
    if np.dtype(dtype).itemsize > 1:
        stack[groups[0], 9] += np.array(30_000).astype(dtype)  # beyond what is sorted by counting
    for alpha in (0.05, 0.5):
        sums, kept = kruskal(stack, groups, alpha)
        for pixel in range(66):
            mean, std, iqr, count = by_scipy(stack[:, pixel], groups, alpha)
            assert kept[pixel] == count
            assert sums.avg[pixel] == pytest.approx(mean, rel=1e-12)
            assert math.sqrt(sums.spread[pixel]) / count == pytest.approx(std, rel=1e-6, abs=1e-9)
            assert sums.iqr[pixel] == pytest.approx(iqr, rel=1e-6, abs=1e-9)
    assert np.array_equal(sums.max, stack.max(axis=0)) and np.array_equal(sums.arg, stack.argmax(axis=0))


def test_single_precision_is_worked_on_in_double():
    stack = np.random.default_rng(0).normal(0, 1e4, (8, 20)).astype(np.float32)
    sums, kept = kruskal(stack, [np.arange(8)])
    assert (kept == 8).all()
    assert sums.avg == pytest.approx(stack.mean(axis=0, dtype=np.float64), rel=1e-12)
    assert np.sqrt(sums.spread) / 8 == pytest.approx(stack.std(axis=0, dtype=np.float64), rel=1e-12)


def test_threads_and_uneven_blocks():
    rng = np.random.default_rng(0)
    groups = np.split(np.arange(50), [3, 10, 12, 30])
    stack = rng.poisson(90, (50, 3000)).astype(np.uint16)
    one, three = kruskal(stack, groups), kruskal(stack, groups, threads=3)
    assert np.array_equal(one[1], three[1]) and all(np.array_equal(a, b) for a, b in zip(one[0], three[0], strict=True))
    assert by_scipy(stack[:, 11], groups, 0.05)[3] == one[1][11]


@pytest.mark.parametrize("freedom", [1, 2, 3, 8, 19, 40, 401])
@pytest.mark.parametrize("alpha", [0.999, 0.5, 0.05, 1e-3, 1e-9])
def test_critical_values(freedom, alpha):
    assert chi2_isf(alpha, freedom) == pytest.approx(scipy.stats.chi2.isf(alpha, freedom), rel=1e-9)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="once"):
        kruskal(np.zeros((4, 4), np.uint8), [np.array([0, 1]), np.array([1, 2, 3])])
    with pytest.raises(ValueError, match=r"values of int32 or of uint32, found 1099511627776 at \(0, 1\)"):
        kruskal(np.array([[0, 1 << 40]] * 4), [np.arange(4)])


SCRIPT = """
import numpy as np
from braggio.kernels.kruskal_numba import kruskal
found, kept = kruskal(np.arange(12, dtype=np.uint16).reshape(4, 3), [np.arange(4)])
assert found.avg.tolist() == [4.5, 5.5, 6.5], found
import braggio.kernels.kruskal_numba as module
print(module.__file__)
"""


def test_works_where_nothing_can_be_cached(tmp_path):
    """A read-only install and no cache folder: slower to start, and right."""
    package = Path(braggio.__file__).parent
    core = Path(__import__("braggio._core", fromlist=["x"]).__file__)
    copy = tmp_path / "site/braggio"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(core, copy / core.name)
    for folder in [copy, *(item for item in copy.rglob("*") if item.is_dir())]:
        (folder / "__pycache__").write_text(
            ""
        )  # a file in the place of the cache folder: not even root can write there
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path / "site"),
        "HOME": str(blocked),
        "XDG_CACHE_HOME": str(blocked),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
