"""The parameters of ``cctbx.xfel.xtc_dump``, by its names: ``input.address=cspad`` or any unique end of a name.

What cannot be done without SLAC's databases is refused in one line; two formats of our own are added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from braggio.errors import MetadataError

FORMATS = ("cbf", "pickle", "npz", "h5")


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, default, kind and meaning.

    Attributes
    ----------
    name : str
        All of it, `input.address`.
    default : object
    kind : str
        int, float, bool, str, path, or words separated by | of which one is chosen.
    help : str
    multiple : bool
        May be given several times.
    level : int
        Expert level from which on it is shown.
    """

    name: str
    default: Any
    kind: str
    help: str
    multiple: bool = False
    level: int = 0


PARAMETERS = (
    Parameter("dispatch.max_events", None, "int", "Stop after so many images. None: all events"),
    Parameter("dispatch.selected_events", False, "bool", "Only the events that input.timestamp names"),
    Parameter("input.cfg", None, "path", "A psana configuration; not used here, psana is not needed"),
    Parameter("input.experiment", None, "str", "Experiment: chooses among the files of input.xtc_dir"),
    Parameter("input.run_num", None, "int", "Run number: chooses among the files of input.xtc_dir"),
    Parameter("input.address", None, "str", "Detector, as CxiDs1.0:Cspad.0, an alias, or a part that fits one alone"),
    Parameter("input.calib_dir", None, "path", "Folder with calibrations in SLAC's layout: pedestals and geometry"),
    Parameter("input.xtc_dir", None, "path", "Folder with the XTC files"),
    Parameter("input.timestamp", None, "str", "Time of an event, with dispatch.selected_events", multiple=True),
    Parameter("format.file_format", "cbf", "|".join(FORMATS), "What is written"),
    Parameter("format.pickle.out_key", "cctbx.xfel.image_dict", "str", "Key of psana's event; not used here", level=1),
    Parameter("format.cbf.detz_offset", None, "float", "Millimetres to add to the detector motor to get the distance"),
    Parameter("format.cbf.override_energy", None, "float", "Photon energy in eV instead of the one of the shot"),
    Parameter("format.cbf.mode", "cspad", "cspad|rayonix", "Detector that the CBF describes"),
    Parameter("format.cbf.cspad.gain_mask_value", None, "float", "Factor of pixels in low gain, 6.85 for a CSPAD"),
    Parameter("format.cbf.rayonix.bin_size", 2, "int", "Pixels binned into one along each axis"),
    Parameter("format.cbf.rayonix.override_beam_x", None, "float", "Beam centre in pixels, fast axis"),
    Parameter("format.cbf.rayonix.override_beam_y", None, "float", "Beam centre in pixels, slow axis"),
    Parameter("output.output_dir", ".", "path", "Folder of the images"),
    Parameter("output.tmp_output_dir", None, "path", "Not needed: images appear whole under their names", level=1),
)
_BY_NAME = {each.name: each for each in PARAMETERS}
_SPELLINGS = {"input.override_energy": "format.cbf.override_energy"}  # as the cctbx.xfel page writes it


def find(name: str) -> Parameter:
    """The parameter of a name or of a unique end of one.

    Raises
    ------
    MetadataError
        None fits, or several do.

    Examples
    --------
    >>> find("max_events").name, find("cbf.detz_offset").name, find("input.override_energy").name
    ('dispatch.max_events', 'format.cbf.detz_offset', 'format.cbf.override_energy')
    """
    name = _SPELLINGS.get(name, name)
    fits = [each for each in PARAMETERS if f".{each.name}".endswith(f".{name}")]
    if len(fits) == 1:
        return fits[0]
    raise MetadataError(
        field=name,
        expected="a parameter (-c lists them)" if not fits else "a longer name",
        found="none of that name" if not fits else ", ".join(each.name for each in fits),
    )


def parse(words: Iterable[str]) -> dict[str, Any]:
    """Values by full name, those that are not given at their defaults.

    Parameters
    ----------
    words : iterable of str
        `name=value` each.

    Raises
    ------
    MetadataError
        An unknown name, or a value of the wrong kind.

    Examples
    --------
    >>> values = parse(["max_events=1", "file_format=*npz", "input.address=cspad"])
    >>> values["dispatch.max_events"], values["format.file_format"], values["output.output_dir"]
    (1, 'npz', '.')
    """
    values: dict[str, Any] = {each.name: [] if each.multiple else each.default for each in PARAMETERS}
    for word in words:
        name, _, text = word.partition("=")
        parameter = find(name.strip())
        value = _value(parameter, text.strip())
        if parameter.multiple:
            values[parameter.name] = [*values[parameter.name], *([] if value is None else [value])]
        else:
            values[parameter.name] = value
    return values


def _value(parameter: Parameter, text: str) -> Any:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    if text.lower() in ("none", "auto", ""):
        return None
    kind = parameter.kind
    if kind in ("str", "path"):
        return text
    if kind == "bool" and text.lower() in ("true", "yes", "1", "false", "no", "0"):
        return text.lower() in ("true", "yes", "1")
    if "|" in kind and text.lstrip("*") in kind.split("|"):
        return text.lstrip("*")
    if kind in ("int", "float"):
        with suppress(ValueError, OverflowError):
            number = int(text) if kind == "int" else float(text)
            if math.isfinite(number):  # OverflowError for an integer beyond any float
                return number
    wanted = {"int": "an integer", "float": "a number", "bool": "True or False"}.get(kind, f"one of {kind}")
    raise MetadataError(field=parameter.name, expected=wanted, found=text)


def read_phil(text: str) -> list[str]:
    r"""A parameter file as `name=value` words: nested scopes, ``name = value``, ``#`` comments.

    Examples
    --------
    >>> read_phil("input {\n  address = cspad  # the front one\n}\ndispatch.max_events=3")
    ['input.address=cspad', 'dispatch.max_events=3']
    """
    words: list[str] = []
    scopes: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line or line.startswith("."):
            continue
        if line == "}":
            if not scopes:
                raise MetadataError(field=f"line {number}", expected="an open scope", found="}")
            scopes.pop()
        elif line.endswith("{"):
            scopes.append(line[:-1].strip())
        elif "=" in line:
            name, _, value = line.partition("=")
            words.append(f"{'.'.join([*scopes, name.strip()])}={value.strip()}")
        else:
            raise MetadataError(field=f"line {number}", expected="name = value", found=line)
    if scopes:
        raise MetadataError(field="end of file", expected="}", found=f"open scope {'.'.join(scopes)}")
    return words


def show(values: Mapping[str, Any] | None = None, *, attributes: int = 0, expert: int = 0) -> str:
    """The parameters as ``xtc_dump -c`` prints them.

    Parameters
    ----------
    values : mapping, optional
        By full name; the defaults otherwise.
    attributes : int
        2 adds help and type (``-a``).
    expert : int
        Highest level to show (``-e``).
    """
    head = [
        "Showing configuration parameters with:",
        f"  attributes_level = {attributes}",
        f"  expert_level = {expert}",
    ]
    shown = [each for each in PARAMETERS if each.level <= expert or expert < 0]
    return "\n".join([*head, "", *_scope([(each.name.split("."), each) for each in shown], values, attributes, "")])


def _scope(
    entries: list[tuple[list[str], Parameter]], values: Mapping[str, Any] | None, attributes: int, indent: str
) -> Iterator[str]:
    for name in dict.fromkeys(path[0] for path, _ in entries):
        inside = [(path[1:], each) for path, each in entries if path[0] == name]
        if len(inside) == 1 and not inside[0][0]:
            yield from _definition(inside[0][1], values, attributes, indent)
        else:
            yield f"{indent}{name} {{"
            yield from _scope(inside, values, attributes, f"{indent}  ")
            yield f"{indent}}}"


def _definition(parameter: Parameter, values: Mapping[str, Any] | None, attributes: int, indent: str) -> Iterator[str]:
    value = parameter.default if values is None else values[parameter.name]
    if parameter.multiple:
        value = value or None
    text = str(value) if not isinstance(value, list) else " ".join(value)
    if "|" in parameter.kind:
        text = " ".join(f"*{word}" if word == value else word for word in parameter.kind.split("|"))
    yield f"{indent}{parameter.name.split('.')[-1]} = {text}"
    if attributes >= 1:
        yield f'{indent}  .help = "{parameter.help}"'
    if attributes >= 2:
        yield f"{indent}  .type = {'choice' if '|' in parameter.kind else parameter.kind}"
        if parameter.multiple:
            yield f"{indent}  .multiple = True"
