"""The parameters of xtc_dump: names, values, files, and how they are printed."""

from __future__ import annotations

import pytest

from braggio.errors import MetadataError
from braggio.xtc.phil import PARAMETERS, find, parse, read_phil, show

# The command of the cctbx.xfel page, word for word.
SEED = (
    "dispatch.max_events=1 input.experiment=xpptut15 input.address=cspad input.run_num=54 format.file_format=cbf "
    "output.output_dir=xpptut15/out format.cbf.detz_offset=100 input.override_energy=7000"
)


def test_the_command_of_the_page() -> None:
    values = parse(SEED.split())
    assert values["dispatch.max_events"] == 1
    assert values["input.experiment"] == "xpptut15"
    assert values["format.cbf.detz_offset"] == 100.0
    assert values["format.cbf.override_energy"] == 7000.0
    assert values["output.output_dir"] == "xpptut15/out"


def test_unique_ends_of_names() -> None:
    for parameter in PARAMETERS:
        assert find(parameter.name) is parameter
        ends = [each for each in PARAMETERS if each.name.split(".")[-1] == parameter.name.split(".")[-1]]
        if len(ends) == 1:
            assert find(parameter.name.split(".")[-1]) is parameter


@pytest.mark.parametrize("word", ["nothing=1", "ddress=cspad", "=1", "input=1", "max_events=many", "selected_events=2"])
def test_what_is_refused(word: str) -> None:
    with pytest.raises(MetadataError):
        parse([word])


def test_integers_have_an_end() -> None:
    with pytest.raises(MetadataError, match="max_events: expected an integer"):
        parse(["max_events=" + "9" * 400])


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "1_0x"])
def test_numbers_are_finite(value: str) -> None:
    with pytest.raises(MetadataError, match="detz_offset"):
        parse([f"detz_offset={value}"])


def test_values() -> None:
    values = parse(["timestamp=a", "timestamp='b c'", "selected_events=True", "max_events=None", "file_format=*h5"])
    assert values["input.timestamp"] == ["a", "b c"]
    assert values["dispatch.selected_events"] is True
    assert values["dispatch.max_events"] is None
    assert values["format.file_format"] == "h5"
    with pytest.raises(MetadataError, match="cbf|pickle"):
        parse(["file_format=tiff"])


def test_parameter_files() -> None:
    text = "input {\n  address = cspad\n  run_num=54 # a run\n}\nformat {\n  cbf {\n    detz_offset = 100\n  }\n}\n"
    assert parse(read_phil(text))["format.cbf.detz_offset"] == 100
    assert read_phil(show(attributes=2).split("\n", 4)[4])  # what is printed can be read
    for broken in ("}", "input {\n", "word\n"):
        with pytest.raises(MetadataError):
            read_phil(broken)


def test_shown_as_phil_prints() -> None:
    lines = show().splitlines()
    assert lines[:5] == [
        "Showing configuration parameters with:",
        "  attributes_level = 0",
        "  expert_level = 0",
        "",
        "dispatch {",
    ]
    assert "  file_format = *cbf pickle npz h5" in lines
    assert "    cspad {" in lines
    assert "      gain_mask_value = None" in lines
    assert not any("out_key" in line for line in lines)
    assert any("out_key = cctbx.xfel.image_dict" in line for line in show(expert=1).splitlines())
    assert any('.help = "' in line for line in show(attributes=2).splitlines())
    assert any(".multiple = True" in line for line in show(attributes=2).splitlines())
