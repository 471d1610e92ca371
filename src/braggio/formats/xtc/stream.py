"""One XTC file: its datagrams, their contributions, and the payloads of those, each read when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source, read_cspad, unpack_xtc, walk_xtc
from braggio.errors import FormatError, TruncatedError, UnsupportedError, about
from braggio.formats.xtc.cspad import CspadConfig
from braggio.formats.xtc.jungfrau import JungfrauConfig, read_image
from braggio.formats.xtc.names import (
    COMPRESSED,
    INCOMPLETE,
    SERVICES,
    TYPES,
    damage_names,
    source_name,
    type_name,
    type_of,
)
from braggio.formats.xtc.types import decode, require_covered

HEADER = 20
CSPAD_SHAPE = (4, 8, 185, 388)
_BATCH = 64  # datagrams of one call to the core
_PROBLEMS = {
    1: "an extent of 0",
    2: "an extent below 20",
    3: "an extent beyond its parent",
    4: "bytes left over",
    5: "containers nested too deep",
    6: "too many contributions",
}


@dataclass(frozen=True, slots=True)
class Contribution:
    """One Xtc: what a source sent to a datagram.

    Attributes
    ----------
    file : XtcFile
    offset : int
        Of its header in the file.
    depth : int
        0 for those right under the datagram.
    damage, log, phy, word, extent : int
        As stored; `word` has type, version and the compressed bit.
    """

    file: XtcFile
    offset: int
    depth: int
    damage: int
    log: int
    phy: int
    word: int
    extent: int

    @property
    def source(self) -> str:
        """Name of the source, see `names.source_name`."""
        return source_name(self.log, self.phy)

    @property
    def type(self) -> str:
        """Name of the type without its version; empty when it has none."""
        number = self.word & 0xFFFF
        return TYPES[number] if number < len(TYPES) else ""

    @property
    def version(self) -> int:
        """Of the type."""
        return type_of(self.word)[1]

    @property
    def compressed(self) -> bool:
        """Whether the payload is compressed."""
        return bool(self.word & COMPRESSED)

    def payload(self) -> bytes:
        """The bytes behind the header, decompressed."""
        start, count = self.offset + HEADER, self.extent - HEADER
        with about(self.file.path):
            return unpack_xtc(self.file.core, start, count) if self.compressed else self.file.core.read(start, count)

    def decode(self) -> Any:
        """The payload as a record, see `types.decode`.

        Raises
        ------
        FormatError
            Names the source; `UnsupportedError` for a type or version that is not covered.
        """
        with about(self.file.path), _Named(self):
            require_covered(self.word)
            return decode(self.word, self.payload())

    def read_jungfrau(self, config: JungfrauConfig) -> NDArray[np.uint16]:
        """Pixels of a JungfrauElement, see `jungfrau.read_image`; `config` is that of the same source."""
        with about(self.file.path), _Named(self):
            require_covered(self.word)
            return read_image(self.payload(), self.version, config)

    def read_cspad(self, config: CspadConfig, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
        """Pixels of a CspadElement, (4, 8, 185, 388) int16: quadrant, section, row, column; missing sections are 0.

        Parameters
        ----------
        config : CspadConfig
            Of the same source.
        out : numpy.ndarray, optional
            To be filled.
        """
        return self._cspad(config, np.empty(CSPAD_SHAPE, np.int16) if out is None else out)[0]

    def cspad_quads(self, config: CspadConfig) -> list[dict[str, Any]]:
        """What stands beside the pixels of each quadrant."""
        quads = self._cspad(config, np.empty(CSPAD_SHAPE, np.int16))[1]
        return [{name: quad[name].tolist() for name in quads.dtype.names or ()} for quad in quads]

    def _cspad(self, config: CspadConfig, out: NDArray[np.int16]) -> tuple[NDArray[np.int16], NDArray[Any]]:
        with about(self.file.path), _Named(self):
            require_covered(self.word)
            if self.compressed:
                payload = self.payload()
                return out, read_cspad(Source.over(payload), 0, len(payload), config.masks, out)
            return out, read_cspad(self.file.core, self.offset + HEADER, self.extent - HEADER, config.masks, out)


class _Named:
    """Names the source in an error that comes from one contribution, and its place in the file."""

    def __init__(self, contribution: Contribution) -> None:
        self._contribution = contribution

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FormatError):
            error.field = f"{self._contribution.source}: {error.field}"
            if error.offset is None:
                error.offset = self._contribution.offset


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram: a transition, or an event (L1Accept).

    Attributes
    ----------
    file : XtcFile
    offset, size : int
        Its bytes in the file.
    clock : tuple of int
        (seconds, nanoseconds) since 1970 UTC.
    ticks, fiducials, vector, control, env, damage, log, phy, word, extent : int
        As stored.
    contributions : list of Contribution
        In the order of the file, containers too.
    faults : list of str
        What could not be walked.
    """

    file: XtcFile
    offset: int
    clock: tuple[int, int]
    ticks: int
    control: int
    fiducials: int
    vector: int
    env: int
    damage: int
    log: int
    phy: int
    word: int
    extent: int
    contributions: list[Contribution] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of the datagram."""
        return HEADER + self.extent

    @property
    def service(self) -> str:
        """Configure, BeginRun, ..., L1Accept."""
        return SERVICES[self.control & 15]


def time_text(clock: tuple[int, int]) -> str:
    """A clock as image pickles write it: milliseconds, cut, in UTC.

    Examples
    --------
    >>> time_text((1417419361, 249999999))
    '2014-12-01T07:36Z01.249'
    """
    moment = datetime.fromtimestamp(clock[0], UTC)
    return f"{moment:%Y-%m-%dT%H:%MZ%S}.{clock[1] // 1000000:03d}"


class XtcFile:
    """An XTC file, read in order or at an offset; nothing is kept in memory.

    Parameters
    ----------
    path : path-like
        The file.

    Attributes
    ----------
    path : str
    size : int
        Bytes.
    tail : FormatError or None
        Once `datagrams` has come to its end: why it ended before the end of the file.

    Raises
    ------
    FormatError
        The file does not begin with a whole datagram.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.tail: FormatError | None = None
        with about(self.path):
            self.core = Source.open(self.path)
            self.size = self.core.size
            if self.size == 0:
                raise TruncatedError(field="file", expected="an XTC datagram", found="nothing")
            try:
                walk_xtc(self.core, 0, 1, nested=False)
            except FormatError as error:
                if self.core.read(0, 2) == b"\x1f\x8b":
                    raise UnsupportedError(
                        field="file", expected="XTC as it was written", found="gzip: unpack it first"
                    ) from None
                if not isinstance(error, TruncatedError):
                    error.message = "not an LCLS-I XTC file"
                raise

    def datagrams(self, start: int = 0, *, nested: bool = True) -> Iterator[Datagram]:
        """Every datagram from byte `start` on, up to the end or to the first that is cut or is none (`tail`)."""
        while start < self.size:
            try:
                with about(self.path):
                    grams, nodes, faults, end = walk_xtc(self.core, start, _BATCH, nested=nested)
            except FormatError as error:
                self.tail = error
                return
            yield from self._made(grams, nodes, faults)
            start = end

    def datagram(self, offset: int) -> Datagram:
        """The datagram at an offset that an index knows."""
        with about(self.path):
            grams, nodes, faults, _ = walk_xtc(self.core, offset, 1)
        return next(self._made(grams, nodes, faults))

    def _made(self, grams: NDArray[Any], nodes: NDArray[Any], faults: NDArray[Any]) -> Iterator[Datagram]:
        per_gram: list[list[Contribution]] = [[] for _ in grams]
        for offset, gram, depth, damage, log, phy, word, extent, _ in nodes.tolist():
            per_gram[gram].append(Contribution(self, offset, depth, damage, log, phy, word, extent))
        wrong: list[list[str]] = [[] for _ in grams]
        for offset, gram, problem, found, room in faults.tolist():
            wrong[gram].append(f"{_PROBLEMS[problem]} ({found}, {room} bytes there) at byte {offset}")
        for i, (offset, seconds, nanoseconds, *rest) in enumerate(grams.tolist()):
            ticks, control, fiducials, vector, env, damage, log, phy, word, extent = rest
            clock, inside = (seconds, nanoseconds), (per_gram[i], wrong[i])
            yield Datagram(
                self, offset, clock, ticks, control, fiducials, vector, env, damage, log, phy, word, extent, *inside
            )


def describe(contribution: Contribution) -> str:
    """One line: type, source, size, damage."""
    damage = ", ".join(damage_names(contribution.damage))
    incomplete = " (not looked into)" if contribution.damage & INCOMPLETE and contribution.type == "Xtc" else ""
    return (
        f"{type_name(contribution.word)}  {contribution.source}  {contribution.extent - HEADER} bytes"
        f"{f'  damage: {damage}' if damage else ''}{incomplete}"
    )
