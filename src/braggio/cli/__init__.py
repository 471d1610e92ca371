"""The command line: a table of commands, each a module with ``add_arguments`` and ``run``, imported when it is called.

Nothing heavy is imported here, so that ``braggio --help`` is instant.
"""

from __future__ import annotations

import sys

from braggio import __version__

# name: (what it does, module). Listed in the order of --help.
COMMANDS = {
    "smv": ("convert TIA raw series to SMV (and MRC) with Leginon's offset and pedestal", "braggio.cli.smv"),
    "convert": ("convert image files from one format to another", "braggio.cli.convert"),
    "info": ("print what image files say of themselves", "braggio.cli.info"),
    "particles": ("read, check, convert and write RELION star and cryoSPARC particle tables", "braggio.cli.particles"),
    "matching": ("peaks, tables and stacks of 2-D template matching", "braggio.cli.matching"),
    "verify": ("check SMV series against their raw frames", "braggio.cli.verify"),
    "spots": ("find spots on Laue frames and write masks, labels and a spot table (lu_hdf2spots)", "braggio.cli.spots"),
    "mccd2h5": ("collect mccd frames and a Lauecollect log into one HDF5 file (lu_mccd2hdf)", "braggio.cli.mccd2h5"),
    "plan": ("list what would be converted, for run, Dask and Slurm", "braggio.cli.plan"),
    "run": ("carry out a plan, or go on with it", "braggio.cli.run"),
    "status": ("tell how far a plan is", "braggio.cli.status"),
    "clean": ("remove what interrupted runs of a plan have left behind", "braggio.cli.clean"),
    "watch": ("convert files as they appear in a folder", "braggio.cli.watch"),
    "slurm-script": ("print a Slurm script that carries out a plan", "braggio.cli.slurm_script"),
    "relion-job": ("run as an External job of RELION", "braggio.cli.relion_job"),
    "selftest": ("print versions and limits, and convert and check the demo series", "braggio.cli.selftest"),
    "xtc": ("look into LCLS-I event streams and dump their images (cctbx.xfel.xtc_dump)", "braggio.cli.xtc"),
    "pickle": ("print or scan image and integration pickles, never unpickling them", "braggio.cli.pickle"),
    "pickle2cbf": ("convert image pickles to CBF", "braggio.cli.pickle2cbf"),
    "cbf2pickle": ("convert CBF files to image pickles", "braggio.cli.cbf2pickle"),
    "metrology": ("convert and draw detector metrology: SLAC geometry, CSPAD CBF, CrystFEL", "braggio.cli.metrology"),
    "compat": ("run command lines of cctbx.xfel (cxi.slaccalib2cbfheader out=... and the like)", "braggio.cli.compat"),
    "view": ("draw frames into one PNG picture", "braggio.cli.view"),
    "demo": ("convert the series that ships with braggio and draw it", "braggio.cli.demo"),
}

EXIT_CODES = """exit codes:
  0  all done
  1  at least one item failed or is not valid; the others are done
  2  wrong usage
  4  refused: unsafe or oversized input
  5  an output could not be written
  75 something is left: run the same command again to go on (run, status)
  130, 143  stopped by SIGINT, SIGTERM: run again to go on
"""


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, (text, _) in COMMANDS.items()]
    return "\n".join(
        (
            "usage: braggio [-h] [--version] COMMAND ...",
            "",
            "Detector frames and their metadata into analysis-ready files and tables.",
            "",
            "commands:",
            *lines,
            "",
            "'braggio COMMAND --help' tells more.",
            "",
            EXIT_CODES,
        )
    )


def _no_command(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else "'braggio --help' lists them"
    return f"braggio: error: no command {name!r}; {hint}\n"


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : list of str, optional
        Words after ``braggio``; those of the process by default.

    Returns
    -------
    int
        An exit code, see ``braggio --help``.
    """
    words = sys.argv[1:] if argv is None else argv
    name = words[0] if words else ""
    if name in ("-h", "--help", "--version"):
        print(f"braggio {__version__}" if name == "--version" else _help(), end="\n" if name == "--version" else "")
        return 0
    if name not in COMMANDS:
        print(_no_command(name) if name else _help(), end="", file=sys.stderr)
        return 2
    import signal

    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the session takes it: no traceback of an import
    try:
        return _run(name, words[1:])
    finally:
        signal.signal(signal.SIGINT, before)


def _run(name: str, words: list[str]) -> int:
    import argparse  # here, because it costs --help a third of its time
    from importlib import import_module

    text, home = COMMANDS[name]
    module = import_module(home)
    parser = argparse.ArgumentParser(
        prog=f"braggio {name}",
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=getattr(module, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a new option must not change what a script means
    )
    module.add_arguments(parser)
    # Parameters like voltage=200 may stand after options; argparse cannot do that together with subcommands.
    parse = parser.parse_intermixed_args if getattr(module, "INTERMIXED", False) else parser.parse_args
    arguments = parse(words)
    from braggio.cli.session import run_command

    return run_command(module.run, arguments)
