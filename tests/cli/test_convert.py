"""``braggio convert``, ``info`` and ``view``."""

import numpy as np
import pytest

import braggio


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


def test_frames_and_output_file(run, stack, tmp_path):
    assert run("convert", stack, "-o", tmp_path / "some.mrc", "--frames", "1:")[0] == 0
    assert np.array_equal(braggio.read(tmp_path / "some.mrc"), braggio.read(stack)[1:])


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
