"""An index of a run of our own: events by number or time, without walking the files again."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.errors import FormatError, MetadataError, OutputError, numpy_errors
from braggio.formats.xtc import Datagram, time_text
from braggio.xtc.run import Event, Run
from braggio.xtc.state import State, has_state

_VERSION = 1


@dataclass(frozen=True)
class Index:
    """Where the datagrams of a run are.

    Attributes
    ----------
    sizes : numpy.ndarray
        (files,) bytes of each file, in the order of `Run.files`: an index is good for files of these sizes only.
    seconds, nanoseconds, fiducials, damage : numpy.ndarray
        (events,) uint32.
    first : numpy.ndarray
        (events + 1,): datagrams first[i]..first[i + 1] of the next two make up event i.
    event_file, event_offset : numpy.ndarray
        (datagrams,)
    state_event, state_file, state_offset : numpy.ndarray
        Datagrams with configurations or EPICS values, and how many events come before each.
    """

    sizes: NDArray[np.int64]
    seconds: NDArray[np.uint32]
    nanoseconds: NDArray[np.uint32]
    fiducials: NDArray[np.uint32]
    damage: NDArray[np.uint32]
    first: NDArray[np.int64]
    event_file: NDArray[np.int32]
    event_offset: NDArray[np.int64]
    state_event: NDArray[np.int64]
    state_file: NDArray[np.int32]
    state_offset: NDArray[np.int64]

    @classmethod
    def build(cls, run: Run) -> Index:
        """Walk all files of a run; payloads are stepped over."""
        number = {id(file): i for i, file in enumerate(run.files)}
        events: list[tuple[int, int, int, int]] = []
        first, parts, state = [0], [], []
        for grams in run.transitions():
            state += [(len(events), number[id(gram.file)], gram.offset) for gram in grams if has_state(gram)]
            if grams[0].service == "L1Accept":
                damage = int(np.bitwise_or.reduce([gram.damage for gram in grams]))
                events.append((*grams[0].clock, grams[0].fiducials, damage))
                parts += [(number[id(gram.file)], gram.offset) for gram in grams]
                first.append(len(parts))
        columns = np.array(events, np.uint32).reshape(-1, 4).T
        places, states = np.array(parts, np.int64).reshape(-1, 2).T, np.array(state, np.int64).reshape(-1, 3).T
        return cls(
            sizes=np.array([file.size for file in run.files], np.int64),
            seconds=columns[0],
            nanoseconds=columns[1],
            fiducials=columns[2],
            damage=columns[3],
            first=np.array(first, np.int64),
            event_file=places[0].astype(np.int32),
            event_offset=places[1],
            state_event=states[0],
            state_file=states[1].astype(np.int32),
            state_offset=states[2],
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write it as a numpy archive.

        Raises
        ------
        OutputError
            The file exists and `overwrite` is False, or it cannot be written.
        """
        if os.path.lexists(path) and not overwrite:
            raise OutputError("exists; pass overwrite to replace it", path=path)
        memory = io.BytesIO()
        np.savez(memory, version=np.array(_VERSION), **{each.name: getattr(self, each.name) for each in fields(self)})
        with PartFile(os.fspath(path)) as part:
            part.write(memory.getvalue(), 0)
            part.publish(overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Index:
        """Read what `save` wrote.

        Raises
        ------
        FormatError
            It is not an index, or of another version.
        """
        with open(path, "rb") as file:
            try:
                with np.load(file, allow_pickle=False) as archive:
                    version = int(archive["version"])
                    columns = [archive[each.name] for each in fields(cls)] if version == _VERSION else []
            except numpy_errors() as error:
                raise FormatError(str(error), path=path, expected="an index of an XTC run") from None
        if version != _VERSION:
            raise FormatError(path=path, field="version", expected=_VERSION, found=version)
        index = cls(*columns)
        index._check(path)
        return index

    def _check(self, path: str | os.PathLike[str]) -> None:
        events, parts, states = len(self.seconds), len(self.event_file), len(self.state_file)
        lengths = [len(self.nanoseconds), len(self.fiducials), len(self.damage), len(self.first) - 1]
        sound = (
            all(
                getattr(self, each.name).ndim == 1 and getattr(self, each.name).dtype.kind in "iu"
                for each in fields(self)
            )
            and lengths == [events] * 4
            and len(self.event_offset) == parts == self.first[-1]
            and bool((np.diff(self.first) > 0).all())
            and self.first[0] == 0
            and len(self.state_offset) == len(self.state_event) == states
        )
        if not sound:
            raise FormatError(path=path, field="index", expected="columns that belong together", found="others")


class IndexedRun:
    """A run whose events are asked for by number.

    Parameters
    ----------
    run : Run
    index : Index, optional
        Built when not given.

    Raises
    ------
    MetadataError
        The index is of other files.

    Notes
    -----
    EPICS values at event i are those of all datagrams before it that hold any; going forward costs only the new ones.
    """

    def __init__(self, run: Run, index: Index | None = None) -> None:
        self.run = run
        self.index = Index.build(run) if index is None else index
        sizes = [file.size for file in run.files]
        if sizes != self.index.sizes.tolist():
            raise MetadataError(
                field="index", expected=f"of files of {self.index.sizes.tolist()} bytes", found=f"{sizes} bytes"
            )
        for files, offsets in (
            (self.index.event_file, self.index.event_offset),
            (self.index.state_file, self.index.state_offset),
        ):
            if len(files) and not 0 <= files.min() <= files.max() < len(sizes):
                raise MetadataError(field="index", expected=f"files 0 to {len(sizes) - 1}", found=files.max())
            beyond = (offsets < 0) | (offsets >= np.array(sizes)[files])
            if beyond.any():
                raise MetadataError(field="index", expected="places in its files", found=int(offsets[beyond][0]))
        self._done, self._state = 0, State()

    def __len__(self) -> int:
        return len(self.index.seconds)

    def __getitem__(self, i: int) -> Event:
        if not -len(self) <= i < len(self):
            raise IndexError(f"event {i} of {len(self)}")
        i %= len(self)
        first, last = self.index.first[i : i + 2].tolist()
        grams = [self._gram(self.index.event_file[k], self.index.event_offset[k]) for k in range(first, last)]
        return self.run.event(i, grams, self._state_at(i))

    def __iter__(self) -> Iterator[Event]:
        return (self[i] for i in range(len(self)))

    def find(self, timestamp: str) -> int:
        """Number of the event of a timestamp, `2014-12-01T07:36Z01.249` or its digits.

        Raises
        ------
        MetadataError
            There is none.
        """
        wanted = "".join(letter for letter in timestamp if letter.isdigit())
        clocks = zip(self.index.seconds.tolist(), self.index.nanoseconds.tolist(), strict=True)
        for i, clock in enumerate(clocks):
            if "".join(letter for letter in time_text(clock) if letter.isdigit()) == wanted:
                return i
        raise MetadataError(field="timestamp", expected="that of an event", found=timestamp)

    def _gram(self, file: Any, offset: Any) -> Datagram:
        return self.run.files[int(file)].datagram(int(offset))

    def _state_at(self, i: int) -> State:
        """States are replayed in the order of the run; what the event itself holds comes last."""
        until = int(np.searchsorted(self.index.state_event, i, side="right"))
        if self._done > until:
            self._done, self._state = 0, State()
        while self._done < until:
            gram = self._gram(self.index.state_file[self._done], self.index.state_offset[self._done])
            self._state = self.run.advanced(self._state, [gram])
            self._done += 1
        return self._state
