"""``braggio convert``: image files from one format to another."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_durability, add_opening, add_overwriting, add_reporting

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.model.frames import FrameStack

EPILOG = """Values are kept exactly or the file is refused: --lossy lets MRC round to float32. Formats that hold
one frame (smv, tia_raw) get a file per frame. For signed frames into SMV use 'braggio smv', which adds an offset.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio convert``."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="image files")
    parser.add_argument("-F", "--format", metavar="NAME", help="output format, see --list")
    parser.add_argument(
        "-o", "--output", default=".", metavar="DIR|FILE", help="folder, or the file for a single input"
    )
    parser.add_argument("-l", "--list", action="store_true", help="list the formats and stop")
    parser.add_argument("--frames", metavar="A:B", help="frames A to B-1, counted from 0")
    parser.add_argument("--lossy", action="store_true", help="MRC: round to float32 what it cannot hold exactly")
    add_opening(parser)
    add_overwriting(parser)
    add_durability(parser)
    add_reporting(parser)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Convert each file; one that fails does not stop the others."""
    from braggio import formats

    if arguments.list:
        for each in formats.formats():
            kind = "read, write" if each.write else "read"
            text = f"{each.name:8}  {each.title:12} {' '.join(each.suffixes):32} {kind}"
            session.event("format", text, name=each.name, suffixes=each.suffixes, writes=each.write is not None)
        return
    if not arguments.files:
        raise ValueError("no files given")
    for file in arguments.files:
        with session.item(input=file):
            _convert(file, arguments, session)


def _target(arguments: argparse.Namespace) -> tuple[Any, Path | None, Path]:
    """(format, file or None, folder)."""
    from braggio import formats
    from braggio.errors import MetadataError

    output = Path(arguments.output)
    promised = None if output.is_dir() else formats.by_suffix(str(output))
    if promised is not None and len(arguments.files) == 1:
        return formats.named(arguments.format) if arguments.format else promised, output, output.parent
    if not arguments.format:
        raise MetadataError("give the output format with -F, see --list", field="format")
    return formats.named(arguments.format), None, output


def _convert(file: str, arguments: argparse.Namespace, session: Session) -> None:
    from braggio import formats

    chosen, single, folder = _target(arguments)
    with formats.open(file, permissive=arguments.permissive) as stack:
        picked = _picked(stack, arguments.frames)
        pieces: list[tuple[Path, int | None]]
        if chosen.name in ("smv", "tia_raw") and picked.nframes > 1:
            stem = (single or Path(file)).stem
            digits = max(3, len(str(picked.nframes)))
            pieces = [(folder / f"{stem}_{i + 1:0{digits}d}{chosen.suffixes[0]}", i) for i in range(picked.nframes)]
        else:
            pieces = [(single or folder / (_stem(file) + chosen.suffixes[0]), None)]
        for target, index in pieces:
            piece = picked if index is None else formats.ArrayFrames(picked.read(index))
            _write(file, target, piece, chosen.name, arguments, session)


def _stem(file: str) -> str:
    from braggio.formats import uncompressed

    return Path(uncompressed(Path(file).name)).stem


def _picked(stack: FrameStack, frames: str | None) -> FrameStack:
    from braggio.errors import MetadataError
    from braggio.formats import ArrayFrames

    if frames is None:
        return stack
    try:
        first, last = (int(word) if word else None for word in frames.split(":"))
    except ValueError:
        raise MetadataError(field="--frames", expected="A:B", found=frames) from None
    chosen = stack[first:last] if not stack.single else stack.read(0)[None][first:last]
    if len(chosen) == 0:
        raise MetadataError(field="--frames", expected=f"some of {stack.nframes} frames", found=frames)
    return ArrayFrames(chosen)


def _write(
    file: str, target: Path, stack: FrameStack, name: str, arguments: argparse.Namespace, session: Session
) -> None:
    from braggio import formats
    from braggio.batch.staging import durably

    exists = target.exists()
    if exists and (
        arguments.no_clobber or (arguments.update and os.stat(target).st_mtime_ns >= os.stat(file).st_mtime_ns)
    ):
        session.skipped(f"{target}: left alone", input=file, output=target)
        return
    if arguments.dry_run:
        session.skipped(f"{file} -> {target}", input=file, output=target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    options = {"lossy": arguments.lossy} if name == "mrc" else {}
    if name == "smv" and stack.format == "smv":
        options = {"header": dict(stack.header), "any_key": True, "header_bytes": stack.header["HEADER_BYTES"]}
    overwrite = arguments.force or arguments.update
    with durably(target, overwrite=overwrite, durable=arguments.durable) as place:
        formats.write(place, stack, format=name, overwrite=overwrite, **options)
    session.done(f"{file} -> {target}", input=file, output=target, format=name, shape=stack.shape, dtype=stack.dtype)
