"""One run of a command: what it reports, how it counts failures, and the exit code they make."""

from __future__ import annotations

import argparse
import errno
import io
import json
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from braggio.cli.options import UsageError
from braggio.errors import BraggioError, DataWarning, OutputError, UnsafeError, printable

DONE, FAILED, USAGE, REFUSED, OUTPUT, RESUMABLE = 0, 1, 2, 4, 5, 75
SCHEMA = "braggio/1"


class PrintError(OSError):
    """Standard output took nothing more."""


class Session:
    """What a command talks to: lines for people or JSON events, failures, progress.

    Parameters
    ----------
    arguments : argparse.Namespace
        With ``json``, ``quiet`` and ``progress``.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.json = bool(arguments.json)
        self.quiet = bool(arguments.quiet)
        self.progress_mode = str(arguments.progress)
        self.code = DONE
        self.counts = {"done": 0, "skipped": 0, "failed": 0}

    def event(self, kind: str, text: str, **facts: Any) -> None:
        """Something happened: `text` for people, `facts` for programs."""
        if self.json:
            _print(_json({"schema": SCHEMA, "event": kind, **facts}))
        elif text and not self.quiet:
            _print("\n".join(map(_shown, text.split("\n"))))

    def done(self, text: str, **facts: Any) -> None:
        """An item is done."""
        self.counts["done"] += 1
        self.event("done", text, **facts)

    def skipped(self, text: str, **facts: Any) -> None:
        """An item was left alone."""
        self.counts["skipped"] += 1
        self.event("skipped", text, **facts)

    def failed(self, error: BaseException | str, **facts: Any) -> None:
        """An item failed; the others go on."""
        self.counts["failed"] += 1
        self.code = max(self.code, _severity(error))
        kind = type(error).__name__ if isinstance(error, BaseException) else "Invalid"
        text = _one_line(error)
        if self.json:
            self.event("failed", "", error=kind, message=text, **facts)
        print(f"braggio: error: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def item(self, **facts: Any) -> Iterator[None]:
        """Errors of braggio and of the system inside are counted, not raised."""
        try:
            yield
        except (BrokenPipeError, PrintError):  # nobody reads what we print
            raise
        except (BraggioError, OSError, ValueError, MemoryError) as error:
            self.failed(error, **facts)

    @contextmanager
    def progress(self, title: str, unit: str = "frame") -> Iterator[Callable[[int, int], None] | None]:
        """A (done, total) callback: a bar on a terminal, a line every 10 s elsewhere, or JSON."""
        if self.quiet or self.progress_mode == "never":
            yield None
        elif self.progress_mode == "json":
            yield _json_lines(title)
        elif sys.stderr.isatty():
            from tqdm import tqdm

            with tqdm(desc=title, unit=unit, leave=False, file=sys.stderr) as bar:

                def advance(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                yield advance
        else:
            yield _every_10_s(title, unit)

    def warn(self, message: Warning | str, *_: Any, **__: Any) -> None:
        """In the place of ``warnings.showwarning``."""
        text = printable(str(message))
        if self.json:
            self.event("warning", "", message=text)
        elif not self.quiet:
            print(f"braggio: warning: {text}", file=sys.stderr, flush=True)

    def resumable(self) -> None:
        """Something is left to do, and the same command goes on with it."""
        self.code = RESUMABLE

    def summary(self) -> None:
        """The last line of JSON output."""
        if self.json:
            self.event("summary", "", **self.counts, exit_code=self.code)


def _print(text: str) -> None:
    """To standard output; an error of it is none of the item that is at work."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PrintError(error.errno, error.strerror) from None


class _Pace:
    """Items a second since the beginning, and the seconds that the others will take at that pace."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def __call__(self, done: int, total: int) -> tuple[float, float | None]:
        rate = done / max(time.monotonic() - self._begin, 1e-9)
        return rate, (total - done) / rate if rate > 0 else None


def _json_lines(title: str) -> Callable[[int, int], None]:
    pace = _Pace()

    def advance(done: int, total: int) -> None:
        rate, left = pace(done, total)
        event = {"schema": SCHEMA, "event": "progress", "item": title, "done": done, "total": total}
        times = {"rate": round(rate, 3), "eta": None if left is None else round(left, 1)}
        print(json.dumps(event | times), file=sys.stderr, flush=True)

    return advance


def _every_10_s(title: str, unit: str) -> Callable[[int, int], None]:
    last, pace = time.monotonic(), _Pace()

    def advance(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            rate, left = pace(done, total)
            text = f"braggio: {title}: {done} of {total} {unit}s, {rate:.3g} a second"
            text += "" if left is None else f", {duration(left)} left"
            print(text, file=sys.stderr, flush=True)

    return advance


def duration(seconds: float) -> str:
    """As people say it.

    Examples
    --------
    >>> duration(45), duration(200), duration(13_800)
    ('45s', '3m20s', '3h50m')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _severity(error: BaseException | str) -> int:
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, UnsafeError):
        return REFUSED
    if isinstance(error, OutputError) and error.errno not in (None, errno.EEXIST):
        return OUTPUT
    return FAILED


def _one_line(error: BaseException | str) -> str:
    if isinstance(error, OSError) and not isinstance(error, BraggioError) and error.strerror:
        error = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return printable(str(error)) or type(error).__name__


def _shown(line: str) -> str:
    """A line that is not for a terminal to obey, tabs aside."""
    return "\t".join(map(printable, line.split("\t")))


def _json(event: dict[str, Any]) -> str:
    """One line; JSON has no NaN and no infinity, so they become null."""
    try:
        return json.dumps(event, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(event), default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return list(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Stopped(BaseException):
    """SIGINT or SIGTERM, as an exception that unwinds, so that part files go."""


class _Signals:
    """Signals that stop a command, noted and raised.

    Noted, because an exception raised while a compiled module is being imported comes out as an ImportError.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def _stop(self, number: int, frame: Any) -> None:
        self.received = number
        raise _Stopped

    def restore(self) -> None:
        """Handlers as they were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def run_command(run: Callable[[argparse.Namespace, Session], None], arguments: argparse.Namespace) -> int:
    """Run a command within a session; returns its exit code.

    Signals unwind, and are raised again, so that the caller sees what stopped us.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: names of files may be any bytes
    session, signals = Session(arguments), _Signals()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DataWarning)
            warnings.showwarning = session.warn
            with session.item():
                run(arguments, session)
        if signals.received is not None:  # what it became was counted as a failure of an item
            return _raise_again(signals.received)
        session.summary()
        sys.stdout.flush()
        return session.code
    except BrokenPipeError:
        _silence_stdout()
        return _raise_again(signal.SIGPIPE)
    except OSError as error:  # of standard output: all other errors belong to an item
        _silence_stdout()
        print(f"braggio: error: standard output: {error.strerror}", file=sys.stderr)
        return OUTPUT
    except BaseException:
        if signals.received is None:
            raise
        return _raise_again(signals.received)
    finally:
        signals.restore()


def _silence_stdout() -> None:
    """What is still to be flushed goes nowhere: the interpreter would complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _raise_again(number: int) -> int:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number
