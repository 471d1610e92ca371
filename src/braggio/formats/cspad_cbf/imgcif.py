"""Panels out of an imgCIF header: axes that hang from each other, sections of arrays, trusted ranges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, GeometryError, MetadataError
from braggio.model.geometry import Detector, Group, Matrix, Panel, Vector, frame, rotation
from braggio.storage.cif import Block, Value, integer, number

MOST_LEVELS = 32  # of axes that hang from each other


@dataclass(frozen=True)
class Axis:
    """A row of _axis with its setting.

    Attributes
    ----------
    depends_on : str or None
        The axis it sits on.
    vector, offset : tuple of float
        Direction, and shift in mm from the origin of `depends_on`.
    setting : float
        Degrees of a rotation, mm of a translation.
    """

    id: str
    type: str
    depends_on: str | None
    vector: Vector
    offset: Vector
    setting: float = 0.0
    turn: float = 0.0  # the extension _axis.rotation about _axis.rotation_axis
    turn_axis: str | None = None


@dataclass(frozen=True)
class Tile:
    """A panel and the pixels that are its own: slices of the binary section of `array_id`, slow axes first."""

    panel: Panel
    array_id: str
    place: tuple[slice, ...]
    chain: tuple[str, ...]  # axes from the laboratory down to the panel's group


def read_axes(block: Block) -> dict[str, Axis]:
    """Every axis of the header, with the setting of its first frame (else of the start of the scan)."""
    settings = _settings(block)
    axes = {}
    items = ["id", "type", "depends_on", *(f"vector[{i}]" for i in (1, 2, 3)), *(f"offset[{i}]" for i in (1, 2, 3))]
    for row in block.category("axis").records(*items, "rotation", "rotation_axis"):
        name, kind = row[0], (row[1] or "general").lower()
        if name is None:
            raise FormatError(field="_axis.id", expected="a name", found="none")
        angle, displacement = settings.get(name, (0.0, 0.0))
        axes[name] = Axis(
            id=name,
            type=kind,
            depends_on=row[2],
            vector=_vector(row[3:6], f"_axis.vector of {name}"),
            offset=_vector(row[6:9], f"_axis.offset of {name}"),
            setting=angle if kind == "rotation" else displacement,
            turn=number(row[9], "_axis.rotation", 0.0),
            turn_axis=row[10],
        )
    return axes


def _vector(values: Iterable[Value], name: str) -> Vector:
    x, y, z = (number(value, name, 0.0) for value in values)
    return x, y, z


def _settings(block: Block) -> dict[str, tuple[float, float]]:
    """Axis to (degrees, mm)."""
    found: dict[str, tuple[float, float]] = {}
    for category, angle, displacement in (
        ("diffrn_scan_frame_axis", "angle", "displacement"),
        ("diffrn_scan_axis", "angle_start", "displacement_start"),
    ):
        for name, turned, moved in block.category(category).records("axis_id", angle, displacement):
            if name is not None and name not in found:
                found[name] = number(turned, angle, 0.0), number(moved, displacement, 0.0)
    return found


def chain(axes: dict[str, Axis], name: str) -> list[str]:
    """The axes from the laboratory down to `name`, itself last.

    Raises
    ------
    GeometryError
        An axis is missing, or hangs from itself.
    """
    names: list[str] = []
    current: str | None = name
    while current is not None:
        if current not in axes:
            raise GeometryError(field="_axis.depends_on", expected="an axis of the file", found=current)
        if current in names or len(names) == MOST_LEVELS:
            raise GeometryError(field="_axis.depends_on", expected="no cycle, at most 32 levels", found=name)
        names.append(current)
        current = axes[current].depends_on
    return names[::-1]


def local(axes: dict[str, Axis], name: str) -> Matrix:
    """From the frame of an axis to the frame of the one it sits on."""
    axis = axes[name]
    turn = rotation(axis.vector, axis.setting) if axis.type == "rotation" and axis.setting else None
    shift = np.array(axis.offset)
    if axis.type == "translation":
        shift = shift + np.array(axis.vector) * axis.setting
    matrix = frame(turn, shift)
    if axis.turn:
        about = axes.get(axis.turn_axis or "")
        matrix = frame(rotation(about.vector if about else axis.vector, axis.turn)) @ matrix
    return matrix


def read_tiles(block: Block) -> list[Tile]:
    """The panels of a header, in its order.

    Panel vectors are in the frame of the group that holds them; see `read_detector` for the laboratory's.

    Raises
    ------
    MetadataError
        A category or value that is needed is missing.
    """
    axes = read_axes(block)
    increments = _increments(block)
    limits = _trusted_ranges(block)
    lengths: dict[tuple[str, str | None], dict[int, tuple[int, int, str]]] = {}
    rows = block.category("array_structure_list").records(
        "array_id", "array_section_id", "index", "dimension", "precedence", "axis_set_id"
    )
    for array_id, section, index, dimension, precedence, axis_set in rows:
        if array_id is None or axis_set is None:
            continue  # of a whole array, which its sections divide
        place = lengths.setdefault((array_id, section), {})
        place[integer(precedence, "precedence")] = (
            integer(index, "index"),
            integer(dimension, "dimension"),
            axis_set,
        )
    if not lengths:
        raise MetadataError(field="_array_structure_list", expected="axes of the arrays", found="none")
    places = _section_places(block)
    tiles = []
    for (array_id, section), along in lengths.items():
        if 1 not in along or 2 not in along:
            raise MetadataError(field="_array_structure_list.precedence", expected="1 and 2", found=sorted(along))
        panel, names = _panel(section or array_id, along, axes, increments, limits.get(array_id))
        default = (slice(0, panel.shape[0]), slice(0, panel.shape[1]))
        tiles.append(Tile(panel, array_id, places.get((array_id, section or ""), default), names))
    return tiles


def read_detector(block: Block) -> tuple[Detector, list[Tile]]:
    """The detector as a tree of the header's axes, and its tiles in the order of `Detector.panels`."""
    axes = read_axes(block)
    tiles = read_tiles(block)
    order: list[Tile] = []

    def members(prefix: tuple[str, ...], below: list[Tile]) -> tuple[Group | Panel, ...]:
        found: list[Group | Panel] = []
        depth = len(prefix)
        branches: dict[str, list[Tile]] = {}
        for tile in below:
            if len(tile.chain) == depth:
                order.append(tile)
                found.append(tile.panel)
            else:
                branches.setdefault(tile.chain[depth], []).append(tile)
        found += [Group(name, local(axes, name), members((*prefix, name), its)) for name, its in branches.items()]
        return tuple(found)

    return Detector(members((), tiles)), order


def _increments(block: Block) -> dict[str, tuple[str, float, float]]:
    """Axis set to (axis, displacement of the first pixel, pixel size), in mm."""
    found = {}
    rows = block.category("array_structure_list_axis").records(
        "axis_set_id", "axis_id", "displacement", "displacement_increment"
    )
    for axis_set, axis, first, step in rows:
        if axis_set is not None and axis is not None:
            size = number(step, "displacement_increment")
            found[axis_set] = (axis, number(first, "displacement", 0.0), size)
    return found


def _panel(
    name: str,
    along: dict[int, tuple[int, int, str]],
    axes: dict[str, Axis],
    increments: dict[str, tuple[str, float, float]],
    limits: tuple[float, float] | None,
) -> tuple[Panel, tuple[str, ...]]:
    """The panel, in the frame of the axis that its surface axes sit on, and that axis' chain."""
    vectors, first = [], np.zeros(3)
    chains = []
    for precedence in (1, 2):
        axis_set = along[precedence][2]
        if axis_set not in increments:
            raise MetadataError(field="_array_structure_list_axis", expected=axis_set, found="none")
        axis, displacement, size = increments[axis_set]
        chains.append(chain(axes, axis))
        sense = -1.0 if size < 0 else 1.0
        vectors.append((sense * np.array(axes[axis].vector), abs(size)))
        first += np.array(axes[axis].vector) * displacement
    deeper, other = sorted(chains, key=len, reverse=True)
    surface = {chains[0][-1], chains[1][-1]}
    group = [each for each in deeper if each not in surface]
    if not set(other) <= set(deeper) or any(axes[each].type != "translation" for each in surface):
        raise GeometryError(field=name, expected="two translations, one on the other", found=", ".join(surface))
    placed = np.eye(4)
    for each in deeper:
        if each in surface:
            placed = placed @ local(axes, each)
    turn = placed[:3, :3]
    (fast, fast_size), (slow, slow_size) = vectors
    panel = Panel(
        name,
        origin=_triple(placed[:3, 3] + turn @ first),
        fast=_triple(turn @ fast),
        slow=_triple(turn @ slow),
        pixel_size=(fast_size, slow_size),
        shape=(along[2][1], along[1][1]),
        trusted_range=limits,
    )
    return panel, tuple(group)


def _triple(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _section_places(block: Block) -> dict[tuple[str, str], tuple[slice, ...]]:
    """(array, section) to slices, slow axes first, of 1-based inclusive ranges."""
    ranges: dict[tuple[str, str], dict[int, slice]] = {}
    rows = block.category("array_structure_list_section").records("array_id", "id", "index", "start", "end")
    for array_id, section, index, start, end in rows:
        if array_id is not None and section is not None:
            first, last = integer(start, "start"), integer(end, "end")
            if not 1 <= first <= last:
                raise MetadataError(field=f"section {section}", expected="1 <= start <= end", found=(first, last))
            ranges.setdefault((array_id, section), {})[integer(index, "index")] = slice(first - 1, last)
    return {key: tuple(axes[index] for index in sorted(axes, reverse=True)) for key, axes in ranges.items()}


def _trusted_ranges(block: Block) -> dict[str, tuple[float, float]]:
    """Array to (lowest, highest) trusted value: overload - 1, and underload, else undefined_value + 1, else 0."""
    found = {}
    rows = block.category("array_intensities").records("array_id", "overload", "underload", "undefined_value")
    for array_id, overload, underload, undefined in rows:
        if array_id is None or overload is None:
            continue
        lowest = number(underload, "underload", number(undefined, "undefined_value", -1.0) + 1)
        found[array_id] = lowest, number(overload, "overload") - 1
    return found
