"""mccd frames and a Lauecollect log to HDF5, against fabio and byte by byte."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from laue import made

from braggio.errors import FormatError, LimitError, MetadataError, OutputError, TruncatedError
from braggio.formats.lauecollect import read_log
from braggio.formats.mccd import open_mccd, parse_header
from braggio.laue import find_spots, mccd_to_hdf5

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")

FIELDS = {
    "xtal_to_detector": 100_250,
    "beam_x": 1_024_500,
    "beam_y": 1_023_250,
    "exposure_time": 2500,
    "start_phi": 30_125,
    "end_phi": 30_125,
    "pixelsize_x": 88_600,
    "pixelsize_y": 88_600,
    "mean_bias": 10_000,
    "source_wavelength": 103_300,
}


def scan(folder, frames, *, order="<", angle=None):
    """Files f_000.mccd ... and scan.log, as Lauecollect writes it."""
    lines = ["# Lauecollect log", "#date time\tfile\tdelay\tangle[deg]\tlaser_on\trepeat\tcomment"]
    for i, pixels in enumerate(frames):
        made.mccd(folder / f"f_{i:03d}.mccd", pixels, order=order, **FIELDS)
        degrees = made.angles(len(frames))[i] if angle is None else angle[i]
        delay = "100ps" if i % 2 == 0 else "-"
        lines.append(f"01-Jan-18 15:30:45\tf_{i:03d}.mccd\t{delay}\t{degrees:.4f}\t{int(i % 2 == 0)}\t1\t")
    (folder / "scan.log").write_text("\n".join(lines) + "\n")
    return folder / "scan.log"


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_header_field_and_pixel(tmp_path, order):
    """Physical values in both byte orders; fabio agrees on the pixels."""
    fabio = pytest.importorskip("fabio")
    pixels = np.random.default_rng(0).integers(0, 65536, (130, 70)).astype(np.uint16)
    path = made.mccd(tmp_path / "a.mccd", pixels, order=order, **FIELDS)
    from braggio._core import Source

    with open_mccd(Source.open(str(path)), str(path)) as image:
        assert np.array_equal(image.read(0), pixels)
        header = image.header
    expected = {
        "distance": 100.25,
        "beam_x_px": 1024.5,
        "beam_y_px": 1023.25,
        "exposure": 2.5,
        "phi": 30.125,
        "pixel_size_x": 0.0886,
        "bias": 10.0,
        "wavelength": 1.033,
        "time": 1514907045.123456,
    }
    for name, value in expected.items():
        assert header[name] == pytest.approx(value, abs=1e-9), name
    assert header["nfast"] == 70 and header["nslow"] == 130 and header["saturated_value"] == 65535
    if order == "<":
        assert np.array_equal(fabio.open(str(path)).data, pixels)


def test_distance_falls_back_to_the_start_of_the_scan(tmp_path):
    path = made.mccd(tmp_path / "a.mccd", np.zeros((2, 2)), start_xtal_to_detector=99_000)
    assert parse_header(path.read_bytes())["distance"] == 99.0


def test_a_scan_becomes_a_file_that_spots_reads(tmp_path):
    """The whole chain: mccd and log, then pairs of frames, laser on and off from the log."""
    frames, truth = made.stack(frames=40, height=130, width=101)
    log = scan(tmp_path, frames)
    report = mccd_to_hdf5(log, threads=2)
    assert report.output == str(tmp_path / "scan__mccd.h5") and report.shape == (40, 130, 101)
    assert report.laser and report.block_size == 2 and report.n_angles == 20
    with h5py.File(report.output) as file:
        assert np.array_equal(file["frames"][()], frames) and file["frames"].chunks == (1, 64, 101)
        assert np.array_equal(file["lauecollect/laser_on"][()], np.arange(40) % 2 == 0)
        np.testing.assert_allclose(file["lauecollect/angle"][()], made.angles(40))
        assert file["lauecollect/delay"].asstr()[1] == "-" and file["lauecollect/frame_number_global"][39] == 39
        assert file["header/distance"][3] == 100.25 and file["header/distance"].attrs["units"] == "mm"
        assert (
            file["header/measured_bias"].shape == (40, 9)
            and file["header/acquire_timestamp"].asstr()[0] == "010215302018.45"
        )
    synced = find_spots(report.output, sync="pairs")
    assert synced.n_angles == 20 and len(synced.counts) == 20 and synced.n_spots >= len(truth)


def test_same_bytes_for_any_number_of_threads(tmp_path):
    log = scan(tmp_path, made.stack(frames=6, repeat=2)[0])
    outputs = [Path(mccd_to_hdf5(log, tmp_path / f"{threads}.h5", threads=threads).output) for threads in (1, 3)]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_bad_scans_leave_nothing(tmp_path):
    frames = made.stack(frames=4, repeat=2)[0]
    log = scan(tmp_path, frames)
    good = log.read_text()

    def refused(error, match):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(error, match=match) as caught:
            mccd_to_hdf5(log)
        assert "\n" not in str(caught.value) and sorted(tmp_path.iterdir()) == before

    log.write_text("# nothing\n")
    refused(FormatError, "column names")
    log.write_text(good.split("01-Jan")[0])
    refused(FormatError, "one line per image")
    log.write_text(good.replace("angle[deg]", "tilt"))
    refused(MetadataError, "angle or phi")
    log.write_text(good.replace("1.5000", "east"))
    refused(MetadataError, "an angle in degrees")
    log.write_text(good.replace("\t1.5000\t1\t1\t", "\t1.5"))
    refused(FormatError, "7 columns")
    log.write_text(good.replace("f_001.mccd", "f_999.mccd"))
    refused(FileNotFoundError, "f_999")
    log.write_text(good.replace("f_001.mccd", "f_000.mccd"))
    refused(MetadataError, "f_000.mccd in rows 1 and 2")
    log.write_text(good.replace("repeat", "delay"))
    refused(FormatError, "different names")
    log.write_text(good)
    whole = (tmp_path / "f_002.mccd").read_bytes()
    for size in (0, 3, 1500, 4095, 4096, len(whole) - 1):
        (tmp_path / "f_002.mccd").write_bytes(whole[:size])
        refused(TruncatedError if size else FormatError, "f_002")
    made.mccd(tmp_path / "f_002.mccd", frames[0][:-1])
    refused(FormatError, "frame shape")
    made.mccd(tmp_path / "f_002.mccd", frames[0], nimages=4)
    refused(FormatError, "one image")
    made.mccd(tmp_path / "f_002.mccd", frames[0], nfast=-1, nslow=-1)
    refused(LimitError, "f_002")
    (tmp_path / "f_002.mccd").write_bytes(whole)
    mccd_to_hdf5(log)
    refused(OutputError, "exists")


def test_the_output_is_none_of_the_inputs(tmp_path):
    log = scan(tmp_path, made.stack(frames=4, repeat=2)[0])
    (tmp_path / "link.h5").symlink_to(log)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for output in (log, tmp_path / "link.h5", tmp_path / "f_002.mccd"):
        with pytest.raises(OutputError, match="than the inputs"):
            mccd_to_hdf5(log, output, overwrite=True)
    with pytest.raises(OutputError, match="found a folder"):
        mccd_to_hdf5(log, tmp_path, overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_header_flips_never_crash(tmp_path):
    from braggio._core import Source
    from braggio.errors import BraggioError

    path = made.mccd(tmp_path / "a.mccd", np.ones((8, 8)))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(500):
        data = bytearray(whole)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            with open_mccd(Source.open(str(path))) as image:
                image.read(0)
        except BraggioError:
            pass


def test_log_columns(tmp_path):
    log = scan(tmp_path, made.stack(frames=2, repeat=2)[0])
    columns = read_log(log)
    assert list(columns) == ["date time", "file", "delay", "angle", "laser_on", "repeat", "comment"]
    assert columns["laser_on"].tolist() == [1.0, 0.0] and columns["delay"].tolist() == ["100ps", "-"]


def test_log_texts(tmp_path):
    """Any encoding of comments, numbers only where Lauecollect would write one, no column lost for its unit."""
    log = scan(tmp_path, made.stack(frames=2, repeat=2)[0])
    good = log.read_text().replace("repeat", "angle[mrad]").replace("\t1\t\n", "\t2_5\tpróbka \x85Å\n")
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        log.write_text(good.replace("\n", "\r\n"), encoding=encoding, newline="")
        columns = read_log(log)
        assert list(columns) == ["date time", "file", "delay", "angle", "laser_on", "angle[mrad]", "comment"]
        assert columns["angle[mrad]"].tolist() == ["2_5"] * 2 and columns["comment"].tolist() == ["próbka \x85Å"] * 2
