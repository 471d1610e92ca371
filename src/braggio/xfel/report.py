"""What a pickle holds, as text: the words of cxi.print_pickle, without its objects' addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, printable
from braggio.formats import image_pickle, integration_pickle
from braggio.formats.image_pickle import PRINTED_EV_ANGSTROM
from braggio.formats.integration_pickle import Crystal
from braggio.storage.pickled import FLEX, FLEX_NAMES, PickledObject

LONGEST_TEXT = 10_000  # characters of one printed value


def describe(value: Any, path: str) -> str:
    """The text that cxi.print_pickle gives of a loaded pickle.

    Parameters
    ----------
    value
        Of `braggio.storage.pickled.load`.
    path : str
        As it is printed.

    Returns
    -------
    str
        Without the leading empty line.

    Raises
    ------
    FormatError
        No dict.
    """
    if not isinstance(value, dict):
        raise FormatError(path=path, field="pickle", expected="a dict", found=type(value).__name__)
    is_image = image_pickle.is_image_pickle(value)
    image = image_pickle.from_value(value, path) if is_image else None
    integrated = integration_pickle.from_value(value, path) if integration_pickle.is_integration_pickle(value) else None
    lines = [f"Printing contents of {path}"]
    lines.append(f"Detector format version: {image.version}" if image else "Not an image pickle")
    for key, item in value.items():
        if key == "observations" and integrated is not None:
            lines += _observations(value[key], integrated.crystals[0])
        else:
            lines.append(_line(key, item))
    lines.append(f"path {path}")
    if image is not None:
        moved = image.translated_areas
        lines.append(f"cxi_versioned_extract()::cxi_version: {image.version}")
        lines.append(f"{len(moved)} translated active areas, first one:  {moved[0].tolist()}")
    return "\n".join(printable(line) for line in "\n".join(lines).split("\n"))


def _line(key: str, value: Any) -> str:
    if key == "ACTIVE_AREAS" and isinstance(value, np.ndarray):
        return f"{value.size // 4} active areas, first one:  {value.reshape(-1)[:4].tolist()}"
    if key == "DATA" and isinstance(value, np.ndarray) and value.size:
        return f"DATA len={value.size} max={value.max():f} min={value.min():f} dimensions={value.shape}"
    if key == "WAVELENGTH" and isinstance(value, (int, float)) and abs(value) <= image_pickle.MOST:
        energy = PRINTED_EV_ANGSTROM / value if value else float("inf")
        return f"WAVELENGTH {value} , converted to eV: {energy}"
    if key == "mapped_predictions" and isinstance(value, list) and value and _is_table(value[0]):
        return f"{key} {tuple(value[0][0].tolist())} (only first shown of {len(value[0])})"
    if key == "correction_vectors" and isinstance(value, list) and value and isinstance(value[0], list) and value[0]:
        return f"{key} {_short(value[0][0])} (only first shown)"
    return f"{key} {value if isinstance(value, str) else _short(value)}"


def _is_table(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and len(value) > 0


def _short(value: Any) -> str:
    text = _text(value, LONGEST_TEXT)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " ..."


def _text(value: Any, room: int) -> str:
    """As Python prints it, with arrays by their flex names; ends soon after `room` characters."""
    if isinstance(value, np.ndarray):
        return f"<{FLEX}.{_flex_name(value)} object>"
    if isinstance(value, PickledObject) or not isinstance(value, (list, tuple, dict)):
        return repr(value)
    pieces: list[str] = []
    used = 0
    for item in value.items() if isinstance(value, dict) else value:
        if isinstance(value, dict):
            piece = f"{_text(item[0], room)}: {_text(item[1], room - used)}"
        else:
            piece = _text(item, room - used)
        pieces.append(piece)
        used += len(piece) + 2
        if used > room:
            break
    if isinstance(value, tuple):
        return "(" + ", ".join(pieces) + (",)" if len(value) == 1 else ")")
    return ("{%s}" if isinstance(value, dict) else "[%s]") % ", ".join(pieces)


def _flex_name(array: NDArray[Any]) -> str:
    if array.dtype == np.float64 and array.ndim == 2 and array.shape[1] in (2, 3):
        return f"vec{array.shape[1]}_double"
    return FLEX_NAMES.get(array.dtype.name, array.dtype.name)


def _observations(value: list[Any], crystal: Crystal) -> list[str]:
    cell, group = str(crystal.unit_cell), crystal.space_group
    array = f"<{FLEX}.double object>"
    shown = "\n".join(
        (
            "crystal.symmetry(",
            f"    unit_cell={cell},",
            f'    space_group_symbol="{group.name}"',
            "  )",
            array,
            array if crystal.sigma is not None else "None",
            f"size: {len(crystal.hkl)}\n",
        )
    )
    lines = [
        f"observations [{', '.join([shown] * len(value))}] Showing unit cell/spacegroup:",
        f"Unit cell: {cell}",
        f"Space group: {group.name} (No. {group.number})",
        f"Number of observations: {len(crystal.hkl)}",
    ]
    facts = observation_facts(crystal)
    best = facts["printed_highest_resolution"]
    if facts["max_resolution"] is not None:
        lines.append(f"Max resolution: {facts['max_resolution']:f}")
    if crystal.sigma is not None and len(crystal.hkl):
        lines += [
            f"Mean I/sigma: {facts['mean_i_over_sigma']}",
            f"I/sigma > 1 count: {facts['i_over_sigma_above_1']}",
            f"I <= 0: {facts['i_not_positive']}",
            "Highest resolution with I/sigI >= 1.0: " + ("None" if best is None else f"{best:f}"),
        ]
    return lines


def observation_facts(crystal: Crystal) -> dict[str, Any]:
    """The numbers that a printed integration pickle shows, and the right highest resolution beside the printed one."""
    d = crystal.unit_cell.d_spacing(crystal.hkl)
    best, printed = crystal.highest_resolution() if len(d) else (None, None)
    facts: dict[str, Any] = {
        "n_observations": len(crystal.hkl),
        "max_resolution": float(d.min()) if len(d) else None,
        "highest_resolution": best,
        "printed_highest_resolution": printed,
        "i_not_positive": int(np.count_nonzero(crystal.intensity <= 0)),
    }
    if crystal.sigma is not None and len(d):
        with np.errstate(divide="ignore", invalid="ignore"):
            facts["mean_i_over_sigma"] = float(np.mean(crystal.intensity) / np.mean(crystal.sigma))
            facts["i_over_sigma_above_1"] = int(np.count_nonzero(crystal.intensity / crystal.sigma > 1))
    return facts


def facts(value: Any, path: str) -> dict[str, Any]:
    """What `describe` says, for programs: plain values, arrays by shape and range."""
    if not isinstance(value, dict):
        raise FormatError(path=path, field="pickle", expected="a dict", found=type(value).__name__)
    found: dict[str, Any] = {
        "path": path,
        "content": "other",
        "fields": {key: _plain(item) for key, item in value.items()},
    }
    if image_pickle.is_image_pickle(value):
        image = image_pickle.from_value(value, path)
        moved = image.translated_areas
        found |= {
            "content": "image",
            "detector_format_version": image.version,
            "n_active_areas": len(image.active_areas),
        }
        found |= {"first_active_area": image.active_areas[0].tolist(), "first_translated_area": moved[0].tolist()}
        if image.wavelength > 0:
            found["energy_ev"] = PRINTED_EV_ANGSTROM / image.wavelength
    elif integration_pickle.is_integration_pickle(value):
        integrated = integration_pickle.from_value(value, path)
        found["content"] = "integration"
        found["crystals"] = [
            {**integrated.scalars(i), **observation_facts(crystal)} for i, crystal in enumerate(integrated.crystals)
        ]
    return found


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, np.ndarray):
        array: dict[str, Any] = {"dtype": str(value.dtype), "shape": list(value.shape)}
        if value.size and value.dtype.kind in "iuf":
            array |= {"min": value.min().item(), "max": value.max().item()}
        return array
    if isinstance(value, (list, tuple)) and len(value) <= 64 and depth < 4:
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (list, tuple, dict)):
        return f"{type(value).__name__} of {len(value)}"
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
