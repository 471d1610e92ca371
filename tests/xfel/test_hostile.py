"""Values that no writer writes, in every field of every kind of file: an answer, or an error of ours in one line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from braggio.errors import BraggioError
from braggio.formats import integration_pickle
from braggio.formats.cspad_cbf import CspadCbf, imgcif
from braggio.formats.image_pickle import from_value, image_fields
from braggio.storage import cif, pickled
from braggio.storage.cbf import Cbf
from braggio.storage.pickled import PickledObject
from braggio.xfel.report import describe, facts

pytestmark = [
    pytest.mark.usefixtures("never_unpickle"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

ODD: list[Any] = [
    None,
    True,
    0,
    0.0,
    -1,
    2**70,
    -(2**63),
    1e308,
    -1e-308,
    float("nan"),
    float("inf"),
    "x",
    "",
    b"x",
    [],
    [None],
    {},
    {"a": 1},
    (),
    np.zeros(0),
    np.zeros(3),
    np.zeros(4),
    np.full(8, np.nan),
    np.full(4, 2**62),
    np.full(4, -(2**31), np.int32),
    np.zeros((2, 2, 2)),
    np.zeros((3, 2), bool),
    PickledObject("cctbx.miller", "array", (), None),
    PickledObject("cctbx.miller", "array", None, {"_indices": 3}),
]


def test_image_pickles() -> None:
    good = image_fields(
        np.zeros((30, 40), np.int32), timestamp="2014-12-01T07:36Z01.249", address="CxiDs1-0|Cspad-0", wavelength=1.3
    )
    for key in [*good, "OSC_START"]:
        for odd in ODD:
            fields = good | {key: odd}
            with contextlib.suppress(BraggioError):
                assert "\x1b" not in describe(fields, "x")
            with contextlib.suppress(BraggioError):
                facts(fields, "x")
            with contextlib.suppress(BraggioError):
                image = from_value(fields)
                _ = image.detector, image.version, image.trusted_range
            with contextlib.suppress(BraggioError):
                from_value(fields).moved_data()


def test_integration_pickles(real_data: Path) -> None:
    good = pickled.load(real_data / "xfel" / "int-c2_p2.pickle")
    tried = [good | {key: odd} for key in good for odd in ODD]
    tried += [good | {key: [odd]} for key in good for odd in ODD]
    array = good["observations"][0]
    for key in array.state:
        for odd in ODD:
            state = array.state | {key: odd}
            tried.append(good | {"observations": [PickledObject(array.module, array.name, (), state)]})
    for odd in ODD:
        for name, wrapped in (
            ("_unit_cell", PickledObject("cctbx_uctbx_ext", "unit_cell", (odd,))),
            ("_unit_cell", PickledObject("cctbx_uctbx_ext", "unit_cell", ((odd,) * 6,))),
            ("_space_group_info", PickledObject("cctbx.sgtbx", "space_group_info", (), (odd,))),
            (
                "_space_group_info",
                PickledObject("cctbx.sgtbx", "space_group_info", (), (PickledObject("", "space_group", (odd,)),)),
            ),
        ):
            state = array.state | {name: wrapped}
            tried.append(good | {"observations": [PickledObject(array.module, array.name, (), state)]})
        for arguments in ((odd,), ((odd,) * 9, True), ((0.0,) * 9, False), (odd, odd)):
            orientation = PickledObject("cctbx_orientation_ext", "crystal_orientation", arguments)
            tried.append(good | {"current_orientation": [orientation]})
    for fields in tried:
        for read in (describe, facts):
            with contextlib.suppress(BraggioError):
                read(fields, "x")
        with contextlib.suppress(BraggioError):
            integration_pickle.from_value(fields).scalars()


TWO_PANELS = """data_two
_diffrn_radiation_wavelength.wavelength 1.3
_diffrn_scan_frame.date 2013-03-01
loop_
_axis.id
_axis.type
_axis.depends_on
_axis.vector[1]
_axis.vector[2]
_axis.vector[3]
_axis.offset[1]
_axis.offset[2]
_axis.offset[3]
_axis.rotation
_axis.rotation_axis
 Z translation . 0 0 1 0 0 0 . .
 R rotation Z 0 0 1 0 0 0 . .
 S translation R 0 -1 0 10 0 0 90 Z
 F translation S 1 0 0 0 0 0 . .
loop_
_diffrn_scan_frame_axis.axis_id
_diffrn_scan_frame_axis.angle
_diffrn_scan_frame_axis.displacement
 R 45 0
 Z 0 -100
loop_
_array_structure_list.array_id
_array_structure_list.array_section_id
_array_structure_list.index
_array_structure_list.dimension
_array_structure_list.precedence
_array_structure_list.axis_set_id
 A T 1 4 1 F
 A T 2 3 2 S
loop_
_array_structure_list_section.array_id
_array_structure_list_section.id
_array_structure_list_section.index
_array_structure_list_section.start
_array_structure_list_section.end
 A T 1 1 4
 A T 2 1 3
loop_
_array_structure_list_axis.axis_set_id
_array_structure_list_axis.axis_id
_array_structure_list_axis.displacement
_array_structure_list_axis.displacement_increment
 F F 0 0.1
 S S 0 0.1
loop_
_array_intensities.array_id
_array_intensities.overload
_array_intensities.undefined_value
 A 100 -1
loop_
_array_data.array_id
_array_data.data
 A binary:0
"""
ODD_TEXTS = [
    None,
    "nan",
    "inf",
    "-1e999",
    "99999999999999999999",
    "-1",
    "0",
    "1.5",
    "x",
    "",
    "binary:7",
    "binary:x",
    "S",
]


def test_imgcif_headers() -> None:
    """A value of each item of each row of each category in turn."""
    good = cif.parse(TWO_PANELS)
    imgcif.read_detector(good)
    for category in good.categories.values():
        for row in category.rows:
            for item, kept in enumerate(row):
                for odd in ODD_TEXTS:
                    row[item] = odd
                    opened = CspadCbf(Cbf("", ()))
                    opened.file.__dict__["block"] = good
                    for ask in ("detector", "wavelength", "distance", "timestamp", "cspad"):
                        with contextlib.suppress(BraggioError):
                            getattr(opened, ask)
                    with contextlib.suppress(BraggioError):
                        opened.read_tiles()
                row[item] = kept
