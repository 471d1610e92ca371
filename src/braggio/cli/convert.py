"""``braggio convert``: image files from one format to another."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import UsageError, add_durability, add_opening, add_overwriting, add_reporting

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
    add_overwriting(parser, update="replace them when their inputs are younger, whatever the options")
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
        raise UsageError("no files given")
    sources = {_identity(file): "" for file in arguments.files}
    for file in arguments.files:
        with session.item(input=file):
            _convert(file, arguments, session, sources)


def _target(arguments: argparse.Namespace) -> tuple[Any, Path | None, Path]:
    """(format, file or None, folder)."""
    from braggio import formats

    output = Path(arguments.output)
    promised = None if output.is_dir() else formats.by_suffix(str(output))
    if promised is not None and len(arguments.files) == 1:
        return _named(arguments.format) if arguments.format else promised, output, output.parent
    if not arguments.format:
        raise UsageError("give the output format with -F, see --list")
    return _named(arguments.format), None, output


def _named(name: str) -> Any:
    """A format that can be written."""
    from braggio import formats
    from braggio.options import require_choice

    try:
        require_choice("--format", name, [each.name for each in formats.formats() if each.write is not None])
    except ValueError as error:
        raise UsageError(str(error)) from None
    return formats.named(name)


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """A file, whatever its name; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _convert(
    file: str, arguments: argparse.Namespace, session: Session, sources: dict[tuple[int, int] | None, str]
) -> None:
    """Convert one file; `sources` has the files of this run: inputs, and outputs with the input of each."""
    from braggio import formats
    from braggio.errors import BraggioError

    chosen, single, folder = _target(arguments)
    with formats.open(file, permissive=arguments.permissive) as stack:
        picked = _picked(stack, arguments.frames)
        pieces: list[tuple[Path, int | None]]
        if chosen.name in ("smv", "tia_raw") and picked.nframes > 1:
            stem = single.stem if single else _stem(file)
            digits = max(3, len(str(picked.nframes)))
            pieces = [(folder / f"{stem}_{i + 1:0{digits}d}{chosen.suffixes[0]}", i) for i in range(picked.nframes)]
        else:
            pieces = [(single or folder / (_stem(file) + chosen.suffixes[0]), None)]
        todo = [piece for piece in pieces if _wanted(file, piece[0], arguments, session, sources)]
        options = _options(stack, chosen.name, arguments)
        with _places(file, [target for target, _ in todo], arguments) as places:
            for place, (target, index) in zip(places, todo, strict=True):
                piece = picked if index is None else formats.ArrayFrames(picked.read(index))
                piece.path = file  # for errors
                overwrite = arguments.force or arguments.update
                try:
                    formats.write(place, piece, format=chosen.name, overwrite=overwrite, **options)
                except BraggioError as error:
                    if error.path == str(place):
                        error.path = str(target)
                    raise
        shape = picked.shape if len(pieces) == 1 else picked.frame_shape
        for target, _ in todo:
            sources[_identity(target)] = file
            text = f"{file} -> {target}"
            session.done(text, input=file, output=target, format=chosen.name, shape=shape, dtype=picked.dtype)


def _options(stack: FrameStack, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What the writer is told of the whole file, which some frames of it do not know."""
    from braggio.formats.mrc import MrcFrames, known_pixel_size

    if name == "mrc":
        volume = isinstance(stack, MrcFrames) and stack.header["ispg"] == 1
        return {"lossy": arguments.lossy, "pixel_size": known_pixel_size(stack), "volume": volume}
    if name == "smv" and stack.format == "smv":
        return {"header": dict(stack.header), "any_key": True, "header_bytes": stack.header["HEADER_BYTES"]}
    return {}


def _wanted(
    file: str,
    target: Path,
    arguments: argparse.Namespace,
    session: Session,
    sources: dict[tuple[int, int] | None, str],
) -> bool:
    """Shall `target` be made? Inputs, and what this run has made of another, are nobody's to replace."""
    from braggio.errors import OutputError

    exists = os.path.exists(target)  # that of Path raises where a folder may not be searched
    if exists and (other := sources.get(_identity(target))):
        raise OutputError(f"is the output of {other}; choose another folder", path=target)
    if exists and (
        arguments.no_clobber or (arguments.update and os.stat(target).st_mtime_ns >= os.stat(file).st_mtime_ns)
    ):
        session.skipped(f"{target}: left alone", input=file, output=target)
        return False
    if exists and _identity(target) in sources:
        raise OutputError("is an input; choose another folder", path=target)
    if arguments.dry_run:
        session.skipped(f"{file} -> {target}", input=file, output=target)
        return False
    return True


@contextmanager
def _places(file: str, targets: Sequence[Path], arguments: argparse.Namespace) -> Iterator[list[Path]]:
    """Where to make the outputs of one file, which get their names together."""
    from braggio.batch.staging import Staging, digest, durably

    overwrite = arguments.force or arguments.update
    if len(targets) < 2:
        with ExitStack() as stack:
            for target in targets:
                _make_folder(target.parent)
            yield [
                stack.enter_context(durably(target, overwrite=overwrite, durable=arguments.durable))
                for target in targets
            ]
        return
    names = [target.name for target in targets]
    folder, task = targets[0].parent, digest({"files": names})
    with Staging(folder, Path(file).stem, task, durable=arguments.durable) as staging:
        staging.begin(names, overwrite=overwrite)
        for name in names:
            staging.path(name).unlink(missing_ok=True)  # of a run that was cut off
        try:
            yield list(map(staging.path, names))
        except BaseException:  # after an interruption too: no other run goes on with them
            staging.discard()
            raise
        staging.publish(names)


def _make_folder(folder: Path) -> None:
    from braggio.errors import OutputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        taken = isinstance(error, FileExistsError)
        raise OutputError(path=folder, errno=errno.ENOTDIR if taken else error.errno) from error


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
