"""What a run holds, counted in one walk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from braggio.formats.xtc import COVERED, damage_names, time_text, type_name
from braggio.xtc.run import Problems, Run
from braggio.xtc.state import State


@dataclass
class RunInfo:
    """Counts of a run.

    Attributes
    ----------
    files : list of tuple
        (path, bytes)
    run : int or None
    first, last : str
        Times of the first and last event.
    transitions : Counter
        Datagrams by service; those of several streams at one clock count once.
    sources : dict
        (source, type) to contributions, bytes and damaged ones; types that cannot be decoded are marked.
    damage : Counter
        Names of damage bits of contributions.
    state : State
        After the last datagram: configurations, aliases, EPICS values.
    problems : Problems
    """

    files: list[tuple[str, int]]
    run: int | None = None
    first: str = ""
    last: str = ""
    transitions: Counter[str] = field(default_factory=Counter)
    sources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    damage: Counter[str] = field(default_factory=Counter)
    state: State = field(default_factory=State)
    problems: Problems = field(default_factory=Problems)


def run_info(run: Run) -> RunInfo:
    """Walk all files of a run and count."""
    info = RunInfo([(file.path, file.size) for file in run.files], run.number, problems=run.problems)
    for grams in run.transitions():
        info.transitions[grams[0].service] += 1
        if grams[0].service == "L1Accept":
            info.last = time_text(grams[0].clock)
            info.first = info.first or info.last
        for gram in grams:
            for fault in gram.faults:
                run.problems.add(f"{gram.file.path}: {fault}")
            for each in gram.contributions:
                for name in damage_names(each.damage):
                    info.damage[name] += 1
                if each.type == "Xtc":
                    continue
                decoded = each.version in COVERED.get(each.type, ())
                facts = info.sources.setdefault(
                    (each.source, type_name(each.word)), {"count": 0, "bytes": 0, "damaged": 0, "decoded": decoded}
                )
                facts["count"] += 1
                facts["bytes"] += each.extent
                facts["damaged"] += bool(each.damage)
        info.state = run.advanced(info.state, grams)
    info.run = info.state.run if info.run is None else info.run
    return info
