"""Detector geometry: a tree of groups with panels as leaves, in vectors.

Laboratory frame (imgCIF without a goniometer): the sample at the origin, z along the beam and positive towards the
source, y against gravity, x completes a right-handed system. Lengths are in mm. A panel's origin is the outer corner of
its first pixel; pixel (slow s, fast f) has its corner at origin + s * pixel * slow + f * pixel * fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import GeometryError

Vector = tuple[float, float, float]
Matrix = NDArray[np.float64]  # (3, 3) or (4, 4)


def _vector(values: ArrayLike) -> Vector:
    x, y, z = (float(value) for value in np.asarray(values, np.float64).reshape(3))
    return x, y, z


def rotation(axis: ArrayLike, degrees: float) -> Matrix:
    """The (3, 3) matrix that turns about `axis`, right-handed (Rodrigues).

    Examples
    --------
    >>> (rotation((0, 0, 1), 90) @ (1, 0, 0)).round(12).tolist()
    [0.0, 1.0, 0.0]
    """
    direction = np.asarray(axis, np.float64)
    length = float(np.linalg.norm(direction))
    if not length > 0 or not np.isfinite(length):
        raise GeometryError(field="rotation axis", expected="a direction", found=direction.tolist())
    x, y, z = direction / length
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    turned: Matrix = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def axis_angle(matrix: ArrayLike) -> tuple[Vector, float]:
    """Axis and angle in degrees of a rotation matrix, through its unit quaternion; (0, 0, 1) and 0 for none.

    Examples
    --------
    >>> axis_angle(rotation((0, 0, 1), 90))
    ((0.0, 0.0, 1.0), 90.0)
    """
    r = np.asarray(matrix, np.float64)
    # Shepperd: the largest of the four squares gives the quaternion without loss
    squares = np.array([1 + np.trace(r), *(1 + 2 * np.diag(r) - np.trace(r))])
    largest = int(np.argmax(squares))
    root = np.sqrt(squares[largest])
    skew = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    if largest == 0:
        w, v = root / 2, skew / (2 * root)
    else:
        i = largest - 1
        v = (r[i] + r[:, i]) / (2 * root)
        v[i] = root / 2
        w = skew[i] / (2 * root)
    if w < 0:
        w, v = -w, -v
    sine = float(np.linalg.norm(v))
    if sine == 0:
        return (0.0, 0.0, 1.0), 0.0
    return _vector(v / sine + 0.0), float(np.degrees(2 * np.arctan2(sine, w)))


def frame(turn: ArrayLike | None = None, shift: ArrayLike = (0, 0, 0)) -> Matrix:
    """The (4, 4) matrix that turns and then shifts."""
    matrix = np.eye(4)
    if turn is not None:
        matrix[:3, :3] = turn
    matrix[:3, 3] = _vector(shift)
    return matrix


@dataclass(frozen=True)
class Panel:
    """A rectangle of pixels.

    Attributes
    ----------
    name : str
    origin : tuple of float
        Corner of the first pixel, in mm, in the frame of what holds the panel.
    fast, slow : tuple of float
        Unit vectors along a row and from row to row.
    pixel_size : tuple of float
        Along fast and slow, in mm.
    shape : tuple of int
        Rows (slow) and columns (fast).
    trusted_range : tuple of float, optional
        Lowest and highest value to be trusted.

    Examples
    --------
    >>> panel = Panel("p", (-97.075, 97.075, -119.002), (1, 0, 0), (0, -1, 0), (0.11, 0.11), (1765, 1765))
    >>> panel.corners()[2].round(3).tolist()
    [97.075, -97.075, -119.002]
    """

    name: str
    origin: Vector
    fast: Vector
    slow: Vector
    pixel_size: tuple[float, float]
    shape: tuple[int, int]
    trusted_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("origin", "fast", "slow"):
            object.__setattr__(self, name, _vector(getattr(self, name)))
        if not (np.isfinite([*self.origin, *self.fast, *self.slow]).all() and min(self.pixel_size) > 0):
            raise GeometryError(
                field=self.name, expected="finite vectors, pixels larger than 0", found=(self.origin, self.pixel_size)
            )
        if min(self.shape) < 1:
            raise GeometryError(field=self.name, expected="at least one pixel", found=self.shape)

    @property
    def normal(self) -> Vector:
        """Fast x slow."""
        return _vector(np.cross(self.fast, self.slow))

    def position(self, slow: ArrayLike, fast: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) places in mm of pixel coordinates; whole numbers are corners, halves are centres."""
        along_slow = np.asarray(slow, np.float64)[..., None] * self.pixel_size[1]
        along_fast = np.asarray(fast, np.float64)[..., None] * self.pixel_size[0]
        placed: NDArray[np.float64] = (
            np.array(self.origin) + along_slow * np.array(self.slow) + along_fast * np.array(self.fast)
        )
        return placed

    def corners(self) -> NDArray[np.float64]:
        """(4, 3): the outline, from the first pixel along the fast axis."""
        rows, columns = self.shape
        return self.position([0, 0, rows, rows], [0, columns, columns, 0])

    def pixel_centres(self) -> NDArray[np.float64]:
        """(rows, columns, 3) centres of the pixels in mm."""
        rows, columns = self.shape
        return self.position(np.arange(rows)[:, None] + 0.5, np.arange(columns)[None, :] + 0.5)

    def within(self, outer: Matrix) -> Panel:
        """The panel as seen from outside a frame, a (4, 4) matrix."""
        turn, shift = outer[:3, :3], outer[:3, 3]
        return replace(
            self,
            origin=_vector(turn @ self.origin + shift),
            fast=_vector(turn @ self.fast),
            slow=_vector(turn @ self.slow),
        )


@dataclass(frozen=True)
class Group:
    """Panels or groups that move together.

    Attributes
    ----------
    name : str
    matrix : (4, 4) ndarray
        From the group's frame to that of what holds it: turn, then shift in mm.
    members : tuple of Group or Panel
    """

    name: str
    matrix: Matrix = field(repr=False)
    members: tuple[Group | Panel, ...] = ()

    def panels(self, outer: Matrix | None = None) -> Iterator[Panel]:
        """Every panel below, in the frame outside `outer`."""
        placed = self.matrix if outer is None else outer @ self.matrix
        for member in self.members:
            if isinstance(member, Panel):
                yield member.within(placed)
            else:
                yield from member.panels(placed)


@dataclass(frozen=True)
class Detector:
    """A detector: its tree, and its panels in the laboratory frame.

    Attributes
    ----------
    members : tuple of Group or Panel
        The top of the tree.
    """

    members: tuple[Group | Panel, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        """In the laboratory frame, in order."""
        return tuple(Group("laboratory", np.eye(4), self.members).panels())

    def __len__(self) -> int:
        return len(self.panels)

    def pixel_centres(self) -> NDArray[np.float64]:
        """(n, rows, columns, 3) in mm, for panels of one shape.

        Raises
        ------
        GeometryError
            Panels of several shapes.
        """
        panels = self.panels
        if len({panel.shape for panel in panels}) != 1:
            raise GeometryError(field="panels", expected="one shape", found=sorted({panel.shape for panel in panels}))
        return np.stack([panel.pixel_centres() for panel in panels])


def named(members: Sequence[Group | Panel], name: str) -> Group | Panel:
    """The member of that name.

    Raises
    ------
    GeometryError
        There is none.
    """
    for member in members:
        if member.name == name:
            return member
    raise GeometryError(field="group", expected=name, found=", ".join(member.name for member in members))
