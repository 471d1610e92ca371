"""Printed pickles, word for word as cxi.print_pickle prints them, but for addresses of objects."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from braggio.errors import FormatError
from braggio.formats.image_pickle import image_fields
from braggio.storage import pickled
from braggio.xfel.report import describe, facts

pytestmark = pytest.mark.usefixtures("never_unpickle")


@pytest.mark.parametrize(
    ("pickle", "printed"),
    [
        ("idx-20141201073601249.pickle.gz", "print_pickle_idx.txt"),
        ("int-c2_p2.pickle", "print_int-c2_p2.pickle.txt"),
    ],
)
def test_reference_texts(real_data: Path, pickle: str, printed: str) -> None:
    expected = re.sub(" at 0x[0-9a-f]+", "", (real_data / "xfel" / printed).read_text())
    value = pickled.load(real_data / "xfel" / pickle)
    assert "\n" + describe(value, pickle.removesuffix(".gz")) + "\n" == expected


def test_the_right_resolution_is_in_the_facts(real_data: Path) -> None:
    (crystal,) = facts(pickled.load(real_data / "xfel" / "int-c2_p2.pickle"), "x")["crystals"]
    assert crystal["printed_highest_resolution"] == pytest.approx(6.173555, abs=1e-6)
    assert crystal["highest_resolution"] > crystal["printed_highest_resolution"]


def test_facts_of_an_image() -> None:
    fields = image_fields(np.arange(6).reshape(2, 3), timestamp="2014-12-01T07:36Z01.249", wavelength=1.3)
    found = facts(fields, "x")
    assert (found["content"], found["detector_format_version"], found["first_active_area"]) == (
        "image",
        None,
        [0, 0, 2, 3],
    )
    assert found["energy_ev"] == pytest.approx(12398.4187 / 1.3)
    assert found["fields"]["DATA"] == {"dtype": "int32", "shape": [2, 3], "min": 0, "max": 5}


def test_any_dict_is_printed_and_nothing_else() -> None:
    text = describe({"a": [1, "b", (2.0,)], "c": {"d": np.zeros(3)}}, "x")
    assert text.splitlines() == [
        "Printing contents of x",
        "Not an image pickle",
        "a [1, 'b', (2.0,)]",
        "c {'d': <scitbx_array_family_flex_ext.double object>}",
        "path x",
    ]
    with pytest.raises(FormatError):
        describe([1], "x")


def test_long_values_are_cut() -> None:
    assert len(describe({"a": list(range(10**5))}, "x")) < 20_000


def test_texts_of_a_file_do_not_steer_the_terminal() -> None:
    assert describe({"a": "x\x1b[2Ky\ud800", "b\x07": 1}, "x\udcff").splitlines()[2:] == [
        "a x\\x1b[2Ky\\ud800",
        "b\\x07 1",
        "path x\\udcff",
    ]


def test_a_wavelength_beyond_any_number_is_printed_as_it_is() -> None:
    assert f"WAVELENGTH {10**400}" in describe({"WAVELENGTH": 10**400}, "x").splitlines()
