"""Protects: shards of a search, merged through files, give the maps of one run to the byte."""

from __future__ import annotations

import json

import mrcfile
import numpy as np
import pytest
from makers import entries, tree

from braggio.errors import MetadataError, OutputError
from braggio.matching import Accumulator, Partial, check, decode, merge_partials, open_result, write_maps, write_partial

ORIENTATIONS = np.float32([[10 * i, 5 * i, 3 * i] for i in range(6)])
DEFOCI = np.float32([-100, 0, 100])


def correlograms():
    return np.random.default_rng(5).normal(size=(18, 12, 13)).astype(np.float32)


def partial(places, **changes):
    accumulator = Accumulator((12, 13), bins=64)
    accumulator.update(correlograms()[places], places)
    facts = {"orientations": ORIENTATIONS, "defoci": DEFOCI, "pixel_size": 1.1} | changes
    return Partial(accumulator, **facts)


def test_shards_equal_the_whole(tmp_path):
    order = np.random.default_rng(0).permutation(18)
    for number, places in enumerate(np.split(order, [5, 6, 14])):
        write_partial(tmp_path / f"shard{number}", partial(places))
    merged = merge_partials(sorted(tmp_path.glob("shard*")))
    whole = partial(np.arange(18))
    assert merged.accumulator == whole.accumulator
    write_maps(merged, tmp_path / "merged")
    write_maps(whole, tmp_path / "whole")
    assert tree(tmp_path / "merged") == tree(tmp_path / "whole")


def test_maps(tmp_path):
    written = write_maps(partial(np.arange(18)), tmp_path / "maps", prefix="x_")
    assert len(written) == 8 and entries(tmp_path / "maps")[-1] == "x_statistics.json"
    values = correlograms()
    best = values.argmax(0)
    expected = {
        "mip": values.max(0),
        "correlation_average": values.mean(0, dtype=np.float64),
        "correlation_variance": values.std(0, dtype=np.float64),
        "orientation_psi": ORIENTATIONS[best % 6, 2],
        "orientation_phi": ORIENTATIONS[best % 6, 0],
        "relative_defocus": DEFOCI[best // 6],
    }
    for name, array in expected.items():
        with mrcfile.open(tmp_path / "maps" / f"x_{name}.mrc") as stored:
            np.testing.assert_allclose(stored.data, array, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(stored.voxel_size.x, 1.1, rtol=1e-6)
    facts = json.loads((tmp_path / "maps" / "x_statistics.json").read_text())
    assert facts["total_correlations"] == 18 and sum(facts["histogram"]["counts"]) == values.size
    result = open_result({path.rsplit("x_")[-1].removesuffix(".mrc"): path for path in written})
    report = check(result.with_correlations(18))
    assert report.spread == "standard deviation" and report.ok, report.problems


def test_maps_without_a_grid(tmp_path):
    empty = {"orientations": np.zeros((0, 3), np.float32), "defoci": np.zeros(0, np.float32), "pixel_size": 0.0}
    assert len(write_maps(partial(np.arange(3), **empty), tmp_path)) == 4


def test_maps_that_exist_stay(tmp_path):
    write_maps(partial(np.arange(3)), tmp_path)
    before = tree(tmp_path)
    with pytest.raises(OutputError):
        write_maps(partial(np.arange(4)), tmp_path)
    assert tree(tmp_path) == before
    write_maps(partial(np.arange(4)), tmp_path, overwrite=True)
    assert tree(tmp_path) != before


def test_refusals(tmp_path):
    write_partial(tmp_path / "a", partial(np.arange(3)))
    write_partial(tmp_path / "b", partial(np.arange(3), pixel_size=1.2))
    (tmp_path / "c").symlink_to(tmp_path / "a")
    with pytest.raises(MetadataError, match="pixel_size"):
        merge_partials([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(MetadataError, match="twice"):
        merge_partials([tmp_path / "a", tmp_path / "c"])
    with pytest.raises(MetadataError, match="at least one"):
        merge_partials([])
    with pytest.raises(ValueError, match="no correlogram"):
        write_maps(Partial(Accumulator((2, 2)), ORIENTATIONS, DEFOCI), tmp_path / "none")
    with pytest.raises(MetadataError, match="at least 0"):
        decode([-1], ORIENTATIONS, DEFOCI)


def test_copies_of_a_shard(tmp_path):
    """A copy would count twice without a word; shards that are alike by chance are merged when that is said."""
    for name, places in (("a", np.arange(3)), ("b", np.arange(3, 9)), ("c", np.arange(3))):
        write_partial(tmp_path / name, partial(places))
    with pytest.raises(MetadataError, match="c: partials: .* expected each shard once, found a copy of .*a"):
        merge_partials(tmp_path / name for name in "abc")
    assert merge_partials([tmp_path / name for name in "abc"], allow_identical=True).accumulator.count == 12
    with pytest.raises(MetadataError, match="twice"):
        merge_partials([tmp_path / "a", tmp_path / "a"], allow_identical=True)


def test_shards_without_correlograms_are_alike(tmp_path):
    for name in "abc":
        write_partial(tmp_path / name, partial(np.arange(0 if name < "c" else 2)))
    assert merge_partials(tmp_path / name for name in "abc").accumulator.count == 2


def test_the_last_orientations_of_a_search_decode_right():
    """552 orientations and 3 defoci in batches of 20, the last one smaller: nothing of another batch is taken."""
    angles = np.float32([[i, 0, 0] for i in range(552)])
    found, defocus = decode(np.arange(552 * 3), angles, DEFOCI)
    np.testing.assert_array_equal(found[:, 0], np.tile(np.arange(552), 3))
    np.testing.assert_array_equal(defocus, np.repeat(DEFOCI, 552))
