"""The results as people read them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.runner import Figure
from braggio._core import cpu_level


def case_table(found: Mapping[str, Any]) -> str:
    """A case as a Markdown table."""
    title = f"### {found['case']}\n\n{found['rounds']} rounds, {found['clock']} time, load {found['load']:.1f}"
    if "parallelism available" in found:
        title += f", parallelism available {found['parallelism available']:.2f} of {found['threads']}"
    lines = [
        title,
        "",
        "| variant | ms | GB/s | over the floor (10-90 %) | over ours (10-90 %) | claim | page faults | goal |",
        "|---|---|---|---|---|---|---|---|",
        *map(_row, found["rows"]),
        "",
    ]
    return "\n".join(lines)


def _row(row: Mapping[str, Any]) -> str:
    cells = [
        row["variant"],
        f"{row['ms']:.3f}",
        f"{row['GB/s']:.2f}" if row["GB/s"] else "",
        _band(row["over floor"]),
        _band(row["over ours"]),
        {None: "", True: "stands", False: "no difference"}[row["claim stands"]],
        f"{row['faults']:.0f}",
        "; ".join(f"{goal['of']}: {goal['goal']}: {_verdict(goal['met'])}" for goal in row["goals"]),
    ]
    return f"| {' | '.join(cells)} |"


def _band(values: tuple[float, float, float] | None) -> str:
    return "" if values is None else f"{values[1]:.3f} ({values[0]:.3f}-{values[2]:.3f})"


def _verdict(met: bool) -> str:
    return "met" if met else "NOT MET"


def figure_line(figure: Figure) -> str:
    """A figure as an item of a Markdown list."""
    text = f"* {figure.name}: {figure.value:.3g} {figure.unit}"
    if figure.at_most is not None:
        text += f"; goal at most {figure.at_most:g}: {_verdict(figure.value <= figure.at_most)}"
    return text + "\n"


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    processor = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "level": cpu_level(),
        "kernel": os.uname().release,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
    }
