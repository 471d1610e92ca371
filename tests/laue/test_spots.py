"""find_spots against brute force, on arrays and through files."""

import os
import warnings

import h5py
import numpy as np
import pytest
from laue import made, reference

from braggio.errors import (
    DataWarning,
    FormatError,
    LimitError,
    MetadataError,
    OptionError,
    OutputError,
    UnsupportedError,
)
from braggio.formats.mccd_h5 import open_frames
from braggio.laue import default_output, find_spots, pixel_stats, read_spots
from braggio.laue.stack import FileStack, MemoryStack, ScratchStack, open_stack
from braggio.storage.hdf5 import ChunkedStack

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


def groups_of(sync, frames, repeat):
    size = {"none": 1, "pairs": 2, "blocks": repeat}[sync]
    return np.arange(frames).reshape(-1, size)


def assert_table(columns, rows):
    assert len(columns["I"]) == len(rows)
    for i, (frame, label, mask, net, raw, count, x, y, box, pixels) in enumerate(rows):
        assert (columns["frame"][i], columns["label"][i], columns["mask"][i]) == (frame, label, mask)
        assert columns["I"][i] == pytest.approx(net, rel=1e-10, abs=1e-6) and columns["I_raw"][i] == raw
        assert columns["n_pixels"][i] == count and tuple(columns["XY"][i]) == (x, y) and tuple(columns["box"][i]) == box
        begin, end = columns["pixel_list_BE"][i]
        assert np.array_equal(columns["pixel_list"][begin:end], pixels)
    for frame, (begin, end) in enumerate(columns["frame2spotsBE"]):
        assert (columns["frame"][begin:end] == frame).all()
    assert np.array_equal(np.diff(columns["frame2spotsBE"], axis=1).sum(), len(rows))


@pytest.mark.parametrize("sync", ["none", "pairs", "blocks"])
@pytest.mark.parametrize(
    ("erosions", "dilations", "structure", "cutoff"),
    [(1, 2, "2,2", 3), (0, 0, "2,1", 3), (2, 1, "2,1", 2), (1, 0, "2,2", -1)],
)
def test_equals_brute_force(sync, erosions, dilations, structure, cutoff):
    """Masks, labels, counts and every column, for every sync and several structures."""
    frames, _ = made.stack(frames=24, height=40, width=67, repeat=4, spots=2)
    laser = np.arange(24) % 2 == 0
    report = find_spots(
        frames,
        angle=made.angles(24, 4),
        laser_on=laser,
        angles=6,
        sync=sync,
        keep_masks=True,
        threads=2,
        erosions=erosions,
        dilations=dilations,
        structure=structure,
        cutoff=cutoff,
    )
    connectivity = int(structure[-1])
    avg, std, iqr, top, arg = reference.statistics(frames, 6)
    np.testing.assert_allclose(report.stats.avg, avg, rtol=1e-14)
    np.testing.assert_allclose(report.stats.std, std, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(report.stats.iqr, iqr, rtol=1e-13)
    assert np.array_equal(report.stats.max, top) and np.array_equal(report.stats.arg, arg)
    raw, filtered = reference.masks(frames, 6, cutoff, erosions, dilations, connectivity)
    assert np.array_equal(report.masks["masks_raw"], raw) and np.array_equal(report.masks["masks_filtered"], filtered)
    groups = groups_of(sync, 24, 4)
    shared = filtered[groups].any(axis=1)
    if sync != "none":
        assert np.array_equal(report.masks["masks_synced"], shared)
    rows, labels, counts = reference.spots(frames, shared, groups, avg, connectivity)
    assert np.array_equal(report.masks["masks/labels"], labels) and np.array_equal(report.counts, counts)
    assert_table(report.columns, rows)


def test_finds_every_spot_and_nothing_else():
    """The recall and the false spots of the specification: all of 120 spots, none beside them (beam stop aside)."""
    frames, truth = made.stack(beam_stop=False)
    table = find_spots(frames).to_dataframe()
    found = table[["frame", "X", "Y"]].to_numpy()
    for spot in truth:
        assert (np.abs(found - spot).max(axis=1) <= 1).any(), spot
    for spot in found:
        assert (np.abs(np.array(truth) - spot).max(axis=1) <= 1).any(), spot
    assert len(table) == len(truth) == 240


def test_off_on_ratio_is_that_of_the_net_intensity():
    """I is net of background, so that laser on / off comes out as 1.1 and is not diluted."""
    frames, _ = made.stack(beam_stop=False)
    laser = np.arange(40) % 2 == 0
    table = find_spots(frames, sync="pairs", angle=made.angles(40), laser_on=laser).to_dataframe()
    on, off = (table[table.frame % 2 == side].I.to_numpy() for side in (0, 1))
    assert np.median(on / off) == pytest.approx(1.1, abs=0.01)


@pytest.mark.parametrize("chunks", [None, (1, 96, 101), (1, 16, 101), (8, 24, 25)])
@pytest.mark.parametrize("memory", [None, 3 << 20])
def test_same_file_whatever_the_layout_memory_and_threads(tmp_path, chunks, memory):
    """Bit for bit the same datasets from every chunk layout, in and out of memory, with one and two threads."""
    frames, _ = made.stack(frames=200, repeat=10, spots=3)
    expected = find_spots(
        frames, angle=made.angles(200, 10), laser_on=np.arange(200) % 2 == 0, sync="blocks", keep_masks=True
    )
    options = {} if chunks is None else {"chunks": chunks, "compression": "gzip", "shuffle": chunks[1] == 16}
    path = made.write_mccd_h5(tmp_path / "a__mccd.h5", frames, repeat=10, **options)
    report = find_spots(
        path, tmp_path / "a__spots.h5", sync="blocks", memory=memory, threads=1 if chunks is None else 2
    )
    with h5py.File(report.output) as file:
        for name, array in expected.masks.items():
            assert np.array_equal(file[name][()], array), name
        for name in ("avg", "std", "iqr", "max", "arg"):
            assert np.array_equal(file[f"stats/{name}"][()], getattr(expected.stats, name))
        for name, column in expected.columns.items():
            assert np.array_equal(file[f"spots/{name}"][()], column), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a__mccd.h5", "a__spots.h5"]


def test_the_three_ways_through_a_stack(tmp_path):
    """In memory if it fits; from the file if its chunks allow; over a scratch file that leaves no name behind."""
    frames, _ = made.stack(frames=200, repeat=10, spots=3)
    for chunks, memory, kind in (
        ((1, 96, 101), 1 << 28, MemoryStack),
        (None, 3 << 20, FileStack),
        ((1, 8, 101), 3 << 20, FileStack),
        ((1, 96, 101), 3 << 20, ScratchStack),
        ((8, 24, 25), 3 << 20, ScratchStack),
    ):
        options = {} if chunks is None else {"chunks": chunks, "compression": "gzip"}
        path = made.write_mccd_h5(tmp_path / "a.h5", frames, **options)
        with open_frames(path) as (chunked, _, _):
            stack, most = open_stack(chunked, memory, 2, str(tmp_path))
            assert type(stack) is kind
            bands = [(first, stop, values.copy()) for first, stop, values in stack.bands(most)]
            assert np.array_equal(np.concatenate([v.reshape(200, -1, 101) for _, _, v in bands], axis=1), frames)
            assert all(np.array_equal(stack.frame(i), frames[i]) for i in (0, 7, 199))
            assert kind is MemoryStack or len(bands) > 1
            stack.close()
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]
    with open_frames(path) as (chunked, _, _), pytest.raises(LimitError, match="memory"):
        open_stack(chunked, 1 << 20, 1, str(tmp_path))


def test_layout_of_the_file(tmp_path):
    """R16 to R24: names, dtypes, shapes, and what LaueUtil's next programs read."""
    frames, _ = made.stack()
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames, compression="gzip", chunks=(1, 96, 101))
    report = find_spots(path, tmp_path / "x__spots.h5", sync="pairs")
    with h5py.File(report.output) as file:
        n = report.n_spots
        assert set(file) == {
            "stats",
            "masks",
            "spots",
            "info",
            "lauecollect",
            "masks_raw",
            "masks_filtered",
            "masks_synced",
        }
        assert set(file["masks"]) == {"labels", "counts"}
        shapes = {
            "masks_raw": ("u1", (40, 96, 101)),
            "masks_filtered": ("u1", (40, 96, 101)),
            "masks_synced": ("u1", (20, 96, 101)),
            "masks/labels": ("i4", (20, 96, 101)),
            "masks/counts": ("i4", (20,)),
            "stats/avg": ("f8", (96, 101)),
            "stats/std": ("f8", (96, 101)),
            "stats/iqr": ("f8", (96, 101)),
            "stats/max": ("u2", (96, 101)),
            "stats/arg": ("i4", (96, 101)),
            "spots/I": ("f8", (n,)),
            "spots/I_raw": ("f8", (n,)),
            "spots/XY": ("i4", (n, 2)),
            "spots/box": ("i4", (n, 4)),
            "spots/frame": ("i4", (n,)),
            "spots/label": ("i4", (n,)),
            "spots/mask": ("i4", (n,)),
            "spots/pixel_list_BE": ("i8", (n, 2)),
            "spots/frame2spotsBE": ("i8", (40, 2)),
        }
        for name, (dtype, shape) in shapes.items():
            assert (file[name].dtype, file[name].shape) == (np.dtype(dtype), shape), name
        info = file["info"].attrs
        assert (
            info["n_removed"] == 10
            and info["sync"] == "pairs"
            and info["structure"] == "2,2"
            and len(info["uuid"]) == 36
        )
        assert file["lauecollect"].attrs["block_size"] == 2 and np.array_equal(
            file["lauecollect/angle"], made.angles(40)
        )
        assert file["masks_raw"].compression == "gzip" and file.attrs["default"] == "stats"
        assert file["stats"].attrs["signal"] == "avg" and bool(file["spots/I"].attrs["background_subtracted"])
        begin, end = file["spots/pixel_list_BE"][0]
        b0, b1, b2, b3 = file["spots/box"][0]
        inside = file["masks/labels"][0, b0:b1, b2:b3] == 1
        assert inside.sum() == end - begin
    table = read_spots(report.output)
    assert len(table) == n and table.attrs["info"]["n_removed"] == 10


def test_same_search_same_bytes(tmp_path):
    """No clock, host or thread count in the output."""
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack()[0])
    files = [tmp_path / "1.h5", tmp_path / "2.h5"]
    for threads, file in enumerate(files, 1):
        find_spots(path, file, threads=threads)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("chunks", [(200, 32, 32), (200, 96, 101), (150, 40, 101)])
def test_deep_chunks_stay_within_the_memory(tmp_path, monkeypatch, chunks):
    frames, _ = made.stack(frames=200, repeat=10, spots=3)
    path = made.write_mccd_h5(tmp_path / "a.h5", frames, chunks=chunks, compression="gzip")
    read, sizes = ChunkedStack.read, []

    def noted(self, region, out, *pool):
        sizes.append(out.nbytes)
        read(self, region, out, *pool)

    monkeypatch.setattr(ChunkedStack, "read", noted)
    with open_frames(path) as (chunked, _, _):
        stack, most = open_stack(chunked, 3 << 20, 2, str(tmp_path))
        assert isinstance(stack, ScratchStack) and max(sizes) <= most
        assert all(np.array_equal(stack.frame(i), frame) for i, frame in enumerate(frames))
        stack.close()


@pytest.mark.parametrize("compression", ["gzip", "lzf", "none", "bitshuffle", "zstd", "blosc2"])
def test_every_compression_reads_back(tmp_path, compression):
    if compression in ("bitshuffle", "zstd", "blosc2"):
        pytest.importorskip("hdf5plugin")
    frames, _ = made.stack(frames=20)
    expected = find_spots(frames, keep_masks=True)
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames)
    find_spots(path, tmp_path / "s.h5", compression=compression)
    with h5py.File(tmp_path / "s.h5") as file:
        assert np.array_equal(file["masks_raw"][()], expected.masks["masks_raw"])
        assert np.array_equal(file["masks/labels"][()], expected.masks["masks/labels"])


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "u4", "i4", "i8", "f4", "f8"])
def test_every_dtype_gives_the_same_spots(tmp_path, dtype):
    frames, _ = made.stack(frames=20, dtype=np.int64)
    frames = np.minimum(frames, 255)
    expected = find_spots(frames.astype(np.uint16)).columns
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames.astype(dtype))
    found = find_spots(path).columns
    for name, column in expected.items():
        np.testing.assert_allclose(found[name], column, rtol=1e-12 if name == "I" else 0, err_msg=name)


def test_kruskal_through_a_file(tmp_path):
    """Background from the blocks: unbiased where trimming is low by 0.42 sigma, and stats/n says how many values."""
    frames, _ = made.stack(frames=200, repeat=10, spots=1)
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames, repeat=10)
    report = find_spots(path, tmp_path / "s.h5", method="kruskal", sync="blocks")
    trimmed = pixel_stats(frames)
    quiet = trimmed.avg > 100
    bias = np.median((trimmed.avg - report.stats.avg)[quiet] / report.stats.std[quiet])
    assert -0.46 < bias < -0.38
    with h5py.File(report.output) as file:
        assert "n_removed" not in file["info"].attrs and file["stats/n"][()].max() == 200


def test_unbiased_undoes_the_trim():
    frames = np.random.default_rng(1).normal(1000, 50, (400, 30, 30)).astype(np.float32)
    stats = find_spots(frames, unbiased=True).stats
    assert np.mean(stats.avg) == pytest.approx(1000, abs=1) and np.mean(stats.std) == pytest.approx(50, rel=0.02)


def test_options_beyond_the_old_program():
    frames, truth = made.stack(frames=20, spots=3, beam_stop=False)
    frames[4, 46:49, 46:49] = 65535
    plain = find_spots(frames)
    everything = find_spots(frames, centres=True, saturation=60000, min_pixels=20).columns
    assert (everything["n_pixels"] >= 20).all() and everything["n_saturated"].max() == 9
    assert (everything["sigma_I"] > 0).all()
    for frame, *place in truth:  # weighted centres are good to a tenth of a pixel
        near = np.abs(everything["centre"][everything["frame"] == frame] - place).max(axis=1)
        assert near.min() < 0.1
    mask = np.zeros(frames.shape[1:], bool)
    mask[42:53, 42:53] = True
    masked = find_spots(frames, mask=mask).columns
    assert not mask.ravel()[masked["pixel_list"]].all() and len(masked["I"]) < len(plain.columns["I"]) + 5
    hit = [i for i, (x, y) in enumerate(masked["XY"]) if mask[x, y] and masked["frame"][i] == 4]
    assert not hit


def test_dilations_do_not_reach_into_the_detector_mask():
    """A hot pixel that is masked adds nothing to the spot beside it, in no frame of a synced mask either."""
    frames = np.random.default_rng(3).poisson(100, (20, 64, 64)).astype(np.uint16)
    frames[7, 20:26, 30:36] += 200
    frames[:, 22, 36] = 60000
    mask = np.zeros(frames.shape[1:], bool)
    mask[22, 36] = True
    angle, laser = np.repeat(np.arange(10), 2), np.tile([False, True], 10)
    for options in ({}, {"sync": "pairs", "angle": angle, "laser_on": laser}):
        report = find_spots(frames, mask=mask, keep_masks=True, **options)
        assert len(report.columns["I"]) > 0
        assert not mask.ravel()[report.columns["pixel_list"]].any()
        assert all(not masks[:, mask].any() for masks in report.masks.values())
        assert (report.columns["I_raw"] < 60000).all()


def test_merged_spots_are_split_at_their_maxima():
    """Two spots seven pixels apart are one component; --split parts them where they meet and loses no pixel."""
    frames = np.random.default_rng(0).poisson(50, (20, 48, 48)).astype(np.uint16)
    rows, columns = np.mgrid[:48, :48]
    for column in (20, 27):
        frames[3] += (3000 * np.exp(-((rows - 24) ** 2 + (columns - column) ** 2) / (2 * 1.8**2))).astype(np.uint16)
    whole, parted = find_spots(frames), find_spots(frames, split=True, keep_masks=True)
    one, two = whole.to_dataframe().query("frame == 3"), parted.to_dataframe().query("frame == 3")
    assert len(one) == 1 and two.Y.tolist() == [20, 27] and two.X.tolist() == [24, 24]
    assert two.n_pixels.sum() == one.n_pixels.sum() and two.I_raw.sum() == one.I_raw.sum()
    assert two.I.max() < 1.1 * two.I.min() and parted.masks["masks/labels"][3].max() == 2
    for _, row in two.iterrows():
        inside = parted.masks["masks/labels"][3] == row.label
        assert inside.sum() == row.n_pixels and inside[int(row.X), int(row.Y)]


def test_constant_pixels_are_counted_and_warned_of():
    """std = 0 and >= set the beam stop in every frame, as the old formula says; --min-std leaves it out."""
    frames, _ = made.stack()
    with pytest.warns(DataWarning, match="never vary"):
        report = find_spots(frames)
    assert report.constant_pixels == (report.stats.std == 0).sum() > 20
    middle = report.to_dataframe().query("X == 46 and Y == 49")
    clean = find_spots(frames, min_std=0.5)
    assert len(clean.columns["I"]) < report.n_spots or middle.empty


def test_saturated_threshold_never_passes():
    """A threshold above the dtype's top is not cut to it: a pixel at 65535 must not pass by saturation."""
    rng = np.random.default_rng(0)
    frames = rng.choice(np.array([0, 65535], np.uint16), (20, 16, 16))
    report = find_spots(frames, keep_masks=True)
    _, reachable = report.stats.threshold(3.0)
    assert not reachable.all()
    assert not report.masks["masks_raw"][:, ~reachable].any()


def test_zero_spots(tmp_path):
    """An empty table has every array."""
    frames = np.arange(20, dtype=np.uint16)[:, None, None] % 2 + np.zeros((20, 8, 8), np.uint16)
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames)
    report = find_spots(path, tmp_path / "s.h5", erosions=5)
    assert report.n_spots == 0 and read_spots(tmp_path / "s.h5").empty
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["spots/box"].shape == (0, 4) and not file["masks/labels"][()].any()


def test_default_output_names():
    assert default_output("a/x__mccd.h5") == "a/x__spots.h5" and default_output("x.hdf5") == "x__spots.h5"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n": 100}, LimitError),
        ({"n": -1}, LimitError),
        ({"alpha": 0}, LimitError),
        ({"cutoff": float("nan")}, LimitError),
        ({"cutoff": float("inf")}, LimitError),
        ({"erosions": -1}, LimitError),
        ({"dilations": -1}, LimitError),
        ({"structure": "3,1"}, UnsupportedError),
        ({"structure": "two"}, UnsupportedError),
        ({"method": "median"}, OptionError),
        ({"sync": "all"}, OptionError),
        ({"compression": "rar"}, OptionError),
        ({"angles": -1}, LimitError),
        ({"erosions": 2**31}, LimitError),
        ({"dilations": 10**20}, LimitError),
        ({"min_pixels": 10**20}, LimitError),
    ],
)
def test_options_out_of_range(options, error):
    with pytest.raises(error) as caught:
        find_spots(np.zeros((4, 4, 4), np.uint16), **options)
    assert "\n" not in str(caught.value) and next(iter(options)) in str(caught.value)


def refused(tmp_path, error, match, **options):
    """find_spots raises one line, leaves no file behind and an old output as it was."""
    (tmp_path / "out.h5").write_bytes(b"old")
    with pytest.raises(error, match=match) as caught:
        find_spots(tmp_path / "x__mccd.h5", tmp_path / "out.h5", overwrite=True, **options)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out.h5").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} <= {"x__mccd.h5", "out.h5"}


def test_bad_inputs(tmp_path):
    """Every line of the specification's list that is about the file."""
    frames, _ = made.stack(frames=20, spots=1)
    path = tmp_path / "x__mccd.h5"
    path.write_bytes(b"not HDF5 at all")
    refused(tmp_path, FormatError, "HDF5")
    path.unlink()
    refused(tmp_path, FileNotFoundError, "x__mccd")
    with h5py.File(path, "w") as file:
        file["flat"] = np.zeros((3, 3))
    refused(tmp_path, FormatError, "3-D dataset")
    with h5py.File(path, "w") as file:
        file["p"], file["q"] = np.zeros((3, 3, 3)), np.zeros((3, 3, 3))
    refused(tmp_path, FormatError, "/p, /q")
    with h5py.File(path, "w") as file:
        file["frames"] = frames
    refused(tmp_path, MetadataError, "angle")
    made.write_mccd_h5(path, frames[:0], angle=np.zeros(0))
    refused(tmp_path, FormatError, "at least one frame")
    made.write_mccd_h5(path, frames, angle=np.zeros(7))
    refused(tmp_path, MetadataError, "20 values")
    made.write_mccd_h5(path, frames, angle=np.r_[np.arange(19.0), np.nan])
    refused(tmp_path, MetadataError, "frame 19")
    made.write_mccd_h5(path, frames, angle=np.arange(20) // 5)
    refused(tmp_path, MetadataError, "at least 10 different angles, found 4")
    made.write_mccd_h5(path, frames, laser=False)
    refused(tmp_path, MetadataError, "laser", method="kruskal")
    refused(tmp_path, MetadataError, "laser", sync="pairs")
    refused(tmp_path, MetadataError, "laser", sync="blocks")
    made.write_mccd_h5(path, frames[:19], angle=np.arange(19) // 2 * 1.0)
    refused(tmp_path, MetadataError, "even number", sync="pairs", angles=9)
    made.write_mccd_h5(path, frames, angle=(np.arange(20) + 1) // 2 * 1.0)
    refused(tmp_path, MetadataError, "frames 0 and 1.*one angle", sync="pairs")
    broken = frames.astype(np.float32)
    broken[7, 3, 5] = np.nan
    made.write_mccd_h5(path, broken)
    refused(tmp_path, FormatError, r"frame 7, pixel \(3, 5\)")


def test_arrays_of_angles_and_states():
    frames = made.stack(frames=20, spots=1)[0]
    angle, states = made.angles(20), np.array(["on", "off"] * 10)
    found = [
        find_spots(frames, angle=angle, laser_on=laser, sync="pairs").n_spots for laser in (states, states.astype("S"))
    ]
    assert found[0] == found[1]
    angle[3] = np.nan
    with pytest.raises(MetadataError, match="finite"):
        find_spots(frames, angle=angle)


def test_tables_that_are_none(tmp_path):
    """A FormatError for arrays of another shape; what others have added does not matter."""
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack(frames=20, spots=1)[0])
    spots = tmp_path / "s.h5"
    find_spots(path, spots)
    table = read_spots(spots)
    with h5py.File(spots, "a") as file:
        file["spots/hkl"] = np.zeros((len(table), 3))
    assert read_spots(spots).equals(table)
    whole = spots.read_bytes()
    for name, value in (("XY", np.zeros(len(table))), ("XY", np.zeros((len(table), 1))), ("I", 3.0), ("I", None)):
        spots.write_bytes(whole)
        with h5py.File(spots, "a") as file:
            del file["spots"][name]
            if value is None:
                file.create_group(f"spots/{name}")
            else:
                file[f"spots/{name}"] = value
        with pytest.raises(FormatError, match=r"spots/\w+: expected"):
            read_spots(spots)


def test_laser_off_on_off_is_not_pairs(tmp_path):
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack(frames=20, spots=1)[0])
    with h5py.File(path, "r+") as file:
        file["lauecollect/laser_on"][2:4] = 0
    refused(tmp_path, MetadataError, "frames 2 and 3.*both off", sync="pairs")


def test_cut_or_corrupt_chunks_name_the_frame(tmp_path):
    frames, _ = made.stack(frames=20, spots=1)
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames, compression="gzip", chunks=(1, 96, 101))
    with h5py.File(path) as file:
        chunk = file["frames"].id.get_chunk_info_by_coord((7, 0, 0))
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + 10 : chunk.byte_offset + 200] = bytes(190)
    path.write_bytes(data)
    refused(tmp_path, FormatError, "frame 7")
    path.write_bytes(data[: chunk.byte_offset])
    refused(tmp_path, FormatError, "HDF5")


def test_a_chunk_that_inflates_too_far_is_refused(tmp_path):
    """A gzip bomb in the place of a frame is seen after one byte too many."""
    import zlib

    path = made.write_mccd_h5(
        tmp_path / "x__mccd.h5", made.stack(frames=20, spots=1)[0], compression="gzip", chunks=(1, 96, 101)
    )
    with h5py.File(path, "r+") as file:
        file["frames"].id.write_direct_chunk((3, 0, 0), zlib.compress(bytes(10 << 20)))
    refused(tmp_path, FormatError, "frame 3")


def test_every_truncation_of_the_file_is_an_error(tmp_path):
    """Cut anywhere, a file gives one typed error, or the result of the whole file, and leaves nothing behind."""
    frames, _ = made.stack(frames=20, height=24, width=24, spots=0)
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames, compression="gzip", chunks=(1, 24, 24))
    whole = path.read_bytes()
    for size in range(0, len(whole), 397):
        path.write_bytes(whole[:size])
        with pytest.raises((FormatError, MetadataError)):
            find_spots(path, tmp_path / "out.h5")
        assert [item.name for item in tmp_path.iterdir()] == ["x__mccd.h5"]


def test_flipped_bytes_never_crash(tmp_path):
    """Hostile HDF5: damaged metadata ends in a typed error or a result, not in a crash or a partial output."""
    from braggio.errors import BraggioError

    frames, _ = made.stack(frames=20, height=24, width=24, spots=0)
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames, compression="gzip", chunks=(1, 24, 24))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 8192), 3):
            data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                find_spots(path, tmp_path / "out.h5", overwrite=True, memory=1 << 28)
        except (BraggioError, OSError):
            assert not (tmp_path / "out.h5").exists()
        (tmp_path / "out.h5").unlink(missing_ok=True)
        assert [item.name for item in tmp_path.iterdir()] == ["x__mccd.h5"]


def test_outputs_that_must_not_be_written(tmp_path):
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", made.stack(frames=20, spots=1)[0])
    with pytest.raises(OutputError, match="another file than the input"):
        find_spots(path, path, overwrite=True)
    (tmp_path / "s.h5").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists"):
        find_spots(path, tmp_path / "s.h5")
    assert (tmp_path / "s.h5").read_bytes() == b"old"
    with pytest.raises(OutputError):
        find_spots(path, tmp_path / "no/such/folder.h5")
    os.mkfifo(tmp_path / "pipe")
    for output in (tmp_path / "pipe", tmp_path):
        for source in (path, made.stack(frames=20, spots=1)[0]):
            with pytest.raises(OutputError, match="expected a file"):
                find_spots(source, output, overwrite=True)
    assert (tmp_path / "pipe").is_fifo()
