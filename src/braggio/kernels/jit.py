"""Numba compilation that also works where nothing can be cached. Imports Numba: import it only inside a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba  # noqa: TID253 - this module and those that import it are imported where they are called


def jit(function: Callable[..., Any]) -> Any:
    """`function` compiled at its first call, without the GIL; kept on disk if a folder for that can be written.

    Never ``parallel=True``: the thread layers behind it abort or kill forked processes. Callers split their ranges over
    their own threads.
    """
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # "no locator available": a read-only install and no cache folder of the user's own
        return numba.njit(nogil=True)(function)
