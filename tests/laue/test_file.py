"""The output as other programs see it, the inputs as others compress them, and every warning."""

import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from laue import made

from braggio.errors import DataWarning, FormatError
from braggio.laue import find_spots
from braggio.storage import hdf5


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laue")
    path = made.write_mccd_h5(folder / "x__mccd.h5", made.stack()[0], compression="gzip", chunks=(1, 96, 101))
    with pytest.warns(DataWarning):
        find_spots(path, folder / "x__spots.h5", sync="pairs", centres=True, saturation=60000)
    return folder / "x__spots.h5"


def test_h5dump_reads_every_dataset(output):
    """The tools of HDF5 1.10, which know none of the newer layouts."""
    tool = shutil.which("h5dump")
    if tool is None:
        pytest.skip("h5dump (Debian: hdf5-tools) is not installed")
    head = subprocess.run([tool, "-H", "-p", output], capture_output=True, text=True, check=False)
    assert head.returncode == 0 and "DEFLATE" in head.stdout and "error" not in head.stderr
    with h5py.File(output) as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        counts = file["masks/counts"][()]
    assert len(names) > 20
    everything = subprocess.run([tool, output], capture_output=True, text=True, check=False)
    assert everything.returncode == 0 and "unable" not in everything.stderr + everything.stdout
    shown = subprocess.run([tool, "-y", "-w", "1", "-d", "masks/counts", output], capture_output=True, text=True)
    numbers = [int(word.strip(",")) for word in shown.stdout.split("DATA {")[1].split("}")[0].split()]
    assert numbers == counts.tolist()


def test_every_plot_group_follows_the_nexus_rules(output):
    """@default leads to an NXdata group, @signal names a dataset in it, auxiliary signals have its shape."""
    with h5py.File(output) as file:
        group = file[file.attrs["default"]]
        assert file.attrs["NX_class"] == "NXroot" and group.attrs["NX_class"] == "NXdata"
        found = 0
        for name in ("stats", "masks", "spots"):
            group = file[name]
            assert group.attrs["NX_class"] == "NXdata"
            signal = group[group.attrs["signal"]]
            assert isinstance(signal, h5py.Dataset) and signal.dtype.kind in "iuf"
            for other in group.attrs.get("auxiliary_signals", []):
                assert group[other].shape == signal.shape
                found += 1
        assert found >= 4 and file["stats/avg"].attrs["interpretation"] == "image"


def test_silx_takes_the_plots(output):
    nxdata = pytest.importorskip("silx.io.nxdata")
    with h5py.File(output) as file:
        default = nxdata.get_default(file)
        assert default is not None and default.is_valid and default.signal.name == "/stats/avg"
        for name in ("stats", "masks", "spots"):
            found = nxdata.NXdata(file[name])
            assert found.is_valid, found.issues
        assert nxdata.NXdata(file["masks"]).is_stack or nxdata.NXdata(file["masks"]).signal.ndim == 3


@pytest.mark.parametrize("threads", [1, 2])
def test_maps_in_several_chunks(tmp_path, monkeypatch, threads):
    """The last of them reaches beyond the map."""
    monkeypatch.setattr(hdf5, "MAP_CHUNK", 7 * 101 * 8)
    values = np.random.default_rng(0).normal(300, 5, (96, 101)).round(1)
    with h5py.File(tmp_path / "x.h5", "w") as file, ThreadPoolExecutor(threads) as pool:
        for name, array in (("f8", values), ("u2", values.astype(np.uint16)), ("wide", values[:3].reshape(1, -1))):
            hdf5.write_map(file, name, array, pool)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["f8"].chunks == (7, 101) and file["f8"].compression == "gzip" and file["f8"].shuffle
        assert np.array_equal(file["f8"], values) and np.array_equal(file["u2"], values.astype(np.uint16))
        assert np.array_equal(file["wide"], values[:3].reshape(1, -1))


@pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
@pytest.mark.parametrize("filters", ["lzf", "gzip+fletcher32", "scaleoffset", "bitshuffle", "zstd", "blosc2"])
def test_inputs_of_other_filters(tmp_path, filters):
    """What is not gzip goes through h5py; the spots are the same."""
    frames, _ = made.stack(frames=20, spots=3)
    options = {
        "lzf": {"compression": "lzf"},
        "gzip+fletcher32": {"compression": "gzip", "fletcher32": True},
        "scaleoffset": {"scaleoffset": 0},
    }.get(filters)
    if options is None:
        plugin = pytest.importorskip("hdf5plugin")
        maker = {"bitshuffle": plugin.Bitshuffle, "zstd": plugin.Zstd, "blosc2": plugin.Blosc2}[filters]
        options = dict(maker())
    path = made.write_mccd_h5(tmp_path / "x__mccd.h5", frames, chunks=(1, 96, 101), **options)
    expected, found = find_spots(frames), find_spots(path, threads=2, memory=2 << 20)
    for name, column in expected.columns.items():
        assert np.array_equal(found.columns[name], column), name


WITHOUT_PLUGIN = """
import sys
import warnings
sys.modules["hdf5plugin"] = None
from braggio.cli.spots import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")
def test_virtual_datasets_need_their_sources(tmp_path):
    """Where one is missing HDF5 would give zeros for its frames."""
    frames = made.stack(frames=20, spots=2)[0]
    for half, name in ((frames[:10], "a.h5"), (frames[10:], "b.h5")):
        with h5py.File(tmp_path / name, "w") as file:
            file["data"] = half
    layout = h5py.VirtualLayout(frames.shape, frames.dtype)
    layout[:10] = h5py.VirtualSource("a.h5", "data", (10, 96, 101))
    layout[10:] = h5py.VirtualSource(tmp_path / "b.h5", "data", (10, 96, 101))
    path = tmp_path / "x__mccd.h5"
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("frames", layout)
        file["lauecollect/angle"] = made.angles(20)
    link = tmp_path / "elsewhere" / path.name
    link.parent.mkdir()
    link.symlink_to(path)
    for each in (path, link):
        assert np.array_equal(find_spots(each).columns["I"], find_spots(frames).columns["I"])
    (tmp_path / "b.h5").unlink()
    with pytest.raises(FormatError, match=r"virtual source .*b\.h5"):
        find_spots(path)


def test_a_missing_filter_plugin_is_named(tmp_path):
    """One line that names the filter and what to install, exit 1, nothing written."""
    plugin = pytest.importorskip("hdf5plugin")
    path = made.write_mccd_h5(
        tmp_path / "x__mccd.h5", made.stack(frames=20)[0], chunks=(1, 96, 101), **dict(plugin.Bitshuffle())
    )
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PLUGIN, str(path)], capture_output=True, text=True, check=False
    )
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1 and len(lines) == 1, done.stderr
    assert "bitshuffle" in lines[0] and "hdf5plugin" in lines[0] and str(path) in lines[0]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("header", "warned"), [(60000, True), (60001, False), (10**6, False), ("full", False)])
def test_the_detector_says_what_is_saturated(header, warned, tmp_path):
    """As its header has it; a value that the pixels cannot have leaves the top of their type."""
    frames, _ = made.stack(frames=20, beam_stop=False)
    frames[3, 40:46, 40:46] = 60000
    with h5py.File(tmp_path / "x__mccd.h5", "w") as file:
        file["frames"] = frames
        file["frames"].attrs["saturated_value"] = header
        file["lauecollect/angle"] = np.arange(20.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = find_spots(tmp_path / "x__mccd.h5")
        assert find_spots(tmp_path / "x__mccd.h5", saturation=60000).warnings != ()
    assert any("saturated" in text for text in report.warnings) == warned


def test_every_warning():
    """Constant pixels, much of a frame masked, saturated pixels in spots, nothing removed, uneven blocks."""
    frames, _ = made.stack(frames=20, beam_stop=False)
    assert find_spots(frames).warnings == ()
    flat = frames.copy()
    flat[:, :10] = 7
    bright = frames.copy()
    bright[5] += 400
    full = frames.copy()
    full[3, 40:46, 40:46] = 65535
    laser = np.arange(20) % 2 == 0
    uneven = np.repeat(np.arange(10), 2)
    uneven[1] = 9
    for pixels, options, text in (
        (flat, {}, "never vary"),
        (bright, {}, "more than 25% of the pixels pass the cutoff on 1 frame(s): 5"),
        (full, {}, "1 spot(s) hold saturated pixels"),
        (frames[:3], {}, "no value is removed: 3 frames are too few"),
        (frames, {"sync": "blocks", "angle": uneven, "laser_on": laser, "angles": 0}, "blocks of 1, 2, 3 frames"),
    ):
        with pytest.warns(DataWarning) as caught:
            report = find_spots(pixels, **options)
        assert any(text in str(warning.message) for warning in caught), [str(w.message) for w in caught]
        assert any(text in warning for warning in report.warnings)
