"""Integration pickles: the reference file as tables."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from braggio.errors import BraggioError, FormatError, MetadataError
from braggio.formats.integration_pickle import from_value, read_integration_pickle
from braggio.model.crystal import UnitCell, space_group
from braggio.storage import pickled
from braggio.storage.pickled import PickledObject

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


def nested(depth: int) -> tuple[object, ...]:
    """A tuple of 2^depth items that share each other."""
    value: tuple[object, ...] = (1,)
    for _ in range(depth):
        value = (value, value)
    return value


def observed(cell: tuple[object, ...] = (10, 20, 30, 90, 90, 90), sigma: float = 1.0) -> dict[str, object]:
    """The value of an integration pickle of three reflections."""
    group = PickledObject("cctbx_sgtbx_ext", "space_group", (" P 2 2",))
    state = {
        "_unit_cell": PickledObject("cctbx_uctbx_ext", "unit_cell", (cell,)),
        "_space_group_info": PickledObject("cctbx.sgtbx", "space_group_info", (), (group,)),
        "_indices": np.array([[1, 0, 0], [0, 1, 0], [2, 3, 4]], np.int32),
        "_data": np.array([1.0, 2, 3]),
        "_sigmas": np.full(3, sigma),
    }
    return {"observations": [PickledObject("cctbx.miller", "array", (), state)]}


def test_errors_stay_short_whatever_was_stored() -> None:
    for value in ({"observations": [nested(16)]}, {"observations": {"a": nested(16)}}, observed(nested(16))):
        with pytest.raises(BraggioError) as caught:
            from_value(value)
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("edge", [10**400, 1e200, 1e-140, 0, np.inf, np.nan])
def test_edges_beyond_any_number_are_refused(edge: object) -> None:
    with pytest.raises(MetadataError, match="_unit_cell: expected a unit cell, found"):
        from_value(observed((edge, 20, 30, 90, 90, 90)))


def test_sigmas_of_zero_pass_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_value(observed(sigma=0.0)).crystals[0].highest_resolution()[0] is not None
