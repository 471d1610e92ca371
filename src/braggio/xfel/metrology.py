"""Where the tiles of a CSPAD are: SLAC geometry files, old calibration folders, CBF headers, and CrystFEL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braggio._core import PartFile
from braggio.errors import FormatError, GeometryError, UnsupportedError, about, warn
from braggio.formats.slac_geometry import SlacGeometry, SlacRow, read_slac_geometry, write_slac_geometry
from braggio.model.cspad import ASICS, COLUMNS, QUADS, ROWS, SENSORS, Cspad, Placement, placements
from braggio.model.geometry import Matrix

Order = Literal["index", "file"]
RAIL_Z = 1_000_000.0  # um: what SLAC's own converter writes for the distance that it does not know
QUAD_BOX = 850.0  # pixels: the box that holds a quadrant in old calibration folders
OLD_PIXEL = 0.11  # mm
OLD_IMAGE = 1765  # pixels along an edge


def read_slac(path: str | os.PathLike[str], *, order: Order = "index", distance: float = 0.0) -> Cspad:
    """The placements of a CSPAD from a SLAC geometry file, or from an old calibration folder.

    Parameters
    ----------
    path : path-like
        ``0-end.data`` and the like, with quadrants or 32 sensors in one level; or a folder with center, rotation, ...
    order : {"index", "file"}
        Children of an object are taken by their index, with a warning where the file is out of order; "file" takes
        them as cctbx and PSCalib do.
    distance : float
        In mm. Geometry files do not hold it.

    Returns
    -------
    Cspad

    Raises
    ------
    UnsupportedError
        Another detector.
    """
    if Path(path).is_dir():
        return read_calib_folder(path, distance=distance)
    return from_rows(read_slac_geometry(path), order=order, distance=distance)


def from_rows(geometry: SlacGeometry, *, order: Order = "index", distance: float = 0.0) -> Cspad:
    """The placements of a CSPAD from the rows of a geometry file; see `read_slac`."""
    with about(geometry.path):
        top, quads = _detector(geometry, order)
        base = _base(geometry, top)
        if len(quads) == QUADS * SENSORS:
            return Cspad(base, (Placement(),) * QUADS, placements([row.matrix for row in quads]), distance=distance)
        sensors: list[Matrix] = []
        for quad in quads:
            its = _ordered(geometry, (quad.object, quad.index), order)
            if len(its) != SENSORS:
                raise UnsupportedError(field=f"{quad.object} {quad.index}", expected="8 sensors", found=len(its))
            sensors += [row.matrix for row in its]
        return Cspad(base, placements([row.matrix for row in quads]), placements(sensors), distance=distance)


def _ordered(geometry: SlacGeometry, parent: tuple[str, int], order: Order) -> list[SlacRow]:
    rows = geometry.children(*parent)
    sorted_rows = sorted(rows, key=lambda row: row.index)
    if order == "file" or rows == sorted_rows:
        return rows
    warn(f"{geometry.path or 'geometry'}: children of {parent[0]} {parent[1]} are out of order; taken by index")
    return sorted_rows


def _detector(geometry: SlacGeometry, order: Order) -> tuple[tuple[str, int], list[SlacRow]]:
    """The object with 4 quadrants, or with 32 sensors, and those."""
    parents = dict.fromkeys((row.parent, row.parent_index) for row in geometry.rows)
    for count in (QUADS, QUADS * SENSORS):
        for parent in parents:
            children = geometry.children(*parent)
            deep = all(geometry.children(row.object, row.index) for row in children)
            if len(children) == count and (deep == (count == QUADS)):
                return parent, _ordered(geometry, parent, order)
    found = ", ".join(f"{name} with {len(geometry.children(name, index))}" for name, index in list(parents)[:8])
    raise UnsupportedError(field="geometry", expected="an object of 4 quadrants or of 32 sensors", found=found)


def _base(geometry: SlacGeometry, detector: tuple[str, int]) -> Placement:
    """Everything above the detector in one placement, in x and y: its z belongs to the run, not to the metrology."""
    matrix = np.eye(4)
    current = detector
    placed = {(row.object, row.index): row for row in reversed(geometry.rows)}
    for _ in range(len(geometry.rows) + 1):
        row = placed.get(current)
        if row is None:
            break
        step = row.matrix.copy()
        step[2, 3] = 0.0
        matrix = step @ matrix
        current = (row.parent, row.parent_index)
    else:
        raise GeometryError(field=detector[0], expected="objects that do not hold themselves", found="a cycle")
    matrix[2, 3] = 0.0
    return Placement.of(matrix)


def to_rows(geometry: Cspad) -> list[SlacRow]:
    """The rows of a SLAC geometry file; the ASICs' own shifts, which SLAC does not know, are left out."""
    rows = []
    for q in range(QUADS):
        for s in range(SENSORS):
            placed = geometry.sensors[q * SENSORS + s].matrix
            rows.append(SlacRow.of(("QUAD:V1", q), ("SENS2X1:V1", s), placed))
    rows += [SlacRow.of(("CSPAD:V1", 0), ("QUAD:V1", q), geometry.quads[q].matrix) for q in range(QUADS)]
    base = geometry.base.matrix
    base[2, 3] = RAIL_Z / 1000
    rows.append(SlacRow.of(("RAIL", 0), ("CSPAD:V1", 0), base))
    rows.append(SlacRow.of(("IP", 0), ("RAIL", 0), np.eye(4)))
    return rows


def write_slac(
    path: str | os.PathLike[str], geometry: Cspad, *, comments: Sequence[str] = (), overwrite: bool = False
) -> None:
    """Write a SLAC geometry file, shifts to 1 um and angles to 1e-5 degrees.

    Examples
    --------
    >>> flat = Cspad(Placement(), (Placement(),) * 4, (Placement((1.0, 2.0, 0.0)),) * 32)
    >>> write_slac("0-end.data", flat)
    >>> read_slac("0-end.data").sensors[31].shift
    (1.0, 2.0, 0.0)
    """
    said = comments or ("TITLE      Geometry parameters of CSPAD", "DETECTOR   CSPAD", "CALIB_TYPE geometry")
    write_slac_geometry(path, to_rows(geometry), comments=said, overwrite=overwrite)


# ---- old calibration folders


def _numbers(folder: Path, component: str) -> NDArray[np.float64]:
    """Tables of the last ``*-end.data`` of a component, one behind the other."""
    files = sorted((folder / component).glob("*-end.data"), key=lambda path: int("0" + path.name.partition("-")[0]))
    if not files:
        raise FormatError(path=folder, field=component, expected="a file *-end.data", found="none")
    path = files[-1]
    with about(path):
        blocks: list[list[list[float]]] = [[]]
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                values = [float(word) for word in line.split()]
            except ValueError:
                raise FormatError(field=f"line {number}", expected="numbers", found=line.decode("latin-1")) from None
            if values:
                blocks[-1].append(values)
            elif blocks[-1]:
                blocks.append([])
        filled = [block for block in blocks if block]
        if len({len(row) for block in filled for row in block}) != 1 or len({len(block) for block in filled}) != 1:
            raise FormatError(field=component, expected="tables of one shape", found="others")
        return np.array(filled)


def _shaped(folder: Path, component: str, *shape: int) -> NDArray[np.float64]:
    found = _numbers(folder, component)
    if found.size != int(np.prod(shape)):
        raise FormatError(path=folder, field=component, expected=shape, found=found.shape)
    return found.reshape(shape)


def read_calib_folder(path: str | os.PathLike[str], *, distance: float = 0.0) -> Cspad:
    """The placements of a CSPAD from an old calibration folder (LCLS runs up to about 2012).

    It holds tables of sensor centres, rotations and tilts in pixels and degrees, quadrant by quadrant, in a frame whose
    first axis points down and whose second points right. Its z is left out, as in cctbx.

    Raises
    ------
    FormatError
        A table is missing or has another shape.
    """
    folder = Path(path)
    centres = _shaped(folder, "center", 3, QUADS, SENSORS) + _shaped(folder, "center_corr", 3, QUADS, SENSORS)
    angles = _shaped(folder, "rotation", QUADS, SENSORS) + _shaped(folder, "tilt", QUADS, SENSORS)
    margin, _, gap, shift = _shaped(folder, "marg_gap_shift", 3, 4).T
    between = _shaped(folder, "marg_gap_shift", 3, 4)[:, 1]
    offsets = _shaped(folder, "offset", 3, QUADS) + _shaped(folder, "offset_corr", 3, QUADS)
    turns = _shaped(folder, "quad_rotation", QUADS) + _shaped(folder, "quad_tilt", QUADS)
    # which way gap and shift push each quadrant, down and right
    pushes = (((-1, 1), (-1, -1)), ((-1, -1), (1, -1)), ((1, -1), (1, 1)), ((1, 1), (-1, 1)))
    sections = np.empty((QUADS, SENSORS, 2))
    for q in range(QUADS):
        quarter = round(turns[q] / 90) % 4
        down, right = (centres[i, q] + margin[i] for i in range(2))
        turned = (
            (down, right),
            (QUAD_BOX - right, down),
            (QUAD_BOX - down, QUAD_BOX - right),
            (right, QUAD_BOX - down),
        )[quarter]
        angles[q] += 90.0 * quarter
        for i in range(2):
            pushed = pushes[q][i][0] * gap[i] + pushes[q][i][1] * shift[i]
            sections[q, :, i] = turned[i] + between[i] + offsets[i, q] + pushed
    return _from_sections(sections, angles, distance)


def _from_sections(sections: NDArray[np.float64], angles: NDArray[np.float64], distance: float) -> Cspad:
    """From centres (down, right) in pixels of the image, and angles of sensors that stand up."""
    middle = OLD_IMAGE / 2
    x = (sections[..., 1] - middle) * OLD_PIXEL
    y = (middle - sections[..., 0]) * OLD_PIXEL
    centre_x, centre_y = x.mean(axis=1), y.mean(axis=1)
    quads = tuple(
        Placement((float(across), float(up), 0.0))
        for across, up in zip(centre_x - centre_x.mean(), centre_y - centre_y.mean(), strict=True)
    )
    sensors = []
    for q in range(QUADS):
        for s in range(SENSORS):
            angle = float(angles[q, s]) - 90.0
            place = float(x[q, s] - centre_x[q]), float(y[q, s] - centre_y[q]), 0.0
            sensors.append(Placement(place, (0.0, 0.0, 1.0), angle % 360))
    apart = OLD_PIXEL * (COLUMNS + 3) / 2
    asics = (Placement((-apart, 0.0, 0.0)), Placement((apart, 0.0, 0.0))) * (QUADS * SENSORS)
    return Cspad(Placement(), quads, tuple(sensors), asics, distance=distance)


# ---- CrystFEL


def crystfel_text(geometry: Cspad, *, wavelength: float | None = None) -> str:
    """A CrystFEL geometry (.geom) of raw CSPAD data as 1480 x 1552 pixels, quadrants side by side.

    CrystFEL's z goes with the beam and its y up, so its x is the opposite of ours; corners are in pixels.

    Parameters
    ----------
    geometry : Cspad
    wavelength : float, optional
        In Angstrom.
    """
    lines = ["; CSPAD, written by braggio; pixels as 1480 x 1552: sensors of a quadrant below each other"]
    if wavelength:
        lines.append(f"wavelength = {float(wavelength)!r} A")
    panels = geometry.detector.panels
    lines += [
        f"clen = {geometry.distance / 1000!r}",
        f"res = {1000 / geometry.pixel_size!r}",
        "",
        "dim0 = ss",
        "dim1 = fs",
    ]
    for i, panel in enumerate(panels):
        q, s, a = i // (SENSORS * ASICS), i // ASICS % SENSORS, i % ASICS
        name, size = f"q{q}s{s}a{a}", panel.pixel_size[0]
        first_fs, first_ss = q * ASICS * COLUMNS + a * COLUMNS, s * ROWS
        x, y, z = panel.origin
        lines += ["", f"{name}/min_fs = {first_fs}", f"{name}/max_fs = {first_fs + COLUMNS - 1}"]
        lines += [f"{name}/min_ss = {first_ss}", f"{name}/max_ss = {first_ss + ROWS - 1}"]
        lines += [f"{name}/corner_x = {-x / size!r}", f"{name}/corner_y = {y / size!r}"]
        lines.append(f"{name}/coffset = {(-z - geometry.distance) / 1000!r}")
        for axis, (vx, vy, vz) in (("fs", panel.fast), ("ss", panel.slow)):
            lines.append(f"{name}/{axis} = {-vx:+.12f}x {vy:+.12f}y {-vz:+.12f}z")
    return "\n".join(lines) + "\n"


def write_crystfel(
    path: str | os.PathLike[str], geometry: Cspad, *, wavelength: float | None = None, overwrite: bool = False
) -> None:
    """Write `crystfel_text` to a file."""
    target = os.fspath(path)
    with about(target), PartFile(target) as part:
        part.write(crystfel_text(geometry, wavelength=wavelength).encode("ascii"), 0)
        part.publish(overwrite=overwrite)


def panel_facts(panels: Sequence[Any]) -> list[dict[str, Any]]:
    """Panels as plain values: what ``--json`` prints."""
    return [
        {
            "name": panel.name,
            "origin": list(panel.origin),
            "fast": list(panel.fast),
            "slow": list(panel.slow),
            "pixel_size": list(panel.pixel_size),
            "shape": list(panel.shape),
            "trusted_range": None if panel.trusted_range is None else list(panel.trusted_range),
            "corners": panel.corners().tolist(),
        }
        for panel in panels
    ]
