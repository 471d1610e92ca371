"""Image pickles of cctbx.xfel: a pickled dict with pixels and what is known of them, read without unpickling."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braggio.errors import FormatError, GeometryError, MetadataError, about
from braggio.model.geometry import Detector, Panel
from braggio.model.lcls_detectors import format_version, timestamp_digits, translated_areas, unix_seconds
from braggio.storage import pickled
from braggio.storage.pickled import shown

PRINTED_EV_ANGSTROM = 12398.4187  # h c / e as cxi.print_pickle has it: its text is compared to the digit
DEFAULT_SATURATION = 90000
DEFAULT_MINIMUM = -400
MOST = 1e300  # of a number of the header
LEAST = 1e-12  # mm, of a pixel
FAR = 1000.0  # mm: beyond it an unnamed detector is the one downstream


@dataclass(frozen=True)
class ImagePickle:
    """An image pickle.

    Attributes
    ----------
    fields : dict
        Everything in the file, under its own names and in its order; flex arrays as numpy arrays.
    path : str or None
        The file.

    Examples
    --------
    >>> image = ImagePickle(image_fields(np.zeros((3, 4), np.int32), distance=119.002, wavelength=1.3,
    ...                                  timestamp="2014-12-01T07:36Z01.249", address="CxiDs1-0|Cspad-0"))
    >>> image.data.shape, image.version
    ((3, 4), 'CXI 10.1')
    """

    fields: dict[str, Any] = field(repr=False)
    path: str | None = None

    @property
    def data(self) -> NDArray[Any]:
        """(slow, fast) pixels, int32 or float64."""
        data: NDArray[Any] = self.fields["DATA"]
        return data

    @property
    def active_areas(self) -> NDArray[np.int32]:
        """(n, 4): slow and fast of the upper left corner, inclusive, and of the lower right, exclusive."""
        areas = self.fields.get("ACTIVE_AREAS")
        if areas is None:
            return np.array([[0, 0, *self.data.shape]], np.int32)
        return np.asarray(areas, np.int32).reshape(-1, 4)

    def number(self, name: str, default: float | None = None) -> float:
        """A field as a float."""
        value = self.fields.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MOST:
            raise MetadataError(path=self.path, field=name, expected="a finite number", found=shown(value))
        return float(value)

    @property
    def pixel_size(self) -> float:
        """In mm."""
        size = self.number("PIXEL_SIZE")
        if not size > LEAST:
            raise MetadataError(path=self.path, field="PIXEL_SIZE", expected="above 0", found=size)
        return size

    @property
    def distance(self) -> float:
        """In mm; 0 where unknown."""
        return self.number("DISTANCE", 0.0)

    @property
    def wavelength(self) -> float:
        """In Angstrom; 0 where unknown."""
        return self.number("WAVELENGTH", 0.0)

    @property
    def beam_center(self) -> tuple[float, float]:
        """X (fast) and Y (slow) in mm from the upper left corner."""
        return self.number("BEAM_CENTER_X"), self.number("BEAM_CENTER_Y")

    @property
    def trusted_range(self) -> tuple[float, float]:
        """Lowest and highest value to be trusted."""
        return self.number("MIN_TRUSTED_VALUE", 0.0), self.number("SATURATED_VALUE", float(DEFAULT_SATURATION))

    @property
    def timestamp(self) -> str:
        """As YYYY-MM-DDThh:mmZss.mmm, UTC."""
        value = self.fields["TIMESTAMP"]
        if not isinstance(value, str):
            raise MetadataError(path=self.path, field="TIMESTAMP", expected="text", found=shown(value))
        return value

    @property
    def address(self) -> str | None:
        """DETECTOR_ADDRESS; in older files the one that dxtbx guesses from the distance."""
        if "DETECTOR_ADDRESS" not in self.fields:
            return "CxiDsd-0|Cspad-0" if self.distance > FAR else "CxiDs1-0|Cspad-0"
        value = self.fields["DETECTOR_ADDRESS"]
        if value is not None and not isinstance(value, str):
            raise MetadataError(path=self.path, field="DETECTOR_ADDRESS", expected="text", found=shown(value))
        return value

    @property
    def version(self) -> str | None:
        """Detector format version, for LCLS runs 1 to 11."""
        return format_version(self.address, self.timestamp)

    @property
    def translated_areas(self) -> NDArray[np.int64]:
        """(n, 4) active areas at the places that the detector format version knows."""
        return translated_areas(
            self.active_areas, self.version, beam_center=self.beam_center, pixel_size=self.pixel_size
        )

    @property
    def detector(self) -> Detector:
        """One panel, in the frame of `braggio.model.geometry`: x right, y up, z towards the source.

        The origin is (-BEAM_CENTER_X, BEAM_CENTER_Y, -DISTANCE).
        """
        x, y = self.beam_center
        slow, fast = self.data.shape
        panel = Panel(
            "DETECTOR",
            origin=(-x, y, -self.distance),
            fast=(1.0, 0.0, 0.0),
            slow=(0.0, -1.0, 0.0),
            pixel_size=(self.pixel_size, self.pixel_size),
            shape=(slow, fast),
            trusted_range=self.trusted_range,
        )
        return Detector((panel,))

    def moved_data(self) -> NDArray[Any]:
        """The pixels with each tile at its translated place, zero elsewhere, as dxtbx shows them."""
        moved = np.zeros_like(self.data)
        rows, columns = self.data.shape
        for (s0, f0, s1, f1), (m0, n0, m1, n1) in zip(
            self.active_areas.tolist(), self.translated_areas.tolist(), strict=True
        ):
            if not (0 <= s0 < s1 <= rows and 0 <= f0 < f1 <= columns):
                raise GeometryError(
                    path=self.path, field="ACTIVE_AREAS", expected="tiles within the image", found=(s0, f0, s1, f1)
                )
            height, width = max(0, min(s1 - s0, m1 - m0)), max(0, min(f1 - f0, n1 - n0))
            inner = ((s1 - s0) - height) // 2, ((f1 - f0) - width) // 2  # the margin is cut on both sides
            if min(m0, n0) < 0 or m0 + height > rows or n0 + width > columns:
                raise GeometryError(
                    path=self.path, field="ACTIVE_AREAS", expected="tiles within the image", found=(m0, n0, m1, n1)
                )
            moved[m0 : m0 + height, n0 : n0 + width] = self.data[
                s0 + inner[0] : s0 + inner[0] + height, f0 + inner[1] : f0 + inner[1] + width
            ]
        return moved


def is_image_pickle(value: Any) -> bool:
    """The rule of dxtbx: a dict with SIZE1, SIZE2 and TIMESTAMP."""
    return isinstance(value, dict) and {"SIZE1", "SIZE2", "TIMESTAMP"} <= value.keys()


def read_image_pickle(file: str | os.PathLike[str] | bytes | IO[bytes], *, permissive: bool = False) -> ImagePickle:
    """Read an image pickle, of any protocol, from Python 2 or 3, gzip-compressed or not.

    Raises
    ------
    UnsafeError
        It asks for anything but plain values and the classes of cctbx's pickles.
    FormatError
        It is damaged, or no image pickle.
    """
    return from_value(*pickled.load_with_path(file, permissive=permissive))


def from_value(value: Any, path: str | None = None) -> ImagePickle:
    """The image pickle that an unpickled value is, checked."""
    with about(path):
        if not is_image_pickle(value):
            raise FormatError(field="pickle", expected="a dict with SIZE1, SIZE2 and TIMESTAMP", found=_describe(value))
        data = value.get("DATA")
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.size == 0:
            raise FormatError(field="DATA", expected="a flex array of two axes", found=_describe(data))
        sizes = value["SIZE1"], value["SIZE2"]
        if not all(isinstance(size, int) for size in sizes) or sizes != data.shape:
            raise FormatError(field="SIZE1, SIZE2", expected=data.shape, found=shown(sizes))
        areas = value.get("ACTIVE_AREAS")
        if areas is not None and not _are_areas(areas):
            raise FormatError(field="ACTIVE_AREAS", expected="four integers per tile", found=_describe(areas))
        return ImagePickle(value, path)


def _are_areas(areas: Any) -> bool:
    integers = isinstance(areas, np.ndarray) and areas.dtype.kind in "iu" and areas.size > 0 and areas.size % 4 == 0
    return integers and bool(np.abs(areas.astype(np.float64)).max() < 2**31)


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict of {len(value)} keys" + (", an integration pickle" if "observations" in value else "")
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__


def image_fields(
    data: ArrayLike,
    *,
    timestamp: str,
    pixel_size: float = 0.11,
    distance: float = 0.0,
    wavelength: float = 0.0,
    beam_center: tuple[float, float] | None = None,
    active_areas: ArrayLike | None = None,
    address: str | None = None,
    saturated_value: float = DEFAULT_SATURATION,
    min_trusted_value: float = DEFAULT_MINIMUM,
    **more: Any,
) -> dict[str, Any]:
    """The fields of an image pickle, named, ordered and defaulted as cctbx's own writer does.

    Parameters
    ----------
    data : array-like (slow, fast)
        Kept as int32 or float64.
    timestamp : str
        YYYY-MM-DDThh:mmZss.mmm, UTC.
    pixel_size, distance : float
        In mm.
    wavelength : float
        In Angstrom.
    beam_center : tuple of float, optional
        X (fast) and Y (slow) in mm; the middle by default.
    active_areas : array-like (n, 4), optional
        The whole image by default.
    address : str, optional
        DETECTOR_ADDRESS, for example ``CxiDs1-0|Cspad-0``.
    **more
        Further fields, as OSC_START.

    Raises
    ------
    FormatError
        The pixels are neither int32 nor float64 without loss.
    MetadataError
        A number that is not finite, or a pixel of no size.
    """
    pixels = _as_flex(np.asarray(data))
    rows, columns = pixels.shape
    unix_seconds(timestamp)
    x, y = (pixel_size * columns / 2, pixel_size * rows / 2) if beam_center is None else beam_center
    areas = np.array([0, 0, rows, columns] if active_areas is None else active_areas, np.int32).reshape(-1)
    if areas.size % 4:
        raise MetadataError(field="ACTIVE_AREAS", expected="four numbers per tile", found=areas.size)
    fields = {
        "ACTIVE_AREAS": areas,
        "BEAM_CENTER_X": float(x),
        "BEAM_CENTER_Y": float(y),
        "CCD_IMAGE_SATURATION": saturated_value,
        "DATA": pixels,
        "DETECTOR_ADDRESS": address,
        "DISTANCE": float(distance),
        "PIXEL_SIZE": float(pixel_size),
        "SATURATED_VALUE": saturated_value,
        "MIN_TRUSTED_VALUE": min_trusted_value,
        "SIZE1": rows,
        "SIZE2": columns,
        "TIMESTAMP": timestamp,
        "SEQUENCE_NUMBER": 0,
        "WAVELENGTH": float(wavelength),
        "xtal_target": None,
        **more,
    }
    for name in ("pixel_size", "distance", "wavelength", "beam_center", "trusted_range"):
        getattr(ImagePickle(fields), name)  # refuses what cannot be
    return fields


def _as_flex(pixels: NDArray[Any]) -> NDArray[Any]:
    """int32, or float64 for reals: what cctbx and dxtbx take."""
    if pixels.ndim != 2 or pixels.size == 0:
        raise FormatError(field="DATA", expected="two axes", found=pixels.shape)
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float64)
    if pixels.dtype.kind not in "iub":
        raise FormatError(field="DATA", expected="integers or reals", found=pixels.dtype)
    low, high = int(pixels.min()), int(pixels.max())
    if low < -(2**31) or high >= 2**31:
        raise FormatError(field="DATA", expected="32-bit integers", found=f"{low}..{high}")
    return pixels.astype(np.int32)


def write_image_pickle(
    path: str | os.PathLike[str],
    image: ImagePickle | Mapping[str, Any],
    *,
    protocol: int = 2,
    overwrite: bool = False,
) -> None:
    """Write an image pickle that cctbx and dxtbx load.

    Parameters
    ----------
    path : path-like
        The file.
    image : ImagePickle or Mapping
        Fields as `image_fields` makes them.
    protocol : int
        2, for Python 2 and 3, or 4, which is smaller.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    FormatError
        Fields that make no image pickle.
    LimitError
        A pixel is NaN or infinite, which flex cannot store.
    """
    fields = dict(image.fields if isinstance(image, ImagePickle) else image)
    with about(os.fspath(path)):
        checked = from_value(fields)
        if checked.data.dtype not in (np.int32, np.float64):
            fields["DATA"] = _as_flex(checked.data)
        pickled.dump(path, fields, protocol=protocol, overwrite=overwrite)


def default_name(image: ImagePickle | Mapping[str, Any], prefix: str = "idx-") -> str:
    """The name cctbx gives such a file.

    Examples
    --------
    >>> default_name({"TIMESTAMP": "2014-12-01T07:36Z01.249"})
    'idx-20141201073601249.pickle'
    """
    fields = image.fields if isinstance(image, ImagePickle) else image
    return f"{prefix}{timestamp_digits(str(fields['TIMESTAMP']))}.pickle"
