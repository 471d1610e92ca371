"""``braggio xtc``: what LCLS-I event streams hold, and their images as files."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_reporting, add_threads

if TYPE_CHECKING:
    from braggio.cli.session import Session
    from braggio.xtc import DumpOptions, DumpReport, Run, RunInfo

EPILOG = """examples:
  braggio xtc info e157-r0054-s*.xtc
  braggio xtc dump e157-r0054-s*.xtc --format npz input.address=cspad output.output_dir=out dispatch.max_events=10
  braggio xtc dump -c -a 2
"""
_FORMATS = ("cbf", "pickle", "npz", "h5")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio xtc``: one set for each action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Intermixed)
    for name, (text, add, _) in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text, epilog=EPILOG, formatter_class=_Raw)
        add(action)
        add_reporting(action)


_Raw = argparse.RawDescriptionHelpFormatter


class _Intermixed(argparse.ArgumentParser):
    """Takes files and name=value words before, between and behind options."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, which gives words behind an option back as unknown."""
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def run(arguments: argparse.Namespace, session: Session) -> None:
    """Do one action."""
    ACTIONS[arguments.action][2](arguments, session)


# ---- info


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="streams and chunks of one run")
    parser.add_argument("--list", action="store_true", help="print every datagram with its contributions instead")
    parser.add_argument("--epics", action="store_true", help="also the last value of every process variable")


def _info(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.xtc import Run, run_info

    found = Run(arguments.files, skip_bad=len(arguments.files) > 1)
    if arguments.list:
        _list(found, session)
    else:
        info = run_info(found)
        session.done(describe(info, arguments.epics), **_facts(info))
    _tell_problems(found, session)


def _list(run: Run, session: Session) -> None:
    from braggio.formats.xtc import damage_names, describe, time_text

    for grams in run.transitions():
        for gram in grams:
            damage = ", ".join(damage_names(gram.damage))
            head = f"{time_text(gram.clock)} {gram.service} fiducials {gram.fiducials}, {gram.size} bytes"
            lines = [head + (f", damage: {damage}" if damage else "")]
            lines += [f"{'  ' * (each.depth + 1)}{describe(each)}" for each in gram.contributions]
            lines += [f"  {fault}" for fault in gram.faults]
            session.event(
                "datagram",
                "\n".join(lines),
                file=gram.file.path,
                offset=gram.offset,
                time=time_text(gram.clock),
                service=gram.service,
                fiducials=gram.fiducials,
                damage=damage,
                contributions=[describe(each) for each in gram.contributions],
                faults=gram.faults,
            )


def describe(info: RunInfo, epics: bool = False) -> str:
    """A run as people read it."""
    from braggio.errors import printable

    run = "?" if info.run is None else info.run
    size = sum(size for _, size in info.files)
    lines = [
        f"run {run}: {len(info.files)} files, {size} bytes, {info.transitions.get('L1Accept', 0)} events"
        + (f", {info.first} to {info.last}" if info.first else ""),
        "  " + ", ".join(f"{count} {name}" for name, count in info.transitions.items()),
    ]
    for (source, kind), facts in info.sources.items():
        marks = [f"{facts['damaged']} damaged"] * bool(facts["damaged"]) + ["not decoded"] * (not facts["decoded"])
        lines.append(f"  {source}  {kind}  {facts['count']}x" + (f"  ({', '.join(marks)})" if marks else ""))
    lines += [f"  alias {alias} = {source}" for alias, source in info.state.aliases.items()]
    lines += [f"  damage {name}: {count}" for name, count in sorted(info.damage.items())]
    names = sorted(info.state.epics)
    lines += [f"  {name} = {info.state.epics[name]}" for name in names] if epics else []
    if names and not epics:
        lines.append(f"  {len(names)} EPICS variables (--epics lists them)")
    return "\n".join(printable(line) for line in lines)  # names come from the file


def _facts(info: RunInfo) -> dict[str, Any]:
    return {
        "run": info.run,
        "files": [{"path": path, "bytes": size} for path, size in info.files],
        "first": info.first,
        "last": info.last,
        "transitions": dict(info.transitions),
        "sources": [{"source": source, "type": kind, **facts} for (source, kind), facts in info.sources.items()],
        "aliases": dict(info.state.aliases),
        "damage": dict(info.damage),
        "epics": dict(info.state.epics),
        "problems": info.problems.notes,
    }


def _tell_problems(run: Run, session: Session) -> None:
    for note in run.problems.notes:
        session.warn(note)
    if run.problems.more:
        session.warn(f"{run.problems.more} notes more")


# ---- dump


def _add_dump(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="FILE or name=value", help="files of one run, and parameters")
    parser.add_argument("--format", choices=_FORMATS, help="format.file_format (default cbf)")
    parser.add_argument("-o", "--output", metavar="DIR", help="output.output_dir (default: here)")
    parser.add_argument("--address", metavar="NAME", help="input.address")
    parser.add_argument("--pedestals", metavar="FILE", help=".npy or SLAC's text; goes before input.calib_dir")
    parser.add_argument("--geometry", metavar="FILE", help="SLAC geometry, for cbf; goes before input.calib_dir")
    parser.add_argument("--phil", metavar="FILE", action="append", default=[], help="parameters from a file")
    parser.add_argument("-c", "--show-config", action="store_true", help="print the parameters and do nothing")
    parser.add_argument(
        "-a", "--attributes-level", type=int, default=0, metavar="N", help="with -c: 2 adds help and type"
    )
    parser.add_argument("-e", "--expert-level", type=int, default=0, metavar="N", help="with -c: 1 shows all")
    add_threads(parser)
    parser.add_argument("-f", "--force", action="store_true", help="replace images of another dump")


def _dump(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.errors import BraggioError
    from braggio.xtc import Run, dump_run
    from braggio.xtc.phil import show

    try:
        values, files = _parameters(arguments)
        if arguments.show_config:
            text = show(values, attributes=arguments.attributes_level, expert=arguments.expert_level)
            session.event("parameters", text, **values)
            return
        options = _options(arguments, values)
        files = files or _find(values)
    except BraggioError as error:
        print(f"braggio xtc dump: error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    if values["input.cfg"] is not None:
        session.warn("input.cfg is a psana configuration and not used")
    found = Run(files, skip_bad=len(files) > 1)
    with session.progress(options.address) as progress:
        report = dump_run(found, options, overwrite=arguments.force, threads=arguments.threads, progress=progress)
    for message in report.failed:
        session.failed(message)
    session.done(describe_dump(report), **_dump_facts(report))
    _tell_problems(found, session)


def _parameters(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """(values by full name, files): words with an equals sign are parameters, unless such a file is there."""
    import os

    from braggio.errors import about
    from braggio.xtc.phil import parse, read_phil

    given: list[str] = []
    for path in arguments.phil:
        with open(path, encoding="utf-8", errors="replace") as file, about(path):
            given += read_phil(file.read(1 << 20))
    words = [word for word in arguments.words if "=" in word and not os.path.exists(word)]
    files = [word for word in arguments.words if word not in words]
    for name, value in (
        ("format.file_format", arguments.format),
        ("output.output_dir", arguments.output),
        ("input.address", arguments.address),
    ):
        words += [] if value is None else [f"{name}={value}"]
    return parse([*given, *words]), files


def _find(values: dict[str, Any]) -> list[str]:
    from braggio.errors import MetadataError
    from braggio.xtc import find_files

    folder, run = values["input.xtc_dir"], values["input.run_num"]
    if folder is None:
        asked = values["input.experiment"] is not None or run is not None
        raise MetadataError(
            "input.experiment and input.run_num alone need SLAC's experiment database, which is not here"
            if asked
            else "",
            field="files",
            expected="XTC files, or input.xtc_dir= and input.run_num=",
            found="none",
        )
    if run is None:
        raise MetadataError(field="input.run_num", expected="a run of input.xtc_dir", found="none")
    return find_files(folder, run, values["input.experiment"])


def _options(arguments: argparse.Namespace, values: dict[str, Any]) -> DumpOptions:
    from braggio.errors import MetadataError
    from braggio.xtc import DumpOptions

    if values["input.address"] is None:
        raise MetadataError(field="input.address", expected="a detector (braggio xtc info lists them)", found="none")
    selected = values["dispatch.selected_events"]
    if selected and not values["input.timestamp"]:
        raise MetadataError(field="input.timestamp", expected="times, for dispatch.selected_events", found="none")
    if values["format.cbf.mode"] == "rayonix" and values["format.file_format"] == "cbf":
        raise MetadataError(field="format.cbf.mode", expected="cspad", found="rayonix, which is not written")
    return DumpOptions(
        address=values["input.address"],
        file_format=values["format.file_format"] or "cbf",
        output_dir=values["output.output_dir"] or ".",
        max_events=values["dispatch.max_events"],
        timestamps=tuple(values["input.timestamp"]) if selected else None,
        calib_dir=values["input.calib_dir"],
        pedestals=arguments.pedestals,
        geometry=arguments.geometry,
        gain_mask_value=values["format.cbf.cspad.gain_mask_value"],
        detz_offset=values["format.cbf.detz_offset"],
        override_energy=values["format.cbf.override_energy"],
    )


def describe_dump(report: DumpReport) -> str:
    """A dump as people read it."""
    lines = [f"{report.output_dir}: {report.written} images written, {report.kept} kept, of {report.events} events"]
    lines += [f"  {count} events without an image: {reason}" for reason, count in report.missing.most_common(10)]
    return "\n".join(lines)


def _dump_facts(report: DumpReport) -> dict[str, Any]:
    return {
        "output": report.output_dir,
        "written": report.written,
        "kept": report.kept,
        "events": report.events,
        "outputs": report.outputs,
        "missing": dict(report.missing),
        "problems": report.problems.notes,
    }


ACTIONS = {
    "info": ("count what the files of a run hold", _add_info, _info),
    "dump": ("write the images of a run into files", _add_dump, _dump),
}
