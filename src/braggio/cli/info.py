"""``braggio info``: what files say of themselves."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_opening, add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio info``."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="image files")
    parser.add_argument(
        "--stats", action="store_true", help="read the pixels too: minimum, maximum, mean, standard deviation"
    )
    add_opening(parser)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Print each file; one that fails does not stop the others."""
    from braggio import formats

    for file in arguments.files:
        with session.item(input=file):
            facts = formats.info(file, permissive=arguments.permissive)
            if arguments.stats:
                facts["stats"] = _stats(file, arguments.permissive)
            facts["header"] = {key: _plain(value) for key, value in facts["header"].items()}
            session.done(_text(facts), **facts)


def _stats(file: str, permissive: bool) -> list[dict[str, Any]]:
    import numpy as np

    from braggio import formats
    from braggio.errors import FormatError, about
    from braggio.kernels import frame_stats

    frames = []
    with about(file), formats.open(file, permissive=permissive) as stack:
        for index, frame in enumerate(stack.frames()):
            finite = np.isfinite(frame)
            if not finite.all():
                row, column = divmod(int(np.argmin(finite)), frame.shape[1])
                found = f"NaN or infinity at row {row}, column {column}"
                raise FormatError(path=file, field=f"frame {index}", expected="finite pixels", found=found)
            frames.append(frame_stats(frame.astype(np.float32) if frame.dtype == np.float16 else frame))
    return [{"min": each.min, "max": each.max, "mean": each.mean, "std": each.std} for each in frames]


def _plain(value: Any) -> Any:
    return value.decode("latin-1").rstrip("\0 ") if isinstance(value, bytes) else value


def _text(facts: dict[str, Any]) -> str:
    from braggio.errors import printable

    rows, columns = facts["frame_shape"]
    lines = [f"{facts['path']}: {facts['format']}, {facts['nframes']} frame(s) of {columns} x {rows} {facts['dtype']}"]
    lines += [f"  {key:24} {printable(str(value))}" for key, value in facts["header"].items()]
    for index, each in enumerate(facts.get("stats", [])):
        lines.append(
            f"  frame {index}: min {each['min']:.12g} max {each['max']:.12g} mean {each['mean']:g} std {each['std']:g}"
        )
    return "\n".join(lines)
