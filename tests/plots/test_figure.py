"""Figures: the same bytes in every process, without a display or a home to write to, whole or not at all."""

import os
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from plots import pixels

from braggio.errors import OutputError, UnsupportedError
from braggio.plots.contrast import Contrast
from braggio.plots.figure import DPI, VERMILLION, check_picture, count_axis, fitted, page, picture, show_image

SCRIPT = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
from braggio.plots.frame import Beam, draw_frame
for name in sys.argv[1:]:
    beam = Beam(8, 8, 0.1, 100.0, 1.0)
    draw_frame(name, np.arange(256.0).reshape(16, 16) ** 2, beam=beam, title="a_frame.img")
assert "matplotlib.pyplot" not in sys.modules
"""


def drawn(path, **environment):
    known = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND", "MPLCONFIGDIR")}
    command = [sys.executable, "-c", SCRIPT, path]
    done = subprocess.run(command, env={**known, **environment}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_every_process_draws_the_same_bytes(tmp_path, suffix):
    """Whatever the user's own settings of matplotlib are: a second process has others."""
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nbackend: tkagg\n")
    first = drawn(tmp_path / f"a{suffix}", PYTHONHASHSEED="1")
    assert first == drawn(tmp_path / f"b{suffix}", PYTHONHASHSEED="2", MPLCONFIGDIR=str(tmp_path / "settings"))


def test_a_home_that_cannot_be_written_is_no_matter(tmp_path):
    """No warning either: the script has no output at all. A file cannot be a folder, not even for root."""
    (tmp_path / "home").write_bytes(b"")
    home = str(tmp_path / "home")
    assert drawn(tmp_path / "a.png", HOME=home, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home)


def test_no_date_and_no_program_are_in_a_picture(tmp_path):
    for name in ("a.png", "a.svg"):
        data = drawn(tmp_path / name)
        assert b"Software" not in data and b"dc:date" not in data and b"Matplotlib" not in data


def test_an_error_while_drawing_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "a.png", (2, 2)):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_picture_is_replaced_only_when_told(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"a.png: File exists"), picture(path, (2, 2)):
        pytest.fail("checked before it is drawn")
    assert path.read_bytes() == b"mine"
    with picture(path, (2, 3), overwrite=True):
        pass
    assert pixels.read(path).shape == (3 * DPI, 2 * DPI, 3)


def test_wants_are_checked(tmp_path):
    check_picture(tmp_path / "a.PNG")
    with pytest.raises(UnsupportedError, match=r"a.gif: suffix: expected .png or .svg, found .gif"):
        check_picture(tmp_path / "a.gif")
    with pytest.raises(UnsupportedError, match="no suffix"):
        check_picture(tmp_path / "a")
    with pytest.raises(OutputError, match="No such file"):
        check_picture(tmp_path / "none" / "a.png")
    (tmp_path / "link.png").symlink_to("nowhere")
    with pytest.raises(OutputError, match="File exists"):
        check_picture(tmp_path / "link.png")


@pytest.mark.parametrize("title", ["x" * 300, "word " * 60, "$x_1$ {a} \\alpha", "文字 \x1b[2K", "a\nb"])
def test_no_title_is_cut_or_typeset(tmp_path, title):
    with picture(tmp_path / "a.png", (4, 4), title=title):
        pass
    image = pixels.read(tmp_path / "a.png")
    assert (image < 128).any() and pixels.margin(image) >= 3


def test_names_in_an_svg_stay_text(tmp_path):
    with picture(tmp_path / "a.svg", (4, 2), title="a <b> & $c$"):
        pass
    texts = ["".join(node.itertext()) for node in ElementTree.parse(tmp_path / "a.svg").iter() if "text" in node.tag]
    assert "a <b> & $c$" in texts


def test_lines_of_a_text_fit(tmp_path):
    assert fitted("short", 4, 10) == "short"
    assert max(map(len, fitted("m" * 100, 2, 12).split("\n"))) <= 20


@pytest.mark.parametrize("shape", [(10, 10), (1, 4000), (4000, 1)])
def test_pages_have_room_for_any_shape(shape):
    width, height = page(shape)
    assert 4 < width < 12 and 3 < height < 12


def test_the_first_pixel_is_at_the_upper_left_and_nothing_is_pink(tmp_path):
    frame = np.zeros((4, 8))
    frame[0, 0], frame[3, 7] = 1, np.nan
    with picture(tmp_path / "a.png", (6, 4)) as figure:
        show_image(figure.subplots(), frame, Contrast(0, 1), outside=VERMILLION)
    image = pixels.read(tmp_path / "a.png")
    block = np.zeros(image.shape[:2], bool)
    for row, column in zip(*np.nonzero((image == 0).all(axis=-1)), strict=True):
        block[row, column] = image[row : row + 20, column : column + 20].max() == 0
    dark, red = pixels.middle(block), pixels.middle(pixels.of_colour(image, VERMILLION))
    assert dark[0] < red[0] - 100 and dark[1] < red[1] - 300


def test_counts_have_whole_ticks():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set_xlim(0, 2)
    count_axis(axes.xaxis)
    assert axes.get_xticks().tolist() == [0, 1, 2]
