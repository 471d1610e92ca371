"""The configuration of a template search (Leopard-EM's match template YAML or JSON): where its maps are, its optics.

Only read: nothing is created, checked or locked, and no map is opened.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

from braggio.errors import FormatError, about
from braggio.model.matches import MAPS, OpticsGroup, SearchConfig
from braggio.storage.yaml import read_yaml

_REALS = (
    "pixel_size voltage defocus_u defocus_v astigmatism_angle spherical_aberration amplitude_contrast_ratio"
    " phase_shift ctf_B_factor"
).split()
_REQUIRED = ("pixel_size", "voltage", "defocus_u", "defocus_v", "astigmatism_angle")
_COUNTS = ("total_projections", "total_orientations", "total_defocus")


def read_config(file: str | os.PathLike[str] | bytes) -> SearchConfig:
    r"""Read the configuration of a search.

    Parameters
    ----------
    file : path-like or bytes
        YAML, or JSON where the name ends so. A file that holds only the block of the result is taken too.

    Returns
    -------
    SearchConfig

    Raises
    ------
    FormatError
        Not such a configuration, or a field of the wrong kind: naming it.
    UnsupportedError
        YAML beyond what such files use.

    Examples
    --------
    >>> read_config(b"match_template_result:\n  mip_path: a.mrc\n  total_projections: 10\n").maps
    {'mip': 'a.mrc'}
    """
    path = "" if isinstance(file, bytes) else os.fspath(file)
    with about(path or None):
        found = _mapping(read_yaml(file), "configuration")
        result = _mapping(found.get("match_template_result", found), "match_template_result")
        maps = {name: _text(result, f"{name}_path") for name in MAPS}
        maps = {name: written for name, written in maps.items() if written}
        if not maps:
            expected = ", ".join(f"{name}_path" for name in MAPS)
            raise FormatError(field="match_template_result", expected=expected, found="none of them")
        counts = {name: _count(result, name) for name in _COUNTS}
        return SearchConfig(
            path=path,
            maps=maps,
            micrograph_path=_text(found, "micrograph_path"),
            template_path=_text(found, "template_volume_path"),
            optics=_optics(found.get("optics_group")),
            orientation_search=_mapping(found.get("orientation_search_config"), "orientation_search_config"),
            defocus_search=_mapping(found.get("defocus_search_config"), "defocus_search_config"),
            pixel_size_search=_mapping(found.get("pixel_size_search_config"), "pixel_size_search_config"),
            **counts,
        )


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FormatError(field=name, expected="a mapping", found=type(value).__name__)
    return dict(value)


def _text(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int, float))):
        raise FormatError(field=name, expected="a path", found=repr(value))
    if isinstance(value, str) and "\0" in value:
        raise FormatError(field=name, expected="a path", found=repr(value))
    return "" if value is None else str(value)


def _count(block: Mapping[str, Any], name: str) -> int:
    value = block.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise FormatError(field=name, expected="a count", found=repr(value))
    return value


def number(block: Mapping[str, Any], name: str, default: float) -> float:
    """A real number of a block; `default` where it is missing or null.

    Raises
    ------
    FormatError
        Something else.
    """
    value = block.get(name)
    if value is None:
        return default
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise FormatError(field=name, expected="a number", found=repr(value)) from None


def _optics(block: Any) -> OpticsGroup | None:
    values = _mapping(block, "optics_group")
    if not values:
        return None
    missing = [name for name in _REQUIRED if values.get(name) is None]
    if missing:
        raise FormatError(field="optics_group", expected=", ".join(_REQUIRED), found=f"no {', '.join(missing)}")
    reals = {name: number(values, name, 0.0) for name in _REALS if values.get(name) is not None}
    for name, value in reals.items():
        if not math.isfinite(value):
            raise FormatError(field=name, expected="a finite number", found=value)
    return OpticsGroup(
        **reals,
        label=_text(values, "label"),
        even_zernikes=_json(values, "even_zernikes"),
        odd_zernikes=_json(values, "odd_zernikes"),
        mag_matrix=_matrix(values.get("mag_matrix")),
    )


def _json(block: Mapping[str, Any], name: str) -> str:
    """As tables hold it; no polynomials are an empty text."""
    coefficients = _mapping(block.get(name), name)
    return json.dumps(coefficients) if coefficients else ""


def _matrix(value: Any) -> str:
    if value is None:
        return ""
    flat = value
    if isinstance(value, list) and len(value) == 2 and all(isinstance(row, list) for row in value):
        flat = [number for row in value for number in row]
    if (
        not isinstance(flat, list)
        or len(flat) != 4
        or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in flat)
    ):
        raise FormatError(field="mag_matrix", expected="four numbers", found=repr(value))
    return str([float(v) for v in flat])
