"""Dumps: what is written, calibration, going on after an interruption, and what is refused."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xtc_makers as made
from makers import tree

from braggio.errors import FormatError, GeometryError, MetadataError, OutputError
from braggio.formats.cspad_cbf import open_cspad_cbf
from braggio.formats.image_pickle import read_image_pickle
from braggio.model.cspad import Cspad, Placement, raw
from braggio.xfel.convert import cut_tiles
from braggio.xfel.metrology import read_slac, write_slac
from braggio.xtc import (
    LOW_GAIN_FACTOR,
    Calibration,
    DumpOptions,
    Run,
    dump_run,
    find_calibration,
    open_run,
    read_pedestals,
)
from braggio.xtc.shots import WRITERS
from braggio.xtc.shots_h5 import ShotFile

SHOTS = {"quads": made.SMALL_QUADS, "roi": made.SMALL_ROI}
SHAPE = (4, 8, 185, 388)
RECORD, H5_RECORD = "xtc_dump-r0054-npz.json", "xtc_dump-r0054-h5.json"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return open_run(made.write(tmp_path, made.small_run(4)))


def options(folder: Path, **changes: object) -> DumpOptions:
    return DumpOptions(**{"address": "cspad", "output_dir": str(folder / "out"), **changes})  # type: ignore[arg-type]


def images(folder: Path) -> list[Path]:
    return sorted((folder / "out").glob("shot-*"))


class TestNpz:
    def test_one_file_a_shot(self, tmp_path: Path, run: Run) -> None:
        report = dump_run(run, options(tmp_path, detz_offset=581))
        assert (report.written, report.kept, report.events, report.failed) == (4, 0, 4, [])
        assert [path.name for path in images(tmp_path)] == [
            "shot-20141201073601249.npz",
            "shot-20141201073601257.npz",
            "shot-20141201073601265.npz",
            "shot-20141201073601273.npz",
        ]
        for i, path in enumerate(images(tmp_path)):
            with np.load(path, allow_pickle=False) as shot:
                assert shot["data"].dtype == np.int16
                np.testing.assert_array_equal(shot["data"], made.masked(made.image(i), **SHOTS))
                assert (int(shot["seconds"]), int(shot["nanoseconds"])) == made.event_clock(i)
                assert (int(shot["run"]), int(shot["fiducials"])) == (54, 100 + 3 * i)
                assert str(shot["address"]) == "CxiDs1-0|Cspad-0"
                assert float(shot["distance"]) == 131.5 - i
                assert float(shot["wavelength"]) == pytest.approx(1.751244, abs=1e-6)
                assert shot["event_codes"].tolist() == [140, 40 + i]
        record = json.loads((tmp_path / "out" / RECORD).read_text())
        assert (record["finished"], record["images"]) == (True, 4)

    def test_the_bytes_do_not_depend_on_threads(self, tmp_path: Path, run: Run) -> None:
        dump_run(run, options(tmp_path), threads=1)
        dump_run(run, options(tmp_path, output_dir=str(tmp_path / "other")), threads=3)
        for path in sorted((tmp_path / "out").iterdir()):
            assert (tmp_path / "other" / path.name).read_bytes() == path.read_bytes()

    def test_no_more_than_asked(self, tmp_path: Path, run: Run) -> None:
        assert dump_run(run, options(tmp_path, max_events=2)).written == 2

    def test_selected_times(self, tmp_path: Path, run: Run) -> None:
        dump_run(run, options(tmp_path, timestamps=("2014-12-01T07:36Z01.257", "20141201073601273")))
        assert [path.name[-7:-4] for path in images(tmp_path)] == ["257", "273"]

    def test_times_that_are_not_there_are_told(self, tmp_path: Path, run: Run) -> None:
        report = dump_run(run, options(tmp_path, timestamps=("2014-12-01T07:36Z01.257", "20010101000000000")))
        assert report.problems.notes == ["no event of time 20010101000000000"]

    def test_what_is_not_known_is_nan(self, tmp_path: Path) -> None:
        data = made.configure(config=made.cspad_config(**SHOTS)) + made.datagram(
            "L1Accept", (made.START + 9, 0), made.cspad(made.image(), **SHOTS)
        )
        dump_run(open_run(made.write(tmp_path, data, "a.xtc")), options(tmp_path))
        with np.load(images(tmp_path)[0]) as shot:
            assert math.isnan(shot["wavelength"]) and math.isnan(shot["distance"])
            assert int(shot["run"]) == -1

    def test_an_energy_of_the_user(self, tmp_path: Path, run: Run) -> None:
        dump_run(run, options(tmp_path, override_energy=7000.0))
        with np.load(images(tmp_path)[0]) as shot:
            assert float(shot["wavelength"]) == 12398.4187 / 7000

    def test_two_shots_of_one_millisecond(self, tmp_path: Path) -> None:
        shots = [
            made.datagram("L1Accept", (9, i), made.frame(np.full((2, 2), i), 8), fiducials=40 + i) for i in range(3)
        ]
        dump_run(open_run(made.write(tmp_path, b"".join(shots))), options(tmp_path, address="Tm6740"))
        assert sorted(path.name for path in images(tmp_path)) == [
            "shot-19700101000009000-41.npz",
            "shot-19700101000009000-42.npz",
            "shot-19700101000009000.npz",
        ]

    def test_events_without_an_image_are_counted_and_left_out(self, tmp_path: Path) -> None:
        shots = [
            made.shot(0, made.cspad(made.image(0), **SHOTS)),
            made.shot(1, made.cspad(made.image(1), damage=2, **SHOTS)),
            made.shot(2),
            made.shot(3, made.cspad(made.image(3), quads=3, roi=0x0101)),
            made.shot(4, made.cspad(made.image(4), **SHOTS)),
        ]
        data = made.configure(config=made.cspad_config(**SHOTS)) + b"".join(shots)
        report = dump_run(open_run(made.write(tmp_path, data)), options(tmp_path))
        assert (report.written, report.events) == (2, 5)
        assert sorted(report.missing.values()) == [1, 1]
        assert any("Dropped" in reason for reason in report.missing)
        assert len(report.failed) == 1 and "CspadElement size" in report.failed[0]

    def test_what_stands_beside_an_image_does_not_stop_it(self, tmp_path: Path) -> None:
        odd = made.xtc(made.EVR, bytes(8), made.EVR_SOURCE, version=9)
        beam = made.xtc(made.EBEAM, bytes(8), made.BEAM, version=9)
        data = made.datagram("L1Accept", (9, 0), odd, beam, made.frame(np.ones((2, 2)), 8))
        report = dump_run(open_run(made.write(tmp_path, data)), options(tmp_path, address="Tm6740"))
        assert report.written == 1
        assert {"EvrData V9" in note or "EBeamBld V9" in note for note in report.problems.notes} == {True}

    def test_progress_ends_at_the_number_of_events(self, tmp_path: Path, run: Run) -> None:
        calls: list[tuple[int, int]] = []
        dump_run(run, options(tmp_path), progress=lambda done, total: calls.append((done, total)))
        assert [done for done, _ in calls] == [1, 2, 3, 4]
        assert all(done <= total for done, total in calls)


class TestCalibration:
    def test_pedestals_then_gain(self, tmp_path: Path) -> None:
        gain = np.zeros((4, 185, 194), np.uint16)
        gain[0, :, :100] = 1 << 5  # section 2, second ASIC
        config = made.cspad_config(gain=gain, **SHOTS)
        data = made.configure(config=config) + made.shot(0, made.cspad(made.image(0), **SHOTS))
        pedestals = np.random.default_rng(0).normal(1000, 5, SHAPE)
        np.save(tmp_path / "dark.npy", pedestals)
        asked = options(tmp_path, pedestals=str(tmp_path / "dark.npy"), gain_mask_value=LOW_GAIN_FACTOR)
        dump_run(open_run(made.write(tmp_path, data)), asked)
        expected = made.masked(made.image(0), **SHOTS) - pedestals
        low = np.ones(SHAPE, bool)
        low[0, 2, :, 194:294] = False
        expected[low] *= 6.85
        with np.load(images(tmp_path)[0]) as shot:
            np.testing.assert_array_equal(shot["data"], expected)

    def test_slac_text(self, tmp_path: Path) -> None:
        values = np.random.default_rng(0).integers(0, 2000, (32 * 185, 388))
        text = "# PROJECT  x\n# more\n\n" + "\n".join(" ".join(map(str, row)) for row in values) + "\n"
        (tmp_path / "0-end.data").write_text(text)
        np.testing.assert_array_equal(read_pedestals(tmp_path / "0-end.data"), values.reshape(SHAPE))
        (tmp_path / "small.data").write_text("1 2\n3 4 # end\n")
        np.testing.assert_array_equal(read_pedestals(tmp_path / "small.data"), [[1, 2], [3, 4]])

    @pytest.mark.parametrize("text", ["1 2\n3\n", "a b\n", "", "# only\n", "1 nan\n", "\x00\xff"])
    def test_what_are_no_pedestals(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "bad.data").write_text(text)
        with pytest.raises(FormatError, match=r"bad\.data"):
            read_pedestals(tmp_path / "bad.data")

    @pytest.mark.parametrize("shape", [f"({10**9}, 1000)", "(-1,)", f"({2**62}, {2**62})", f"({2**70},)", "(((((("])
    def test_forged_npy_files(self, tmp_path: Path, shape: str) -> None:
        """Nothing is allocated for what is not there."""
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
        (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + text.ljust(117).encode() + b"\n")
        with pytest.raises(FormatError, match=r"bad\.npy"):
            read_pedestals(tmp_path / "bad.npy")

    def test_an_archive_is_no_npy(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", a=np.ones(3))
        (tmp_path / "a.npz").rename(tmp_path / "a.npy")
        with pytest.raises(FormatError, match=r"a\.npy"):
            read_pedestals(tmp_path / "a.npy")

    def test_nothing_is_unpickled(self, tmp_path: Path) -> None:
        np.save(tmp_path / "bad.npy", np.array([{}], object), allow_pickle=True)
        with pytest.raises(FormatError):
            read_pedestals(tmp_path / "bad.npy")

    def test_the_file_for_a_run(self, tmp_path: Path) -> None:
        folder = tmp_path / "CsPad::CalibV1" / "CxiDs1.0:Cspad.0" / "pedestals"
        folder.mkdir(parents=True)
        for name in ("0-end.data", "50-59.data", "54-54.data", "60-end.data", "HISTORY"):
            (folder / name).touch()
        found = {run: find_calibration(tmp_path, "CxiDs1-0|Cspad-0", "pedestals", run) for run in (1, 53, 54, 61, None)}
        assert {run: path.name for run, path in found.items()} == {  # type: ignore[union-attr]
            1: "0-end.data",
            53: "50-59.data",
            54: "54-54.data",
            61: "60-end.data",
            None: "0-end.data",
        }
        assert find_calibration(tmp_path, "CxiDs2-0|Cspad-0", "pedestals", 1) is None

    def test_from_a_calib_dir(self, tmp_path: Path, run: Run) -> None:
        folder = tmp_path / "calib" / "CsPad::CalibV1" / "CxiDs1.0:Cspad.0" / "pedestals"
        folder.mkdir(parents=True)
        asked = options(tmp_path, calib_dir=str(tmp_path / "calib"), max_events=1)
        with pytest.raises(MetadataError, match="pedestals of CxiDs1"):
            dump_run(run, asked)
        np.savetxt(folder / "0-end.data", np.full((5920, 388), 1000), "%d")
        dump_run(run, asked)
        with np.load(images(tmp_path)[0]) as shot:
            np.testing.assert_array_equal(shot["data"], made.masked(made.image(0), **SHOTS) - 1000.0)

    def test_another_calibration_is_another_task(self, tmp_path: Path, run: Run) -> None:
        group = tmp_path / "calib" / "CsPad::CalibV1"
        for source, value in (("CxiDs1.0:Cspad.0", 1000), ("CxiDs2.0:Cspad.0", 7)):
            (group / source / "pedestals").mkdir(parents=True)
            np.savetxt(group / source / "pedestals" / "0-end.data", np.full((5920, 388), value), "%d")
        folder = group / "CxiDs1.0:Cspad.0" / "pedestals"
        asked = options(tmp_path, calib_dir=str(tmp_path / "calib"), max_events=1)
        assert dump_run(run, asked).written == 1
        np.savetxt(folder / "99-end.data", np.full((5920, 388), 3000), "%d")  # of later runs
        assert dump_run(run, asked).kept == 1
        np.savetxt(folder / "50-end.data", np.full((5920, 388), 2000), "%d")
        with pytest.raises(OutputError, match="another dump"):
            dump_run(run, asked)

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FormatError, match="pipe: file: expected a regular file"):
            read_pedestals(tmp_path / "pipe")

    def test_pedestals_of_another_shape(self) -> None:
        with pytest.raises(FormatError, match="pedestals"):
            Calibration(np.zeros((2, 2))).apply(np.zeros((3, 2)))
        with pytest.raises(MetadataError, match="gain_mask_value"):
            Calibration(gain_mask_value=6.85).apply(np.zeros((3, 2)))


class TestAgain:
    def test_the_same_task_keeps_what_is_there(self, tmp_path: Path, run: Run) -> None:
        dump_run(run, options(tmp_path))
        first, last = images(tmp_path)[0], images(tmp_path)[-1]
        stamp = first.stat().st_mtime_ns
        last.unlink()
        report = dump_run(run, options(tmp_path))
        assert (report.written, report.kept) == (1, 3)
        assert first.stat().st_mtime_ns == stamp and last.exists()

    def test_another_task_is_refused(self, tmp_path: Path, run: Run) -> None:
        dump_run(run, options(tmp_path))
        before = images(tmp_path)[0].read_bytes()
        with pytest.raises(OutputError, match="another dump"):
            dump_run(run, options(tmp_path, override_energy=7000.0))
        assert images(tmp_path)[0].read_bytes() == before
        report = dump_run(run, options(tmp_path, override_energy=7000.0), overwrite=True)
        assert report.written == 4
        assert images(tmp_path)[0].read_bytes() != before

    def test_a_replacement_that_was_cut_off_keeps_nothing_of_the_other(
        self, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dump_run(run, options(tmp_path))
        whole, calls = WRITERS["npz"], []

        def stop(*words: object) -> None:
            calls.append(words)
            if len(calls) == 3:
                raise KeyboardInterrupt
            whole(*words)  # type: ignore[arg-type]

        asked = options(tmp_path, override_energy=7000.0)
        with monkeypatch.context() as patch:
            patch.setitem(WRITERS, "npz", stop)
            with pytest.raises(KeyboardInterrupt):
                dump_run(run, asked, overwrite=True)
        with pytest.raises(OutputError):
            dump_run(run, asked)
        assert dump_run(run, asked, overwrite=True).written == 4
        for path in images(tmp_path):
            with np.load(path) as shot:
                assert float(shot["wavelength"]) == 12398.4187 / 7000
        assert dump_run(run, asked).kept == 4

    def test_runs_and_formats_share_a_folder(self, tmp_path: Path, run: Run, geometry: str) -> None:
        dump_run(run, options(tmp_path))
        dump_run(run, options(tmp_path, file_format="h5"))
        later = made.write(tmp_path, made.tiny_run(), "e157-r0055-s00-c00.xtc")
        later.write_bytes(made.datagram("L1Accept", (made.START + 5000, 0), made.frame(np.ones((2, 2)), 8)))
        assert dump_run(open_run(later), options(tmp_path, address="Tm6740")).written == 1
        assert len(images(tmp_path)) == 5

    def test_a_dump_of_nothing_leaves_nothing(self, tmp_path: Path, run: Run) -> None:
        for file_format in ("npz", "h5"):
            with pytest.raises(MetadataError):
                dump_run(run, options(tmp_path, address="Rayonix", file_format=file_format))
            with pytest.raises(FileNotFoundError):
                dump_run(run, options(tmp_path, pedestals=str(tmp_path / "nothing.npy"), file_format=file_format))
            assert not (tmp_path / "out").exists()
        (tmp_path / "bad.npy").write_text("1 2")
        for file_format in ("npz", "h5"):
            with pytest.raises(FormatError):
                dump_run(run, options(tmp_path, pedestals=str(tmp_path / "bad.npy"), file_format=file_format))
            assert not (tmp_path / "out").exists()
        dump_run(run, options(tmp_path))
        before = (tmp_path / "out" / RECORD).read_bytes()
        with pytest.raises(MetadataError):
            dump_run(run, options(tmp_path, address="Rayonix"), overwrite=True)
        assert (tmp_path / "out" / RECORD).read_bytes() == before

    def test_a_stranger_under_our_name_is_not_replaced(self, tmp_path: Path, run: Run) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "shot-20141201073601249.npz").write_text("mine")
        with pytest.raises(OutputError):
            dump_run(run, options(tmp_path))
        assert images(tmp_path)[0].read_text() == "mine"

    def test_a_damaged_record_is_not_trusted(self, tmp_path: Path, run: Run) -> None:
        dump_run(run, options(tmp_path))
        (tmp_path / "out" / RECORD).write_text("{")
        with pytest.raises(OutputError):
            dump_run(run, options(tmp_path))


class TestH5:
    def check(self, path: Path, n: int) -> None:
        import h5py

        with h5py.File(path) as file:
            assert file["data"].shape == (n, *SHAPE)
            assert file.attrs["complete"] == n
            for i in range(n):
                np.testing.assert_array_equal(file["data"][i], made.masked(made.image(i), **SHOTS))
            assert file["event"][:].tolist() == list(range(n))
            assert file["timestamp"][0] == b"2014-12-01T07:36Z01.249"

    @pytest.mark.parametrize("threads", [1, 3])
    def test_all_shots_in_one_file(self, tmp_path: Path, run: Run, threads: int) -> None:
        report = dump_run(run, options(tmp_path, file_format="h5"), threads=threads)
        assert report.outputs == [str(tmp_path / "out" / "r0054.h5")]
        self.check(tmp_path / "out" / "r0054.h5", 4)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["r0054.h5", H5_RECORD]
        assert dump_run(run, options(tmp_path, file_format="h5")).kept == 4

    def test_the_bytes_do_not_depend_on_threads(self, tmp_path: Path, run: Run) -> None:
        for threads in (1, 3):
            dump_run(run, options(tmp_path, file_format="h5", output_dir=str(tmp_path / str(threads))), threads=threads)
        assert (tmp_path / "1" / "r0054.h5").read_bytes() == (tmp_path / "3" / "r0054.h5").read_bytes()

    def test_an_interrupted_run_is_begun_again(self, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = ShotFile.add

        def stop(self: ShotFile, shot: object, event: int) -> None:
            if event == 2:
                raise KeyboardInterrupt
            whole(self, shot, event)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(ShotFile, "add", stop)
            with pytest.raises(KeyboardInterrupt):
                dump_run(run, options(tmp_path, file_format="h5"))
        assert not (tmp_path / "out" / "r0054.h5").exists()
        report = dump_run(run, options(tmp_path, file_format="h5"))
        assert (report.kept, report.written) == (0, 4)
        self.check(tmp_path / "out" / "r0054.h5", 4)
        dump_run(run, options(tmp_path, file_format="h5", output_dir=str(tmp_path / "whole")))
        assert tree(tmp_path / "out") == tree(tmp_path / "whole")  # the same bytes, and nothing else

    @pytest.mark.parametrize("file_format", ["npz", "h5"])
    def test_a_second_dump_leaves_the_record_alone(self, tmp_path: Path, file_format: str) -> None:
        """It said that no image was missing, whatever the first had found."""
        shots = [made.shot(i, made.frame(np.ones((2, 2)), 8)) for i in range(3)]
        shots.insert(1, made.shot(3))
        run = open_run(made.write(tmp_path, b"".join(shots)))
        chosen = options(tmp_path, address="Tm6740", file_format=file_format)
        first = dump_run(run, chosen)
        assert first.missing
        before = tree(tmp_path / "out")
        assert b'"missing": {}' not in before["xtc_dump-r0054-" + file_format + ".json"]
        report = dump_run(run, chosen)
        assert (report.written, report.kept) == (0, 3)
        assert tree(tmp_path / "out") == before

    @pytest.mark.parametrize("room", [0, 5_000, 50_000, 500_000])
    def test_a_disk_without_room_is_an_error_of_one_line(self, tmp_path: Path, room: int) -> None:
        """HDF5 ends the process when it closes a file that it could not write itself."""
        path = made.write(tmp_path, made.small_run(4))
        words = ["xtc", "dump", str(path), "address=cspad", "format.file_format=h5", f"output_dir={tmp_path}/out"]
        done = subprocess.run(
            [sys.executable, "-m", "braggio", *words],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        )
        assert done.returncode == 5, done.stderr
        assert done.stderr.count("\n") == 1
        assert "File too large" in done.stderr
        assert not list((tmp_path / "out").glob("*h5*"))

    def test_a_file_that_is_there_is_not_replaced(self, tmp_path: Path, run: Run) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "r0054.h5").write_text("mine")
        with pytest.raises(OutputError):
            dump_run(run, options(tmp_path, file_format="h5"))
        assert (tmp_path / "out" / "r0054.h5").read_text() == "mine"

    def test_an_image_of_another_shape_is_left_out(self, tmp_path: Path) -> None:
        shots = [made.shot(i, made.frame(np.ones((2, 2 + (i == 1))), 8)) for i in range(3)]
        report = dump_run(
            open_run(made.write(tmp_path, b"".join(shots))), options(tmp_path, address="Tm6740", file_format="h5")
        )
        assert report.written == 2
        assert "as before" in report.failed[0]


@pytest.fixture
def geometry(tmp_path: Path) -> str:
    """A SLAC geometry file: 32 sensors in a grid of 4 by 8, the second column turned over."""
    sensors = tuple(
        Placement((44.0 * (i % 4) - 66, 21.0 * (i // 4) - 73.5, 0.0), angle=180.0 * (i % 2)) for i in range(32)
    )
    write_slac(tmp_path / "geometry.data", Cspad(Placement(), (Placement(),) * 4, sensors))
    return str(tmp_path / "geometry.data")


class TestCbf:
    def test_pixels_and_panels(self, tmp_path: Path, run: Run, geometry: str) -> None:
        report = dump_run(run, options(tmp_path, file_format="cbf", detz_offset=581.0, geometry=geometry, max_events=2))
        assert report.failed == [] and report.written == 2
        for i, path in enumerate(images(tmp_path)):
            found = open_cspad_cbf(path)
            np.testing.assert_array_equal(found.read_raw(), made.masked(made.image(i), **SHOTS))
            assert found.distance == pytest.approx(131.5 - i)
            assert found.wavelength == pytest.approx(1.751244, abs=1e-6)
            assert found.timestamp == f"2014-12-01T07:36Z01.{249 + 8 * i}"
            panels = found.detector.panels
            assert len(panels) == 64
            assert panels[0].fast == pytest.approx((1, 0, 0)) and panels[2].fast == pytest.approx((-1, 0, 0))

    def test_calibrated_pixels_are_reals(self, tmp_path: Path, run: Run, geometry: str) -> None:
        dark = np.random.default_rng(3).normal(1000, 3, SHAPE)
        np.save(tmp_path / "dark.npy", dark)
        asked = options(
            tmp_path,
            file_format="cbf",
            detz_offset=581.0,
            geometry=geometry,
            max_events=1,
            pedestals=str(tmp_path / "dark.npy"),
        )
        dump_run(run, asked)
        np.testing.assert_array_equal(
            open_cspad_cbf(images(tmp_path)[0]).read_raw(), made.masked(made.image(0), **SHOTS) - dark
        )

    def test_geometry_from_a_calib_dir(self, tmp_path: Path, run: Run, geometry: str) -> None:
        folder = tmp_path / "calib" / "CsPad::CalibV1" / "CxiDs1.0:Cspad.0"
        (folder / "pedestals").mkdir(parents=True)
        (folder / "geometry").mkdir()
        np.savetxt(folder / "pedestals" / "0-end.data", np.full((5920, 388), 7), "%d")
        asked = options(tmp_path, file_format="cbf", detz_offset=0.0, calib_dir=str(tmp_path / "calib"), max_events=1)
        with pytest.raises(MetadataError, match="geometry of CxiDs1"):
            dump_run(run, asked)
        Path(geometry).rename(folder / "geometry" / "0-end.data")
        assert dump_run(run, asked).written == 1

    def test_the_geometry_of_slac(self, tmp_path: Path, run: Run, real_data: Path) -> None:
        asked = options(
            tmp_path,
            file_format="cbf",
            detz_offset=581.0,
            geometry=str(real_data / "xfel" / "run4-0-end.data"),
            max_events=1,
        )
        dump_run(run, asked)
        found = open_cspad_cbf(images(tmp_path)[0])
        reference = read_slac(real_data / "xfel" / "run4-0-end.data", distance=131.5)
        for panel, other in zip(found.detector.panels, reference.detector.panels, strict=True):
            assert panel.name == other.name
            np.testing.assert_allclose(panel.origin, other.origin, atol=1e-9)
            np.testing.assert_allclose(panel.fast, other.fast, atol=1e-9)

    def test_what_cbf_needs(self, tmp_path: Path, run: Run, geometry: str) -> None:
        with pytest.raises(MetadataError, match="geometry"):
            dump_run(run, options(tmp_path, file_format="cbf", detz_offset=1.0))
        dark = made.configure(config=made.cspad_config(**SHOTS)) + made.datagram(
            "L1Accept", (made.START + 9, 0), made.cspad(made.image(), **SHOTS)
        )
        other = open_run(made.write(tmp_path, dark, "dark.xtc"))
        asked = options(tmp_path, file_format="cbf", detz_offset=1.0, geometry=geometry)
        report = dump_run(other, asked, overwrite=True)
        assert "override_energy" in report.failed[0]
        report = dump_run(other, replace(asked, override_energy=7000.0), overwrite=True)
        assert report.written == 1


class TestPickle:
    def test_a_cspad(self, tmp_path: Path, run: Run, geometry: str) -> None:
        asked = options(tmp_path, file_format="pickle", detz_offset=581.0, geometry=geometry, max_events=2)
        assert dump_run(run, asked).failed == []
        for i, path in enumerate(images(tmp_path)):
            found = read_image_pickle(path)
            assert found.data.shape == (1765, 1765) and len(found.active_areas) == 64
            assert found.distance == 131.5 - i
            assert found.address is None
            np.testing.assert_array_equal(found.moved_data(), found.data)
            assert found.timestamp == f"2014-12-01T07:36Z01.{249 + 8 * i}"
            back = cut_tiles(found.data, found.active_areas, read_slac(geometry))
            np.testing.assert_array_equal(raw(back), made.masked(made.image(i), **SHOTS))

    def test_a_rayonix(self, tmp_path: Path) -> None:
        data = np.random.default_rng(0).integers(0, 65536, (96, 96)).astype(np.uint16)
        shots = made.configure(made.rayonix_config()) + made.shot(0, made.frame(data, 16, source=made.RAYONIX))
        run = open_run(made.write(tmp_path, shots))
        dump_run(run, options(tmp_path, address="MfxEndstation-0|Rayonix-0", file_format="pickle", detz_offset=120.0))
        found = read_image_pickle(images(tmp_path)[0])
        np.testing.assert_array_equal(found.data, data)
        assert found.pixel_size == 170 / 96
        assert found.distance == 120.0

    def test_another_detector(self, tmp_path: Path) -> None:
        run = open_run(made.write(tmp_path, made.shot(0, made.frame(np.ones((2, 2)), 8))))
        report = dump_run(run, options(tmp_path, address="Tm6740", file_format="pickle"))
        assert report.written == 0 and "Rayonix" in report.failed[0]


class TestRefusals:
    def test_nothing_to_write(self, tmp_path: Path, run: Run) -> None:
        with pytest.raises(MetadataError, match="at least one image"):
            dump_run(run, options(tmp_path, address="Rayonix"))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"file_format": "tiff"}, "file_format"),
            ({"max_events": 0}, "max_events"),
            ({"file_format": "cbf"}, "detz_offset"),
        ],
    )
    def test_options(self, tmp_path: Path, changes: dict, message: str) -> None:
        with pytest.raises(MetadataError, match=message):
            options(tmp_path, **changes)

    @pytest.mark.parametrize("energy", [0.0, -1.0, 1e-320, math.nan, math.inf])
    def test_energies(self, tmp_path: Path, energy: float) -> None:
        with pytest.raises(GeometryError, match="override_energy"):
            options(tmp_path, override_energy=energy)

    def test_a_distance_that_cannot_be_known(self, tmp_path: Path) -> None:
        data = made.datagram("L1Accept", (9, 0), made.frame(np.ones((2, 2)), 8))
        report = dump_run(open_run(made.write(tmp_path, data)), options(tmp_path, address="Tm6740", detz_offset=1.0))
        assert report.written == 0 and "distance" in report.failed[0]

    def test_an_output_folder_that_cannot_be(self, tmp_path: Path, run: Run) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError):
            dump_run(run, options(tmp_path, output_dir=str(tmp_path / "file" / "out")))
