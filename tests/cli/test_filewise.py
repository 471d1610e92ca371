"""Commands that make one file of each file: names of outputs, and a bad file among good ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from braggio.cli import main
from braggio.formats.image_pickle import image_fields, read_image_pickle, write_image_pickle

TIME = "2014-12-01T07:36Z01.249"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_pickle(path: str) -> None:
    write_image_pickle(path, image_fields(np.eye(3, dtype=np.int32), timestamp=TIME))


def test_outputs_stand_beside_their_inputs_past_a_bad_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pickle("a.pickle")
    Path("b.pickle").write_bytes(b"no pickle")
    make_pickle("c.pickle")
    Path("c.pickle.gz").write_bytes(gzip.compress(Path("c.pickle").read_bytes()))
    assert main(["pickle2cbf", "a.pickle", "b.pickle", "c.pickle.gz"]) == 1
    assert sorted(path.name for path in folder.glob("*.cbf")) == ["a.cbf", "c.cbf"]
    assert capsys.readouterr().err.count("b.pickle") == 1


def test_what_comes_back_has_the_other_suffix() -> None:
    make_pickle("a.pickle")
    assert main(["pickle2cbf", "a.pickle"]) == 0
    assert main(["cbf2pickle", "a.cbf"]) == 1, "the pickle is there already"
    assert main(["cbf2pickle", "a.cbf", "-f", "--address", "MfxEndstation-0|Rayonix-0"]) == 0
    image = read_image_pickle("a.pickle")
    assert (image.data == np.eye(3)).all() and image.address == "MfxEndstation-0|Rayonix-0"


def test_one_output_cannot_hold_two_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pickle("a.pickle")
    assert main(["pickle2cbf", "a.pickle", "a.pickle", "-o", "x.cbf"]) == 2
    assert "--output takes one input" in capsys.readouterr().err
    assert not list(folder.glob("*.cbf"))


@pytest.mark.parametrize("names", [("a.pickle", "a.pickle.gz"), ("run.1", "run.2")])
def test_no_input_takes_the_output_of_another(names: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    make_pickle(names[0])
    Path(names[1]).write_bytes(gzip.compress(Path(names[0]).read_bytes()))
    assert main(["pickle2cbf", "-f", *names]) == 1
    printed = capsys.readouterr()
    output = Path(names[0]).stem + ".cbf"
    assert printed.out == f"{output}\n"
    assert printed.err == f"braggio: error: {output}: not written for {names[1]}: it is the output of another input\n"


def test_no_output_replaces_an_input(capsys: pytest.CaptureFixture[str]) -> None:
    make_pickle("a.pickle")
    before = Path("a.pickle").rename("a.cbf").read_bytes()
    assert main(["pickle2cbf", "-f", "a.cbf"]) == 1
    assert "a.cbf: not written for a.cbf: it is an input" in capsys.readouterr().err
    assert Path("a.cbf").read_bytes() == before


def test_folders_are_refused_as_folders(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pickle2cbf", ".", "/"]) == 1
    assert capsys.readouterr().err == "braggio: error: .: Is a directory\nbraggio: error: /: Is a directory\n"


def test_a_codec_that_does_not_fit_is_told_with_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image_pickle("a.pickle", image_fields(np.ones((2, 2)), timestamp=TIME))
    assert main(["pickle2cbf", "a.pickle", "--codec", "byte_offset"]) == 1
    assert "a.cbf: codec: byte_offset holds integers, not float64" in capsys.readouterr().err
    assert not list(folder.glob("*.cbf"))
