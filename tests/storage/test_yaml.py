"""Protects: what is read is what PyYAML's own loader reads, but for numbers with an exponent; what stands for more than
it says, or for another thing in another version of YAML, is refused with its line; and nothing hangs.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from braggio.errors import BraggioError, FormatError, LimitError, UnsupportedError
from braggio.storage.yaml import MAX_BYTES, read_yaml

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)
# A number for YAML 1.2 and for us, a text for PyYAML, which knows 1.1: what a person who writes 1e5 means.
DISPUTED = re.compile(r"[-+]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False)
    | TEXTS.filter(lambda text: not DISPUTED.fullmatch(text))
)
KEYS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_ ./]{0,10}[a-z0-9]", fullmatch=True)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(tree=TREES, flow=st.sampled_from([False, None, True]), width=st.sampled_from([20, 80, 1 << 30]))
@settings(max_examples=200)
def test_what_pyyaml_dumps_is_read_or_refused(tree, flow, width):
    """All of it is read, but for texts that the versions of YAML take for other things, and control characters."""
    text = yaml.dump(tree, default_flow_style=flow, width=width, allow_unicode=True)
    with suppress(FormatError):
        assert read_yaml(text.encode()) == tree
        return
    with pytest.raises(FormatError, match="decimal|printable"):
        read_yaml(text.encode())


@pytest.mark.parametrize(("text", "number"), [("1e5", 1e5), ("0E0", 0.0), ("-2.5e3", -2500.0), (".5E-1", 0.05)])
def test_an_exponent_makes_a_number(text, number):
    assert DISPUTED.fullmatch(text)
    assert read_yaml(f"a: {text}\n".encode()) == {"a": number}


CONFIG = {
    "match": {"mip_path": "out dir/mip.mrc", "total": 12, "file": "C:/a b.mrc", "empty": None, "list": []},
    "optics": {"voltage": 300.0, "zernikes": {"Z31c": 1.5e-07}, "mag": [1.0, 0.0, -1.0, 1.0], "on": True},
    "gpus": [0, 1],
    "nested": [{"a": 1, "b": [1, 2]}, [3, [4]]],
    "inf": math.inf,
}


@pytest.mark.parametrize("flow", [False, None, True])
@pytest.mark.parametrize("width", [20, 80, 10000])
@pytest.mark.parametrize("indent", [2, 4])
def test_configurations(flow, width, indent):
    assert read_yaml(yaml.dump(CONFIG, default_flow_style=flow, width=width, indent=indent).encode()) == CONFIG


def test_as_people_type_it():
    text = (
        b"""\
# a search
--- # not here
""".split(b"---")[0]
        + b"""\
match:   # comment
    mip_path: "out #1.mrc"   # quoted
    other: it's # here
    'odd key': 'it''s'
    exponent: 1e-3
gpu_ids: [0, 1,]
optics: {a: 1, b: [2, {c: 3}], "d": "x, y"}
plain: a long
  text that goes on
dash:
  - a
  -
    b: 1
  - - 1
    - 2
url: http://x/y:z
"""
    )
    assert read_yaml(text) == {
        "match": {"mip_path": "out #1.mrc", "other": "it's", "odd key": "it's", "exponent": 1e-3},
        "gpu_ids": [0, 1],
        "optics": {"a": 1, "b": [2, {"c": 3}], "d": "x, y"},
        "plain": "a long text that goes on",
        "dash": ["a", {"b": 1}, [1, 2]],
        "url": "http://x/y:z",
    }


def test_json_by_name(tmp_path):
    path = tmp_path / "a.JSON"
    path.write_text('{"a": [1, null]}')
    assert read_yaml(path) == {"a": [1, None]}
    path.write_text('{"a": ')
    with pytest.raises(FormatError, match="JSON"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("a: &x 1", UnsupportedError, "anchor"),
        ("a: *x", UnsupportedError, "alias"),
        ("a: !!python/object/apply:os.system [x]", UnsupportedError, "tag"),
        ("!!python/object:x {}", UnsupportedError, "tag"),
        ("a: 1\n---\nb: 2", UnsupportedError, "one document"),
        ("a: &a [*a]", UnsupportedError, "anchor"),
        ("<<: *a", UnsupportedError, "alias"),
        ("? [1]\n: 2", UnsupportedError, "line 1: expected a plain key"),
        ("&a b: 1", UnsupportedError, "anchor"),
        ("!!str b: 1", UnsupportedError, "tag"),
        ("a: 1\na: 2", FormatError, "line 2: expected each key once"),
        ("a: 1\n   b: 2", FormatError, "line"),
        ("a:\n  b: 1\n c: 2", FormatError, "line 3"),
        ("a:\n\tb: 1", FormatError, "line 2"),
        ("a:\n  b: \x07", FormatError, r"line 2: expected printable text, found U\+0007"),
        ("a: 012", FormatError, "line 1.*decimal"),
        ("a: 1_000", FormatError, "decimal"),
        ("a: 0x10", FormatError, "decimal"),
        ("a: 12:30", FormatError, "decimal"),
        ("a: [1, 2", FormatError, "line 1"),
        ("a: [1] 2", FormatError, "line 1"),
        ("a: 'b", FormatError, "line 1.*quote"),
        ('a: "b\\q"', FormatError, "line 1.*escape"),
        ("a: b: c", FormatError, "line 1"),
        ("a: " + "[" * 100, FormatError, "32 levels"),
        ("- " * 100 + "a", FormatError, "32 levels"),
        ("a: " + "9" * 50, FormatError, "digits"),
    ],
)
def test_refusals_name_the_line(text, kind, named):
    with pytest.raises(kind, match=named):
        read_yaml(text.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("a: >-\n  b\n  c\n", {"a": "b c"}),
        ("? a\n: b", {"a": "b"}),
        ("{a: {b}}", {"a": {"b": None}}),
        ("on: no", {"on": False}),
        ("1: 2001-01-01", {"1": "2001-01-01"}),
        ("a: ''", {"a": ""}),
        ("a: '1'", {"a": "1"}),
        ("[-.inf, +1, -0.5, 1., ~]", [-math.inf, 1, -0.5, 1.0, None]),
    ],
)
def test_what_has_one_meaning_is_read(text, value):
    assert read_yaml(text.encode()) == value


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\na: 2")
    with pytest.raises(FormatError, match=r"a\.yaml: line 2: expected each key once, found 'a' twice"):
        read_yaml(path)


def test_without_the_parser_in_c(monkeypatch):
    """PyYAML may have been built without libyaml."""
    monkeypatch.delattr(yaml, "CSafeLoader")
    test_as_people_type_it()
    test_configurations(None, 20, 2)
    test_refusals_name_the_line("a:\n  b: 1\n c: 2", FormatError, "line 3")
    test_refusals_name_the_line("a:\n  b: \x07", FormatError, "line 2: expected printable text")


def test_limits():
    with pytest.raises(LimitError):
        read_yaml(b" " * (MAX_BYTES + 1))
    with pytest.raises(FormatError, match="UTF-8"):
        read_yaml(b"a: \xff")
    assert read_yaml(b"") is None


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * (MAX_BYTES - 10),
        "[" + "1," * (MAX_BYTES // 2 - 10),
        "- - a\n" * (MAX_BYTES // 6),
        "- a: 1\n" * (MAX_BYTES // 7),
        "a:\n" * 100,
        '"' + "\\" * (MAX_BYTES - 10),
        "x: '" + "''" * (MAX_BYTES // 2 - 10),
        ":" * (MAX_BYTES - 1),
        "a: b\n c\n" * 10,
    ],
    ids=range(9),
)
def test_hostile_texts_end_soon(text):
    """Each took minutes if any part were quadratic."""
    with suppress(BraggioError):
        read_yaml(text.encode())


@given(st.binary(max_size=60) | st.text("ab:-#'\"[]{},&!| \n\t0.~", max_size=60).map(str.encode))
@settings(max_examples=500)
def test_any_bytes(data):
    with suppress(BraggioError):
        read_yaml(data)
