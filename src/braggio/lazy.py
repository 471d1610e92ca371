"""Names of a package that are looked up when first used, so that importing the package loads nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from sys import modules


def lookup(
    package: str, homes: Mapping[str, str], names: Sequence[str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose names live in these modules.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : dict
        By name, the module that has it; a name whose home is ``package.name`` is that module.
    names : sequence of str
        All that the package shows: its ``__all__``.
    """

    def look_up(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(homes[name])
        value: object = home if homes[name] == f"{package}.{name}" else getattr(home, name)
        setattr(modules[package], name, value)
        return value

    return look_up, lambda: sorted(names)
