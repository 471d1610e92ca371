"""``braggio smv`` and ``braggio verify``: the main job from the command line."""

import json

import numpy as np
import pytest

import braggio

GEOMETRY = (
    "--voltage 200 --distance 1500 --pixel-size 0.028 --osc-start -30 --osc-range 0.5 --beam-center 60 70".split()
)


def test_options_reach_the_header(run, demo_copy, tmp_path):
    code, out, err = run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", "--mrc", *GEOMETRY, "--binning", "2x2")
    assert code == 0 and "LEGINON_OFFSET 2000, IMAGE_PEDESTAL 1862" in out
    assert "panel.pedestal=2000" in out and "OFFSET= 2000" in out and "missing: 4" in err
    header = braggio.info(tmp_path / "smv/demo_005.img")["header"]
    assert header["OSC_START"] == -28.0 and header["OSC_RANGE"] == 0.5  # frame 4 is missing and shifts nothing
    assert header["BEAM_CENTER_X"] == pytest.approx(70 * 0.028) and header["BEAM_CENTER_Y"] == pytest.approx(60 * 0.028)
    assert header["BIN"] == "2x2" and header["WAVELENGTH"] == pytest.approx(0.02507934, abs=1e-8)
    for path in demo_copy:
        raw = braggio.read(path)
        assert np.array_equal(braggio.read(tmp_path / f"smv/{path.stem}.mrc"), raw)
        assert np.array_equal(braggio.read(tmp_path / f"smv/{path.stem}.img"), np.clip(raw + 2000, 0, 65535))


def test_files_named_one_by_one_are_one_series(run, demo_copy, tmp_path):
    """The shell expands patterns: five arguments are still one series."""
    code, out, _ = run("smv", *demo_copy, "-o", tmp_path / "smv", *GEOMETRY)
    assert code == 0 and "demo: 5 frames" in out


def test_filled_gaps_and_another_name(run, demo_copy, tmp_path):
    """Both from the command line; a name is for one series."""
    first = ["smv", demo_copy[0].parent, "-o", tmp_path / "smv", *GEOMETRY, "--fill-gaps", "--name", "lyso"]
    code, out, err = run(*first)
    assert code == 0 and "4 blank: lyso_004.img, every pixel 65535" in out and "1 blank image(s) written" in err
    assert f"template={tmp_path}/smv/lyso_###.img" in out and "EXCLUDE_DATA_RANGE= 4 4" in out
    code, out, err = run("verify", tmp_path / "smv")
    assert code == 0 and "lyso_004.img" in out
    (demo_copy[0].parent / "other_1.bin").write_bytes(demo_copy[0].read_bytes())
    code, _, err = run(*first)
    assert code == 2 and "--name: expected one series, found 2" in err


def test_a_folder_of_mrc_files(run, demo_copy, tmp_path):
    """The exact copies of a series make the same images as the series did."""
    assert run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", *GEOMETRY, "--mrc", "--date", "2024-02-29")[0] == 0
    (tmp_path / "mrc").mkdir()
    for path in (tmp_path / "smv").glob("*.mrc"):
        path.rename(tmp_path / "mrc" / path.name)
    assert run("smv", tmp_path / "mrc", "-o", tmp_path / "again", *GEOMETRY, "--date", "2024-02-29")[0] == 0
    images = sorted((tmp_path / "smv").glob("*.img"))
    assert len(images) == 5
    for path in images:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_existing_outputs(run, demo_copy, tmp_path):
    """Refused by default; -n leaves, -u and -f replace; the same task again is done already."""
    first = ["smv", demo_copy[0].parent, "-o", tmp_path / "smv", *GEOMETRY]
    assert run(*first)[0] == 0
    assert run(*first)[0] == 0
    other = [*first, "--policy", "zero"]
    code, _, err = run(*other)
    assert code == 1 and "demo_001.img: exists" in err
    assert run(*other, "-n")[0] == 0
    assert braggio.info(tmp_path / "smv/demo_001.img")["header"]["IMAGE_PEDESTAL"] == 1862
    assert run(*other, "-u")[0] == 0
    assert braggio.info(tmp_path / "smv/demo_001.img")["header"]["IMAGE_PEDESTAL"] == 2000
    assert run(*first, "-f")[0] == 0


def test_dry_run_writes_nothing(run, demo_copy, tmp_path):
    code, out, _ = run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", "--dry-run")
    assert code == 0 and "5 file(s), missing 4" in out and not (tmp_path / "smv").exists()


def test_a_bad_series_does_not_stop_the_others(run, demo_copy, tmp_path):
    (demo_copy[0].parent / "bad_001.bin").write_bytes(demo_copy[0].read_bytes()[:-1])
    code, out, err = run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", *GEOMETRY)
    assert code == 1 and "demo: 5 frames" in out
    assert "bad_001.bin" in err and "expected 65546 bytes" in err and "found 65545 bytes" in err
    assert not list((tmp_path / "smv").glob("*bad*")) and not list((tmp_path / "smv").glob(".*"))


def test_two_series_of_one_name_are_refused(run, demo_copy, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "demo_001.bin").write_bytes(demo_copy[0].read_bytes())
    code, _, err = run("smv", demo_copy[0].parent, other, "-o", tmp_path / "smv", *GEOMETRY)
    assert code == 1 and "another series has this name" in err


def test_verify_names_the_changed_pixel_and_the_clipped_ones(run, demo_copy, tmp_path):
    run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", *GEOMETRY)
    code, out, _ = run("verify", tmp_path / "smv")
    assert code == 0 and out.count(": ok") == 5 and "1 clipped at 0: (row 71, column 40)" in out
    path = tmp_path / "smv/demo_002.img"
    data = bytearray(path.read_bytes())
    data[512 + 2 * (128 * 3 + 7)] ^= 1
    path.write_bytes(data)
    code, out, err = run("verify", tmp_path / "smv")
    assert code == 1 and out.count(": ok") == 4 and "demo_002.img" in err and "row 3, column 7" in err


def test_verify_finds_raw_frames_that_moved(run, demo_copy, tmp_path):
    run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", *GEOMETRY)
    demo_copy[0].parent.rename(tmp_path / "moved")
    assert run("verify", tmp_path / "smv")[0] == 1
    assert run("verify", tmp_path / "smv", "--raw", tmp_path / "moved")[0] == 0


def test_json_has_the_numbers(run, demo_copy, tmp_path):
    _, out, _ = run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", "--json", *GEOMETRY)
    done = next(event for event in map(json.loads, out.splitlines()) if event["event"] == "done")
    assert done["offset"] == 2000 and done["clipped_per_frame"][2] == [1, 0] and done["gaps"] == [4]


@pytest.mark.parametrize(
    "words", [["--osc-range", "0"], ["--voltage", "-1"], ["--beamline", "a=b"], ["--beamline", "x" * 200]]
)
def test_bad_geometry_leaves_nothing(run, demo_copy, tmp_path, words):
    code, _, err = run("smv", demo_copy[0].parent, "-o", tmp_path / "smv", *words)
    assert code == 1 and len([line for line in err.splitlines() if "error" in line]) == 1
    assert not (tmp_path / "smv").exists()
