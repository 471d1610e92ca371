"""Options: every name, type and range is refused in one voice, in Python, plan and command line alike."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

import braggio
from braggio.errors import OptionError, UnknownOptionError
from braggio.options import Option, Options, kind_of_each, option, options_checked, require_choice, require_known


@dataclass(frozen=True, kw_only=True)
class Example(Options):
    """One option of each kind."""

    size: float | None = option(None, "size", unit="mm", above=0)
    count: int = option(3, "count", at_least=1, at_most=9)
    share: float = option(0.5, "share", at_least=0, below=1)
    step: float = option(1.0, "step", unit="degrees", nonzero=True)
    method: Literal["mean", "max"] = option("mean", "method")
    place: tuple[float, float] | None = option(None, "place", metavar=("FAST", "SLOW"))
    deep: bool = option(False, "deep")
    title: str = option("", "title")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size: expected a positive number of mm, found 0"),
        ({"size": math.nan}, "size: expected a positive number of mm, found nan"),
        ({"size": "7"}, "size: expected a positive number of mm, found '7'"),
        ({"size": True}, "size: expected a positive number of mm, found True"),
        ({"count": 0}, "count: expected an integer of at least 1 and at most 9, found 0"),
        ({"count": 10}, "count: expected an integer of at least 1 and at most 9, found 10"),
        ({"count": 2.0}, "count: expected an integer of at least 1 and at most 9, found 2.0"),
        ({"share": 1}, "share: expected a number of at least 0 and below 1, found 1"),
        ({"step": 0}, "step: expected a finite number of degrees other than 0, found 0"),
        ({"step": math.inf}, "step: expected a finite number of degrees other than 0, found inf"),
        ({"method": "men"}, "method: did you mean mean?: expected mean or max, found 'men'"),
        ({"place": (1,)}, "place: expected (fast, slow), found (1,)"),
        ({"place": 5}, "place: expected (fast, slow), found 5"),
        ({"place": "ab"}, "place: expected (fast, slow), found 'ab'"),
        ({"place": (1, math.nan)}, "place: expected a finite number, found nan"),
        ({"deep": 1}, "deep: expected True or False, found 1"),
        ({"title": 3}, "title: expected a text, found 3"),
        ({"count": None}, "count: expected an integer of at least 1 and at most 9, found None"),
    ],
)
def test_values_that_cannot_be(values: dict[str, Any], message: str) -> None:
    """Option, unit, range and what was found, in one line."""
    with pytest.raises(OptionError) as caught:
        Example(**values)
    assert str(caught.value) == message


def test_values_that_can_be() -> None:
    """numpy's numbers are numbers; lists of JSON become tuples."""
    made = Example(size=np.float32(2.5), count=np.int64(4), place=[1, 2])  # type: ignore[arg-type]
    assert (made.size, made.count, made.place) == (2.5, 4, (1, 2))
    assert Example.of({"place": [3, 4], "method": "max"}) == Example(place=(3, 4), method="max")
    assert Example().count == 3


def test_a_misspelt_name_names_the_nearest() -> None:
    with pytest.raises(UnknownOptionError, match=r"^metod: no such option; did you mean method\?$"):
        Example.of({"metod": "max"})
    with pytest.raises(UnknownOptionError, match="no such option; there are size, count"):
        Example.of({"zzz": 1})
    with pytest.raises(UnknownOptionError):
        require_known(["a"], [])


def test_a_misspelt_keyword_names_the_nearest(tmp_path: Any) -> None:
    """Python itself names none before 3.13; a TypeError it is all the same."""

    @options_checked
    def work(path: str, *, voltage: float = 1) -> float:
        return voltage

    assert work("a", voltage=2) == 2
    with pytest.raises(TypeError, match=r"voltge: no such option; did you mean voltage\?"):
        work("a", voltge=2)  # type: ignore[call-arg]
    with pytest.raises(UnknownOptionError, match="did you mean voltage"):
        braggio.microed.convert_series(braggio.demo_files(), tmp_path, voltge=2)  # type: ignore[call-arg]
    assert not list(tmp_path.iterdir())


def test_choices_are_of_their_type() -> None:
    """1 is no True and True is no 1."""
    require_choice("columns", 39, (39, 36))
    for wrong in (True, "39", 39.5, None):
        with pytest.raises(OptionError, match="columns: .*expected 39 or 36"):
            require_choice("columns", wrong, (39, 36))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (Option("", unit="mm", above=0), "a positive number of mm"),
        (Option("", at_least=2), "a number of at least 2"),
        (Option("", unit="s", above=1, below=5), "a number above 1 and below 5 s"),
        (Option("", unit="mm"), "a finite number of mm"),
    ],
)
def test_ranges_in_words(about: Option, words: str) -> None:
    assert about.range("number") == words


FUNCTIONS = [
    (braggio.microed.convert_series, braggio.microed.SmvOptions),
    (braggio.laue.find_spots, braggio.laue.SpotOptions),
    (braggio.matching.pick, braggio.matching.PickOptions),
    (braggio.particles.convert, braggio.particles.BatchOptions),
    (braggio.particles.convert_paired, braggio.particles.BatchOptions),
    (braggio.particles.convert_job, braggio.particles.BatchOptions),
]


@pytest.mark.parametrize(("function", "options"), FUNCTIONS, ids=lambda each: getattr(each, "__name__", ""))
def test_functions_have_each_option_as_a_keyword(function: Any, options: type[Options]) -> None:
    """Written out for editors, and the same in name, type and default as the field."""
    parameters = inspect.signature(function).parameters
    hints, kinds = inspect.get_annotations(function), kind_of_each(options)
    defaults = vars(options())
    for name in options.names():
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default == defaults[name], name
        assert kinds[name].type.__name__ in hints[name] or kinds[name].choices, name
