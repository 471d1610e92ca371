"""Which number is added to a series so that SMV can hold it, and which pedestal the readers are told.

The true zero of the SMV pixels is the offset. IMAGE_PEDESTAL is what DIALS subtracts; Leginon writes an estimate there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from braggio.errors import LimitError, UnsupportedError

POLICIES = ("leginon", "median", "lossless", "zero")
MAX_OFFSET = 2000  # Leginon's cut: a larger offset comes from a cosmic ray, not from the background
TOP = 65535
_CUT = ("leginon", "zero")  # the policies whose offset is at most max_offset


@dataclass(frozen=True)
class ZeroPoint:
    """The two numbers of an SMV header.

    Attributes
    ----------
    offset : int
        LEGINON_OFFSET: added to every pixel, so the value of a pixel of zero counts.
    pedestal : int or float
        IMAGE_PEDESTAL.
    warnings : tuple of str
        What is odd about them.
    """

    offset: int
    pedestal: float
    warnings: tuple[str, ...] = ()


def zero_point(
    policy: str, minima: Sequence[float], maxima: Sequence[float] = (), *, max_offset: int = MAX_OFFSET
) -> ZeroPoint:
    """Offset and pedestal of a series from the minima of its frames.

    Parameters
    ----------
    policy : {'leginon', 'median', 'lossless', 'zero'}
        leginon: offset = -min(minima), at most `max_offset`; pedestal = offset + max(minima). median: no cut, and the
        median of the minima instead of their maximum. lossless: no cut, and a series that would pass 65535 is refused.
        zero: leginon's offset, and the pedestal equal to it, which is what XDS's OFFSET= and DIALS mean.
    minima, maxima : sequence of numbers
        Of the frames; maxima only for lossless.
    max_offset : int
        The cut.

    Raises
    ------
    UnsupportedError
        No such policy.
    LimitError
        lossless, and the range of the series is larger than 65535.

    Examples
    --------
    >>> zero_point("leginon", (-10000, -145, -200))
    ZeroPoint(offset=2000, pedestal=1855, warnings=())
    """
    if policy not in POLICIES:
        raise UnsupportedError(field="policy", expected=" or ".join(POLICIES), found=repr(policy))
    if not isinstance(max_offset, int) or max_offset < 0:
        raise LimitError(field="max_offset", expected="an integer of at least 0", found=repr(max_offset))
    lowest, highest_minimum = math.floor(min(minima)), max(minima)
    warnings = []
    cut = max(lowest, -max_offset) if policy in _CUT else lowest
    offset = -cut
    if policy == "lossless" and max(maxima) + offset > TOP:
        raise LimitError(
            "the leginon policy clips instead",
            field="pixels",
            expected=f"a range of at most {TOP}",
            found=f"{lowest}..{max(maxima)}",
        )
    pedestal: float = offset
    if policy in ("leginon", "lossless"):
        pedestal = offset + highest_minimum
    elif policy == "median":
        pedestal = offset + statistics.median(minima)
    if lowest >= 0:
        warnings.append(
            f"every frame's minimum is at least 0: an offset of {offset} is subtracted"
            if lowest
            else "no pixel is negative"
        )
    if highest_minimum < -max_offset and policy in _CUT:
        warnings.append(f"every frame has pixels below -{max_offset}, which are clipped")
    if pedestal < 0:
        warnings.append(f"the pedestal is negative ({pedestal:.12g})")
    return ZeroPoint(offset, pedestal, tuple(warnings))


def certain_offset(policy: str, minimum: float, *, max_offset: int = MAX_OFFSET) -> int | None:
    """The offset of a series with a frame of this minimum, if the other frames cannot change it; else None.

    Examples
    --------
    >>> certain_offset("leginon", -10000), certain_offset("leginon", -145)
    (2000, None)
    """
    return max_offset if policy in _CUT and minimum <= -max_offset else None
