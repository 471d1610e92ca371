"""``braggio convert``, ``info`` and ``view``."""

import argparse
import gzip
import os

import numpy as np
import pytest
from makers import smv, smv_lines

import braggio
from braggio.cli import convert
from braggio.cli.session import Session


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.mrc"
    braggio.write(path, np.arange(3 * 4 * 6, dtype=np.uint16).reshape(3, 4, 6))
    return path


def test_to_mrc_and_back(run, demo_copy, tmp_path):
    assert run("convert", *demo_copy, "-F", "mrc", "-o", tmp_path / "mrc")[0] == 0
    assert run("convert", *sorted((tmp_path / "mrc").glob("*.mrc")), "-F", "tia_raw", "-o", tmp_path / "back")[0] == 0
    for path in demo_copy:
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def test_a_stack_becomes_a_file_per_frame(run, stack, tmp_path):
    assert run("convert", stack, "-F", "smv", "-o", tmp_path / "smv")[0] == 0
    written = sorted((tmp_path / "smv").iterdir())
    assert [path.name for path in written] == ["stack_001.img", "stack_002.img", "stack_003.img"]
    for index, path in enumerate(written):
        assert np.array_equal(braggio.read(path), braggio.read(stack, frames=index))


def test_frames_of_a_compressed_stack_are_named_without_its_endings(run, stack, tmp_path):
    (tmp_path / "stack.mrc.gz").write_bytes(gzip.compress(stack.read_bytes()))
    assert run("convert", tmp_path / "stack.mrc.gz", "-F", "smv", "-o", tmp_path / "smv")[0] == 0
    assert (tmp_path / "smv/stack_001.img").exists()


def test_frames_and_output_file(run, stack, tmp_path):
    assert run("convert", stack, "-o", tmp_path / "some.mrc", "--frames", "1:")[0] == 0
    assert np.array_equal(braggio.read(tmp_path / "some.mrc"), braggio.read(stack)[1:])


def test_some_frames_keep_what_the_header_says(run, tmp_path):
    braggio.write(tmp_path / "a.mrc", np.ones((3, 4, 6), np.int16), pixel_size=2.5)
    assert run("convert", tmp_path / "a.mrc", "-F", "mrc", "-o", tmp_path / "out", "--frames", "1:")[0] == 0
    assert braggio.open(tmp_path / "out/a.mrc").pixel_size[0] == 2.5
    braggio.write(tmp_path / "a.img", np.ones((4, 6), np.uint16), header={"DISTANCE": 800.0})
    assert run("convert", tmp_path / "a.img", "-F", "smv", "-o", tmp_path / "out", "--frames", ":1")[0] == 0
    assert braggio.info(tmp_path / "out/a.img")["header"]["DISTANCE"] == 800


def test_a_volume_stays_one(run, tmp_path):
    braggio.write(tmp_path / "a.mrc", np.ones((3, 4, 6), np.int16), pixel_size=(1.5, 2, 2.5), volume=True)
    assert run("convert", tmp_path / "a.mrc", "-F", "mrc", "-o", tmp_path / "out")[0] == 0
    copy = braggio.open(tmp_path / "out/a.mrc")
    assert copy.pixel_size == (1.5, 2, 2.5) and (copy.header["ispg"], copy.header["mz"]) == (1, 3)


def test_a_frame_that_does_not_fit_leaves_none_of_its_stack(run, tmp_path):
    frames = np.ones((3, 4, 6), np.int32)
    frames[2, 1, 1] = 70000
    braggio.write(tmp_path / "a.mrc", frames)
    code, _, err = run("convert", tmp_path / "a.mrc", "-F", "smv", "-o", tmp_path / "out")
    assert code == 1 and err.startswith(f"braggio: error: {tmp_path}/a.mrc: ")
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_none_of_a_stack(stack, tmp_path, monkeypatch):
    def interrupted(place, *_, **__):
        place.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("braggio.formats.write", interrupted)
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    arguments = parser.parse_args([str(stack), "-F", "smv", "-o", str(tmp_path / "out")])
    with pytest.raises(KeyboardInterrupt):
        convert.run(arguments, Session(arguments))
    assert not (tmp_path / "out").exists()


def test_update_goes_by_time(run, stack, tmp_path):
    """And its help says so: nothing records the options."""
    words = ("convert", stack, "-F", "mrc", "-o", tmp_path / "out", "-u", "--frames")
    assert run(*words, ":1")[0] == run(*words, ":2")[0] == 0
    assert braggio.info(tmp_path / "out/stack.mrc")["nframes"] == 1
    os.utime(tmp_path / "out/stack.mrc", (0, 0))
    assert run(*words, ":2")[0] == 0
    assert braggio.info(tmp_path / "out/stack.mrc")["nframes"] == 2


@pytest.mark.parametrize("letter", ["-f", "-u", "-n"])
def test_two_inputs_with_one_output_are_refused(run, tmp_path, letter):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        braggio.write(tmp_path / name / "a.bin", np.full((2, 3), ord(name), np.int16))
    files = tmp_path / "x/a.bin", tmp_path / "y/a.bin"
    code, _, err = run("convert", *files, "-F", "mrc", "-o", tmp_path / "out", letter)
    assert code == 1 and "a.mrc: is the output of" in err
    assert braggio.read(tmp_path / "out/a.mrc").max() == ord("x")


def test_no_output_replaces_an_input(run, stack):
    before = stack.read_bytes()
    code, _, err = run("convert", stack, "-F", "mrc", "-o", stack.parent, "-f", "--frames", ":1")
    assert code == 1 and "is an input" in err and stack.read_bytes() == before


def test_a_file_in_the_place_of_the_folder_is_exit_5(run, stack, tmp_path):
    (tmp_path / "out").touch()
    code, _, err = run("convert", stack, "-F", "mrc", "-o", tmp_path / "out")
    assert code == 5 and "Not a directory" in err


def test_pixel_types_of_d_trek_do_not_outlive_their_pixels(run, tmp_path):
    import fabio

    array = np.arange(12, dtype=np.int32).reshape(3, 4)
    lines = ["Data_type=long int;", *(line for line in smv_lines(array, order="big_endian") if "TYPE=" not in line)]
    lines.insert(0, lines.pop(1))
    (tmp_path / "a.img").write_bytes(smv(array, lines, big_endian=True))
    assert run("convert", tmp_path / "a.img", "-F", "smv", "-o", tmp_path / "out")[0] == 0
    for read in (braggio.read, lambda path: fabio.open(path).data):
        assert np.array_equal(read(str(tmp_path / "out/a.img")), array)


@pytest.mark.parametrize("frames", ["7:9", "x", "1"])
def test_bad_frames_are_refused(run, stack, tmp_path, frames):
    code, _, err = run("convert", stack, "-F", "mrc", "-o", tmp_path / "out", "--frames", frames)
    assert code == 1 and "--frames" in err


def test_signed_pixels_do_not_fit_smv(run, demo_copy, tmp_path):
    code, _, err = run("convert", demo_copy[0], "-F", "smv", "-o", tmp_path / "smv")
    assert code == 1 and "expected integers in 0..65535" in err and not list((tmp_path / "smv").iterdir())


def test_existing_output_survives(run, demo_copy, tmp_path):
    """A bad input with -f leaves the good earlier output alone."""
    good = tmp_path / "out/demo_001.mrc"
    assert run("convert", demo_copy[0], "-F", "mrc", "-o", good.parent)[0] == 0
    before = good.read_bytes()
    assert run("convert", demo_copy[0], "-F", "mrc", "-o", good.parent)[0] == 1
    assert run("convert", demo_copy[0], "-F", "mrc", "-o", good.parent, "-n")[0] == 0
    demo_copy[0].write_bytes(demo_copy[0].read_bytes()[:100])
    assert run("convert", demo_copy[0], "-F", "mrc", "-o", good.parent, "-f")[0] == 1
    assert good.read_bytes() == before and len(list(good.parent.iterdir())) == 1


def test_info_shows_header_and_statistics(run, demo_copy):
    code, out, _ = run("info", demo_copy[2], "--stats")
    assert code == 0 and "128 x 128 int32" in out and "min -2874" in out


def test_statistics_of_every_mode(run, tmp_path):
    braggio.write(tmp_path / "half.mrc", np.array([[-1.5, 2]], np.float16))
    braggio.write(tmp_path / "long.bin", np.array([[-123456789, 2]], np.int32))
    braggio.write(tmp_path / "complex.mrc", np.ones((2, 3), np.complex64))
    code, out, err = run("info", "--stats", *sorted(tmp_path.iterdir()))
    assert "min -1.5 max 2 " in out and "min -123456789 max 2 " in out
    assert code == 1 and f"{tmp_path}/complex.mrc: " in err


def test_list_names_every_format(run):
    _, out, _ = run("convert", "--list")
    assert {line.split()[0] for line in out.splitlines()} >= {"mrc", "smv", "ser", "tia_raw"}


def test_view_draws_every_frame(run, stack, demo_copy, tmp_path):
    from PIL import Image

    picture = tmp_path / "sheet.png"
    code, out, _ = run("view", stack, *demo_copy, "-o", picture, "--size", "64")
    assert code == 0 and "8 of 8 frame(s)" in out
    with Image.open(picture) as image:
        assert image.width > 3 * 64 and image.height > 2 * 64
    assert run("view", stack, "-o", picture)[0] == 1
    assert run("view", stack, "-o", picture, "-f", "--most", "2")[0] == 0


def test_view_of_one_frame_has_beam_rings_and_scale(run, tmp_path):
    assert run("demo", "-o", tmp_path / "demo")[0] == 0
    code, out, _ = run("view", tmp_path / "demo" / "demo_001.img", "-o", tmp_path / "a.svg")
    assert code == 0 and "a.svg: " in out
    text = (tmp_path / "a.svg").read_text()
    for word in ("demo_001.img", "beam", "resolution", "column (pixels)", "row (pixels)"):
        assert f">{word}<" in text
    assert text.count(" Å<") == 4


def test_view_checks_the_picture_before_it_reads(run, stack, tmp_path):
    """The frames do not exist: the picture is what is refused."""
    (tmp_path / "mine.png").write_bytes(b"mine")
    for name, message in {
        "mine.png": "File exists",
        "a.gif": "expected .png or .svg, found .gif",
        "none/a.png": "No such file or directory",
    }.items():
        code, _, err = run("view", tmp_path / "absent.mrc", "-o", tmp_path / name)
        assert code != 0 and f"{name}: " in err and message in err and "absent" not in err


def test_no_picture_replaces_its_frames(run, stack):
    before = stack.read_bytes()
    code, _, err = run("view", stack, "-o", stack, "-f")
    assert code == 1 and "is an input" in err and stack.read_bytes() == before


@pytest.mark.parametrize("option", ["--size", "--most"])
def test_a_picture_of_nothing_is_wrong_usage(run, stack, tmp_path, option):
    with pytest.raises(SystemExit) as caught:
        run("view", stack, "-o", tmp_path / "a.png", option, "0")
    assert caught.value.code == 2


def test_demo_leaves_what_it_says(run, tmp_path):
    code, out, _ = run("demo", "-o", tmp_path / "demo")
    assert code == 0 and "LEGINON_OFFSET 2000, IMAGE_PEDESTAL 1862" in out and "5 of 5 frames verified" in out
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"demo_001.img", "demo_001.mrc", "demo.png", "demo.braggio.json"} <= names


def test_a_pixel_that_is_no_number_is_named_with_its_file(run, tmp_path):
    """By the input's name: the output does not exist."""
    frame = np.ones((6, 7), np.float32)
    frame[2, 3] = np.nan
    for name, pixels in {"good.bin": np.ones_like(frame), "bad.bin": frame}.items():
        braggio.write(tmp_path / name, pixels)
    code, out, err = run("info", "--stats", tmp_path / "good.bin", tmp_path / "bad.bin")
    assert code == 1
    assert "good.bin" in out
    assert f"{tmp_path}/bad.bin: frame 0" in err
    assert "row 2, column 3" in err
    code, _, err = run("convert", tmp_path / "bad.bin", "-F", "smv", "-o", tmp_path / "x.img")
    assert code == 1
    assert f"{tmp_path}/bad.bin" in err
    assert "row 2, column 3" in err
    assert not (tmp_path / "x.img").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may search everything")
def test_a_folder_that_may_not_be_searched_is_exit_5(run, stack, tmp_path):
    (tmp_path / "out").mkdir(mode=0)
    code, _, err = run("convert", stack, "-F", "mrc", "-o", tmp_path / "out")
    assert code == 5 and "Permission denied" in err
