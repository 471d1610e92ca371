"""Numba compilation that also works where nothing can be cached. Imports Numba: import it only inside a call."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba  # noqa: TID253 - this module and those that import it are imported where they are called

LANES = 64  # pixels that kernels work on side by side


def jit(function: Callable[..., Any]) -> Any:
    """`function` compiled at its first call, without the GIL; kept on disk if a folder for that can be written.

    Never ``parallel=True``: the thread layers behind it abort or kill forked processes. Callers split their ranges over
    their own threads.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available": a read-only install and no cache folder of the user's own
        return numba.njit(nogil=True)(function)


def in_ranges(work: Any, pixels: int, threads: int) -> None:
    """work(start, stop) over ranges of whole lanes that make up ``range(pixels)``, in up to `threads` threads."""
    parts = max(1, min(threads, pixels // (16 * LANES)))
    edges = [pixels * part // parts // LANES * LANES for part in range(parts)] + [pixels]
    if parts == 1:
        work(0, pixels)
        return
    with ThreadPoolExecutor(parts, thread_name_prefix="braggio") as pool:
        for _ in pool.map(work, edges[:-1], edges[1:]):
            pass
