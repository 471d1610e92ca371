"""Asking a run to end, by signal or by the clock: after the tasks under way, or, asked twice, at once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # a queue sends USR1 before the time is up


class Stop:
    """Whether a run is asked to end.

    Parameters
    ----------
    max_time : float, optional
        Seconds from now.
    """

    def __init__(self, max_time: float | None = None) -> None:
        self._end = None if max_time is None else time.monotonic() + max_time
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        """Say whether no further task should be begun."""
        return self.signal is not None or (self._end is not None and time.monotonic() >= self._end)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen for SIGINT, SIGTERM and SIGUSR1; only the main thread can, in others nothing happens."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self._heard) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number)


def seconds(text: str) -> float:
    """A duration.

    Examples
    --------
    >>> seconds("3h50m"), seconds("90s"), seconds("45")
    (13800.0, 90.0, 45.0)
    """
    total, number = 0.0, ""
    for letter in text:
        if letter in "hms" and number:
            total += float(number) * {"h": 3600, "m": 60, "s": 1}[letter]
            number = ""
        else:
            number += letter
    total += float(number) if number else 0.0
    if not total >= 0:
        raise ValueError(f"no duration: {text}")
    return total
