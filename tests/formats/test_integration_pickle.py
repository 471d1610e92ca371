"""Integration pickles: the reference file as tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from braggio.errors import FormatError
from braggio.formats import pickled
from braggio.formats.integration_pickle import read_integration_pickle
from braggio.model.crystal import UnitCell, space_group

pytestmark = pytest.mark.usefixtures("never_unpickle")


def test_the_reference_file(real_data: Path) -> None:
    path = real_data / "xfel" / "int-c2_p2.pickle"
    table = read_integration_pickle(path)
    (crystal,) = table.crystals
    assert len(crystal.hkl) == 139
    assert crystal.unit_cell.parameters == (67.2, 59.8, 47.2, 90, 110.3, 90)
    assert (crystal.space_group.name, crystal.space_group.number) == ("C 1 2 1", 5)
    assert crystal.to_primitive == "x+y,x-y,-z"
    assert crystal.position is not None and crystal.orientation is not None
    assert crystal.position[1].tolist() == [1.5, 2.5]
    # A* and the cell tell the same: |A* h| = 1/d
    d = crystal.unit_cell.d_spacing(crystal.hkl)
    np.testing.assert_allclose(np.linalg.norm(crystal.hkl @ crystal.orientation.T, axis=1), 1 / d, rtol=1e-6)
    assert d.min() == pytest.approx(5.483014, abs=1e-6)
    row = table.scalars()
    assert (row["wavelength"], row["distance"], row["ML_domain_size_ang"]) == (1.75124427107, 119.002, 1500.0)
    assert "sa_parameters" not in row  # its placeholder is the text None
    frame = table.reflections()
    assert list(frame.columns) == ["crystal", "h", "k", "l", "I", "sigI", "slow", "fast"]
    assert len(frame) == 139
    assert (frame["I"] / frame["sigI"] > 1).sum() == 136


@pytest.mark.parametrize(
    ("hall", "name", "number"),
    [(" C 2y", "C 1 2 1", 5), (" P 61 2 (x,y,z+5/12)", "P 61 2 2", 178), (" R 3", "R 3 :H", 146), ("-P 1", "P -1", 2)],
)
def test_hall_symbols(hall: str, name: str, number: int) -> None:
    assert (space_group(hall).name, space_group(hall).number) == (name, number)


def test_unknown_hall_symbol_is_kept() -> None:
    assert space_group(" X 9").name == "Hall: X 9"


def test_unit_cell_must_have_a_volume() -> None:
    with pytest.raises(ValueError, match="volume"):
        UnitCell.of((10, 10, 10, 10, 20, 170))


def test_refusals() -> None:
    for value in ({"a": 1}, {"observations": []}, {"observations": 3}, {"observations": ["x"]}):
        with pytest.raises(FormatError):
            read_integration_pickle(pickled.dumps(value))
