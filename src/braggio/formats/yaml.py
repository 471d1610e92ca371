"""YAML of configuration files, by PyYAML's parser: nested mappings, lists and plain values.

What YAML has beyond the settings that a program dumps or a person types (anchors, tags, block texts, several documents)
is refused by name and line, and so is what versions of YAML read differently.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from braggio._core import Source
from braggio.errors import FormatError, LimitError, UnsupportedError, about

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_DIGITS = 40
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
# An exponent alone makes a number too: YAML 1.2 and people say so, PyYAML, which knows 1.1, does not.
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_AMBIGUOUS = re.compile(
    r"[-+]?0[0-9_]+|[-+]?0[xob][0-9a-fA-F_]+|[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|[0-9]+(:[0-5]?[0-9])+"
)
_CONSTANTS = {
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

    Raises
    ------
    FormatError
        Not such a file, naming the line.
    UnsupportedError
        YAML beyond the part that is read, naming the line.

    Examples
    --------
    >>> read_yaml(b"a:\n  b: 1.5\n  c: [1, 2]\nd:\n- x\n- null\n")
    {'a': {'b': 1.5, 'c': [1, 2]}, 'd': ['x', None]}
    """
    path = None if isinstance(file, bytes) else os.fspath(file)
    with about(path):
        source = Source.over(file) if isinstance(file, bytes) else Source.open(str(path))
        if source.size > MAX_BYTES:
            raise LimitError(field="file size", expected=f"at most {MAX_BYTES} bytes", found=source.size)
        try:
            text = source.read(0, source.size).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FormatError(field="text", expected="UTF-8", found=error.reason, offset=error.start) from error
        if path is not None and path.lower().endswith(".json"):
            return _json(text)
        return _document(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(field="JSON", found=str(error)) from error


def _document(text: str) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events = iter(yaml.parse(text, Loader=loader))
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version or event.tags:
                    raise _refusal(event, "a directive")
                break
        else:
            return None
        found = _value(next(events), events, 0)
        next(events)  # the end of the document
        if isinstance(event := next(events), yaml.DocumentStartEvent):
            raise _refusal(event, "another document", "one document")
        return found
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise FormatError(f"line {line}: {error.problem}", field="YAML") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise FormatError(str(error), field="YAML") from error


def _refusal(event: Any, found: str, expected: str = "plain settings") -> UnsupportedError:
    return UnsupportedError(field=f"line {event.start_mark.line + 1}", expected=expected, found=found)


def _value(event: Any, events: Iterator[Any], depth: int) -> Any:
    """The value that begins with an event; `events` are those after it."""
    import yaml

    if isinstance(event, yaml.AliasEvent):
        raise _refusal(event, "an alias")
    if event.anchor is not None:
        raise _refusal(event, "an anchor")
    if event.tag is not None:
        raise _refusal(event, "a tag")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if depth == MAX_DEPTH:
        raise FormatError(
            field=f"line {event.start_mark.line + 1}", expected=f"at most {MAX_DEPTH} levels", found="more"
        )
    if isinstance(event, yaml.SequenceStartEvent):
        return list(_items(events, yaml.SequenceEndEvent, depth))
    found: dict[Any, Any] = {}
    for key in _keys(events):
        name = _scalar(key)
        if name in found:
            raise FormatError(field=f"line {key.start_mark.line + 1}", expected="each key once", found=repr(name)[:60])
        found[name] = _value(next(events), events, depth + 1)
    return found


def _items(events: Iterator[Any], end: type, depth: int) -> Iterator[Any]:
    while not isinstance(event := next(events), end):
        yield _value(event, events, depth + 1)


def _keys(events: Iterator[Any]) -> Iterator[Any]:
    import yaml

    while not isinstance(event := next(events), yaml.MappingEndEvent):
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            raise _refusal(event, "another", "a plain key")
        yield event


def _scalar(event: Any) -> Any:
    """A value as YAML 1.2 has it, in what is common to its versions."""
    text, line = event.value, event.start_mark.line + 1
    if event.style in ("|", ">"):
        raise _refusal(event, "a block text")
    if not event.implicit[0]:  # quoted
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise FormatError(field=f"line {line}", expected=f"at most {MAX_DIGITS} digits", found=len(text))
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float("nan") if special[3] else float(f"{special[1]}inf")
    if _AMBIGUOUS.fullmatch(text):
        raise FormatError(field=f"line {line}", expected="a decimal number, or a text in quotes", found=repr(text)[:60])
    return text
