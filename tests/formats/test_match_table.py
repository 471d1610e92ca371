"""Protects: tables of every generation are read and written as pandas and Leopard-EM do; bad ones are refused."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braggio.errors import BraggioError, FormatError, OutputError
from braggio.formats.match_table import read_table, table_text, write_table
from braggio.model.columns import Coded
from braggio.model.matches import CONSTRAINED_54, GENERATIONS, INTEGERS, MATCH_39, REFINED_51, TEXTS, MatchTable

# As the formats' own pages list them.
SEED_34 = (
    "mip scaled_mip correlation_mean correlation_variance total_correlations pos_x pos_y pos_x_img pos_y_img"
    " pos_x_img_angstrom pos_y_img_angstrom psi theta phi relative_defocus defocus_u defocus_v astigmatism_angle"
    " pixel_size voltage spherical_aberration amplitude_contrast_ratio phase_shift ctf_B_factor micrograph_path"
    " template_path mip_path scaled_mip_path psi_path theta_path phi_path defocus_path correlation_average_path"
    " correlation_variance_path"
).split()


def made(names, rows=3, seed=0):
    rng = np.random.default_rng(seed)
    columns = {}
    for name in names:
        if name in TEXTS:
            columns[name] = Coded.of([["", 'a "b", c.mrc', "[1.0, 0.0, 0.0, 1.0]"][i % 3] for i in range(rows)])
        elif name in INTEGERS:
            columns[name] = rng.integers(0, 10**12, rows)
        else:
            columns[name] = rng.normal(size=rows) * 10.0 ** rng.integers(-20, 20, rows)
    return MatchTable(columns)


def test_the_generations():
    assert sorted(GENERATIONS) == [11, 34, 36, 39, 48, 51, 54]
    assert all(len(names) == len(set(names)) == width for width, names in GENERATIONS.items())
    assert list(GENERATIONS[34]) == SEED_34
    assert CONSTRAINED_54[CONSTRAINED_54.index("refined_psi") + 1 :][:3] == (
        "original_offset_phi",
        "original_offset_theta",
        "original_offset_psi",
    )


@pytest.mark.parametrize("width", sorted(GENERATIONS))
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_text_is_that_of_pandas(width, rows):
    table = made(GENERATIONS[width], rows)
    assert table_text(table) == table.to_dataframe().to_csv(lineterminator="\n")


@given(st.lists(st.floats(width=32), max_size=8), st.lists(st.floats(), max_size=8))
def test_numbers_are_printed_as_pandas_prints_them(narrow, wide):
    for values in (np.array(narrow, np.float32), np.array(wide, np.float64)):
        table = MatchTable({"mip": values})
        assert table_text(table) == table.to_dataframe().to_csv(lineterminator="\n")


@pytest.mark.parametrize("width", sorted(GENERATIONS))
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_round_trip(tmp_path, width, rows):
    table = made(GENERATIONS[width], rows)
    write_table(tmp_path / "a.csv", table)
    found = read_table(tmp_path / "a.csv", fill=False)
    assert list(found.columns) == list(table.columns)
    for name in table.columns:
        np.testing.assert_array_equal(found[name], table[name])
        kind = "O" if name in TEXTS else "i" if name in INTEGERS else "f"
        assert found[name].dtype.kind == kind, name


def test_pandas_reads_it_back(tmp_path):
    table = made(MATCH_39)
    write_table(tmp_path / "a.csv", table)
    frame = pd.read_csv(tmp_path / "a.csv", index_col=0)
    assert tuple(frame.columns) == MATCH_39
    assert frame["mip_path"].isna().tolist() == [True, False, False]


@pytest.mark.parametrize(("width", "target"), [(34, MATCH_39), (36, MATCH_39), (48, REFINED_51)])
@pytest.mark.parametrize("rows", [0, 2])
def test_earlier_generations_are_filled(width, target, rows):
    table = made(GENERATIONS[width], rows)
    found = read_table(table_text(table).encode())
    assert tuple(found.columns) == target
    assert len(found.notes) == 1 and f"{width} columns" in found.notes[0]
    if width == 34:
        assert found["particle_index"].tolist() == list(range(rows))
        np.testing.assert_array_equal(found["refined_pixel_size"], found["pixel_size"])
    assert set(found["mag_matrix"].tolist()) <= {""}


def test_a_frame_and_back():
    table = made(MATCH_39)
    again = MatchTable.from_dataframe(table.to_dataframe())
    assert table_text(again) == table_text(table)


def test_integers_that_pandas_made_floats():
    assert read_table(b",pos_x,pos_y\n0,3.0,-4\n")["pos_x"].tolist() == [3]


def test_columns_that_are_not_known():
    table = read_table(b",pos_x,pos_y,score,who\n0,3,4,1.5,me\n")
    assert table["score"].tolist() == [1.5] and table["who"].tolist() == ["me"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b"", "pos_x"),
        (b"a,b\n1,2\n", "pos_x"),
        (b",pos_x,pos_y\n0,1\n", "line 2: expected 3 values, found 2"),
        (b",pos_x,pos_y,pos_x\n", "pos_x twice"),
        (b",pos_x,pos_y\n0,1.5,2\n", "pos_x in row 0: expected an integer"),
        (b",pos_x,pos_y\n0,,2\n", "pos_x in row 0: expected an integer"),
        (b",pos_x,pos_y\n0,1_0,2\n", "integer"),
        (b",pos_x,pos_y\n0,1e30,2\n", "integer"),
        (b",pos_x,pos_y\n0,inf,2\n", "integer"),
        (b",pos_x,pos_y,mip\n0,1,2,3\n1,1,2,x\n", "mip in row 1: expected a number, found 'x'"),
        (b",pos_x,pos_y\n0,1,\xff\n", "UTF-8"),
        (b",pos_x,pos_y\n0,1,\0\n", "NUL"),
        (b',pos_x,pos_y\n0,1,"2', "line 2"),
        (b",pos_x,pos_y\n0,1," + b"9" * 200000, "line 2|integer"),
    ],
)
def test_refusals(text, named):
    with pytest.raises(FormatError, match=named):
        read_table(text)


@given(st.binary(max_size=80))
def test_any_bytes(data):
    with suppress(BraggioError):
        read_table(b",pos_x,pos_y\n" + data)


def test_an_output_that_exists(tmp_path):
    table = made(MATCH_39)
    write_table(tmp_path / "a.csv", table)
    before = (tmp_path / "a.csv").read_bytes()
    with pytest.raises(OutputError):
        write_table(tmp_path / "a.csv", table.select([0]))
    assert (tmp_path / "a.csv").read_bytes() == before
    write_table(tmp_path / "a.csv", table.select([0]), overwrite=True)
    assert read_table(tmp_path / "a.csv").n == 1


def test_selection():
    table = made(MATCH_39, 5)
    assert table.select([]).n == 0 and table.select(slice(1, 3)).n == 2
    assert table.select(table["pos_x"] >= 0).n == 5
    assert io.StringIO(table_text(table.select([]))).readline().count(",") == 39
