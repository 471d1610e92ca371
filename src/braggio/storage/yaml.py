"""YAML and JSON of configuration files: nested mappings, lists and plain values.

PyYAML parses the text, and values are made of its events. Anchors, aliases and tags are refused (a few of them can
stand for billions of values, or for objects), as are numbers that the versions of YAML read differently. An exponent
makes a number, as in YAML 1.2; PyYAML's own loaders give the text ``1e-3``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from braggio.errors import FormatError, UnsupportedError, about
from braggio.storage.text import read_text

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_DIGITS = 40
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_AMBIGUOUS = re.compile(
    r"[-+]?0[0-9_]+|[-+]?0[xob][0-9a-fA-F_]+|[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|[0-9]+(:[0-5]?[0-9])+"
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}


def read_yaml(file: str | os.PathLike[str] | bytes) -> Any:
    r"""Read a configuration file.

    Parameters
    ----------
    file : path-like or bytes
        UTF-8, at most 1 MiB. A name that ends in ``.json`` is read as JSON.

    Returns
    -------
    dict, list, str, int, float, bool or None
        Keys are texts as they are written.

    Raises
    ------
    FormatError
        Not such a file, naming the line.
    UnsupportedError
        YAML that is refused, naming the line.

    Examples
    --------
    >>> read_yaml(b"a:\n  b: 1.5\n  c: [1, 2]\nd:\n- x\n- null\n")
    {'a': {'b': 1.5, 'c': [1, 2]}, 'd': ['x', None]}
    """
    path = None if isinstance(file, bytes) else os.fspath(file)
    with about(path):
        text = read_text(file, most=MAX_BYTES)
        return _json(text) if path is not None and path.lower().endswith(".json") else _yaml(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(field="JSON", found=str(error)) from error


def _yaml(text: str) -> Any:
    import yaml

    events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        return _document(events)
    except yaml.reader.ReaderError as error:
        place = f"line {text.count(chr(10), 0, error.position) + 1}"
        raise FormatError(field=place, expected="printable text", found=f"U+{error.character:04X}") from error
    except yaml.MarkedYAMLError as error:
        begun = f" {error.context} from {_line(error.context_mark)}" if error.context_mark else ""
        raise FormatError(f"{error.problem}{begun}", field=_line(error.problem_mark)) from error


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}"


def _refusal(mark: Any, expected: str, found: object, kind: type[FormatError] = FormatError) -> FormatError:
    return kind(field=_line(mark), expected=expected, found=found)


def _document(events: Iterator[Any]) -> Any:
    """The value of the only document; None where there is none."""
    import yaml

    value = None
    count = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            count += 1
            if count > 1:
                raise _refusal(event.start_mark, "one document", "another", UnsupportedError)
            value = _value(next(events), events, 0)
    return value


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    """The value that begins with `event`; what belongs to it is taken from `events`."""
    import yaml

    _require_plain(event)
    if isinstance(event, yaml.ScalarEvent):
        return event.value if event.style else _scalar(event.value, event.start_mark)
    if depth == MAX_DEPTH:
        raise _refusal(event.start_mark, f"at most {MAX_DEPTH} levels", "more")
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, depth + 1)
    found = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        found.append(_value(event, events, depth + 1))
    return found


def _mapping(events: Iterator[Any], depth: int) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        _require_plain(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise _refusal(event.start_mark, "a plain key", "a list or mapping", UnsupportedError)
        if event.value in found:
            raise _refusal(event.start_mark, "each key once", f"{event.value!r} twice")
        found[event.value] = _value(next(events), events, depth)
    return found


def _require_plain(event: Any) -> None:
    import yaml

    if isinstance(event, yaml.AliasEvent):
        refused = f"an alias, *{event.anchor}"
    elif event.anchor is not None:
        refused = f"an anchor, &{event.anchor}"
    elif event.tag is not None:
        refused = f"a tag, {event.tag}"
    else:
        return
    raise _refusal(event.start_mark, "a plain value", refused, UnsupportedError)


def _scalar(text: str, mark: Any) -> str | int | float | bool | None:
    """What a text without quotes stands for."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise _refusal(mark, f"an integer of at most {MAX_DIGITS} digits", f"{len(text)} digits")
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float(special[1] + "inf") if special[2] else float("nan")
    if _AMBIGUOUS.fullmatch(text):
        raise _refusal(mark, "a decimal number, or a text in quotes", repr(text))
    return text
