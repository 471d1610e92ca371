"""The CSPAD of LCLS: 4 quadrants of 8 sensors of 2 ASICs, as placements one within the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import GeometryError
from braggio.model.geometry import Detector, Group, Matrix, Panel, Vector, axis_angle, frame, rotation

QUADS, SENSORS, ASICS = 4, 8, 2
ROWS, COLUMNS = 185, 194  # of an ASIC
PIXEL = 0.10992  # mm
GAP = 3  # pixels between the ASICs of a sensor
ASIC_SHIFT = PIXEL * (COLUMNS + GAP) / 2  # 10.82712 mm: centre of an ASIC from the centre of its sensor
ASIC_SHAPE = (ROWS, COLUMNS)
TILES_SHAPE = (QUADS * SENSORS * ASICS, ROWS, COLUMNS)
RAW_SHAPE = (QUADS, SENSORS, ROWS, ASICS * COLUMNS)


@dataclass(frozen=True)
class Placement:
    """Where a group is in what holds it: a turn about an axis, then a shift.

    Attributes
    ----------
    shift : tuple of float
        In mm.
    axis : tuple of float
        Unit vector.
    angle : float
        In degrees.
    """

    shift: Vector = (0.0, 0.0, 0.0)
    axis: Vector = (0.0, 0.0, 1.0)
    angle: float = 0.0

    @classmethod
    def of(cls, matrix: Matrix) -> Placement:
        """From a (4, 4) matrix."""
        axis, angle = axis_angle(matrix[:3, :3])
        x, y, z = (float(value) for value in matrix[:3, 3])
        return cls((x, y, z), axis, angle)

    @property
    def matrix(self) -> Matrix:
        """(4, 4)."""
        return frame(rotation(self.axis, self.angle) if self.angle else None, self.shift)


DEFAULT_ASICS = (Placement((-ASIC_SHIFT, 0.0, 0.0)), Placement((ASIC_SHIFT, 0.0, 0.0)))


@dataclass(frozen=True)
class Cspad:
    """The geometry of a 64-tile CSPAD.

    Attributes
    ----------
    base : Placement
        Of the detector in the laboratory: a shift in x and y and a turn; z is -distance.
    quads : tuple of 4 Placement
    sensors : tuple of 32 Placement
        Quadrant by quadrant.
    asics : tuple of 64 Placement
        Of ASIC centres in their sensor.
    pixel_size : float
        In mm.
    distance : float
        In mm, from the sample to the detector.
    trusted_range : tuple of float, optional

    Examples
    --------
    >>> from braggio.model.cspad import Cspad, Placement
    >>> flat = Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32, distance=100.0)
    >>> len(flat.detector.panels), flat.detector.panels[0].origin
    (64, (-21.48936, 10.1676, -100.0))
    """

    base: Placement
    quads: tuple[Placement, ...]
    sensors: tuple[Placement, ...]
    asics: tuple[Placement, ...] = DEFAULT_ASICS * (QUADS * SENSORS)
    pixel_size: float = PIXEL
    distance: float = 0.0
    trusted_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        found = len(self.quads), len(self.sensors), len(self.asics)
        if found != (QUADS, QUADS * SENSORS, QUADS * SENSORS * ASICS):
            raise GeometryError(field="CSPAD", expected="4 quadrants, 32 sensors, 64 ASICs", found=found)
        for name in ("pixel_size", "distance"):
            value = float(getattr(self, name))  # numpy's own print as np.float64(...)
            if not math.isfinite(value):
                raise GeometryError(field=name, expected="a finite number of mm", found=value)
            object.__setattr__(self, name, value)

    @property
    def detector(self) -> Detector:
        """The panels, in the order of quadrant, sensor, ASIC, named ARRAY_D0QqSsAa."""
        x, y, _ = self.base.shift
        base = replace(self.base, shift=(x, y, -self.distance))
        quads = tuple(Group(f"FS_D0Q{q}", self.quads[q].matrix, self._sensors(q)) for q in range(QUADS))
        return Detector((Group("AXIS_D0_R", base.matrix, quads),))

    def _sensors(self, quad: int) -> tuple[Group, ...]:
        names = [f"FS_D0Q{quad}S{s}" for s in range(SENSORS)]
        return tuple(
            Group(name, self.sensors[quad * SENSORS + s].matrix, self._asics(quad, s)) for s, name in enumerate(names)
        )

    def _asics(self, quad: int, sensor: int) -> tuple[Group, ...]:
        groups = []
        for a in range(ASICS):
            name = f"Q{quad}S{sensor}A{a}"
            panel = Panel(
                f"ARRAY_D0{name}",
                origin=asic_corner(self.pixel_size),
                fast=(1.0, 0.0, 0.0),
                slow=(0.0, -1.0, 0.0),
                pixel_size=(self.pixel_size, self.pixel_size),
                shape=ASIC_SHAPE,
                trusted_range=self.trusted_range,
            )
            placement = self.asics[(quad * SENSORS + sensor) * ASICS + a]
            groups.append(Group(f"FS_D0{name}", placement.matrix, (panel,)))
        return tuple(groups)


def asic_corner(pixel_size: float) -> Vector:
    """The first pixel's corner from the centre of an ASIC, in mm."""
    return -COLUMNS / 2 * pixel_size, ROWS / 2 * pixel_size, 0.0


def tiles(data: NDArray[Any]) -> NDArray[Any]:
    """(64, 185, 194) from that or from (4, 8, 185, 388), which the stream and the CBF arrays have.

    Raises
    ------
    GeometryError
        Another shape.
    """
    if data.shape == TILES_SHAPE:
        return data
    if data.shape == RAW_SHAPE:
        halves = data.reshape(QUADS, SENSORS, ROWS, ASICS, COLUMNS)
        return np.ascontiguousarray(halves.transpose(0, 1, 3, 2, 4)).reshape(TILES_SHAPE)
    raise GeometryError(field="CSPAD pixels", expected=f"{TILES_SHAPE} or {RAW_SHAPE}", found=data.shape)


def raw(data: NDArray[Any]) -> NDArray[Any]:
    """(4, 8, 185, 388) from that or from (64, 185, 194).

    Examples
    --------
    >>> a = np.arange(64 * 185 * 194).reshape(64, 185, 194)
    >>> bool((tiles(raw(a)) == a).all()), bool(raw(a)[0, 0, 0, 194] == a[1, 0, 0])
    (True, True)
    """
    if data.shape == RAW_SHAPE:
        return data
    halves = tiles(data).reshape(QUADS, SENSORS, ASICS, ROWS, COLUMNS)
    return np.ascontiguousarray(halves.transpose(0, 1, 3, 2, 4)).reshape(RAW_SHAPE)


def placements(matrices: Sequence[Matrix]) -> tuple[Placement, ...]:
    """Of several matrices."""
    return tuple(Placement.of(matrix) for matrix in matrices)
