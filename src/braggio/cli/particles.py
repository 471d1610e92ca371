"""``braggio particles``: RELION star and cryoSPARC tables, and the images they name."""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import (
    Actions,
    UsageError,
    add_actions,
    add_durability,
    add_options,
    add_overwriting,
    add_threads,
    options_of,
    positive,
)

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.particles import ConvertReport, Particles

EPILOG = """examples:
  braggio particles info run_data.star
  braggio particles check run_data.star --base /data/project
  braggio particles convert run_data.star -o OUT --batch-size 1024 --downsample-factor 2
  braggio particles cs2star J15/particles.cs J15/J15_passthrough_particles.cs -o particles.star
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio particles``: one set for each action."""
    add_actions(parser, ACTIONS)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Do one action."""
    ACTIONS[arguments.action][2](arguments, session)


# ---- options


def _add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="a .star; a .cs and its passthroughs; or a job folder J<n>"
    )
    parser.add_argument("--block", metavar="NAME", help="table of a star file with several (default: particles)")
    parser.add_argument(
        "--inner", action="store_true", help="keep the rows whose uid is in every .cs file, instead of refusing"
    )
    group = parser.add_argument_group("where the stacks are")
    group.add_argument(
        "--folder", metavar="DIR", help="look here for the file names alone, without their written folders"
    )
    group.add_argument("--base", metavar="DIR", help="written paths start here (default: the working directory)")
    group.add_argument(
        "--allow-outside", action="store_true", help="follow written paths that are absolute or climb out"
    )


def _add_output(parser: argparse.ArgumentParser, help: str) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="PATH", help=help)
    add_overwriting(parser)


def _add_info(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    parser.add_argument("--sheet", metavar="PNG", help="draw the first images")
    parser.add_argument(
        "--most", type=positive, default=24, metavar="N", help="images in the sheet at most (default 24)"
    )
    parser.add_argument("--plot", metavar="PNG", help="draw the mean CTF and the spread of the defocus")
    parser.add_argument("-f", "--force", action="store_true", help="replace the pictures")


def _add_convert(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_batches(parser)
    parser.add_argument(
        "--stack", nargs="+", metavar="MRC", help="rows follow the images of these stacks, one for each star file"
    )
    parser.add_argument(
        "--normalize",
        choices=("max", "std", "background", "none"),
        default="max",
        help="normalisation of each image (default max)",
    )
    parser.add_argument("--n-pixels", type=positive, metavar="N", help="box that the stacks must have")


def _add_restack(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_batches(parser)


def _add_batches(parser: argparse.ArgumentParser) -> None:
    _add_output(parser, "folder of the batches")
    add_durability(parser)
    add_threads(parser)
    from braggio.particles.options import BatchOptions

    add_options(parser, BatchOptions, leave=("normalize", "sign", "prefix", "precision"))


def _add_select(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_output(parser, "a .star or .cs")
    parser.add_argument("--rows", metavar="START:STOP[:STEP]", help="rows, from 0, as a Python slice")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COLUMN<OP>VALUE",
        help="rows that fulfil this, OP one of == != <= >= < >; may be repeated",
    )
    parser.add_argument("--exact", action="store_true", help="write numbers so that they read back the same (star)")


def _add_to_star(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_output(parser, "the .star")
    parser.add_argument("--exact", action="store_true", help="write numbers so that they read back the same")


def _add_to_cs(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    _add_output(parser, "the .cs")
    parser.add_argument("--format", choices=("npy", "csdat"), default="npy", help="kind of .cs (default npy)")


# ---- actions


def _read(arguments: argparse.Namespace, *, strict: bool = True) -> Particles:
    from braggio.particles import read

    return read(
        arguments.files,
        block=arguments.block,
        folder=arguments.folder,
        base=arguments.base,
        allow_outside=arguments.allow_outside,
        strict=strict,
        how="inner" if arguments.inner else "exact",
    )


def _info(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.plots.figure import check_picture

    for picture in filter(None, (arguments.sheet, arguments.plot)):
        check_picture(picture, overwrite=arguments.force)
    table = _read(arguments, strict=False)
    facts = dict(table.describe())
    lines = [f"{', '.join(table.files)}: {table.n} particles in {len(table.stacks)} stacks"]
    lines.append(
        "columns: "
        + ", ".join(f"{name} [{table.units[name]}]" if table.units.get(name) else name for name in table.columns)
    )
    lines += [f"default: {name} = {value}" for name, value in table.defaults.items()] + [
        f"note: {note}" for note in table.notes
    ]
    if arguments.sheet:
        facts["sheet"] = _sheet(table, arguments)
    if arguments.plot:
        facts["not_finite"] = _plot(table, arguments)
        facts["plot"] = arguments.plot
    session.done("\n".join(lines), **facts)


def _sheet(table: Particles, arguments: argparse.Namespace) -> str:
    from braggio.plots.particles import draw_images

    shown = table.select(slice(0, arguments.most))
    drawn = [
        (row, image)
        for rows, batch in shown.images(batch=arguments.most)
        for row, image in zip(rows.tolist(), batch, strict=True)
    ]
    rows, images = [row for row, _ in drawn], [image for _, image in drawn]
    title = f"{Path(table.files[0]).name}: {len(drawn)} of {table.n} particles"
    draw_images(arguments.sheet, images, [f"row {row}" for row in rows], title=title, overwrite=arguments.force)
    return str(arguments.sheet)


def _plot(table: Particles, arguments: argparse.Namespace) -> int:
    """Draw; how many rows have a CTF that is no number and are left out."""
    import numpy as np

    from braggio.particles import mean_ctf
    from braggio.plots.particles import draw_ctf

    finite = np.all([np.isfinite(column) for column in table.ctf().values()], axis=0)
    shown = table.select(finite)
    size = float(np.min(shown["ImagePixelSize"], initial=np.inf)) if "ImagePixelSize" in shown else np.inf
    frequency = np.linspace(0, 1 / (2 * (size if np.isfinite(size) and size > 0 else 1.5)), 1000)
    defocus = (np.asarray(shown["DefocusU"]) + np.asarray(shown["DefocusV"])) / 2
    title = f"{Path(table.files[0]).name}: CTF of {shown.n} of {table.n} particles"
    ctf = mean_ctf(shown, frequency)[0]
    draw_ctf(arguments.plot, frequency, ctf, defocus, title=title, overwrite=arguments.force)
    return int(table.n - shown.n)


def _check(arguments: argparse.Namespace, session: Session) -> None:
    report = _read(arguments, strict=False).check(raise_=False)
    if report.ok:
        session.done(str(report), **report.to_dict())
    else:
        session.failed(str(report), **report.to_dict())


def _convert(arguments: argparse.Namespace, session: Session) -> None:
    arguments.normalize = None if arguments.normalize == "none" else arguments.normalize
    _batches(arguments, session)


def _restack(arguments: argparse.Namespace, session: Session) -> None:
    arguments.stack = None
    arguments.n_pixels = arguments.normalize = None
    _batches(arguments, session)


def _batches(arguments: argparse.Namespace, session: Session) -> None:
    from functools import partial

    from braggio.particles import BatchOptions, convert, convert_paired
    from braggio.particles.conversion import is_current
    from braggio.particles.stacks import stack_info

    options = vars(options_of(arguments, BatchOptions)) | {"normalize": arguments.normalize}
    if arguments.stack:
        for stack in arguments.stack if arguments.n_pixels else ():
            _require_box(stack, stack_info(Path(stack)).shape[1], arguments.n_pixels)
        make = partial(convert_paired, arguments.files, arguments.stack, arguments.output, **options)
    else:
        table = _read(arguments)
        if arguments.n_pixels:
            box = table.check().shape
            _require_box(table.files[0], box[1] if box else arguments.n_pixels, arguments.n_pixels)
        make = partial(convert, table, arguments.output, **options)
    if arguments.dry_run or arguments.update:
        planned = make(dry_run=True)
        if arguments.dry_run or is_current(planned):
            what = "would be written" if arguments.dry_run else "up to date"
            session.skipped(f"{_outcome(planned)}: {what}", outputs=list(planned.outputs), **_facts(planned))
            return
    with _skipping_existing(arguments, session), session.progress(Path(arguments.output).name) as progress:
        report = make(
            overwrite=arguments.force or arguments.update,
            durable=arguments.durable,
            threads=arguments.threads,
            progress=progress,
        )
        session.done(_outcome(report), **_facts(report))


@contextmanager
def _skipping_existing(arguments: argparse.Namespace, session: Session) -> Iterator[None]:
    """With --no-clobber, outputs that exist are left, and that is no failure."""
    from braggio.errors import OutputError

    try:
        yield
    except OutputError as error:
        if not arguments.no_clobber or error.errno not in (None, errno.EEXIST):
            raise
        session.skipped(f"left alone, {error}", output=os.fspath(arguments.output))


def _require_box(path: str, box: int, n_pixels: int) -> None:
    from braggio.errors import MetadataError

    if n_pixels != box:
        raise MetadataError(path=path, field="n-pixels", expected=f"{box}, the box of the stacks", found=n_pixels)


def _outcome(report: ConvertReport) -> str:
    grid = report.grid
    size = f"{grid.n_pixels} x {grid.n_pixels} at {grid.pixel_size:.6g} A"
    return f"{report.folder}: {report.images} images of {size} in {len(report.batches)} batches"


def _facts(report: ConvertReport) -> dict[str, Any]:
    return {
        "folder": report.folder,
        "images": report.images,
        "batches": list(report.batches),
        "n_pixels": report.grid.n_pixels,
        "pixel_size": report.grid.pixel_size,
        "flat": report.flat,
        "defaults": report.defaults,
        "notes": list(report.notes),
    }


def _select(arguments: argparse.Namespace, session: Session) -> None:
    import numpy as np

    table = _read(arguments, strict=False)
    keep = np.ones(table.n, bool)
    for condition in arguments.where:
        keep &= fulfilled(table, condition)
    rows = np.flatnonzero(keep)
    if arguments.rows:
        rows = rows[_slice(arguments.rows)]
    _write(table.select(rows), arguments, session, f"{len(rows)} of {table.n} particles")


def fulfilled(table: Particles, condition: str) -> Any:
    """Rows for which ``COLUMN<OP>VALUE`` holds; numbers are compared as numbers, texts as texts."""
    import operator
    import re

    import numpy as np

    match = re.fullmatch(r"\s*(\w[\w/]*)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*", condition)
    if match is None:
        raise UsageError(f"a condition is COLUMN<OP>VALUE, not {condition!r}")
    column, symbol, text = match.groups()
    compare = {
        "==": operator.eq,
        "!=": operator.ne,
        "<=": operator.le,
        ">=": operator.ge,
        "<": operator.lt,
        ">": operator.gt,
    }[symbol]
    values = np.asarray(table[column])
    if values.ndim > 1:
        raise ValueError(f"a condition needs one value a row, and {column} has {values.shape[1:]}")
    return np.asarray(compare(values, text if values.dtype.kind == "O" else _number(column, text, values)), bool)


def _number(column: str, text: str, values: Any) -> int | float:
    """The number to compare with; an integer as it is, which a float64 need not hold."""
    try:
        return int(text) if values.dtype.kind in "iu" else float(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{column} holds numbers, and is compared with {text!r}") from None


def _slice(text: str) -> slice:
    parts = text.split(":")
    if not 1 < len(parts) <= 3:
        raise UsageError(f"rows are START:STOP[:STEP], not {text!r}")
    return slice(*(int(part) if part else None for part in parts))


def _to_star(arguments: argparse.Namespace, session: Session) -> None:
    table = _read(arguments, strict=False)
    _write(table, arguments, session, f"{table.n} particles", "star")


def _to_cs(arguments: argparse.Namespace, session: Session) -> None:
    table = _read(arguments, strict=False)
    _write(table, arguments, session, f"{table.n} particles", "cs")


def _write(
    table: Particles, arguments: argparse.Namespace, session: Session, text: str, kind: str | None = None
) -> None:
    output = os.fspath(arguments.output)
    kind = kind or Path(output).suffix.lower().removeprefix(".")
    if kind not in ("star", "cs"):
        raise UsageError(f"output must end in .star or .cs, not {output!r}")
    if arguments.dry_run:
        session.skipped(f"{output}: {text}: would be written", output=output, particles=table.n)
        return
    with _skipping_existing(arguments, session):
        overwrite = arguments.force or arguments.update  # one table is written sooner than its options are compared
        if kind == "star":
            table.to_star(output, precision="exact" if arguments.exact else "relion", overwrite=overwrite)
        else:
            table.to_cs(output, format=getattr(arguments, "format", "npy"), overwrite=overwrite)
        session.done(
            f"{output}: {text}", output=output, particles=table.n, defaults=table.defaults, notes=list(table.notes)
        )


ACTIONS: Actions = {
    "info": ("print what a table holds; draw its images and CTF", _add_info, _info),
    "check": ("compare every row with its stack, without reading pixels", _add_table, _check),
    "convert": ("images in normalised batches with their metadata", _add_convert, _convert),
    "restack": ("images in batches, values as they are", _add_restack, _restack),
    "select": ("write some rows, with the optics groups they use", _add_select, _select),
    "cs2star": ("cryoSPARC to RELION", _add_to_star, _to_star),
    "star2cs": ("RELION to cryoSPARC", _add_to_cs, _to_cs),
}
