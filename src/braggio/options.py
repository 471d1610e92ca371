"""Options of a conversion as data: each with its type, unit, default, range and one line of help.

A conversion's options are one frozen dataclass of `option` fields. Command-line flags, the NAME=VALUE of a plan and the
tables of the documentation are all made from those fields.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import operator
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, ParamSpec, Self, TypeVar

from braggio.errors import BraggioError, OptionError, UnknownOptionError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Option:
    """One option, beside the name, type and default that its field has.

    Attributes
    ----------
    help : str
        One line, without unit and default.
    unit : str
        Of a number.
    above, at_least, below, at_most : float, optional
        Its range.
    nonzero : bool
        0 is refused.
    group : str
        Heading on the command line.
    flags : tuple of str
        Further spellings on the command line.
    path : bool
        A file or folder; a plan holds it as an absolute path.
    metavar : str or tuple of str
        Of its value there; a tuple option whose metavar is one text is written as one word, such as 2x2.
    """

    help: str
    unit: str = ""
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    nonzero: bool = False
    group: str = ""
    flags: tuple[str, ...] = ()
    path: bool = False
    metavar: str | tuple[str, ...] = ""

    def holds(self, number: float) -> bool:
        """Whether a number is finite and within the range."""
        return (
            (isinstance(number, int) or math.isfinite(number))  # an integer may be beyond all floats
            and (self.above is None or number > self.above)
            and (self.at_least is None or number >= self.at_least)
            and (self.below is None or number < self.below)
            and (self.at_most is None or number <= self.at_most)
            and not (self.nonzero and number == 0)
        )

    def range(self, kind: str) -> str:
        """The range in words, for example "a positive number of mm"."""
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("above", None if self.above == 0 else self.above),
                ("of at least", self.at_least),
                ("below", self.below),
                ("at most", self.at_most),
            )
            if bound is not None
        ]
        adjective = "positive " if self.above == 0 else "" if bounds else "finite " if kind == "number" else ""
        noun = f"{'an' if not adjective and kind == 'integer' else 'a'} {adjective}{kind}"
        noun += f" of {self.unit}" if self.unit and not bounds else ""
        noun += f" {' and '.join(bounds)}" if bounds else ""
        noun += f" {self.unit}" if self.unit and bounds else ""
        return noun + (" other than 0" if self.nonzero else "")


def option(default: Any, help: str, **about: Any) -> Any:
    """A field of an options dataclass: its default, its line of help, and what else `Option` has."""
    return field(default=default, metadata={"option": Option(help, **about)})


@dataclass(frozen=True)
class Kind:
    """Type of an option, as its annotation says it.

    Attributes
    ----------
    type : type
        bool, int, float, str or datetime.datetime: of the value, or of each item.
    optional : bool
        None is a value too.
    choices : tuple
        All values there are; empty where there is no such list.
    length : int
        Items of a tuple, -1 for any number of them; 0 for a single value.
    """

    type: type
    optional: bool = False
    choices: tuple[Any, ...] = ()
    length: int = 0


def kind_of(annotation: Any) -> Kind:
    """Type of an option from its annotation.

    Examples
    --------
    >>> kind_of(float | None)
    Kind(type=<class 'float'>, optional=True, choices=(), length=0)
    >>> kind_of(Literal["a", "b"]).choices, kind_of(tuple[int, int]).length
    (('a', 'b'), 2)
    """
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        (inner,) = (each for each in typing.get_args(annotation) if each is not types.NoneType)
        return dataclasses.replace(kind_of(inner), optional=True)
    if typing.get_origin(annotation) is Literal:
        choices = typing.get_args(annotation)
        return Kind(type(choices[0]), choices=choices)
    if typing.get_origin(annotation) is tuple:
        items = typing.get_args(annotation)
        return Kind(items[0], length=-1 if items[-1] is Ellipsis else len(items))
    return Kind(annotation)


def kind_of_each(options: Any) -> Mapping[str, Kind]:
    """Type of each option, by name."""
    hints = typing.get_type_hints(options)
    return {each.name: kind_of(hints[each.name]) for each in dataclasses.fields(options)}


def option_of_each(options: Any) -> Mapping[str, Option]:
    """Help, unit and range of each option, by name."""
    return {each.name: each.metadata["option"] for each in dataclasses.fields(options)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of the options of a conversion: their types and ranges are checked when they are made.

    Attributes
    ----------
    error : type
        What a value out of range raises.
    """

    error: ClassVar[type[BraggioError]] = OptionError

    def __post_init__(self) -> None:
        """Check each value.

        Raises
        ------
        OptionError
            A value is of another type, no choice, or out of range.
        """
        abouts, kinds = option_of_each(type(self)), kind_of_each(type(self))
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not (value is None and kind.optional):
                object.__setattr__(self, name, _checked(self.error, name, value, kind, abouts[name]))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All options."""
        return tuple(kind_of_each(cls))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Options from their names and values, as a plan has them: lists for tuples, ISO text for dates.

        Raises
        ------
        UnknownOptionError
            There is no option of a name; the nearest is named.
        OptionError
            A value is of another type, no choice, or out of range.
        """
        require_known(values, cls.names())
        kinds = kind_of_each(cls)
        return cls(**{name: _from_json(name, value, kinds[name]) for name, value in values.items()})

    @classmethod
    def placed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values whose files and folders are found from any folder."""
        abouts = option_of_each(cls)
        return {
            name: os.path.abspath(value) if isinstance(value, str) and name in abouts and abouts[name].path else value
            for name, value in values.items()
        }

    @classmethod
    def picked(cls, scope: Mapping[str, Any]) -> Self:
        """Options among the arguments of a function that has each of them as a parameter: its ``locals()``."""
        return cls(**{name: scope[name] for name in cls.names()})


def require_known(names: Iterable[str], known: Iterable[str], what: str = "option") -> None:
    """Refuse a name that is not known, and say the nearest that is.

    Raises
    ------
    UnknownOptionError

    Examples
    --------
    >>> require_known(["voltge"], ["voltage", "distance"])
    Traceback (most recent call last):
    ...
    braggio.errors.UnknownOptionError: voltge: no such option; did you mean voltage?
    """
    choices = list(known)
    for name in names:
        if name not in choices:
            import difflib  # here, where an error is made: it costs the command line's --help

            near = difflib.get_close_matches(name, choices, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(choices)}"
            raise UnknownOptionError(f"no such {what}{hint}", field=str(name))


def require_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Refuse a value that is none of the choices, and say the nearest.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> require_choice("policy", "legion", ("leginon", "median"))
    Traceback (most recent call last):
    ...
    braggio.errors.OptionError: policy: did you mean leginon?: expected leginon or median, found 'legion'
    """
    known = list(choices)
    if value in known and type(value) in map(type, known):
        return
    import difflib

    near = difflib.get_close_matches(str(value), map(str, known), 1)
    raise OptionError(
        f"did you mean {near[0]}?" if near else "",
        field=name,
        expected=" or ".join(map(str, known)),
        found=repr(value)[:60],
    )


def options_checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function so that a misspelt keyword names the nearest one, as everywhere else."""
    import inspect

    known = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]

    @functools.wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not kwargs.keys() <= set(known):
            require_known(kwargs, known)
        return function(*args, **kwargs)

    return call


def _from_json(name: str, value: Any, kind: Kind) -> Any:
    if kind.type is datetime.datetime and isinstance(value, str):
        try:
            return datetime.datetime.fromisoformat(value)
        except ValueError:
            raise OptionError(field=name, expected="a date such as 2024-02-29T12:30:15", found=repr(value)) from None
    return value


def _checked(error: type[BraggioError], name: str, value: Any, kind: Kind, about: Option) -> Any:
    """The value as it is kept."""
    if kind.choices:
        require_choice(name, value, kind.choices)
        return value
    if not kind.length:
        return _number_or_other(error, name, value, kind.type, about)
    if (
        isinstance(value, str)
        or not isinstance(value, Iterable)
        or (len(items := tuple(value)) != kind.length and kind.length > 0)
    ):
        words = about.metavar if isinstance(about.metavar, tuple) else ()
        shape = f"({', '.join(word.lower() for word in words)})" if words else f"{kind.length} values"
        raise error(field=name, expected=shape, found=repr(value)[:60])
    return tuple(_number_or_other(error, name, item, kind.type, about) for item in items)


def _number_or_other(error: type[BraggioError], name: str, value: Any, kind: type, about: Option) -> Any:
    """The value; a float where the option is one, so that 40 and 40.0 are one record."""
    if kind in (int, float):
        noun = "integer" if kind is int else "number"
        good = not isinstance(value, bool) and _is_number(value, kind) and about.holds(value)
        if not good:
            raise error(field=name, expected=about.range(noun), found=repr(value)[:60])
        return kind(value)
    if not isinstance(value, kind):
        noun = {bool: "True or False", str: "a text", datetime.datetime: "a datetime"}[kind]
        raise error(field=name, expected=noun, found=repr(value)[:60])
    return value


def _is_number(value: Any, kind: type) -> bool:
    if kind is int:
        try:
            operator.index(value)
        except TypeError:
            return False
        return True
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(value, str)


def table_of(options: type[Options]) -> str:
    """The options as a Markdown table: name, default, what it is. Pages of the documentation hold these tables."""
    defaults = options()
    rows = ["| option | default | |", "|---|---|---|"]
    for name, about in option_of_each(options).items():
        kind = kind_of_each(options)[name]
        default = getattr(defaults, name)
        shown = "" if default is None else f"`{str(default).lower() if kind.type is bool else default}`"
        choices = f": {', '.join(f'`{choice}`' for choice in kind.choices)}" if kind.choices else ""
        rows.append(f"| `{name}` | {shown} | {about.help}{f', {about.unit}' if about.unit else ''}{choices} |")
    return "\n".join(rows) + "\n"
