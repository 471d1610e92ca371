"""What holds at an event: configurations, aliases and the last value of every process variable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from braggio.errors import BraggioError
from braggio.formats.xtc import Contribution, Datagram, Epics
from braggio.formats.xtc.types import COVERED

CONFIGS = tuple(name for name in COVERED if name.endswith("Config") and name not in ("AliasConfig", "EpicsConfig"))
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True)
class State:
    """Never changed in place: events of many threads share it.

    Attributes
    ----------
    configs : mapping
        (source, type name) to record.
    refused : mapping
        (source, type name) to why a configuration could not be decoded.
    aliases : mapping
        Alias to source.
    names : mapping
        (EPICS source, number) to the name of a process variable.
    epics : mapping
        Name to value: a number or text, a tuple where there are several. Variables without a name are `pv<number>`.
    records : mapping
        Name to the last `Epics` record.
    run : int or None
        Of the last BeginRun.
    """

    configs: Mapping[tuple[str, str], Any] = field(default_factory=lambda: _NOTHING)
    refused: Mapping[tuple[str, str], str] = field(default_factory=lambda: _NOTHING)
    aliases: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    names: Mapping[tuple[int, int], str] = field(default_factory=lambda: _NOTHING)
    epics: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    records: Mapping[str, Epics] = field(default_factory=lambda: _NOTHING)
    run: int | None = None

    def after(self, gram: Datagram, note: Callable[[str], None]) -> State:
        """The state once `gram` has been seen; `note` is told what could not be decoded."""
        state = self
        if gram.service == "BeginRun":
            state = replace(state, run=gram.env)
        if gram.service == "Configure":
            state = state._configured(gram, note)
        return state._updated([each for each in gram.contributions if each.type == "Epics" and not each.damage], note)

    def _configured(self, gram: Datagram, note: Callable[[str], None]) -> State:
        configs, refused, aliases = dict(self.configs), dict(self.refused), dict(self.aliases)
        for each in gram.contributions:
            key = (each.source, each.type)
            if each.damage or each.type not in (*CONFIGS, "AliasConfig"):
                continue
            try:
                record = each.decode()
            except BraggioError as error:
                note(str(error))
                refused[key] = str(error)
                configs.pop(key, None)
                continue
            if each.type == "AliasConfig":
                aliases |= record
            else:
                configs[key] = record
                refused.pop(key, None)
        return replace(self, configs=configs, refused=refused, aliases=aliases)

    def _updated(self, contributions: list[Contribution], note: Callable[[str], None]) -> State:
        if not contributions:
            return self
        names, epics, records = dict(self.names), dict(self.epics), dict(self.records)
        for each in contributions:
            try:
                record = each.decode()
            except BraggioError as error:
                note(str(error))
                continue
            if record.name:
                names[each.phy, record.pv_id] = record.name
            name = names.get((each.phy, record.pv_id), f"pv{record.pv_id}")
            records[name] = record
            epics[name] = record.values[0] if record.count == 1 else record.values
        return replace(self, names=names, epics=epics, records=records)


def has_state(gram: Datagram) -> bool:
    """Say whether `State.after` would change anything."""
    return gram.service in ("Configure", "BeginRun") or any(each.type == "Epics" for each in gram.contributions)
