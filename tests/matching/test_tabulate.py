"""The table of a search: it and its provenance appear together, and its options are checked before any map is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matching_makers import maps, write_result

from braggio.errors import GeometryError, OptionError, OutputError, UnknownOptionError
from braggio.matching import TableOptions, open_result, pick, search_table
from braggio.recipes import tasks_of


@pytest.fixture
def search(tmp_path: Path) -> Path:
    return write_result(tmp_path / "in", maps(), name="s")


def test_the_table_and_its_provenance(search: Path, tmp_path: Path) -> None:
    report = search_table(search, tmp_path / "out" / "t.csv", TableOptions(radius=3))
    facts = json.loads(report.provenance.read_bytes())
    assert facts["radius"] == 3.0
    assert facts["peaks"] == len(report.peaks) == report.table.n > 0
    assert report.path.read_text().count("\n") == report.table.n + 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["t.csv", "t.provenance.json"]


@pytest.mark.parametrize("there", ["t.csv", "t.provenance.json"])
def test_both_or_none(search: Path, tmp_path: Path, there: str) -> None:
    """Neither is replaced without being told to; the other does not appear."""
    (tmp_path / there).write_text("precious")
    with pytest.raises(OutputError, match="exists"):
        search_table(search, tmp_path / "t.csv")
    assert [path.name for path in tmp_path.glob("*t.*")] == [there]
    assert (tmp_path / there).read_text() == "precious"
    search_table(search, tmp_path / "t.csv", overwrite=True)
    assert json.loads((tmp_path / "t.provenance.json").read_bytes())["columns"] == 39


def test_a_provenance_that_cannot_be_written(search: Path, tmp_path: Path) -> None:
    """Its name is a folder: there must be no table either."""
    (tmp_path / "t.provenance.json").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="not a file"):
            search_table(search, tmp_path / "t.csv", overwrite=overwrite)
        assert not (tmp_path / "t.csv").exists()


def test_a_misspelt_option_is_not_dropped(search: Path) -> None:
    """`radus=2` left one peak where `radius=2` gives two, in silence."""
    scores = np.zeros((20, 20), np.float32)
    scores[10, 5], scores[10, 8] = 9, 8
    assert len(pick(scores, cutoff=5, radius=2)) == 2
    with pytest.raises(TypeError, match="radus: no such option; did you mean radius"):
        pick(scores, cutoff=5, radus=2)  # type: ignore[call-arg]
    with pytest.raises(UnknownOptionError, match="radus: no such option; did you mean radius"):
        tasks_of("matching", [str(search)], {"radus": 40})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "best"}, "metric: expected zscore or mip"),
        ({"radius": -1}, "radius: expected a number of at least 0 pixels"),
        ({"seed": 3}, "seed: expected metric gev with it, found zscore"),
        ({"metric": "gev", "quadrant": 3}, "quadrant: expected metric pvalue with it, found gev"),
        ({"exclude": "pos_x"}, "exclude: expected"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        TableOptions(**options)


def test_a_mask_of_another_shape_is_named(search: Path, tmp_path: Path) -> None:
    """By command and plan alike."""
    import braggio

    braggio.write(tmp_path / "m.mrc", np.ones((4, 4), np.float32))
    with pytest.raises(GeometryError, match=r"m\.mrc: mask: expected the maps' .* found 4 x 4"):
        search_table(search, tmp_path / "t.csv", TableOptions(mask=str(tmp_path / "m.mrc")))
    with open_result(search) as result:
        assert result.shape != (4, 4)
