"""The record beside the outputs: moved with them, refused when it is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from makers import noisy, write_series

from braggio.errors import FormatError
from braggio.microed import convert_series, verify_series
from braggio.microed.report import read_record

pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    frames = [noisy(-10), noisy(-20)]
    frames[0][1, 2] = -9000
    return convert_series(write_series(tmp_path / "raw", frames), tmp_path / "out").record


def test_it_is_plain_json(record: Path) -> None:
    """Readable by anything: no NaN, no Python types, ends with a newline."""
    text = record.read_text()
    values = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert text.endswith("}\n")
    assert (values["schema"], values["kind"], values["offset"]) == ("braggio/1", "smv series", 2000)
    assert values["frames"][0]["low_positions"] == [[1, 2]]


def test_it_moves_with_its_files(record: Path, tmp_path: Path) -> None:
    shutil.move(record.parent, tmp_path / "elsewhere")
    report = read_record(tmp_path / "elsewhere" / record.name)
    assert all(path.is_file() for path in report.outputs)
    assert all(check.ok for check in verify_series(report))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        "7",
        '"x"',
        '{"schema": "braggio/1"}',
        '{"schema": "braggio/2", "kind": "smv series"}',
        '{"schema": "braggio/1", "kind": "smv series"}',
        '{"schema": "braggio/1", "kind": "smv series", "frames": 3}',
        "\xff\xfe",
        "[" * 100_000,
    ],
    ids=lambda text: repr(text[:40]),
)
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.braggio.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=r"x.braggio.json"):
        read_record(path)


@pytest.mark.parametrize("gone", ["offset", "frames", "shape", "digest"])
def test_a_record_without_a_field_is_refused(gone: str, record: Path) -> None:
    values = json.loads(record.read_text())
    del values[gone]
    record.write_text(json.dumps(values))
    with pytest.raises(FormatError, match="record"):
        read_record(record)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("offset", "2000"),
        ("offset", None),
        ("shape", [1, 2, 3]),
        ("pedestal", []),
        ("frames", []),
        ("offset", 10**400),
        ("pedestal", 10**400),
        ("wavelength", 10**400),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_record_with_values_that_cannot_be_is_refused(field: str, value: object, record: Path) -> None:
    """At reading, not as a crash of whoever uses the numbers."""
    values = json.loads(record.read_text())
    values[field] = value
    record.write_text(json.dumps(values))
    with pytest.raises(FormatError, match="record"):
        read_record(record)


@pytest.mark.parametrize(("field", "value"), [("input", None), ("input", 5), ("osc_start", 10**400), ("osc_start", [])])
def test_a_frame_with_values_that_cannot_be_is_refused(field: str, value: object, record: Path) -> None:
    values = json.loads(record.read_text())
    values["frames"][0][field] = value
    record.write_text(json.dumps(values))
    with pytest.raises(FormatError, match=f"record, {field}"):
        read_record(record)


@pytest.mark.parametrize("name", ["../../x.img", "/etc/hostname", "a/../../x.img"])
def test_a_record_speaks_of_its_own_folder_only(name: str, record: Path) -> None:
    """Outputs are names beside the record, not paths."""
    values = json.loads(record.read_text())
    values["frames"][0]["output"] = name
    record.write_text(json.dumps(values))
    with pytest.raises(FormatError, match="record"):
        read_record(record)
