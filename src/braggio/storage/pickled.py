"""Pickled values, of image and integration pickles: read without unpickling them, and written.

The core reads the opcodes (`pickle.hpp`): plain values become Python's, flex arrays become numpy arrays, and any other
object of cctbx becomes a `PickledObject`, its name and what was stored with it. No name of a file is imported or run.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile, Source, encode_flex, load_pickle, scan_pickle
from braggio.errors import FormatError, LimitError, UnsupportedError, about, warn
from braggio.storage.source import File, open_source

FLEX = "scitbx_array_family_flex_ext"
# numpy dtype -> flex type of a written array
FLEX_NAMES = {
    "bool": "bool",
    "int8": "int8",
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int",
    "uint32": "uint32",
    "int64": "long",
    "uint64": "size_t",
    "float32": "float",
    "float64": "double",
    "complex128": "complex_double",
}


@dataclass(frozen=True)
class PickledObject:
    """An object of a pickle, as it is stored: nothing of its class is known here.

    Attributes
    ----------
    module, name : str
        Of its class.
    arguments : tuple or None
        What the class would be called with; None for the class itself.
    state
        What would be given to the object afterwards.
    """

    module: str
    name: str
    arguments: tuple[Any, ...] | None
    state: Any = None

    def __repr__(self) -> str:
        return f"<{self.module}.{self.name} object>"


def shown(value: Any) -> str:
    """A value of a file for an error: short, whatever it is."""
    text = repr(value) if isinstance(value, (str, bytes, int, float, tuple, type(None))) else type(value).__name__
    return text if len(text) <= 60 else text[:60] + "..."


def loads(data: bytes | memoryview | Source, *, permissive: bool = False) -> Any:
    r"""The value of a pickle in memory.

    Parameters
    ----------
    data : bytes or Source
        Protocols 0 to 5.
    permissive : bool
        Accept bytes after the pickle, with a DataWarning.

    Raises
    ------
    UnsafeError
        It asks for anything but plain values and the classes of cctbx's pickles.
    FormatError, TruncatedError, LimitError
        It is damaged, or too large, deep or repetitive.

    Examples
    --------
    >>> loads(b"\x80\x02}q\x00U\x05SIZE1K\x03s.")
    {'SIZE1': 3}
    >>> loads(b"cos\nsystem\n(S'true'\ntR.")
    Traceback (most recent call last):
    ...
    braggio.errors.UnsafeError: pickle: expected plain values and the classes of cctbx pickles, found os.system (byte 0)
    """
    source = data if isinstance(data, Source) else Source.over(data)
    value, end = load_pickle(source, PickledObject)
    if end != source.size:
        error = FormatError("bytes after the pickle", field="file size", expected=end, found=source.size)
        if not permissive:
            raise error
        warn(str(error))
    return value


def load(file: File, *, permissive: bool = False) -> Any:
    """The value of a pickle file, compressed or not; as `loads`."""
    return load_with_path(file, permissive=permissive)[0]


def load_with_path(file: File, *, permissive: bool = False) -> tuple[Any, str | None]:
    """The value of a pickle file, as `load`, and its path if it has one."""
    source, path = open_source(file, extent)
    with about(path):
        return loads(source, permissive=permissive), path


def extent(beginning: bytes) -> int | None:
    """How many bytes a file has that begins so: up to the end of the pickle; None for a tar archive.

    Raises
    ------
    TruncatedError
        The pickle goes on.
    FormatError
        It is no pickle.
    """
    if _is_tar(beginning):
        return None
    _, _, end = scan_pickle(Source.over(beginning), 0)
    return int(end)


def _is_tar(beginning: bytes) -> bool:
    return beginning[257:262] == b"ustar"


def members(path: str | os.PathLike[str]) -> Iterator[tuple[str, Source]]:
    """(name, bytes as they are stored) of every file of a tar archive, or of the one pickle that `path` is."""
    import tarfile

    name = os.fspath(path)
    source, _ = open_source(name, extent)
    if not _is_tar(source.read(0, 512)):
        yield name, source
        return
    with about(name):
        try:
            with tarfile.open(fileobj=io.BytesIO(source.read(0, source.size)), mode="r:") as archive:
                for member in archive:
                    stream = archive.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        yield member.name, Source.over(stream.read())
        except tarfile.TarError as error:
            raise FormatError(f"damaged tar archive: {error}") from error


@dataclass(frozen=True)
class PickleScan:
    """What a pickle would ask for.

    Attributes
    ----------
    steps : list of (offset, opcode, what follows it)
        At most as many as were asked for.
    globals : list of (offset, module, name, allowed)
        Every name it would look up; "?" where only running it would tell.
    size : int
        Bytes up to STOP.
    """

    steps: list[tuple[int, str, Any]]
    globals: list[tuple[int, str, str, bool]]
    size: int

    @property
    def refused(self) -> list[str]:
        """Names outside the allow-list, and opcodes that ask others for objects."""
        names = [f"{module}.{name}" for _, module, name, allowed in self.globals if not allowed]
        return names + [name for _, name, _ in self.steps if name in UNSAFE_OPCODES]


UNSAFE_OPCODES = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER", "NEWOBJ_EX"}


def scan(file: File | Source, *, most: int = 1 << 20) -> PickleScan:
    r"""List the opcodes and names of a pickle without loading it.

    Examples
    --------
    >>> scan(b"cos\nsystem\n(S'true'\ntR.").refused
    ['os.system']
    """
    source, path = (file, None) if isinstance(file, Source) else open_source(file, extent)
    with about(path):
        return PickleScan(*scan_pickle(source, most))


# ---- writing


class _Writer:
    """Values as opcodes of one protocol: 2 (Python 2 and 3 read it) or 4.

    The first dict is put into the memo, and protocol 4 is framed, because dxtbx knows image pickles by these bytes.
    """

    def __init__(self, protocol: int) -> None:
        if protocol not in (2, 4):
            raise UnsupportedError(field="protocol", expected="2 or 4", found=protocol)
        self.protocol = protocol
        self.out = bytearray()
        self.memo = 0

    def memoize(self) -> None:
        if self.protocol == 4:
            self.out += b"\x94"
        else:
            self.out += b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)
        self.memo += 1

    def name(self, module: str, name: str) -> None:
        if self.protocol == 2:
            self.out += f"c{module}\n{name}\n".encode("ascii")
            return
        self.text(module)
        self.text(name)
        self.out += b"\x93"

    def text(self, value: str) -> None:
        data = value.encode("utf-8", "surrogatepass")
        if self.protocol == 4 and len(data) < 256:
            self.out += b"\x8c" + bytes([len(data)]) + data
        else:
            self.out += b"X" + struct.pack("<I", _fits(len(data))) + data

    def data(self, value: bytes) -> None:
        if self.protocol == 4:
            short = len(value) < 256
            self.out += b"C" + bytes([len(value)]) if short else b"B" + struct.pack("<I", _fits(len(value)))
            self.out += value
            return
        self.name("_codecs", "encode")  # the bytes as text: a Python 2 str would not load without an encoding
        self.text(value.decode("latin-1"))
        self.text("latin1")
        self.out += b"\x86R"

    def integer(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += b"K" + bytes([value])
        elif 0 <= value < 65536:
            self.out += b"M" + struct.pack("<H", value)
        elif -(1 << 31) <= value < 1 << 31:
            self.out += b"J" + struct.pack("<i", value)
        else:
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            self.out += b"\x8a" + bytes([len(data)]) + data

    def array(self, array: NDArray[Any]) -> None:
        name = FLEX_NAMES.get(array.dtype.name)
        if name is None or array.ndim < 1:
            raise UnsupportedError(field="dtype", expected=", ".join(FLEX_NAMES), found=f"{array.dtype} {array.shape}")
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        self.name(FLEX, name)
        self.out += b")R"
        self.name(FLEX, "grid")
        self.value((0,) * array.ndim)
        self.value(array.shape)
        self.out += b"\x88\x87R"
        self.value(array.shape)
        self.out += b"b"
        self.data(encode_flex(native, name))
        self.out += b"\x86b"

    def value(self, value: Any) -> None:
        match value:
            case None:
                self.out += b"N"
            case bool() | np.bool_():
                self.out += b"\x88" if value else b"\x89"
            case int() | np.integer():
                self.integer(int(value))
            case float() | np.floating():
                self.out += b"G" + struct.pack(">d", value)
            case str():
                self.text(value)
            case bytes():
                self.data(value)
            case tuple():
                self.out += b"("
                for item in value:
                    self.value(item)
                self.out += b"t"
            case list():
                self.out += b"]("
                for item in value:
                    self.value(item)
                self.out += b"e"
            case np.ndarray():
                self.array(value)
            case Mapping():
                self.out += b"}"
                self.memoize()
                self.out += b"("
                for key, item in value.items():
                    self.value(key)
                    self.value(item)
                self.out += b"u"
            case _:
                raise UnsupportedError(field="pickle", expected="plain values and arrays", found=type(value).__name__)


def _fits(size: int) -> int:
    if size >= 1 << 32:
        raise LimitError(field="pickle", expected="items below 4 GiB", found=f"{size} bytes")
    return size


def dumps(value: Any, *, protocol: int = 2) -> bytes:
    """A pickle of plain values and numpy arrays, these as flex arrays.

    Parameters
    ----------
    value
        None, bool, int, float, str, bytes, tuple, list, dict and arrays of them.
    protocol : int
        2, which every Python reads, or 4.

    Examples
    --------
    >>> loads(dumps({"SIZE1": 3, "DATA": np.arange(6, dtype=np.int32).reshape(2, 3)}))["DATA"].tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    writer = _Writer(protocol)
    writer.value(value)
    body = bytes(writer.out) + b"."
    return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body if protocol == 4 else b"\x80\x02" + body


def dump(path: str | os.PathLike[str], value: Any, *, protocol: int = 2, overwrite: bool = False) -> None:
    """Write `dumps` of a value to a file, which appears whole or not at all."""
    name = os.fspath(path)
    with about(name):
        data = dumps(value, protocol=protocol)
        with PartFile(name) as part:
            part.write(data, 0)
            part.publish(overwrite=overwrite)
