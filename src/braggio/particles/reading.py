"""Particle tables of RELION and cryoSPARC, read into one vocabulary."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from braggio._core import Source
from braggio.errors import MetadataError, about, warn
from braggio.formats.cryosparc import sniff as is_cs
from braggio.formats.star import nearest
from braggio.model.particles import DEFAULTS, IGNORED_WITHOUT_INDEX, QUANTITIES, REQUIRED
from braggio.particles.cryosparc import read_cryosparc
from braggio.particles.relion import read_relion
from braggio.particles.stacks import Places
from braggio.particles.table import Particles

File: TypeAlias = str | os.PathLike[str]


def read_files(
    paths: Sequence[Path],
    *,
    columns: Sequence[str] | None = None,
    block: str | None = None,
    places: Places,
    strict: bool = True,
    indexed: bool | None = None,
    how: str = "exact",
) -> Particles:
    """The table in a star file, or in .cs files; see `braggio.particles.read`."""
    with about(paths[0]):
        head = Source.open(str(paths[0])).read(0, 6)
    if is_cs(head) or paths[0].suffix == ".cs":
        table = read_cryosparc(paths, columns, places, how)
    elif len(paths) > 1:
        raise MetadataError(
            path=paths[0], field="file", expected="one star file, or .cs files", found=f"{len(paths)} files"
        )
    else:
        table = read_relion(paths[0], columns, block, places)
    with about(paths[0]):
        return _completed(table, strict, indexed)


def _completed(table: Particles, strict: bool, indexed: bool | None) -> Particles:
    """Required fields demanded, defaults filled in and recorded, generic mode applied."""
    columns = dict(table.columns)
    if indexed and table.stack_id is None:
        raise MetadataError(
            field="ImageName", expected="image names, or indexed=False", found=nearest("ImageName", list(columns))
        )
    if indexed is False or (indexed is None and strict and table.stack_id is None and table.source == "star"):
        columns = {name: column for name, column in columns.items() if name not in IGNORED_WITHOUT_INDEX}
        table = replace(table, stacks=(), stack_id=None, index=None)
    missing = [name for name in REQUIRED if name not in columns]
    if missing and strict:
        raise MetadataError(
            f"{len(missing)} required fields missing: {', '.join(missing)}"
            if len(missing) > 1
            else "required field missing",
            field=missing[0] if table.source == "star" else f"{missing[0]} ({QUANTITIES[missing[0]].cryosparc})",
            expected="a column",
            found=nearest(missing[0], list(columns)),
        )
    defaults = {name: value for name, value in DEFAULTS.items() if name not in columns} if strict or not missing else {}
    for name, value in defaults.items():
        columns[name] = np.full(table.n, value)
    expected = [name for name in ("PhaseShift", "AmplitudeContrast") if name in defaults and table.source == "cs"]
    for name in expected:
        warn(f"{table.files[0]}: {QUANTITIES[name].cryosparc} is not there; {name} {defaults[name]} is used")
    return replace(table, columns=columns, defaults=defaults)
