"""CBF images (.cbf): one image in one binary section, as mini-CBF of Pilatus and Eiger detectors has it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import FormatError, UnsupportedError, about
from braggio.kernels.cbf import Codec
from braggio.storage.cbf import Verify, open_cbf, section_bytes, write_assembled
from braggio.storage.source import File


def read_cbf(file: File, *, verify: Verify = "raise", permissive: bool = False) -> NDArray[Any]:
    """The pixels of a CBF file with one binary section, as of a Pilatus or Eiger detector.

    Raises
    ------
    UnsupportedError
        The file has several sections: see `braggio.formats.cspad_cbf`, or `braggio.storage.cbf.open_cbf` for any.
    """
    opened = open_cbf(file, permissive=permissive)
    if len(opened.sections) != 1:
        raise UnsupportedError(path=opened.path, field="binary sections", expected="1", found=len(opened.sections))
    return opened.sections[0].read(verify=verify)


def write_cbf(
    path: str | os.PathLike[str],
    array: ArrayLike,
    *,
    codec: Codec = "byte_offset",
    header: Mapping[str, object] | None = None,
    name: str = "image",
    overwrite: bool = False,
) -> None:
    """Write an image as mini-CBF.

    Parameters
    ----------
    path : path-like
        The file.
    array : array-like (slow, fast)
        Integers; with codec "packed" or "none" also reals.
    codec : {"byte_offset", "packed", "packed_v2", "none"}
    header : Mapping, optional
        Lines ``# Key value`` of the header, as ``{"Wavelength": "0.9795 A"}``.
    name : str
        Of the data block.
    overwrite : bool
        Replace an existing file.

    Examples
    --------
    >>> from braggio.formats.cbf import read_cbf
    >>> write_cbf("a.cbf", np.eye(3, dtype=np.int32), header={"Wavelength": "0.9795 A"})
    >>> read_cbf("a.cbf").tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    target = os.fspath(path)
    with about(target):
        lines = "".join(f"# {key} {value}\n" for key, value in (header or {}).items())
        if not (name + lines).isascii() or "\n;" in lines or any(c.isspace() for c in name):
            raise FormatError(field="header", expected="ASCII without a semicolon that begins a line", found=name)
        text = f"###CBF: VERSION 1.5\n# written by braggio\n\ndata_{name}\n\n"
        if lines:  # fabio does not read an empty text field
            text += '_array_data.header_convention "PILATUS_1.2"\n_array_data.header_contents\n;\n' + lines + ";\n\n"
        write_assembled(
            target, text, [("_array_data.data", section_bytes(np.asarray(array), codec=codec))], overwrite=overwrite
        )
