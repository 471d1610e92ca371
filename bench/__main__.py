"""``python -m bench [name ...] [--quick] [--rounds N] [--json FILE] [--folder DIR] [--list]``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from bench import report, runner

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
MEMORY_FOLDER = Path("/dev/shm")  # files without a disk: what is left is the work and the system's copies


def main() -> None:
    """Measure the benches named, or all, print Markdown, and keep JSON and Markdown in bench/results."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=runner.__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer frames: about a minute each")
    parser.add_argument("--rounds", type=int, default=11, help="at least 11 for a claim")
    parser.add_argument(
        "--clock", choices=runner.CLOCKS, default="wall", help="cpu: for a busy machine, one thread only"
    )
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--folder", type=Path, help="for the files; by default in memory where that is possible")
    parser.add_argument("--list", action="store_true", help="name the benches")
    options = parser.parse_args()
    if options.list:
        sys.exit(print("\n".join(NAMES)))
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    results = {"machine": report.machine(), "quick": options.quick}
    print(" ".join(f"{key} {value}" for key, value in results["machine"].items()), "\n")
    where = options.folder or (MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None)
    for name in options.names or NAMES:
        with tempfile.TemporaryDirectory(prefix="braggio-bench-", dir=where) as folder:
            results[name] = _bench(name, runner.Context(Path(folder), options.quick), options)
    path = options.json or HERE / "results" / f"{'-'.join(options.names or ['all'])}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def _bench(name: str, context: runner.Context, options: argparse.Namespace) -> list[dict]:
    print(f"## {name}\n", flush=True)
    found = []
    for each in import_module(f"bench.bench_{name}").cases(context):
        if isinstance(each, runner.Case):
            found.append(runner.run(each, options.rounds, options.clock))
            print(report.case_table(found[-1]), flush=True)
        elif isinstance(each, runner.Figure):
            found.append(vars(each))
            print(report.figure_line(each), flush=True)
        else:
            print(f"* {each}\n", flush=True)
    return found


if __name__ == "__main__":
    main()
