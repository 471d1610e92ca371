"""``braggio matching``: results of 2-D template matching, from maps to peaks, tables and stacks."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from braggio.cli.options import Actions, UsageError, add_actions, add_options, options_of, positive

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.matching import MatchTable, Peaks
    from braggio.matching.options import TableOptions

EPILOG = """examples:
  braggio matching check search.yaml
  braggio matching table search.yaml -o matches.csv --plot matches.png
  braggio matching table */search.yaml -o tables/ --json
  braggio matching extract matches.csv -o particles.mrcs --box 512
  braggio matching convert matches.csv -o particles.star
  braggio matching merge shard_*.part -o whole/ --maps
"""


_PLACES = ("base", "micrograph", "template", "correlations")  # of every action that opens a result
_OF_TABLE = ("width", "half_template_shift", "exclude")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio matching``: one set for each action."""
    add_actions(parser, ACTIONS)


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Do one action."""
    ACTIONS[arguments.action][2](arguments, session)


# ---- options


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", nargs="+", metavar="RESULT", help="configuration of a search, .yaml or .json")
    parser.add_argument("--base", metavar="DIR", help="relative paths start here (default: the configuration's folder)")
    parser.add_argument("--micrograph", metavar="MRC", help="in the place of the configuration's")
    parser.add_argument("--template", metavar="MRC", help="in the place of the configuration's")
    parser.add_argument("--correlations", type=positive, metavar="N", help="correlograms per pixel (default: its own)")


def _add_output(parser: argparse.ArgumentParser, text: str, *, required: bool = True) -> None:
    parser.add_argument("-o", "--output", required=required, metavar="PATH", help=text)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-f", "--force", action="store_true", help="replace what is there")
    group.add_argument("-n", "--no-clobber", action="store_true", help="leave what is there, and count it as skipped")


def _add_pick(parser: argparse.ArgumentParser) -> None:
    from braggio.matching.options import TableOptions

    _add_results(parser)
    add_options(parser, TableOptions, leave=(*_PLACES, *_OF_TABLE, "n_correlations"))
    _add_output(parser, "a .csv with positions and map values; a folder for several results")
    parser.add_argument("--plot", metavar="PNG", help="draw the map with its peaks and the histogram of the scores")


def _add_table(parser: argparse.ArgumentParser) -> None:
    _add_pick(parser)
    parser.add_argument(
        "--columns",
        dest="width",
        type=int,
        choices=(39, 36, 34),
        default=39,
        help="generation of the table (default 39)",
    )
    parser.add_argument("--exclude", nargs="+", metavar="COLUMN", help="columns to leave out")
    parser.add_argument(
        "--corner",
        dest="half_template_shift",
        action="store_false",
        help="leave pos_x_img, pos_y_img at the template's corner",
    )


def _add_tables(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="tables, .csv")


def _add_extract(parser: argparse.ArgumentParser) -> None:
    _add_tables(parser)
    _add_output(parser, "the stack, .mrcs; a .star of the same name is written beside it")
    parser.add_argument("--box", type=positive, required=True, metavar="PX", help="edge of a box")
    parser.add_argument(
        "--template-size", type=positive, metavar="PX", help="edge of the template (default: from its file)"
    )
    parser.add_argument("--base", metavar="DIR", help="relative paths start here (default: the table's folder)")
    parser.add_argument(
        "--edges",
        choices=("constant", "reflect", "replicate", "error", "drop"),
        default="constant",
        help="boxes that lie outside in part (default: filled)",
    )
    parser.add_argument("--fill", type=float, default=0.0, metavar="V", help="for --edges constant (default 0)")
    parser.add_argument(
        "--position", choices=("corner", "centre"), default="corner", help="what pos_x, pos_y are (default corner)"
    )


def _add_convert(parser: argparse.ArgumentParser) -> None:
    _add_tables(parser)
    _add_output(parser, "a .star for RELION, or a .csv")
    parser.add_argument(
        "--columns", type=int, choices=(34, 36, 39, 48, 51, 54), help="of a .csv (default: as they are)"
    )


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="tables (.csv), or partial results of a search")
    _add_output(parser, "the merged table or partial result; a folder with --maps")
    parser.add_argument(
        "--allow-identical",
        action="store_true",
        help="merge partial results of the same bytes too (default: refuse copies)",
    )
    parser.add_argument("--maps", action="store_true", help="write the maps of merged partial results")
    parser.add_argument("--plot", metavar="PNG", help="draw the survival curve of merged partial results")


# ---- actions


def _check(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.matching import check
    from braggio.matching.options import TableOptions
    from braggio.matching.tabulate import open_search

    options = options_of(arguments, TableOptions)
    for path in arguments.results:
        with session.item(result=path), open_search(path, options) as result:
            report = check(result)
            if report.ok:
                session.done(f"{path}: {report}", result=path, **report.to_dict())
            else:
                session.failed(f"{path}: {'; '.join(report.problems)}", result=path, **report.to_dict())


def _pick(arguments: argparse.Namespace, session: Session) -> None:
    arguments.width = 11
    _table(arguments, session)


def _table(arguments: argparse.Namespace, session: Session) -> None:
    """A table for each result; into one file where the output is a .csv, else into a folder."""
    from braggio.matching.options import TableOptions

    options = options_of(arguments, TableOptions)
    several = not arguments.output.lower().endswith(".csv")
    if not several and len(arguments.results) > 1:
        raise UsageError(f"output must be a folder for {len(arguments.results)} results, not {arguments.output!r}")
    targets = [_target(arguments.output, path) if several else arguments.output for path in arguments.results]
    if len(set(targets)) < len(targets):
        raise UsageError("several results would have the same output; their configurations need different names")
    if arguments.plot and len(arguments.results) > 1:
        raise UsageError(f"plot takes one result, not {len(arguments.results)}")
    _check_plot(arguments)
    if several:
        os.makedirs(arguments.output, exist_ok=True)
    for path, target in zip(arguments.results, targets, strict=True):
        with session.item(result=path):
            if arguments.no_clobber and os.path.lexists(target):
                session.skipped(f"{target}: exists", result=path, output=target)
                continue
            _one_table(arguments, session, path, target, options)


def _check_plot(arguments: argparse.Namespace) -> None:
    """Refuse a picture that could not be written before anything else is."""
    from braggio.plots.figure import check_picture

    if arguments.plot:
        check_picture(arguments.plot, overwrite=arguments.force)


def _target(folder: str, path: str) -> str:
    return os.path.join(folder, Path(path).stem + ".csv")


def _one_table(arguments: argparse.Namespace, session: Session, path: str, target: str, options: TableOptions) -> None:
    from braggio.matching.tabulate import search_table

    report = search_table(path, target, options, overwrite=arguments.force)
    peaks = report.peaks
    text = f"{target}: {len(peaks)} peaks above {peaks.cutoff:.4g} ({options.metric})"
    if not len(peaks):
        text += "; none: the table has no rows"
    if replaced := sum(count for name, count in report.facts.items() if name.startswith("replaced_pixels")):
        text += f"; {replaced} pixels that are no numbers were replaced"
    if arguments.plot:
        _plot(arguments, path, options, peaks)
    session.done(text, output=target, **report.facts)


def _plot(arguments: argparse.Namespace, path: str, options: TableOptions, peaks: Peaks) -> None:
    from braggio.matching.tabulate import open_search
    from braggio.plots.matching import draw_peaks

    name = "mip" if options.metric == "mip" else "scaled_mip"
    cutoff = peaks.cutoff if options.metric != "pvalue" else None
    with open_search(path, options) as result:
        draw_peaks(arguments.plot, result[name], peaks.y, peaks.x, cutoff=cutoff, title=name, overwrite=arguments.force)


def _read(paths: list[str], session: Session) -> MatchTable:
    from braggio.matching import concatenate, read_table

    tables = [read_table(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        for note in table.notes:
            session.event("note", f"{path}: {note}", table=path, note=note)
    return tables[0] if len(tables) == 1 else concatenate(tables)


def _extract(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.matching import write_stack

    folders = {os.path.dirname(os.path.abspath(path)) for path in arguments.tables}
    if arguments.base is None and len(folders) > 1:  # the same relative path may be another micrograph in each
        raise UsageError(f"tables of {len(folders)} folders need --base, where their relative paths start")
    base = arguments.base or os.path.dirname(arguments.tables[0])
    if arguments.no_clobber and os.path.lexists(arguments.output):
        session.skipped(f"{arguments.output}: exists", output=arguments.output)
        return
    table = _read(arguments.tables, session)
    report = write_stack(
        table,
        arguments.output,
        arguments.box,
        template=arguments.template_size or _template_size(table, base),
        base=base,
        edges=arguments.edges,
        fill=arguments.fill,
        position=arguments.position,
        overwrite=arguments.force,
    )
    text = f"{report.stack}: {report.particles} boxes of {report.micrographs} micrographs"
    text += f", {report.padded} filled at an edge, {report.dropped} dropped"
    session.done(text, **vars(report))


def _template_size(table: MatchTable, base: str) -> int:
    from braggio.errors import MetadataError
    from braggio.matching.result import open_map_file

    if not table.n:
        raise MetadataError(field="table", expected="particles to extract", found="none")
    sizes = set()
    for written in sorted(set(table["template_path"].tolist())):
        path = Path(base) / written
        if not written or not path.is_file():
            raise MetadataError("pass --template-size", field="template_path", expected="a file", found=repr(str(path)))
        with open_map_file(path) as stack:
            sizes.add(stack.frame_shape[1])
    if len(sizes) != 1:
        raise MetadataError("pass --template-size", field="template_path", expected="one size", found=sorted(sizes))
    return sizes.pop()


def _convert(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.matching import write_star, write_table
    from braggio.model.matches import GENERATIONS

    output = arguments.output
    if arguments.no_clobber and os.path.lexists(output):
        session.skipped(f"{output}: exists", output=output)
        return
    table = _read(arguments.tables, session)
    if output.lower().endswith(".star"):
        write_star(output, table, overwrite=arguments.force)
    elif output.lower().endswith(".csv"):
        chosen = table.arranged(GENERATIONS[arguments.columns]) if arguments.columns else table
        write_table(output, chosen, overwrite=arguments.force)
    else:
        raise UsageError(f"output must end in .star or .csv, not {output!r}")
    session.done(f"{output}: {table.n} particles", output=output, particles=table.n, notes=list(table.notes))


def _merge(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.matching import merge_partials, write_maps, write_partial, write_table

    tables = [path.lower().endswith(".csv") for path in arguments.files]
    if any(tables) != all(tables):
        raise UsageError("tables and partial results cannot be merged with one another")
    if os.path.exists(arguments.output) and any(os.path.samefile(arguments.output, path) for path in arguments.files):
        raise UsageError(f"output must not be one of the files that are merged: {arguments.output}")
    if arguments.no_clobber and os.path.lexists(arguments.output):
        session.skipped(f"{arguments.output}: exists", output=arguments.output)
        return
    if all(tables):
        table = _read(arguments.files, session)
        write_table(arguments.output, table, overwrite=arguments.force)
        session.done(f"{arguments.output}: {table.n} particles", output=arguments.output, particles=table.n)
        return
    _check_plot(arguments)
    partial = merge_partials(arguments.files, allow_identical=arguments.allow_identical)
    count = partial.accumulator.count
    if arguments.plot and not partial.accumulator.bins:
        raise ValueError("partial results without a histogram have no survival curve to plot")
    if arguments.maps:
        outputs = write_maps(partial, arguments.output, overwrite=arguments.force)
    else:
        write_partial(arguments.output, partial, overwrite=arguments.force)
        outputs = [arguments.output]
    if arguments.plot:
        from braggio.plots.matching import draw_survival

        draw_survival(arguments.plot, partial.accumulator.histogram(), overwrite=arguments.force)
    text = f"{arguments.output}: {count} correlograms of {len(arguments.files)} files"
    session.done(text, outputs=outputs, correlations=count)


ACTIONS: Actions = {
    "check": ("say which conventions the maps of a search follow, and what is wrong with them", _add_results, _check),
    "pick": ("peaks with the maps' values there, without optics", _add_pick, _pick),
    "table": ("peaks as the table that other programs read", _add_table, _table),
    "extract": ("particles cut out of their micrographs, as a stack with a RELION star", _add_extract, _extract),
    "convert": ("a table for RELION, or of another generation", _add_convert, _convert),
    "merge": ("tables, or partial results of a search, into one", _add_merge, _merge),
}
