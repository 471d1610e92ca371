"""A binary section: how its pixels are stored, and decoding them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braggio._core import Source, decode_section, decode_sections
from braggio.errors import FormatError, about, warn
from braggio.kernels.cbf import Codec

MAGIC = b"\x0c\x1a\x04\xd5"
BOUNDARY = b"--CIF-BINARY-FORMAT-SECTION--"
Verify = Literal["raise", "warn", "skip"]


@dataclass(frozen=True)
class Section:
    """A binary section, not yet decoded.

    Attributes
    ----------
    id : int
        X-Binary-ID.
    codec : str
        byte_offset, packed, packed_v2 or none.
    dtype : numpy.dtype
        As stored, byte order included.
    shape : tuple of int
        1 to 3 axes, the fast one last.
    size : int
        Stored bytes.
    digest : bytes or None
        MD5 of the stored bytes that the file states.
    """

    id: int
    codec: Codec
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int
    size: int
    digest: bytes | None
    flat: bool = False
    uncorrelated: bool = False
    source: Source | None = field(default=None, repr=False)
    path: str | None = None

    def read(self, *, out: NDArray[Any] | None = None, verify: Verify = "raise") -> NDArray[Any]:
        """The pixels, in native byte order.

        Parameters
        ----------
        out : ndarray, optional
            C-contiguous array of the section's dtype and size to fill.
        verify : {"raise", "warn", "skip"}
            What to do about a wrong MD5; "skip" does not compute it.

        Raises
        ------
        FormatError
            Damaged: the MD5, a count or a code is wrong. TruncatedError when the bytes end too early.
        """
        _require_known(verify)
        if out is None:
            out = np.empty(self.shape, self.dtype.newbyteorder("="))
        elif out.dtype != self.dtype.newbyteorder("=") or out.size != int(np.prod(self.shape)):
            raise ValueError(f"out must be {self.dtype.newbyteorder('=')} of {self.shape}, not {out.dtype} {out.shape}")
        assert self.source is not None
        check = verify != "skip" and self.digest is not None
        with about(self.path):
            found = decode_section(
                self.source,
                self.offset,
                self.size,
                self.codec,
                out.reshape(self.shape),
                flat=self.flat,
                uncorrelated=self.uncorrelated,
                digest=check,
            )
            if check:
                self._checked(found, verify)
        if self.codec == "none" and not self.dtype.isnative:
            out.byteswap(inplace=True)
        return out

    def _checked(self, found: bytes, verify: Verify) -> None:
        """Raise or warn where the MD5 found is not the one stated."""
        if self.digest is None or found == self.digest:
            return
        error = FormatError(
            f"section {self.id} is damaged",
            path=self.path,
            field="Content-MD5",
            expected=digest_text(self.digest),
            found=digest_text(found),
        )
        if verify == "raise":
            raise error
        warn(str(error))


def _require_known(verify: str) -> None:
    if verify not in ("raise", "warn", "skip"):
        raise ValueError(f"verify must be raise, warn or skip, not {verify!r}")


def read_together(sections: Sequence[Section], *, verify: Verify = "raise") -> NDArray[Any]:
    """(n, ...) pixels of sections of one shape and type.

    Sections of one codec in one file are read in one go: one large array, and digests four at a time.

    Raises
    ------
    FormatError
        Sections of several shapes or types, or damaged ones.
    """
    _require_known(verify)
    kinds = {(section.shape, section.dtype) for section in sections}
    if len(kinds) != 1:
        raise FormatError(field="sections", expected="one shape and type", found=sorted(map(str, kinds)))
    first = sections[0]
    whole = np.empty((len(sections), *first.shape), first.dtype.newbyteorder("="))
    ways = {(id(each.source), each.codec, each.flat, each.uncorrelated) for each in sections}
    if len(ways) > 1 or first.flat or first.uncorrelated or not first.dtype.isnative or first.source is None:
        for section, out in zip(sections, whole, strict=True):
            section.read(out=out, verify=verify)
        return whole
    places = [(section.offset, section.size) for section in sections]
    with about(first.path):
        found = decode_sections(first.source, places, first.codec, whole, digest=verify != "skip")
        for section, digest in zip(sections, found, strict=True):
            if verify != "skip":
                section._checked(digest, verify)
    return whole


def digest_text(digest: bytes) -> str:
    """As Content-MD5 states it."""
    return base64.b64encode(digest).decode("ascii")
