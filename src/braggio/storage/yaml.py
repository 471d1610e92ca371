"""The part of YAML that configuration files of programs use: nested mappings, lists and plain values.

Written for settings that a program dumped or a person typed. What YAML has beyond that (anchors, tags, block texts,
several documents) is refused by name and line, and so is what YAML versions read differently.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from braggio.errors import FormatError, UnsupportedError, about
from braggio.storage.text import read_text

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
_SPACE = " \t\r\n"  # other white space, as a no-break space, is text
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_AMBIGUOUS = re.compile(
    r"[-+]?0[0-9_]+|[-+]?0[xob][0-9a-fA-F_]+|[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|[0-9]+(:[0-5]?[0-9])+"
)
_QUOTED = re.compile(r"""\"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_COLON = re.compile(r":(?=[ \t\r]|$)")
_PLAIN = re.compile(r"[^,\[\]{}]*")
_BLANKS = re.compile(r"[ \t\r\n]*")
_NULLS = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")
_FALSE = ("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF")
_REFUSED = {
    "&": "an anchor",
    "*": "an alias",
    "!": "a tag",
    "|": "a block text",
    ">": "a block text",
    "%": "a directive",
    "@": "a reserved sign",
    "`": "a reserved sign",
}


@dataclass(frozen=True)
class _Line:
    number: int
    indent: int
    text: str


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
        text = read_text(file, most=MAX_BYTES)
        if path is not None and path.lower().endswith(".json"):
            return _json(text)
        return _document(_lines(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(field="JSON", found=str(error)) from error


def _lines(text: str) -> list[_Line]:
    """What is left without comments and blank lines."""
    found = []
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        content = _uncommented(raw).rstrip(_SPACE)
        body = content.lstrip(" ")
        if not body:
            continue
        if body[0] == "\t":
            raise _refusal(number, "blanks", "a tab", FormatError)
        found.append(_Line(number, len(content) - len(body), body))
    return found


def _uncommented(raw: str) -> str:
    """A line up to its comment: a # at its start or after a blank, outside quotes."""
    quote = ""
    at = 0
    while at < len(raw):
        character = raw[at]
        if quote:
            if character == "\\" and quote == '"':
                at += 1
            elif character == quote:
                quote = ""
        elif character in "\"'" and (at == 0 or raw[at - 1] in " \t[{,:"):
            quote = character
        elif character == "#" and (at == 0 or raw[at - 1] in " \t"):
            return raw[:at]
        at += 1
    return raw


def _refusal(line: int, expected: str, found: str, kind: type[FormatError] = UnsupportedError) -> FormatError:
    return kind(field=f"line {line}", expected=expected, found=found)


def _document(lines: list[_Line]) -> Any:
    if lines and lines[0].text == "---":
        lines = lines[1:]
    if lines and lines[-1].text == "...":
        lines = lines[:-1]
    if not lines:
        return None
    for line in lines:
        if line.indent == 0 and line.text.split(" ")[0] in ("---", "..."):
            raise _refusal(line.number, "one document", repr(line.text))
    value, after = _block(lines, 0, 0)
    if after < len(lines):
        raise _refusal(lines[after].number, "the end of the file", repr(lines[after].text), FormatError)
    return value


def _block(lines: list[_Line], at: int, depth: int) -> tuple[Any, int]:
    """The value that begins at a line, and the line after it."""
    if depth > MAX_DEPTH:
        raise _refusal(lines[at].number, f"at most {MAX_DEPTH} levels", "more", FormatError)
    line = lines[at]
    if _is_item(line.text):
        return _sequence(lines, at, depth)
    if _key(line.text) is not None:
        return _mapping(lines, at, depth)
    return _value(lines, at, line.text, line.indent - 1, depth)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _key(text: str, at: int = 0, *, flow: bool = False) -> tuple[str, int] | None:
    """(key as written, place after its colon), when a key stands there."""
    if text[at : at + 1] in ('"', "'"):
        quoted = _QUOTED.match(text, at)
        colon = quoted and _COLON.match(text, _skip(text, quoted.end()))
        return (quoted[0], colon.end()) if quoted and colon else None
    if text[at : at + 1] in ("[", "{"):
        return None
    colon = _COLON.search(text, at)
    if colon is None:
        return None
    key = text[at : colon.start()].strip(_SPACE)
    return None if flow and not _PLAIN.fullmatch(key) else (key, colon.end())


def _mapping(lines: list[_Line], at: int, depth: int) -> tuple[dict[str, Any], int]:
    indent = lines[at].indent
    found: dict[str, Any] = {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
        line = lines[at]
        written = _key(line.text)
        if written is None:
            raise _refusal(line.number, "key: value", repr(line.text), FormatError)
        key = _new_key(found, written[0], line.number)
        found[key], at = _entry(lines, at, line.text[written[1] :].strip(_SPACE), indent, depth, items=True)
    _require_outer(lines, at, indent)
    return found, at


def _new_key(found: dict[str, Any], written: str, number: int) -> str:
    key = str(_scalar(written, number, as_text=True))
    if key in found:
        raise _refusal(number, "each key once", repr(key), FormatError)
    return key


def _sequence(lines: list[_Line], at: int, depth: int) -> tuple[list[Any], int]:
    indent = lines[at].indent
    found: list[Any] = []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
        line = lines[at]
        rest = line.text[1:].lstrip(" ")
        if rest and (_is_item(rest) or _key(rest) is not None):  # the item is a block that starts on its own line
            lines[at] = _Line(line.number, indent + len(line.text) - len(rest), rest)
            value, at = _block(lines, at, depth + 1)
        else:
            value, at = _entry(lines, at, rest, indent, depth, items=False)
        found.append(value)
    if at < len(lines) and lines[at].indent > indent:
        _require_outer(lines, at, indent)
    return found, at


def _entry(lines: list[_Line], at: int, text: str, indent: int, depth: int, *, items: bool) -> tuple[Any, int]:
    """What follows a key or a dash: on its line, or as a block below it."""
    if text:
        return _value(lines, at, text, indent, depth)
    below = at + 1
    if below < len(lines) and (
        lines[below].indent > indent or (items and lines[below].indent == indent and _is_item(lines[below].text))
    ):
        return _block(lines, below, depth + 1)
    return None, below


def _require_outer(lines: list[_Line], at: int, indent: int) -> None:
    if at < len(lines) and lines[at].indent > indent:
        raise _refusal(lines[at].number, f"{indent} blanks before the text", str(lines[at].indent), FormatError)


def _value(lines: list[_Line], at: int, text: str, indent: int, depth: int) -> tuple[Any, int]:
    """A value on one line; a plain text, or a list in brackets, may go on below."""
    number = lines[at].number
    at += 1
    more = []
    while at < len(lines) and lines[at].indent > indent:
        more.append(lines[at].text)
        at += 1
    if text[0] in "[{":
        joined = " ".join([text, *more])
        value, end = _flow(joined, 0, number, depth)
        if end < len(joined):
            raise _refusal(number, "the end of the line", repr(joined[end : end + 40]), FormatError)
        return value, at
    if more and (text[0] in "\"'" or text in _NULLS or any(_key(each) is not None for each in more)):
        raise _refusal(number, "a value on one line", repr(more[0]))
    return _scalar(" ".join([text, *more]), number), at


# ---- values in one line


def _flow(text: str, at: int, number: int, depth: int) -> tuple[Any, int]:
    """A value in brackets or a scalar within one, and where the text goes on."""
    if depth > MAX_DEPTH:
        raise _refusal(number, f"at most {MAX_DEPTH} levels", "more", FormatError)
    at = _skip(text, at)
    if text[at : at + 1] == "[":
        return _flow_list(text, at + 1, number, depth)
    if text[at : at + 1] == "{":
        return _flow_mapping(text, at + 1, number, depth)
    match = _QUOTED.match(text, at) or _PLAIN.match(text, at)
    assert match is not None
    return _scalar(match[0].strip(_SPACE), number), _skip(text, match.end())


def _skip(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    assert match is not None
    return match.end()


def _flow_list(text: str, at: int, number: int, depth: int) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _skip(text, at)
    while text[at : at + 1] != "]":
        value, at = _flow(text, at, number, depth + 1)
        found.append(value)
        at = _after_comma(text, at, "]", number)
    return found, _skip(text, at + 1)


def _flow_mapping(text: str, at: int, number: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = _skip(text, at)
    while text[at : at + 1] != "}":
        written = _key(text, at, flow=True)
        if written is None:
            raise _refusal(number, "key: value", repr(text[at : at + 40]), FormatError)
        key = _new_key(found, written[0], number)
        found[key], at = _flow(text, written[1], number, depth + 1)
        at = _after_comma(text, at, "}", number)
    return found, _skip(text, at + 1)


def _after_comma(text: str, at: int, end: str, number: int) -> int:
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != end:
        found = repr(text[at : at + 20]) if at < len(text) else "the end of the line"
        raise _refusal(number, f"',' or '{end}'", found, FormatError)
    return at


def _scalar(text: str, number: int, *, as_text: bool = False) -> Any:
    if text[:1] in ('"', "'"):
        return _quoted(text, number)
    if text[:1] in _REFUSED:
        raise _refusal(number, "a plain value", _REFUSED[text[0]])
    if text.startswith("? ") or text == "?":
        raise _refusal(number, "a plain key", "a complex key")
    if as_text:
        return text
    if re.search(r":([ \t\r]|$)", text):
        raise _refusal(number, "a plain value", repr(text), FormatError)
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return _number_or_text(text, number)


def _number_or_text(text: str, number: int) -> int | float | str:
    if _INTEGER.fullmatch(text):
        if len(text) > 40:
            raise _refusal(number, "an integer of at most 40 digits", f"{len(text)} digits", FormatError)
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float(special[1] + "inf") if special[2] else float("nan")
    if _AMBIGUOUS.fullmatch(text):
        raise _refusal(number, "a decimal number, or a text in quotes", repr(text), FormatError)
    return text


def _quoted(text: str, number: int) -> str:
    if text[0] == "'":
        if not re.fullmatch(r"'(?:[^']|'')*'", text):
            raise _refusal(number, "a text that ends with its quote", repr(text), FormatError)
        return text[1:-1].replace("''", "'")
    if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', text):
        raise _refusal(number, "a text that ends with its quote", repr(text), FormatError)
    try:
        return str(json.loads(re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text), strict=False))
    except ValueError as error:
        raise _refusal(number, "JSON's escapes", repr(text)) from error
