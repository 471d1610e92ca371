"""What decoders of payloads share: sizes are compared before anything is read."""

from __future__ import annotations

from braggio.errors import FormatError, TruncatedError


def need(payload: bytes, size: int, what: str, *, exact: bool = False) -> None:
    """The payload has at least so many bytes, or just as many."""
    if len(payload) < size:
        raise TruncatedError(field=what, expected=f"{size} bytes", found=len(payload))
    if exact and len(payload) != size:
        raise FormatError(field=what, expected=f"{size} bytes", found=len(payload))


def text_of(raw: bytes) -> str:
    """Text up to the first NUL."""
    return raw.split(b"\0")[0].decode("latin-1")
