"""What cctbx itself makes of our files, and we of its: only where cctbx-base is installed (it is large)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from braggio.formats.image_pickle import image_fields, write_image_pickle
from braggio.formats.integration_pickle import read_integration_pickle
from braggio.model.crystal import space_group
from braggio.storage import pickled

flex: Any = pytest.importorskip("scitbx.array_family.flex")
easy_pickle: Any = pytest.importorskip("libtbx.easy_pickle")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_cctbx_loads_our_image(tmp_path: Path, protocol: int, dtype: str) -> None:
    data = np.random.default_rng(0).normal(0, 300, (40, 50)).astype(dtype)
    path = tmp_path / "x.pickle"
    write_image_pickle(path, image_fields(data, timestamp="2014-12-01T07:36Z01.249"), protocol=protocol)
    loaded = easy_pickle.load(str(path))
    assert (loaded["DATA"].as_numpy_array() == data).all()
    assert loaded["DATA"].focus() == (40, 50)
    assert list(loaded["ACTIVE_AREAS"]) == [0, 0, 40, 50]


@pytest.mark.parametrize("name", ["int", "long", "double", "float", "bool", "size_t", "uint8", "int16", "std_string"])
def test_we_load_arrays_of_cctbx(tmp_path: Path, name: str) -> None:
    kind = getattr(flex, name)
    values: list[Any] = [0, 1, 5, 100, 3] * 7
    values = [str(v) for v in values] if name == "std_string" else [v > 2 for v in values] if name == "bool" else values
    array = kind(values)
    easy_pickle.dump(str(tmp_path / "x.pickle"), {"a": array})
    found = pickled.load(tmp_path / "x.pickle")["a"]
    assert list(found) == list(array)


def test_we_load_signed_and_tiny_numbers_of_cctbx(tmp_path: Path) -> None:
    values = [*np.random.default_rng(0).normal(0, 15, 1000), 5e-324, 1e308, -1e-300, 0.0, -0.5]
    path = tmp_path / "x.pickle"
    easy_pickle.dump(str(path), {"a": flex.double(values), "b": flex.int([-(2**31), 2**31 - 1, -1])})
    found = pickled.load(path)
    assert found["a"].tolist() == values
    assert found["b"].tolist() == [-(2**31), 2**31 - 1, -1]


def test_hall_symbols_of_cctbx() -> None:
    sgtbx: Any = pytest.importorskip("cctbx.sgtbx")
    for symbol in ("P 61 2 2", "C 1 2 1", "R 3 :H", "R 3 :R", "P 1 1 21", "F d -3 m :2", "I 41/a m d :1"):
        info = sgtbx.space_group_info(symbol)
        hall = info.group().type().hall_symbol()
        assert space_group(hall).name == str(info)


def test_miller_array_of_cctbx(tmp_path: Path) -> None:
    crystal: Any = pytest.importorskip("cctbx.crystal")
    miller: Any = pytest.importorskip("cctbx.miller")
    symmetry = crystal.symmetry(unit_cell=(93.2, 93.2, 130.4, 90, 90, 120), space_group_symbol="P 61 2 2")
    made = miller.build_set(symmetry, anomalous_flag=False, d_min=6)
    data = flex.double(range(made.size()))
    array = miller.array(made, data=data, sigmas=data + 1).set_observation_type_xray_intensity()
    pairs = flex.vec2_double([(float(i), float(2 * i)) for i in range(made.size())])
    path = tmp_path / "int.pickle"
    easy_pickle.dump(str(path), {"observations": [array], "mapped_predictions": [pairs], "wavelength": 1.3})
    (found,) = read_integration_pickle(path).crystals
    assert (found.hkl == np.array(list(made.indices()))).all()
    assert found.unit_cell.parameters == pytest.approx((93.2, 93.2, 130.4, 90, 90, 120))
    assert (found.space_group.name, found.space_group.number) == ("P 61 2 2", 178)
    np.testing.assert_allclose(found.unit_cell.d_spacing(found.hkl), list(made.d_spacings().data()), rtol=1e-12)


def test_our_arrays_are_the_bytes_of_cctbx(tmp_path: Path) -> None:
    """The buffer itself, as cctbx writes it."""
    data = np.random.default_rng(1).normal(0, 1000, 500)
    path = tmp_path / "x.pickle"
    easy_pickle.dump(str(path), {"a": flex.double(data)})
    ours = pickled.dumps({"a": data}, protocol=4)
    from braggio._core import encode_flex

    assert encode_flex(data, "double") in path.read_bytes()
    assert encode_flex(data, "double") in ours
