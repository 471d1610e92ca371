"""A run: its streams merged by clock into events, with the configuration and EPICS values that hold at each."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from braggio.errors import BraggioError, MetadataError
from braggio.formats.xtc import (
    Contribution,
    CspadConfig,
    Datagram,
    EBeam,
    EvrData,
    XtcFile,
    damage_names,
    matches,
    time_text,
)
from braggio.formats.xtc.jungfrau import JungfrauConfig
from braggio.formats.xtc.names import USER_DAMAGE
from braggio.xtc.beam import wavelength
from braggio.xtc.files import streams_of
from braggio.xtc.state import State

MAX_NOTES = 100
IMAGES = ("CspadElement", "Cspad2x2Element", "JungfrauElement", "Frame")
Config = TypeVar("Config")


@dataclass(frozen=True)
class Event:
    """One shot: what all streams hold of it.

    Attributes
    ----------
    index : int
        0, 1, ... in the run.
    clock : tuple of int
        (seconds, nanoseconds) since 1970 UTC.
    fiducials, ticks : int
        Of the first stream.
    datagrams : tuple of Datagram
        One a stream that has this clock.
    state : State
        Configuration and EPICS values at this event.
    """

    index: int
    clock: tuple[int, int]
    fiducials: int
    ticks: int
    datagrams: tuple[Datagram, ...]
    state: State

    @property
    def timestamp(self) -> str:
        """As image pickles write it, `2014-12-01T07:36Z01.249`."""
        return time_text(self.clock)

    @property
    def digits(self) -> str:
        """The digits of `timestamp`, of which names of outputs are made."""
        return "".join(letter for letter in self.timestamp if letter.isdigit())

    @property
    def contributions(self) -> list[Contribution]:
        """All that is not a container."""
        return [each for gram in self.datagrams for each in gram.contributions if each.type != "Xtc"]

    @property
    def damaged(self) -> dict[str, tuple[str, ...]]:
        """Damage of each contribution that has any, by source and type; containers too."""
        return {
            f"{each.source} {each.type}": damage_names(each.damage)
            for gram in self.datagrams
            for each in gram.contributions
            if each.damage
        }

    @property
    def faults(self) -> list[str]:
        """What of the datagrams could not be walked."""
        return [fault for gram in self.datagrams for fault in gram.faults]

    def find(self, address: str, types: Sequence[str] = IMAGES) -> Contribution:
        """The contribution of one source.

        Parameters
        ----------
        address : str
            Either spelling, an alias, or a part that fits one source alone: `CxiDs1-0|Cspad-0`, `DscCsPad`, `cspad`.
        types : sequence of str
            Names of types that are wanted.

        Raises
        ------
        MetadataError
            No source fits, or several do; what came is damaged.
        """
        wanted = self.state.aliases.get(address, address)
        found = [each for each in self.contributions if each.type in types and matches(wanted, each.source)]
        if not found:
            there = sorted({each.source for each in self.contributions if each.type in types})
            raise MetadataError(field=address, expected="an image in this event", found=", ".join(there) or "none")
        if len({each.source for each in found}) > 1:
            raise MetadataError(
                field=address, expected="one source", found=", ".join(sorted({each.source for each in found}))
            )
        sound = [each for each in found if not each.damage]
        if not sound:
            raise MetadataError(
                field=found[0].source, expected="no damage", found=", ".join(damage_names(found[0].damage))
            )
        return sound[0]

    def image(self, address: str, out: NDArray[np.int16] | None = None) -> NDArray[Any]:
        """Pixels as they were read out.

        Parameters
        ----------
        address : str
            See `find`.
        out : numpy.ndarray, optional
            (4, 8, 185, 388) int16 to fill with a CSPAD image.

        Returns
        -------
        numpy.ndarray
            CSPAD (4, 8, 185, 388) int16; Cspad2x2 (185, 388, 2) int16; Jungfrau (modules, rows, columns) uint16 with
            two bits of gain; cameras, Rayonix too, (height, width) uint8 or uint16.

        Raises
        ------
        MetadataError
            See `find`; a CSPAD without configuration.
        FormatError
            The payload is not what its type and configuration say.
        """
        return self.pixels(self.find(address), out)

    def pixels(self, found: Contribution, out: NDArray[np.int16] | None = None) -> NDArray[Any]:
        """Pixels of a contribution that `find` has given; see `image`."""
        if found.type == "CspadElement":
            return found.read_cspad(self.config(found.source, CspadConfig), out)
        if found.type == "JungfrauElement":
            return found.read_jungfrau(self.config(found.source, JungfrauConfig))
        data: NDArray[Any] = found.decode().data
        return data

    def config(self, source: str, kind: type[Config]) -> Config:
        """The configuration that holds for a source.

        Parameters
        ----------
        source : str
            Full name.
        kind : type
            `CspadConfig`, ...; types are named as their records.

        Raises
        ------
        MetadataError
            There is none before the event, or it was refused.
        """
        name = kind.__name__
        config = self.state.configs.get((source, name))
        if not isinstance(config, kind):
            reason = self.state.refused.get((source, name), "none")
            raise MetadataError(field=source, expected=f"a {name} before the event", found=reason)
        return config

    def _decoded(self, kind: str) -> Any:
        """The first of a type that is whole: marks of the user alone do not make it invalid."""
        for each in self.contributions:
            if each.type == kind and not each.damage & 0xFFFFFF & ~USER_DAMAGE:
                return each.decode()
        return None

    @property
    def ebeam(self) -> EBeam | None:
        """The electron beam, or None."""
        found = self._decoded("EBeamBld")
        return found if isinstance(found, EBeam) else None

    @property
    def evr(self) -> EvrData | None:
        """Event codes, or None."""
        found = self._decoded("EvrData")
        return found if isinstance(found, EvrData) else None

    @property
    def epics(self) -> Mapping[str, Any]:
        """Last values of process variables by name: a number or text, or a tuple of them."""
        return self.state.epics

    @property
    def wavelength(self) -> float | None:
        """Angstrom, or None when the shot does not tell it; see `beam.wavelength`."""
        return wavelength(self.ebeam)


@dataclass
class Problems:
    """What went wrong so far, in words.

    Attributes
    ----------
    notes : list of str
        Missing chunks, files in progress, files that ended early, clocks that went back, records that are refused.
    more : int
        Notes that there were besides.
    """

    notes: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, note: str) -> None:
        """Once each, the first `MAX_NOTES`; the rest is counted in `more`."""
        if note in self.notes:
            return
        if len(self.notes) < MAX_NOTES:
            self.notes.append(note)
        else:
            self.more += 1


class Run:
    """The files of one run.

    Parameters
    ----------
    paths : iterable of path-like
        Files of any streams and chunks of one run; their names tell which (`-s01-c00`). A file of another name is a
        stream of its own.
    skip_bad : bool
        Leave out files that are not XTC, and say so in `problems`, instead of raising.

    Raises
    ------
    MetadataError
        No file, files of several runs, or a chunk twice.
    FormatError, OSError
        A file is not XTC or cannot be read.

    Attributes
    ----------
    problems : Problems
        Grows while events are read.
    """

    def __init__(self, paths: Iterable[str | os.PathLike[str]], *, skip_bad: bool = False) -> None:
        names, notes = streams_of(paths)
        self.problems = Problems(notes)
        self.streams: list[list[XtcFile]] = []
        for chunks in names:
            files = []
            for name in chunks:
                try:
                    files.append(XtcFile(name.path))
                except (BraggioError, OSError) as error:
                    if not skip_bad:
                        raise
                    self.problems.add(str(error))
            if files:
                self.streams.append(files)
        if not self.streams:
            raise MetadataError(
                field="files", expected="at least one XTC file", found="; ".join(self.problems.notes) or "none"
            )
        numbers = [name.run for chunks in names for name in chunks if name.run is not None]
        self.number = numbers[0] if numbers else None

    @property
    def files(self) -> list[XtcFile]:
        """All files, stream after stream."""
        return [file for stream in self.streams for file in stream]

    def transitions(self) -> Iterator[tuple[Datagram, ...]]:
        """Datagrams of all streams in the order of their clocks, those of one clock and service together."""
        heap: list[tuple[tuple[int, int], int, Datagram]] = []
        streams = [self._stream(files) for files in self.streams]

        def fetch(i: int) -> None:
            for gram in streams[i]:
                heapq.heappush(heap, (gram.clock, i, gram))
                return

        for i in range(len(streams)):
            fetch(i)
        while heap:
            clock, first, gram = heapq.heappop(heap)
            together = [(first, gram)]
            others = [entry for entry in heap if entry[0] == clock and entry[2].service == gram.service]
            for entry in sorted(others, key=lambda entry: entry[1]):
                heap.remove(entry)
                together.append((entry[1], entry[2]))
            heapq.heapify(heap)
            yield tuple(each for _, each in together)
            for i, _ in together:
                fetch(i)

    def _stream(self, files: Sequence[XtcFile]) -> Iterator[Datagram]:
        last = (0, 0)
        for file in files:
            for gram in file.datagrams():
                if gram.clock < last:
                    self.problems.add(f"{file.path}: the clock goes back at byte {gram.offset}")
                last = max(last, gram.clock)
                yield gram
            if file.tail is not None:
                self.problems.add(f"{file.tail}; what stands before is used")

    def events(self) -> Iterator[Event]:
        """Every event in the order of its clock.

        Examples
        --------
        >>> for event in Run(["e1-r0007-s00-c00.xtc"]).events():  # doctest: +SKIP
        ...     print(event.timestamp, event.image("cspad").mean())
        """
        state, index = State(), 0
        for grams in self.transitions():
            state = self.advanced(state, grams)
            if grams[0].service == "L1Accept":
                yield self.event(index, grams, state)
                index += 1

    def advanced(self, state: State, grams: Sequence[Datagram]) -> State:
        """The state after these datagrams; what could not be decoded is noted."""
        for gram in grams:
            state = state.after(gram, self.problems.add)
        return state

    @staticmethod
    def event(index: int, grams: Sequence[Datagram], state: State) -> Event:
        """An event of its datagrams."""
        return Event(index, grams[0].clock, grams[0].fiducials, grams[0].ticks, tuple(grams), state)


def open_run(*paths: str | os.PathLike[str]) -> Run:
    """`Run` of these files.

    Examples
    --------
    >>> open_run("nowhere.xtc")
    Traceback (most recent call last):
    ...
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.xtc'
    """
    return Run(paths)
