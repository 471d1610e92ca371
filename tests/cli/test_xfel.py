"""The commands for pickles, CBF files and metrology, as users type them."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from braggio.cli import main
from braggio.formats.cspad_cbf import open_cspad_cbf
from braggio.formats.image_pickle import image_fields, read_image_pickle, write_image_pickle
from braggio.model.cspad import Cspad, Placement
from braggio.storage import pickled
from braggio.xfel.metrology import read_slac, write_slac

pytestmark = pytest.mark.usefixtures("never_unpickle")
TIME = "2014-12-01T07:36Z01.249"
HOSTILE = b"cos\nsystem\n(S'true'\ntR."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def xfel(real_data: Path) -> Path:
    return real_data / "xfel"


def test_print_goes_on_past_a_hostile_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image_pickle("a.pickle", image_fields(np.zeros((2, 3), np.int32), timestamp=TIME, address="CxiDs1-0|Cspad-0"))
    (folder / "b.pickle").write_bytes(HOSTILE)
    assert main(["pickle", "print", "b.pickle", "a.pickle"]) == 4
    printed = capsys.readouterr()
    assert "\nPrinting contents of a.pickle\nDetector format version: CXI 10.1\n" in printed.out
    assert "1 active areas, first one:  [0, 0, 2, 3]" in printed.out
    assert printed.err.count("\n") == 1 and "b.pickle" in printed.err and "os.system" in printed.err


def test_print_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image_pickle("a.pickle", image_fields(np.zeros((2, 3), np.int32), timestamp=TIME))
    assert main(["pickle", "print", "--json", "a.pickle"]) == 0
    first, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["content"], first["fields"]["SIZE2"], summary["event"]) == ("image", 3, "summary")


def test_scan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "b.pickle").write_bytes(HOSTILE)
    assert main(["pickle", "scan", "--opcodes", "b.pickle"]) == 4
    printed = capsys.readouterr()
    assert "REFUSED  os.system" in printed.out and "REDUCE" in printed.out
    pickled.dump("a.pickle", {"a": np.arange(3)})
    assert main(["pickle", "scan", "a.pickle"]) == 0
    assert "allowed  scitbx_array_family_flex_ext.long" in capsys.readouterr().out


def test_break_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pickle", "print", "--break", "a.pickle"]) == 1
    assert "interactive" in capsys.readouterr().err


def test_slac_to_cbf_and_back(xfel: Path, folder: Path) -> None:
    assert main(["metrology", "slac2cbf", str(xfel / "run4-0-end.data"), "-o", "a.cbf", "--distance", "100"]) == 0
    assert open_cspad_cbf("a.cbf").distance == 100
    assert main(["metrology", "cbf2slac", "a.cbf", "-o", "b.data"]) == 0
    assert read_slac("b.data") == read_slac(xfel / "run4-0-end.data")
    assert main(["metrology", "cbf2slac", "a.cbf", "-o", "b.data"]) == 1  # it is there
    assert main(["metrology", "crystfel", "a.cbf", "-o", "c.geom"]) == 0
    assert (folder / "c.geom").read_text().count("corner_x") == 64


def test_compat_lines_of_the_seed(xfel: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrology = str(xfel / "run4-0-end.data")
    assert main(["compat", "cxi.slaccalib2cbfheader", "out=tmp.cbf", f"metrology={metrology}"]) == 0
    assert main(["compat", "cxi.cbfheader2slaccalib", "cbf_header=tmp.cbf"]) == 0
    assert read_slac("0-end.data") == read_slac(metrology)
    assert main(["compat", "cxi.display_metrology", metrology, "out=a.svg"]) == 0
    assert main(["compat", "cxi.print_pickle", str(xfel / "small_int_p2.pickle")]) == 0
    assert "DATA len=12" in capsys.readouterr().out
    assert main(["compat", "cxi.slaccalib2cbfheader", "colour=red"]) == 2
    assert "colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "polygons", "label"),
    [
        ("run4-0-end.data", 32, ">3,7<"),
        ("idx-20130301060858601.cbf", 64, ">63<"),
        ("idx-20141201073601249.pickle.gz", 1, ">0<"),
    ],
)
def test_show(
    xfel: Path, folder: Path, capsys: pytest.CaptureFixture[str], name: str, polygons: int, label: str
) -> None:
    assert main(["metrology", "show", str(xfel / name), "-o", "a.svg", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[0])
    svg = (folder / "a.svg").read_text()
    assert svg.count('<g id="panel_') == polygons and label in svg
    assert len(facts["panels"]) == (64 if polygons > 1 else 1)
    assert main(["metrology", "show", str(xfel / name), "-o", "a.png"]) == 0
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")
    first = (folder / "a.png").read_bytes()
    assert main(["metrology", "show", str(xfel / name), "-o", "a.png", "-f"]) == 0
    assert (folder / "a.png").read_bytes() == first
    assert main(["metrology", "show", str(xfel / name), "-o", "a.gif"]) == 1


def test_cspad_to_pickle_to_cspad(xfel: Path, folder: Path) -> None:
    """Every tile's pixels survive the way through the flat image."""
    path = str(xfel / "idx-20130301060858601.cbf")
    assert main(["cbf2pickle", path, "-o", "a.pickle"]) == 0
    image = read_image_pickle("a.pickle")
    assert (image.data.shape, image.wavelength, image.timestamp) == ((1765, 1765), 1.272444, "2013-03-01T06:08Z58.601")
    assert len(image.active_areas) == 64
    assert main(["pickle2cbf", "a.pickle", "-m", path, "-o", "b.cbf"]) == 0
    there, back = open_cspad_cbf(path), open_cspad_cbf("b.cbf")
    assert (there.read_tiles() == back.read_tiles()).all()
    assert back.distance == pytest.approx(there.distance)


def test_one_panel_to_cbf_and_back(xfel: Path, folder: Path) -> None:
    source = xfel / "small_int_p2.pickle"
    assert main(["pickle2cbf", str(source), "-o", "a.cbf"]) == 0
    assert main(["cbf2pickle", "a.cbf", "-o", "b.pickle", "--address", "MfxEndstation-0|Rayonix-0"]) == 0
    there, back = read_image_pickle(source), read_image_pickle("b.pickle")
    assert (there.data == back.data).all()
    assert there.detector.panels[0].origin == back.detector.panels[0].origin
    assert (there.wavelength, there.timestamp, there.address) == (back.wavelength, back.timestamp, back.address)


def test_mini_cbf_to_pickle(xfel: Path, folder: Path) -> None:
    assert main(["cbf2pickle", str(xfel / "DLS_I03_smargon_0001.cbf.gz"), "-o", "a.pickle"]) == 0
    image = read_image_pickle("a.pickle")
    assert (image.distance, image.wavelength, image.pixel_size) == pytest.approx((291.47, 0.97625, 0.172))
    assert image.timestamp == "2017-11-23T15:23Z41.880"


@pytest.mark.parametrize("name", ["idx-20130301060858601.cbf", "small_int_p2.pickle", "DLS_I03_smargon_0001.cbf.gz"])
def test_view(xfel: Path, folder: Path, name: str) -> None:
    from PIL import Image

    assert main(["view", str(xfel / name), "-o", "a.png"]) == 0
    pixels = np.asarray(Image.open("a.png").convert("RGB"))
    assert ((pixels == (244, 214, 219)).all(axis=-1).any()) == (name != "small_int_p2.pickle")  # gaps


def test_view_of_several(xfel: Path, folder: Path) -> None:
    files = [str(xfel / f"idx-20130301060858{number}.cbf") for number in (601, 701)]
    assert main(["view", *files, "-o", "a.png"]) == 0
    assert (folder / "a.png").exists()


def test_print_goes_on_past_a_damaged_member_of_an_archive(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = pickled.dumps({"a": 1})
    with tarfile.open("x.tar", "w") as archive:
        for name, data in (("a", good), ("bad.gz", gzip.compress(good)[:-9]), ("c.gz", gzip.compress(good))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert main(["pickle", "print", "x.tar"]) == 1
    printed = capsys.readouterr()
    assert [line for line in printed.out.splitlines() if line.startswith("path")] == ["path a", "path c.gz"]
    assert "error: bad.gz: damaged compressed file" in printed.err and printed.err.count("\n") == 1


def test_a_timestamp_of_the_user_is_checked_and_goes_before_the_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image_pickle("a.pickle", image_fields(np.zeros((2, 3), np.int32), timestamp=TIME))
    assert main(["pickle2cbf", "a.pickle"]) == 0
    assert main(["cbf2pickle", "a.cbf", "-o", "b.pickle", "--timestamp", "yesterday"]) == 1
    assert "a.cbf: TIMESTAMP: expected YYYY" in capsys.readouterr().err and not (folder / "b.pickle").exists()
    (folder / "a.cbf").write_bytes((folder / "a.cbf").read_bytes().replace(TIME.encode(), b"2014/12/01-07h36_______"))
    assert main(["cbf2pickle", "a.cbf", "-o", "b.pickle"]) == 1
    assert main(["cbf2pickle", "a.cbf", "-o", "b.pickle", "--timestamp", TIME]) == 0
    assert read_image_pickle("b.pickle").timestamp == TIME


@pytest.mark.parametrize("action", ["slac2cbf", "crystfel", "show"])
def test_metrology_is_read_from_compressed_files_and_not_from_pipes(
    folder: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    write_slac("a.data", Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32))
    assert main(["metrology", "slac2cbf", "a.data", "-o", "a.cbf", "--distance", "90"]) == 0
    for name in ("a.data", "a.cbf"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        assert main(["metrology", action, f"{name}.gz", "-o", f"{name}.png"]) == 0
    os.mkfifo("pipe")
    assert main(["metrology", action, "pipe", "-o", "x.png"]) == 1
    assert "pipe: file: expected a regular file" in capsys.readouterr().err


def test_json_has_null_for_what_is_no_number(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pickled.dump("a.pickle", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert main(["pickle", "print", "--json", "a.pickle"]) == 0

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    first, _ = (json.loads(line, parse_constant=refuse) for line in capsys.readouterr().out.splitlines())
    assert first["fields"] == {"a": None, "b": [None, 1.5]}


def test_names_of_any_bytes_are_printed(folder: Path) -> None:
    name = os.fsdecode(b"\xff.pickle")
    write_image_pickle(name, image_fields(np.zeros((2, 3), np.int32), timestamp=TIME))
    command = [sys.executable, "-m", "braggio", "pickle2cbf", name]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\\udcff.cbf\n", b"")


def test_programs_of_cctbx_take_one_file_and_options_anywhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.pickle", "b.pickle"):
        write_image_pickle(name, image_fields(np.zeros((2, 3), np.int32), timestamp=TIME))
    assert main(["compat", "cxi.pickle2cbf", "a.pickle", "b.pickle"]) == 2
    assert "takes one file, not a.pickle and b.pickle" in capsys.readouterr().err
    assert not list(folder.glob("*.cbf"))
    assert main(["compat", "cxi.pickle2cbf", "-f", "a.pickle", "--json", "out=x.cbf"]) == 0
    assert (folder / "x.cbf").exists()
