"""Image pickles to CBF files and back."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braggio.errors import FormatError, GeometryError, MetadataError, UnsupportedError, about
from braggio.formats.cspad_cbf import CspadCbf, require_pixels, write_cspad_cbf
from braggio.formats.image_pickle import ImagePickle, image_fields, read_image_pickle, write_image_pickle
from braggio.kernels.cbf import Codec
from braggio.model.cspad import COLUMNS, ROWS, TILES_SHAPE, Cspad
from braggio.model.geometry import Panel
from braggio.storage import cbf
from braggio.storage.cbf import Cbf
from braggio.storage.cif import block_name, table
from braggio.xfel.metrology import read_slac

IMAGE_EDGE = 1765  # pixels along an edge of a CSPAD image pickle
UNKNOWN_TIME = "1970-01-01T00:00Z00.000"


def pickle_to_cbf(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    metrology: str | os.PathLike[str] | None = None,
    codec: Codec | None = None,
    overwrite: bool = False,
) -> None:
    """Write an image pickle as CBF, with its distance.

    Parameters
    ----------
    source, target : path-like
    metrology : path-like, optional
        SLAC geometry file, calibration folder or CSPAD CBF: a CSPAD image is then cut into its 64 tiles along the
        active areas. Without it the CBF has one panel, as the pickle has.
    codec : str, optional
        byte_offset for one panel of integers, packed otherwise.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    GeometryError
        Active areas that are not those of 64 tiles, or that do not match the metrology.
    """
    image = read_image_pickle(source)
    if metrology is None:
        _write_one_panel(target, image, codec, overwrite)
        return
    geometry = replace(read_geometry(metrology), distance=image.distance, trusted_range=image.trusted_range)
    with about(image.path):
        tiles = cut_tiles(image.data, image.active_areas, geometry)
    write_cspad_cbf(
        target,
        tiles,
        geometry,
        wavelength=image.wavelength or None,
        timestamp=image.timestamp,
        codec=codec or "packed",
        overwrite=overwrite,
    )


def read_geometry(path: str | os.PathLike[str]) -> Cspad:
    """The placements of a CSPAD from a SLAC geometry file, an old calibration folder or a CBF file."""
    from braggio.formats.cspad_cbf import open_cspad_cbf

    if not os.path.isdir(path) and cbf.is_cbf(path):
        return open_cspad_cbf(path).cspad
    return read_slac(path)


def _quarter_turns(panel: Panel) -> int:
    """How often np.rot90 must turn a tile so that it lies in an image (x right, y up) as the panel does."""
    x, y, _ = panel.fast
    return round(float(np.degrees(np.arctan2(y, x))) / 90) % 4


def cut_tiles(image: NDArray[Any], areas: NDArray[Any], geometry: Cspad) -> NDArray[Any]:
    """(64, 185, 194) tiles of an image, each turned back to how its ASIC is read."""
    if len(areas) != TILES_SHAPE[0]:
        raise GeometryError(field="ACTIVE_AREAS", expected=f"{TILES_SHAPE[0]} areas", found=len(areas))
    tiles = np.empty(TILES_SHAPE, image.dtype)
    for tile, (s0, f0, s1, f1), panel in zip(tiles, areas, geometry.detector.panels, strict=True):
        turned = np.rot90(image[max(s0, 0) : s1, max(f0, 0) : f1], -_quarter_turns(panel))
        if turned.shape != (ROWS, COLUMNS):
            raise GeometryError(field=panel.name, expected=f"an area of {(ROWS, COLUMNS)}", found=turned.shape)
        tile[:] = turned
    return tiles


def tile_areas(geometry: Cspad, shape: tuple[int, int] = (IMAGE_EDGE, IMAGE_EDGE)) -> NDArray[np.int32]:
    """(64, 4) active areas of an image around the beam: tiles at whole pixels and right angles."""
    areas = []
    for panel in geometry.detector.panels:
        middle = panel.position(ROWS / 2, COLUMNS / 2) / geometry.pixel_size
        height, width = (ROWS, COLUMNS) if _quarter_turns(panel) % 2 == 0 else (COLUMNS, ROWS)
        slow = round(float(shape[0] / 2 - middle[1] - height / 2))
        fast = round(float(shape[1] / 2 + middle[0] - width / 2))
        if slow < 0 or fast < 0 or slow + height > shape[0] or fast + width > shape[1]:
            raise GeometryError(field=panel.name, expected=f"a tile within {shape}", found=(slow, fast))
        areas.append((slow, fast, slow + height, fast + width))
    return np.array(areas, np.int32)


def paste_tiles(
    tiles: NDArray[Any], geometry: Cspad, shape: tuple[int, int] = (IMAGE_EDGE, IMAGE_EDGE)
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """(image, active areas): the inverse of `cut_tiles`."""
    areas = tile_areas(geometry, shape)
    image = np.zeros(shape, tiles.dtype)
    for tile, (s0, f0, s1, f1), panel in zip(tiles, areas, geometry.detector.panels, strict=True):
        image[s0:s1, f0:f1] = np.rot90(tile, _quarter_turns(panel))
    return image, areas


def _write_one_panel(target: str | os.PathLike[str], image: ImagePickle, codec: Codec | None, overwrite: bool) -> None:
    path = os.fspath(target)
    chosen: Codec = codec or ("byte_offset" if image.data.dtype.kind == "i" else "packed")
    with about(path):
        text = one_panel_text(image, os.path.splitext(os.path.basename(path))[0], chosen)
        sections = [(" ARRAY1 1", cbf.section_bytes(image.data, codec=chosen))]
        cbf.write_assembled(path, text, sections, overwrite=overwrite)


def one_panel_text(image: ImagePickle, name: str, codec: Codec) -> str:
    """The imgCIF header of an image of one panel."""
    panel = image.detector.panels[0]
    rows, columns = panel.shape
    x, y, z = panel.origin
    low, high = image.trusted_range
    axes: list[list[object]] = [
        ["AXIS_SOURCE", "general", "source", None, 0, 0, 1, None, None, None],
        ["AXIS_GRAVITY", "general", "gravity", None, 0, -1, 0, None, None, None],
        ["AXIS_Z", "translation", "detector", None, 0, 0, 1, None, None, None],
        ["AXIS_Y", "translation", "detector", "AXIS_Z", 0, 1, 0, None, None, None],
        ["AXIS_X", "translation", "detector", "AXIS_Y", 1, 0, 0, None, None, None],
        ["ELEMENT_S", "translation", "detector", "AXIS_X", 0, -1, 0, x, y, 0.0],
        ["ELEMENT_F", "translation", "detector", "ELEMENT_S", 1, 0, 0, 0, 0, 0.0],
    ]
    settings = [[axis[0], "FRAME1", 0.0, z if axis[0] == "AXIS_Z" else 0.0] for axis in axes]
    vectors = [f"{kind}[{i}]" for kind in ("vector", "offset") for i in (1, 2, 3)]
    kind = "signed 64-bit real IEEE" if image.data.dtype.kind == "f" else "signed 32-bit integer"
    parts = [
        "###CBF: VERSION 1.7.11\n# CBF file written by braggio\n",
        f"data_{block_name(name)}\n",
        table("diffrn", ["id"], [["DS1"]], loop=False),
        table(
            "diffrn_detector",
            ["diffrn_id", "id", "type", "number_of_axes"],
            [["DS1", "DETECTOR", image.address or "image pickle", 3]],
            loop=False,
        ),
        table("diffrn_detector_element", ["id", "detector_id"], [["ELEMENT", "DETECTOR"]]),
        table(
            "diffrn_data_frame",
            ["id", "detector_element_id", "array_id", "binary_id"],
            [["FRAME1", "ELEMENT", "ARRAY1", 1]],
        ),
        table("axis", ["id", "type", "equipment", "depends_on", *vectors], axes),
        table("diffrn_scan_frame_axis", ["axis_id", "frame_id", "angle", "displacement"], settings),
        table("diffrn_scan_frame", ["frame_id", "scan_id", "date"], [["FRAME1", "SCAN1", image.timestamp]], loop=False),
        table(
            "array_structure_list",
            "array_id index dimension precedence direction axis_set_id".split(),
            [
                ["ARRAY1", 1, columns, 1, "increasing", "ELEMENT_F"],
                ["ARRAY1", 2, rows, 2, "increasing", "ELEMENT_S"],
            ],
        ),
        table(
            "array_structure_list_axis",
            "axis_set_id axis_id displacement displacement_increment".split(),
            [[axis, axis, 0.0, image.pixel_size] for axis in ("ELEMENT_F", "ELEMENT_S")],
        ),
        table(
            "array_intensities",
            "array_id binary_id linearity overload underload undefined_value".split(),
            [["ARRAY1", 1, "linear", high + 1, low, low - 1]],
        ),
        table(
            "array_structure",
            "id encoding_type compression_type byte_order".split(),
            [["ARRAY1", kind, codec, "little_endian"]],
        ),
    ]
    if image.wavelength:
        parts.append(
            table(
                "diffrn_radiation_wavelength", ["id", "wavelength", "wt"], [["W1", image.wavelength, 1.0]], loop=False
            )
        )
    parts.append("loop_\n_array_data.array_id\n_array_data.binary_id\n_array_data.data\n")
    return "\n".join(parts)


def cbf_to_pickle(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    address: str | None = None,
    timestamp: str | None = None,
    protocol: int = 2,
    verify: cbf.Verify = "raise",
    overwrite: bool = False,
) -> None:
    """Write a CBF file as image pickle.

    The 64 tiles of a CSPAD are put at whole pixels and right angles into an image of 1765 x 1765, as cctbx's own
    pickles have them; a file with one panel is kept as it is.

    Parameters
    ----------
    source, target : path-like
    address : str, optional
        DETECTOR_ADDRESS; None by default: with a CSPAD's own, dxtbx would move tiles of LCLS runs 1 to 11 once more.
    timestamp : str, optional
        YYYY-MM-DDThh:mmZss.mmm; that of the file by default.
    protocol : int
        2 or 4.
    verify : {"raise", "warn", "skip"}
        What to do about a wrong MD5.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    MetadataError
        The header lacks what an image pickle must have.
    """
    file = cbf.open_cbf(source)
    opened = CspadCbf(file, file.path)
    require_pixels(opened)
    with about(file.path):
        if file.is_mini:
            fields = _from_mini(file, timestamp, verify)
        elif len(opened.tiles) == 1:
            fields = _from_panel(opened, timestamp, verify)
        elif len(opened.tiles) == TILES_SHAPE[0]:
            fields = _from_cspad(opened, timestamp, verify)
        else:
            raise UnsupportedError(field="panels", expected="1 or 64", found=len(opened.tiles))
    if address is not None:
        fields["DETECTOR_ADDRESS"] = address
    write_image_pickle(target, fields, protocol=protocol, overwrite=overwrite)


def _from_cspad(opened: CspadCbf, timestamp: str | None, verify: cbf.Verify) -> dict[str, Any]:
    geometry = opened.cspad
    image, areas = paste_tiles(opened.read_tiles(verify=verify), geometry)
    middle = IMAGE_EDGE / 2 * geometry.pixel_size
    low, high = geometry.trusted_range or (-400.0, 90000.0)
    return image_fields(
        image,
        timestamp=timestamp or opened.timestamp or UNKNOWN_TIME,
        pixel_size=geometry.pixel_size,
        distance=opened.distance,
        wavelength=opened.wavelength or 0.0,
        beam_center=(middle, middle),
        active_areas=areas,
        saturated_value=high,
        min_trusted_value=low,
    )


def _from_panel(opened: CspadCbf, timestamp: str | None, verify: cbf.Verify) -> dict[str, Any]:
    panel = opened.detector.panels[0]
    if panel.fast != (1.0, 0.0, 0.0) or panel.slow != (0.0, -1.0, 0.0):
        raise GeometryError(field=panel.name, expected="a panel with x along fast, y against slow", found=panel.fast)
    _require_square(panel.name, panel.pixel_size)
    low, high = panel.trusted_range or (0.0, 65535.0)
    return image_fields(
        opened.read_tile(0, verify=verify),
        timestamp=timestamp or opened.timestamp or UNKNOWN_TIME,
        pixel_size=panel.pixel_size[0],
        distance=-panel.origin[2],
        wavelength=opened.wavelength or 0.0,
        beam_center=(-panel.origin[0], panel.origin[1]),
        saturated_value=high,
        min_trusted_value=low,
    )


def _require_square(name: str, sides: tuple[float, float]) -> None:
    if sides[0] != sides[1]:
        raise GeometryError(field=name, expected="square pixels, for an image pickle", found=sides)


_FLOAT = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"


def mini_geometry(file: Cbf) -> tuple[float, float, float, tuple[float, float]]:
    """Pixel size and distance in mm, wavelength in angstrom, beam centre (fast, slow) in pixels of a mini-CBF header.

    Raises
    ------
    MetadataError
        The header lacks one of them.
    GeometryError
        The pixels are not square.
    """
    text = _mini_text(file)

    def found(pattern: str, name: str) -> list[float]:
        match = re.search(pattern, text)
        if match is None:
            raise MetadataError(field=name, expected="a line of the mini-CBF header", found="none")
        return [float(value) for value in match.groups()]

    (pixel,) = found(rf"Pixel_size\s+{_FLOAT}\s*m", "Pixel_size")
    sides = re.search(rf"Pixel_size\s+{_FLOAT}\s*m\s*x\s*{_FLOAT}\s*m", text)
    _require_square("Pixel_size", (float(sides[1]), float(sides[2])) if sides else (pixel, pixel))
    (distance,) = found(rf"Detector_distance\s+{_FLOAT}\s*m", "Detector_distance")
    (wavelength,) = found(rf"Wavelength\s+{_FLOAT}\s*A", "Wavelength")
    x, y = found(rf"Beam_xy\s+\({_FLOAT},\s*{_FLOAT}\)", "Beam_xy")
    return pixel * 1000, distance * 1000, wavelength, (x, y)


def _mini_text(file: Cbf) -> str:
    return "\n".join(f"{key} {value}" for key, value in file.mini_header.items())


def _from_mini(file: Cbf, timestamp: str | None, verify: cbf.Verify) -> dict[str, Any]:
    size, distance, wavelength, (x, y) = mini_geometry(file)
    text = _mini_text(file)
    cutoff = re.search(rf"Count_cutoff\s+{_FLOAT}", text)
    date = re.search(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):(\d\d)(?:\.(\d{1,3}))?", text)
    pixels = file.sections[0].read(verify=verify)
    if pixels.ndim == 3 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim != 2:
        raise FormatError(field="pixels", expected="two axes", found=pixels.shape)
    dated = f"{date[1]}T{date[2]}Z{date[3]}.{(date[4] or '0').ljust(3, '0')}" if date else UNKNOWN_TIME
    return image_fields(
        pixels,
        timestamp=timestamp or dated,
        pixel_size=size,
        distance=distance,
        wavelength=wavelength,
        beam_center=(x * size, y * size),
        saturated_value=float(cutoff[1]) if cutoff else 65535.0,
        min_trusted_value=0,
    )
