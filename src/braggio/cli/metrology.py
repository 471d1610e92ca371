"""``braggio metrology slac2cbf|cbf2slac|crystfel|show``: where the tiles of a detector are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braggio.cli.options import add_reporting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from braggio.cli.session import Session
    from braggio.model.cspad import Cspad
    from braggio.model.geometry import Panel
    from braggio.plots.detector import Outline

ACTIONS = {
    "slac2cbf": "write the header of a CSPAD CBF from a SLAC geometry file or old calibration folder",
    "cbf2slac": "write a SLAC geometry file from a CSPAD CBF or its header",
    "crystfel": "write a CrystFEL geometry (.geom) of a CSPAD",
    "show": "draw the tiles of SLAC geometry files, CBF files and image pickles",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``braggio metrology``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(ACTIONS))
    for name, text in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        action.add_argument("file", metavar="FILE", help="the input" + (", or a folder" if name != "cbf2slac" else ""))
        action.add_argument("-o", "--output", required=name != "show", metavar="FILE", help=_output_help(name))
        action.add_argument("-f", "--force", action="store_true", help="replace an output that exists")
        if name != "cbf2slac":
            action.add_argument(
                "--order",
                choices=("index", "file"),
                default="index",
                help="take the children of an object by index (default), or as they stand in the file, as cctbx does",
            )
        if name in ("slac2cbf", "crystfel"):
            action.add_argument(
                "--distance", type=float, metavar="MM", help="of the detector, which SLAC files do not hold (default 0)"
            )
        add_reporting(action)


def _output_help(name: str) -> str:
    return "picture: .png or .svg" if name == "show" else "the file to write"


def run(arguments: argparse.Namespace, session: Session) -> None:
    """One conversion or picture."""
    with session.item(input=arguments.file):
        if arguments.action == "show":
            _show(arguments, session)
        elif arguments.action == "cbf2slac":
            cbf_to_slac(session, arguments.file, arguments.output, arguments.force)
        else:
            _write(arguments, session)


def _write(arguments: argparse.Namespace, session: Session) -> None:
    from dataclasses import replace

    from braggio.formats.cspad_cbf import write_header
    from braggio.xfel.metrology import write_crystfel

    geometry = _geometry(arguments.file, arguments.order)
    if arguments.distance is not None:
        geometry = replace(geometry, distance=arguments.distance)
    if arguments.action == "slac2cbf":
        write_header(arguments.output, geometry, overwrite=arguments.force)
    else:
        write_crystfel(arguments.output, geometry, overwrite=arguments.force)
    session.done(f"{arguments.output}: 64 tiles", output=arguments.output)


def _is_cbf(path: str) -> bool:
    from braggio.storage.cbf import is_cbf

    return not os.path.isdir(path) and is_cbf(path)


def _geometry(path: str, order: Any) -> Cspad:
    from braggio.formats.cspad_cbf import open_cspad_cbf
    from braggio.xfel.metrology import read_slac

    return open_cspad_cbf(path).cspad if _is_cbf(path) else read_slac(path, order=order)


def cbf_to_slac(session: Session, file: str, output: str, force: bool) -> None:
    """Write the metrology of a CBF file as SLAC geometry."""
    from braggio.formats.cspad_cbf import open_cspad_cbf
    from braggio.xfel.metrology import write_slac

    write_slac(output, open_cspad_cbf(file).cspad, overwrite=force)
    session.done(f"{output}: 38 rows", output=output)


def _show(arguments: argparse.Namespace, session: Session) -> None:
    from braggio.plots.detector import draw_outlines
    from braggio.plots.figure import check_picture
    from braggio.xfel.metrology import panel_facts

    output = arguments.output or (None if session.json else f"{Path(arguments.file).stem}.png")
    if output:
        check_picture(output, overwrite=arguments.force)
    panels, per_sensor = _panels(arguments.file, arguments.order)
    if output:
        draw_outlines(output, outlines(panels, per_sensor), title=Path(arguments.file).name, overwrite=arguments.force)
    text = f"{output or arguments.file}: {len(panels)} panel(s)"
    session.done(text, input=arguments.file, output=output, panels=panel_facts(panels))


def _panels(path: str, order: Any) -> tuple[tuple[Panel, ...], bool]:
    """The panels of a file; True where they are the ASICs of sensors, two by two."""
    from braggio.formats.cspad_cbf import open_cspad_cbf
    from braggio.formats.image_pickle import read_image_pickle
    from braggio.formats.slac_geometry import looks_like
    from braggio.storage.source import read_head
    from braggio.xfel.metrology import read_slac

    if os.path.isdir(path):
        return read_slac(path, order=order).detector.panels, True
    if _is_cbf(path):
        return open_cspad_cbf(path).detector.panels, False
    if looks_like(read_head(path, 4096)):
        return read_slac(path, order=order).detector.panels, True
    return read_image_pickle(path).detector.panels, False


def outlines(panels: Sequence[Panel], per_sensor: bool) -> list[Outline]:
    """Polygons of panels labelled by number, or of sensors labelled ``quadrant,sensor``."""
    import numpy as np

    from braggio.plots.detector import Outline

    made = []
    for i in range(0, len(panels), 2 if per_sensor else 1):
        first, last = panels[i].corners(), panels[i + 1 if per_sensor else i].corners()
        corners = np.array([first[0], last[1], last[2], first[3]])[:, :2]
        label = f"{i // 16},{i // 2 % 8}" if per_sensor else str(i)
        start = float(first[0, 0]), float(first[0, 1])
        made.append(Outline(label, corners, start, i // 16 if len(panels) == 64 else 0))
    return made
