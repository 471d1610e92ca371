"""Protects: STAR tables are read as RELION means them; no row is lost or shifted in silence."""

from __future__ import annotations

import contextlib
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st

from braggio.errors import BraggioError, DataWarning, FormatError, MetadataError, OutputError, TruncatedError
from braggio.formats.star import StarTable, quoted, read_star, read_tables, scan, write_star, write_tables
from braggio.model.columns import Coded, ImageNames

REAL_FILES = ("empiar_10076_7", "one_loop", "particle_data", "relion_style_particles", "rln3.1_data_style")


def loop(rows: str, labels: str = "a b") -> bytes:
    """A file of one table."""
    return (
        "data_x\n\nloop_\n" + "".join(f"_{label} #{i}\n" for i, label in enumerate(labels.split(), 1)) + rows
    ).encode()


def column(content: bytes, label: str = "a", **options):
    table = next(iter(read_tables(content, **options).values()))
    values = table.columns[label]
    return list(values.to_array()) if isinstance(values, (Coded, ImageNames)) else values.tolist()


# ---- the table of tricky files: the number is the case, the value the "right answer"


def test_05_trailing_comments_are_no_columns() -> None:
    assert column(loop("1 2 # three\n3 4 #5\n"), "b") == [2, 4]


def test_06_a_hash_inside_a_token_is_kept() -> None:
    assert column(loop("000002@a#b.mrcs 2\n", "rlnImageName b"), "rlnImageName") == ["000002@a#b.mrcs"]


def test_07_a_blank_line_ends_the_loop_and_rows_after_it_are_refused() -> None:
    assert column(loop("1 2\n \n")) == [1]
    with pytest.raises(FormatError, match=r"line 8: data_x: expected no rows after the blank line"):
        read_tables(loop("1 2\n\n") + b"3 4\n")


def test_10_quotes_inside_a_token_are_kept() -> None:
    assert column(loop("bob's/a.mrcs 1\n")) == ["bob's/a.mrcs"]
    assert column(loop('"two words" 1\n\'it"s\' 2\n')) == ["two words", 'it"s']


@pytest.mark.parametrize("rows", ["1 2\n3\n", "1 2\n3 4 5\n", "1 2 3\n"])
def test_11_39_short_and_long_rows_are_refused_with_their_line(rows: str) -> None:
    line = 6 + (rows.count("\n") - 1)
    with pytest.raises(FormatError, match=rf"line {line}: data_x: expected 2 columns, found"):
        read_tables(loop(rows, "rlnDefocusU rlnDefocusV"))


def test_15_names_that_look_like_numbers_stay_texts() -> None:
    assert column(loop("0001 1\n01 2\n", "rlnMicrographName b"), "rlnMicrographName") == ["0001", "01"]


def test_16_17_missing_values_are_nan_and_never_zero() -> None:
    values = column(loop("nan 1\n<NA> 2\nNaN 3\n", "rlnDefocusU b"), "rlnDefocusU")
    assert len(values) == 3 and all(math.isnan(value) for value in values)
    assert column(loop("1 1\n<NA> 2\n", "rlnClassNumber b"), "rlnClassNumber")[0] == 1


@pytest.mark.parametrize("word", ["None", "1.05D+04", ".", "1e", "0x10", "--1", "1,5", "1e999"])
def test_35_words_in_a_number_column_are_refused_and_never_zero(word: str) -> None:
    with pytest.raises(FormatError, match=r"line 7: data_x: rlnDefocusU: expected a number, found '"):
        read_tables(loop(f"1 1\n{word} 2\n", "rlnDefocusU b"))


def test_35_words_in_an_unknown_column_make_it_text() -> None:
    assert column(loop("1 1\nNone 2\n")) == ["1", "None"]


def test_18_a_row_may_begin_with_data() -> None:
    assert column(loop("data_set1/a.mrcs 1\ndata_set1/b.mrcs 2\n")) == ["data_set1/a.mrcs", "data_set1/b.mrcs"]
    assert column(loop("data_1\ndata_2\n\n", "a")) == ["data_1", "data_2"]
    content = loop("one\n", "a") + b"data_y\nloop_\n_b\n2\n"
    assert [block.name for block in scan(content)] == ["x", "y"]


def test_rows_that_look_like_keywords_stand_among_others() -> None:
    names = ["one", "data_y", "two", "loop_x", "DATA_z", "data_q"]
    content = loop("".join(f"{name}\n" for name in names), "a") + b"data_y\n\nloop_\n_b\ndata_w\n2\n"
    tables = read_tables(content)
    assert list(tables["x"].columns["a"].to_array()) == names
    assert list(tables["y"].columns["b"].to_array()) == ["data_w", "2"]


def test_of_two_mistakes_the_first_is_named() -> None:
    rows = "1 1\n" * 1000
    with pytest.raises(FormatError, match=r"line 1006: data_x: rlnVoltage: expected a number, found 'one'"):
        read_tables(loop(f"{rows}one 1\n{rows}1\n\n", "rlnVoltage b") + loop("1 1\n"))
    with pytest.raises(FormatError, match=r"line 1006: data_x: expected 2 columns, found 3"):
        read_tables(loop(f"{rows}1 1 1\n{rows}one 1\n\nstray\n", "rlnVoltage b"))


def test_23_24_names_that_stand_twice_are_refused() -> None:
    with pytest.raises(FormatError, match=r"line 8: data_x: .* found the same name in line 1"):
        read_tables(loop("1 2\n\n") + loop("3 4\n"))
    with pytest.raises(FormatError, match="every label once, found _a again"):
        read_tables(loop("1 2\n", "a a"))


def test_25_26_names_of_any_encoding_survive(tmp_path) -> None:
    content = loop("é/a.mrcs 1\n") + b""
    assert column(content) == ["é/a.mrcs"]
    latin = b"data_x\nloop_\n_a\n_b\n\xe9/a.mrcs 1\n"
    assert column(latin)[0].encode("utf-8", "surrogateescape") == b"\xe9/a.mrcs"
    write_tables(tmp_path / "a.star", read_tables(latin))
    assert b"\xe9/a.mrcs" in (tmp_path / "a.star").read_bytes()
    assert read_star(latin)["a"][0].encode("utf-8", "surrogateescape") == b"\xe9/a.mrcs"


def test_28_keywords_of_any_case() -> None:
    assert column(b"DATA_x\nLOOP_\n_a\n1\n") == [1]


def test_41_42_comments_and_blanks_among_labels() -> None:
    assert column(b"data_x\n\nloop_\n# one\n_a #1\n\n_b #2\n# two\n1 2\n") == [1]


def test_03_crlf_bom_and_tabs() -> None:
    assert column(loop("1\t2\n").replace(b"\n", b"\r\n"), "b") == [2]
    assert column(b"\xef\xbb\xbf" + loop("1 2\n")) == [1]


def test_empty_values_of_job_files() -> None:
    content = loop("do_x \nmask mask.mrc\n", "rlnJobOptionVariable rlnJobOptionValue")
    assert column(content, "rlnJobOptionValue") == ["", "mask.mrc"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data_ line, found an empty file"),
        (b"# only a comment\n", "expected a data_ line"),
        (b"hello\n", "line 1: expected a data_ line, found 'hello'"),
        (b"loop_\n_a\n1\n", "loop_: expected a data_ line before it"),
        (b"data_x\n", "expected labels, found the end of the file"),
        (b"data_x\nloop_\n", "expected labels, found the end of the file"),
        (b"data_x\nloop_\n1 2\n", "expected labels, found a row"),
        (b"data_x\n_a\n", "expected a value, found none"),
        (b"data_x\n_a 1 2\n", "expected one value"),
        (b"data_x\nloop_\n_a\n1\nloop_\n_b\n2\n\nloop_\n_c\n", "expected"),
        (b"data_x\nloop_\n_a\n_b\n'open 1\n", "a closing '"),
        ("data_x\nloop_\n_a\n1\n".encode("utf-16"), "NUL byte"),
        (b"data_x\nloop_\n_a\n1\0\n", "line 4: expected text, found a NUL"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_tables(content)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_every_truncation_is_refused_or_gives_whole_rows() -> None:
    """A cut never shifts or invents a cell: what is read is a beginning of what was there, and a cut row says so."""
    rows = [f"{i:06d}@s.mrcs {i}.5 name{i}" for i in range(1, 5)]
    content = loop("\n".join(rows) + "\n", "rlnImageName rlnDefocusU rlnMicrographName")
    for size in range(len(content)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                tables = read_tables(content[:size])
            except BraggioError:
                continue
        names = list(tables["x"].columns["rlnImageName"].to_array()) if "rlnImageName" in tables["x"].columns else []
        assert names == [row.split()[0] for row in rows[: len(names)]]
        whole = content[:size].endswith(b"\n") or not names
        assert whole or any(issubclass(each.category, DataWarning) for each in caught)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 120))
def test_damage_gives_a_typed_error_or_a_table(noise: bytes, place: int) -> None:
    content = loop("000001@a.mrcs 1.5\n000002@b.mrcs 2.5\n", "rlnImageName rlnDefocusU")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(BraggioError):
            read_tables(content[:place] + noise + content[place + 3 :])


def test_many_labels_over_short_rows_do_not_allocate() -> None:
    labels = " ".join(f"l{i}" for i in range(5000))
    with pytest.raises(FormatError, match="expected 5000 columns, found 1"):
        read_tables(loop("1\n" * 100_000, labels))


# ---- numbers


@settings(deadline=None, max_examples=500)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".6f", ".17e", ".3g", ".12f"]))
def test_numbers_are_read_as_python_reads_them(value: float, style: str) -> None:
    text = repr(value) if style == "r" else format(value, style)
    if math.isinf(float(text)):  # rounded up beyond the largest double: not a number that a double holds
        with pytest.raises(FormatError):
            read_tables(loop(f"{text} 1\n", "rlnDefocusU b"))
        return
    assert column(loop(f"{text} 1\n", "rlnDefocusU b"), "rlnDefocusU") == [float(text)]


@settings(deadline=None, max_examples=300)
@given(st.from_regex(r"[+-]?[0-9]{0,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True).filter(bool))
def test_texts_are_numbers_for_us_exactly_when_they_are_for_python(text: str) -> None:
    try:
        expected = float(text)
        valid = math.isfinite(expected)
    except ValueError:
        valid = False
    if valid:
        assert column(loop(f"{text} 1\n", "rlnDefocusU b"), "rlnDefocusU") == [expected]
    else:
        with pytest.raises(FormatError):
            read_tables(loop(f"{text} 1\n", "rlnDefocusU b"))


def test_64_bit_integers_keep_every_digit() -> None:
    assert column(loop("9007199254740993 1\n-9223372036854775808 2\n")) == [9007199254740993, -(2**63)]
    assert column(loop("18446744073709551615 1\n2 2\n")) == ["18446744073709551615", "2"]


def test_what_no_integer_holds_stays_real() -> None:
    assert column(loop("1\n12345678901234567890\n", "rlnClassNumber"), "rlnClassNumber") == [
        1.0,
        12345678901234567890.0,
    ]
    assert column(loop("1\n2.0\n", "rlnClassNumber"), "rlnClassNumber") == [1, 2]


def test_a_guess_that_fails_late_is_taken_back() -> None:
    rows = [f"{i} {i} 0.5" for i in range(30000)]
    rows[20000] = "20000.5 x 'two words'"
    content = loop("\n".join(rows) + "\n", "a b c")
    for threads in (1, 3):
        table = read_tables(content, threads=threads)["x"]
        expected = [float(i) for i in range(30000)]
        expected[20000] = 20000.5
        assert table.columns["a"].tolist() == expected
        assert list(table.columns["b"].to_array()) == ["x" if i == 20000 else str(i) for i in range(30000)]
        assert table.columns["c"].to_array()[19999:20002].tolist() == ["0.5", "two words", "0.5"]


def test_a_column_of_integers_with_one_real_is_real() -> None:
    assert column(loop("1 1\n2.5 2\n")) == [1.0, 2.5]


# ---- selection


def test_columns_and_blocks() -> None:
    content = loop("1 2\n\n", "rlnVoltage b") + b"data_y\nloop_\n_c\n3\n"
    assert list(read_tables(content, columns=["Voltage"])["x"].columns) == ["rlnVoltage"]
    assert list(read_tables(content, blocks=["y"])) == ["y"]
    with pytest.raises(
        MetadataError, match="Voltag: expected Voltag, found rlnVoltage|column: expected Voltag, found rlnVoltage"
    ):
        read_tables(content, columns=["Voltag"])
    with pytest.raises(MetadataError, match="data_z"):
        read_tables(content, blocks=["z"])


def test_threads_share_large_blocks_and_name_the_first_bad_line() -> None:
    rows = [f"{i:06d}@s{i % 700}.mrcs {i}.25 t{i % 900} {'x' * 40}" for i in range(1, 40_001)]
    text = "data_a\nloop_\n_rlnImageName\n_rlnDefocusU\n_note\n_long\n" + "\n".join(rows) + "\n"
    one = read_tables(text.encode())["a"].columns
    for threads in (2, 5):
        more = read_tables(text.encode(), threads=threads)["a"].columns
        assert np.array_equal(more["rlnDefocusU"], one["rlnDefocusU"])
        assert more["note"].texts == one["note"].texts and np.array_equal(more["note"].codes, one["note"].codes)
        assert more["rlnImageName"].stacks.texts == one["rlnImageName"].stacks.texts
        assert np.array_equal(more["rlnImageName"].stacks.codes, one["rlnImageName"].stacks.codes)
        bad = text.replace("\n001000@s300.mrcs 1000.25", "\n001000@s300.mrcs 1O00.25").replace(
            " 39000.25 ", " 39000.25 y "
        )
        with pytest.raises(FormatError, match="line 1006: data_a: rlnDefocusU: expected a number, found '1O00.25'"):
            read_tables(bad.encode(), threads=threads)
    with pytest.raises(ValueError, match="threads must be at least 1"):
        read_tables(text.encode(), threads=0)


def test_columns_that_are_skipped_still_count() -> None:
    with pytest.raises(FormatError, match="expected 3 columns, found 2"):
        read_tables(loop("1 2 3\n1 2\n", "a b c"), columns=["a"])


def test_image_names_are_split() -> None:
    names = read_tables(loop("000007@a/b.mrcs 1\n8@c.mrcs 2\n", "rlnImageName b"))["x"].columns["rlnImageName"]
    assert names.numbers.tolist() == [7, 8] and names.stacks.texts == ("a/b.mrcs", "c.mrcs") and not names.plain
    bad = read_tables(loop("a.mrcs 1\nx@a 2\n1@a@b 3\n@a 4\n-1@a 5\n", "rlnImageName b"))["x"].columns["rlnImageName"]
    assert bad.numbers.tolist() == [-1, -2, -3, -2, -2]


# ---- as starfile


@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files_equal_starfile(real_data, name: str) -> None:
    """Except where the label table is right and starfile guesses: names that look like numbers."""
    path = real_data / "particles" / f"{name}.star"
    theirs = starfile.read(path, always_dict=True)
    ours = read_star(path, always_dict=True)
    assert list(ours) == list(theirs)
    for block, frame in theirs.items():
        if "rlnMicrographName" in frame and frame["rlnMicrographName"].dtype.kind == "i":
            frame["rlnMicrographName"] = frame["rlnMicrographName"].astype(str)
        pd.testing.assert_frame_equal(ours[block], frame)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9),
            st.floats(-1e6, 1e6).map(lambda value: round(value, 6)),
            st.from_regex(r"[a-zA-Z][a-zA-Z0-9_./-]{0,12}", fullmatch=True).filter(
                lambda t: t.lower() not in ("nan", "inf", "infinity")
            ),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_made_files_equal_starfile(tmp_path_factory, rows) -> None:
    path = tmp_path_factory.mktemp("made") / "a.star"
    frame = pd.DataFrame(rows, columns=["i", "f", "t"])
    starfile.write({"x": frame}, path)
    theirs = starfile.read(path)
    if theirs["t"].dtype.kind in "if":
        return
    pd.testing.assert_frame_equal(read_star(path), theirs)


def test_keywords_of_starfile(tmp_path) -> None:
    content = loop("01 2\n\n") + b"data_y\n_a 1\n_b two\n"
    path = tmp_path / "a.star"
    path.write_bytes(content)
    assert read_star(path, read_n_blocks=1, parse_as_string=["a"])["a"].tolist() == ["01"]
    assert isinstance(read_star(path, read_n_blocks=1, always_dict=True), dict)
    both = read_star(path)
    assert both["y"] == {"a": 1, "b": "two"} == starfile.read(path)["y"]
    assert read_star(path, engine="starfile")["y"] == both["y"]


# ---- writing


def test_relion_layout() -> None:
    """Widths and precision of RELION's own files: 12.6, 12.5 for negatives, exponents when small or large."""
    real = "300.000000|    -0.10779|1.040890e+05|5.000000e-04|    0.000000|-1.00000e+06"
    values = [300.0, -0.10779, 104089.0, 0.0005, 0.0, -1e6]
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.star")
        table = StarTable({"rlnA": np.array(values), "rlnN": np.arange(6), "rlnT": Coded.of(list("abcdef"))})
        write_tables(path, {"particles": table})
        lines = path.read_text().split("\n")
    assert lines[:6] == ["", "# version 30001", "", "data_particles", "", "loop_ "]
    assert lines[6] == "_rlnA #1 "
    for line, text, n in zip(lines[9:], real.split("|"), range(6), strict=False):
        assert line == f"{text.strip():>12} {n:>12} {'abcdef'[n]:<10} "


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(), min_size=1, max_size=8), st.integers(0, 12))
def test_fixed_decimals_are_printf(tmp_path_factory, values: list[float], decimals: int) -> None:
    path = tmp_path_factory.mktemp("printf") / "a.star"
    write_star({"x": pd.DataFrame({"a": values})}, path, float_format=f"%.{decimals}f", sep=" ", na_rep="nan")
    written = path.read_text().split("\n")[7 : 7 + len(values)]
    assert written == [f"%.{decimals}f" % value for value in values]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=8))
def test_exact_writing_loses_nothing(tmp_path_factory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("exact") / "a.star"
    write_tables(path, {"x": StarTable({"a": np.array(values)})}, precision="exact")
    found = read_tables(path)["x"].columns["a"]
    assert found.dtype == np.float64 and found.tobytes() == np.array(values).tobytes()


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.text(st.characters(blacklist_characters="\n\r\0", blacklist_categories=["Cs"]), max_size=12),
        min_size=1,
        max_size=5,
    )
)
def test_any_text_survives(tmp_path_factory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("text") / "a.star"
    write_tables(path, {"x": StarTable({"rlnMicrographName": Coded.of(texts), "n": np.arange(len(texts))})})
    assert list(read_tables(path)["x"].columns["rlnMicrographName"]) == texts


def test_what_starfile_loses_on_writing_survives(tmp_path) -> None:
    frame = pd.DataFrame({"v": [1.2e-7, 1.2345678e-4, 2.0], "t": ["x#y", "it's", '"q"']})
    write_star(frame, tmp_path / "a.star", precision="exact")
    pd.testing.assert_frame_equal(read_star(tmp_path / "a.star"), frame)


def test_list_blocks_round_trip(tmp_path) -> None:
    write_star({"y": {"a": 1, "b": 2.5, "c": "two words", "d": ""}}, tmp_path / "a.star")
    assert read_star(tmp_path / "a.star") == {"a": 1, "b": 2.5, "c": "two words", "d": ""}


def test_texts_that_look_like_numbers_stay_texts(tmp_path) -> None:
    frame = pd.DataFrame({"own": ["007", "1.5", "x"], "rlnMicrographName": ["01", "02", "03"]})
    write_star({"a": {"own": "007", "number": 7}, "b": frame}, tmp_path / "a.star")
    assert read_star(tmp_path / "a.star")["a"] == {"own": "007", "number": 7}
    assert read_star(tmp_path / "a.star")["b"].to_dict("list") == frame.to_dict("list")


def test_frames_with_missing_values(tmp_path) -> None:
    whole, real = pd.array([1, None, 3], "Int64"), np.array([1.5, None, 2], object)
    write_star(pd.DataFrame({"i": whole, "r": real, "t": ["a", None, "c"]}), tmp_path / "a.star")
    back = read_star(tmp_path / "a.star")
    np.testing.assert_array_equal(back["i"], [1, np.nan, 3])
    np.testing.assert_array_equal(back["r"], [1.5, np.nan, 2])
    assert back["t"].isna().tolist() == [False, True, False] and back["t"][2] == "c"


@pytest.mark.parametrize("label", ["rlnComment", "rlnOriginalParticleName", "rlnTomoName", "rlnSymmetryGroup"])
def test_more_labels_of_text(label: str) -> None:
    """Labels that no reader may take for numbers; the table was checked against RELION's own."""
    assert column(loop("0001 1\n", f"{label} b"), label) == ["0001"]


@pytest.mark.parametrize("rows", [1, 300, 5000])
def test_one_odd_row_among_many(rows: int) -> None:
    """Plain rows are taken together; quotes, comments and bad cells anywhere among them change nothing else."""
    lines = [f"{i:06d}@s{i // 50}.mrcs {i}.25 {i}" for i in range(1, rows + 1)]
    labels = "rlnImageName rlnDefocusU n"
    for place in sorted({0, rows // 2, rows - 1}):
        odd = [*lines]
        odd[place] = f'"{place + 1:06d}@s {place}.mrcs" {place + 1}.25 {place + 1} # said'
        tables = read_tables(loop("\n".join([*odd[:place], "# between", *odd[place:]]) + "\n", labels))
        columns = tables["x"].columns
        assert columns["rlnDefocusU"].tolist() == [i + 0.25 for i in range(1, rows + 1)]
        assert columns["n"].tolist() == list(range(1, rows + 1))
        assert columns["rlnImageName"].stacks[place] == f"s {place}.mrcs"
        assert columns["rlnImageName"].numbers.tolist() == list(range(1, rows + 1))
        odd[place] = f"1@s.mrcs none {place}"
        with pytest.raises(
            FormatError, match=rf"line {7 + place}: data_x: rlnDefocusU: expected a number, found 'none'"
        ):
            read_tables(loop("\n".join(odd) + "\n", labels))
        odd[place] = "1@s.mrcs 1"
        with pytest.raises(FormatError, match=rf"line {7 + place}: data_x: expected 3 columns, found 2"):
            read_tables(loop("\n".join(odd) + "\n", labels))


def test_nothing_is_left_behind(tmp_path) -> None:
    path = tmp_path / "a.star"
    path.write_text("mine")
    with pytest.raises(OutputError):
        write_tables(path, {"x": StarTable({"a": np.arange(2)})})
    with pytest.raises(FormatError, match="2 rows, found 3"):
        write_tables(tmp_path / "b.star", {"x": StarTable({"a": np.arange(2), "b": np.arange(3)})})
    with pytest.raises(FormatError, match="line breaks"):
        write_tables(tmp_path / "b.star", {"x": StarTable({"a": Coded.of(["x\ny"])})})
    assert [each.name for each in tmp_path.iterdir()] == ["a.star"] and path.read_text() == "mine"


def test_truncated_is_a_truncated_error() -> None:
    with pytest.raises(TruncatedError):
        read_tables(loop("1 2 3\n1 2", "a b c"))


def test_quoting_examples() -> None:
    assert (
        quoted("plain") == "plain" and quoted("#x") == '"#x"' and quoted("data_x") == '"data_x"' and quoted("") == '""'
    )
