"""Which frames share a mask: none, off/on pairs, or whole blocks of one angle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braggio.errors import MetadataError
from braggio.formats.mccd_h5 import FrameRecord

SYNCS = ("none", "pairs", "blocks")
ANGLE_STEP = 1e-3  # degrees: an encoder's noise is a tenth of it

Groups = list[NDArray[np.int64]]


def rounded_angles(record: FrameRecord) -> NDArray[np.float64]:
    """Angles on the grid on which they count as equal.

    Raises
    ------
    MetadataError
        There are none.
    """
    if record.angle is None:
        raise MetadataError(field="lauecollect/angle", expected="one angle per frame", found="none")
    return np.round(record.angle / ANGLE_STEP) * ANGLE_STEP + 0.0


def check_angles(record: FrameRecord, minimum: int) -> int:
    """The number of distinct angles; at least `minimum`, unless that is 0.

    With few angles a spot stands in a pixel for longer than the share of values that is removed, and enters its
    background.
    """
    if minimum == 0 and record.angle is None:
        return 0
    count = len(np.unique(rounded_angles(record)))
    if count < minimum:
        raise MetadataError(
            "-a 0 switches this off",
            field="lauecollect/angle",
            expected=f"at least {minimum} different angles",
            found=count,
        )
    return count


def require_laser(record: FrameRecord, what: str) -> NDArray[np.bool_]:
    """The laser states of a laser dataset, which has frames of both.

    Raises
    ------
    MetadataError
        It is not one.
    """
    states = record.laser_on
    if states is None or states.all() or not states.any():
        found = "no laser states" if states is None else f"all {'on' if states.all() else 'off'}"
        raise MetadataError(
            f"{what} needs laser data", field="lauecollect/laser_on", expected="frames on and frames off", found=found
        )
    return states


def blocks(record: FrameRecord) -> Groups:
    """Frames of one angle, the angles in order of first appearance; a block need not be contiguous.

    Examples
    --------
    >>> found = blocks(FrameRecord(angle=np.array([5.0, 5.0, 1.0, 5.0001])))
    >>> [group.tolist() for group in found]
    [[0, 1, 3], [2]]
    """
    _, first, inverse = np.unique(rounded_angles(record), return_index=True, return_inverse=True)
    order = np.argsort(first)
    return [np.flatnonzero(inverse == index) for index in order]


def pairs(record: FrameRecord) -> Groups:
    """Consecutive frames (2k, 2k + 1), one of them on and one off, both of one angle.

    Raises
    ------
    MetadataError
        They are not such pairs.
    """
    states, angles = require_laser(record, "sync pairs"), rounded_angles(record)
    if len(states) % 2:
        raise MetadataError("sync pairs", field="frames", expected="an even number", found=len(states))
    for first in range(0, len(states), 2):
        if angles[first] != angles[first + 1]:
            found = f"{angles[first]:.3f} and {angles[first + 1]:.3f}"
            raise MetadataError(field=f"frames {first} and {first + 1}", expected="one angle", found=found)
        if states[first] == states[first + 1]:
            found = f"both {'on' if states[first] else 'off'}"
            raise MetadataError(field=f"frames {first} and {first + 1}", expected="one laser on, one off", found=found)
    return [np.array([first, first + 1]) for first in range(0, len(states), 2)]


def sync_groups(sync: str, record: FrameRecord, frames: int) -> Groups:
    """The frames of each mask, in mask order."""
    if sync == "pairs":
        return pairs(record)
    if sync == "blocks":
        require_laser(record, "sync blocks")
        return blocks(record)
    return [np.array([frame]) for frame in range(frames)]


def block_warnings(record: FrameRecord, groups: Groups) -> list[str]:
    """Blocks that are not of the size the file promises."""
    sizes = {len(group) for group in groups}
    if record.block_size in (0, *sizes) and len(sizes) == 1:
        return []
    promised = f", and the file's block_size is {record.block_size}" if record.block_size else ""
    return [f"blocks of {', '.join(map(str, sorted(sizes)))} frames{promised}"]
