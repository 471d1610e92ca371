"""DIALS itself on SMV series: every value that was given arrives, and a known cell comes back.

Protects: the main job's output opens in the program it is made for, whatever was given and whatever was left out.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffraction_makers import RotationSeries
from makers import noisy, write_series
from peer_programs import Dials

from braggio.cli import main
from braggio.microed import SeriesReport, convert_series, dials_line

pytestmark = [
    pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning"),
    pytest.mark.usefixtures("dials_is_there"),
]

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (48, 64)
NUMBERS = (1, 2, 3, 4)
GIVEN: dict[str, Any] = {
    "voltage": 200,
    "distance": 1500.0,
    "pixel_size": 0.028,
    "osc_start": -30.0,
    "osc_range": 0.5,
    "beam_center": (30.0, 21.0),
    "exposure_time": 0.7,
    "gain": 3.5,
    "date": datetime.datetime(2024, 2, 29, 12, 30, 15),
}
EPOCH = 1709209815  # of that date in UTC

OPTIONS: dict[str, dict[str, Any]] = {
    "everything given": GIVEN,
    **{f"without {name}": {key: value for key, value in GIVEN.items() if key != name} for name in GIVEN},
    "nothing given": {},
    "wavelength": {"wavelength": 0.0197},
    "reversed": {**GIVEN, "osc_range": -0.5},
    "reversed through zero": {**GIVEN, "osc_start": 0.5, "osc_range": -0.25},
    "first frame": {**GIVEN, "first_frame": 3},
    "leginon's beam centre": {**GIVEN, "beam_convention": "leginon"},
    "binning": {**GIVEN, "binning": (2, 2)},
    "two theta": {**GIVEN, "two_theta": 10.0},
    "two theta the other way": {**GIVEN, "two_theta": -7.5, "osc_range": -0.5},
    "Ceta": {**GIVEN, "beamline": "CETAD_TUI"},
    "another beamline": {**GIVEN, "beamline": "ALS831"},
    "zero": {**GIVEN, "policy": "zero"},
    "median": {**GIVEN, "policy": "median"},
    "offset and pedestal": {**GIVEN, "offset": 1000, "pedestal": 900},
    "saturation": {**GIVEN, "saturation": 3000},
    "flipped": {**GIVEN, "flip": True},
    "long header": {**GIVEN, "header_bytes": 1024},
    "another name": {**GIVEN, "name": "lysozyme 7"},
}


def frames() -> list[np.ndarray]:
    """Signed frames, one of which loses a pixel at either end."""
    found = [noisy(-120, SHAPE, seed=seed) for seed in NUMBERS]
    found[2][5, 6], found[2][7, 8] = -9000, 70000
    return found


@pytest.fixture(scope="module")
def imported(dials_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[SeriesReport, Any]]:
    """Every set of options, converted and imported by the printed line: its report and its experiments."""
    folder = tmp_path_factory.mktemp("dials options")
    files = write_series(folder / "raw", frames(), numbers=NUMBERS)
    dials = Dials(folder / "dials")

    def convert_and_import(item: tuple[int, tuple[str, dict[str, Any]]]) -> tuple[SeriesReport, str]:
        place, (_, options) = item
        report = convert_series(files, folder / f"smv {place}", **options)
        line = dials_line(report, options.get("saturation"))
        dials.run(f"{line} output.experiments={place}.expt output.log=None")
        return report, f"{place}.expt"

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(OPTIONS, pool.map(convert_and_import, enumerate(OPTIONS.items())), strict=True))
    models = dials.models(*(experiments for _, experiments in done.values()))
    return {name: (report, models[experiments]) for name, (report, experiments) in done.items()}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_was_given_arrives(imported: dict[str, tuple[SeriesReport, Any]], name: str) -> None:
    """Wavelength, distance, centre, pixel, scan, axis, pedestal, gain, trusted range, exposure, epoch and pixels."""
    given = OPTIONS[name]
    report, [found] = imported[name]  # one sweep
    assert found["format"] in ("FormatSMVADSC", "FormatSMVADSCCetaD")
    assert found["panels"] == 1
    assert found["image_size"] == [SHAPE[1], SHAPE[0]]
    assert found["wavelength"] == pytest.approx(given.get("wavelength", 0.02507934), rel=1e-6)
    assert found["pixel_size"] == pytest.approx([given.get("pixel_size", 0.028)] * 2)
    assert found["distance"] == pytest.approx(given.get("distance", 1000.0))
    assert found["pedestal"] == report.offset
    assert found["gain"] == given.get("gain", 1.0)
    clipped = given.get("policy") != "median"
    assert found["trusted_range"] == [int(clipped), min(65534, given.get("saturation", 65534) + report.offset)]
    # Of a template dxtbx reads the first header, and that is all it knows of time.
    assert found["exposure_times"][0] == given.get("exposure_time", 1.0)
    first = Path(report.frames[0].input)
    assert found["epochs"][0] == (EPOCH if "date" in given else int(first.stat().st_mtime))
    pixels = [np.clip(frame.astype(np.int64) + report.offset, 0, 65535) for frame in frames()]
    expected = [(frame[::-1] if given.get("flip") else frame).ravel().tolist() for frame in pixels]
    assert found["pixels"] == expected
    assert found["corrected_minimum"] == pytest.approx((min(expected[0]) - report.offset) / found["gain"])


@pytest.mark.parametrize("name", OPTIONS)
def test_each_frame_lies_where_it_was_recorded(imported: dict[str, tuple[SeriesReport, Any]], name: str) -> None:
    """A known vector, turned about dxtbx' axis by dxtbx' angle, is where the recorded angle about +x brings it."""
    given = OPTIONS[name]
    _, [found] = imported[name]
    start, width = found["oscillation"]
    assert found["image_range"] == [NUMBERS[0], NUMBERS[-1]]
    assert width == pytest.approx(abs(given.get("osc_range", 1.0)), abs=1e-7)
    for number in NUMBERS:
        recorded = given.get("osc_start", 0.0) + (number - given.get("first_frame", 1)) * given.get("osc_range", 1.0)
        angle = start + (number - NUMBERS[0]) * width
        vector = np.array([0.3, -0.5, 0.8])
        assert turned(vector, found["axis"], angle) == pytest.approx(turned(vector, [1, 0, 0], recorded), abs=1e-9)


def turned(vector: np.ndarray, axis: Any, degrees: float) -> np.ndarray:
    """Right-handed rotation about an axis (Rodrigues)."""
    axis, angle = np.array(axis, float), math.radians(degrees)
    return (
        vector * math.cos(angle)
        + np.cross(axis, vector) * math.sin(angle)
        + axis * (axis @ vector) * (1 - math.cos(angle))
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_the_panel_stands_where_the_camera_stood(imported: dict[str, tuple[SeriesReport, Any]], name: str) -> None:
    """Beam centre in dxtbx' order; a swung detector is turned about the rotation axis."""
    given = OPTIONS[name]
    _, [found] = imported[name]
    fast, slow = given.get("beam_center", (SHAPE[1] / 2, SHAPE[0] / 2))
    if given.get("beam_convention") == "leginon":
        fast, slow = slow, fast  # which is why dxtbx' order is the default
    size, distance = given.get("pixel_size", 0.028), given.get("distance", 1000.0)
    angle = given.get("two_theta", 0.0)
    panel = {"fast_axis": (1, 0, 0), "slow_axis": (0, -1, 0), "origin": (-fast * size, slow * size, -distance)}
    for key, value in panel.items():
        assert found[key] == pytest.approx(turned(np.array(value, float), [1, 0, 0], angle), abs=1e-6)
    if not angle:
        assert found["beam_center"] == pytest.approx([fast, slow], abs=1e-6)


def printed_dials_line(text: str) -> str:
    """The dials.import line of a command's output."""
    match = re.search(r"dials\.import .*", text)
    assert match
    return match[0]


def readme_command() -> list[str]:
    """Words of the ``braggio smv`` line of the README."""
    [line] = re.findall(r"^braggio (smv .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(line)


def test_the_readmes_command(
    dials: Dials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands there, and DIALS with the line that it prints: import, show and spots."""
    series = RotationSeries(frames=4, edge=2048, center=(1024.0, 1020.0), pixel_size=0.028)
    write_series(tmp_path / "raw", series.images(), prefix="scan_")
    monkeypatch.chdir(tmp_path)
    assert main(readme_command()) == 0
    dials.run(printed_dials_line(capsys.readouterr().out))
    shown = dials.run("dials.show imported.expt")
    assert re.search(r"image range: +\{1,4\}", shown)
    assert re.search(r"oscillation: +\{-30,0\.5\}", shown)
    assert re.search(r"wavelength: 0\.0250793", shown)
    assert re.search(r"px: \(1024\.00,1020\.00\)", shown)
    assert "distance: 1500" in shown
    found = re.search(r"Saved (\d+) reflections", dials.run("dials.find_spots imported.expt gain=2"))
    assert found
    assert int(found[1]) > 50


def test_the_demo(dials: Dials, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its series lacks a frame: two sweeps, every frame at its angle."""
    assert main(["demo", "-o", str(tmp_path / "demo")]) == 0
    dials.run(printed_dials_line(capsys.readouterr().out))
    dials.run("dials.show imported.expt")
    # Its noise is not that of counts: without a gain a quarter of the pixels would be strong, which DIALS refuses.
    dials.run("dials.find_spots imported.expt gain=100")
    found = dials.models("imported.expt")["imported.expt"]
    assert [each["image_range"] for each in found] == [[1, 3], [5, 6]]
    assert [each["oscillation"] for each in found] == [pytest.approx([-30, 0.5]), pytest.approx([-28, 0.5])]


@pytest.mark.parametrize("fill", [False, True])
@pytest.mark.parametrize("width", [0.5, -0.5])
def test_a_series_with_a_gap(dials: Dials, tmp_path: Path, fill: bool, width: float) -> None:
    """One sweep a part, or one in all whose blank images have no trusted pixel."""
    files = write_series(tmp_path / "raw", frames(), numbers=(1, 2, 4, 5))
    report = convert_series(files, tmp_path / "smv", **{**GIVEN, "osc_range": width}, fill_gaps=fill)
    dials.run(dials_line(report))
    found = dials.models("imported.expt")["imported.expt"]
    sign = math.copysign(1, width)
    assert [each["axis"] for each in found] == [[sign, 0.0, 0.0]] * len(found)
    scans = [each["oscillation"] for each in found]
    if not fill:
        assert [each["image_range"] for each in found] == [[1, 2], [4, 5]]
        assert scans == [pytest.approx([-30 * sign, 0.5]), pytest.approx([-30 * sign + 1.5, 0.5])]
        assert [each["exposure_times"] for each in found] == [[0.7, 0.7]] * 2
        assert [each["epochs"] for each in found] == [[EPOCH, EPOCH]] * 2
    else:
        assert [each["image_range"] for each in found] == [[1, 5]]
        assert scans == [pytest.approx([-30 * sign, 0.5])]
        assert [count == 0 for count in found[0]["good"]] == [False, False, True, False, False]
        # Without the words of the printed line the blank image is not trusted either.
        dials.run(f"dials.import template={tmp_path}/smv/f_###.img output.experiments=plain.expt")
        [plain] = dials.models("plain.expt")["plain.expt"]
        assert [count == 0 for count in plain["good"]] == [False, False, True, False, False]


@pytest.mark.parametrize("name", ["a b_", "q'", "[z]_", "r$_", "*_", "e=f_"])
def test_names_that_a_shell_or_a_template_would_misread(dials: Dials, tmp_path: Path, name: str) -> None:
    """The printed line works as printed, from any folder."""
    files = write_series(tmp_path / "raw", frames(), prefix=name)
    dials.run(dials_line(convert_series(files, tmp_path / "smv", **GIVEN)))
    [found] = dials.models("imported.expt")["imported.expt"]
    assert found["image_range"] == [1, 4]


def test_one_frame_and_frames_from_zero(dials: Dials, tmp_path: Path) -> None:
    """A still with and without a number in its name; a camera that counts from 0."""
    for numbers in ((7,), (0, 1)):
        files = write_series(tmp_path / f"raw{len(numbers)}", frames()[: len(numbers)], numbers=numbers)
        report = convert_series(files, tmp_path / f"smv{len(numbers)}", **GIVEN)
        dials.run(f"{dials_line(report)} output.experiments={len(numbers)}.expt")
        [found] = dials.models(f"{len(numbers)}.expt")[f"{len(numbers)}.expt"]
        assert found["image_range"] == [numbers[0], numbers[-1]]
    plain = files[0].rename(tmp_path / "dark.bin")
    dials.run(dials_line(convert_series(plain, tmp_path / "one", **GIVEN)) + " output.experiments=plain.expt")
    [found] = dials.models("plain.expt")["plain.expt"]
    assert found["oscillation"][0] == pytest.approx(-30)


CHAINS: dict[str, dict[str, Any]] = {
    "forwards, leginon": {"policy": "leginon"},
    "reversed, zero": {"policy": "zero", "start": 15.0, "width": -0.5},
    "forwards with a gap, zero": {"policy": "zero", "gap": (20, 21, 22)},
    "reversed with a filled gap, leginon": {"policy": "leginon", "start": 15.0, "width": -0.5, "gap": (31,)},
}


@pytest.fixture(scope="module")
def indexed(dials_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, list[float]]]:
    """Every chain from raw frames through ``braggio smv``: its experiments, and the shares of the spots indexed."""
    folder = tmp_path_factory.mktemp("chains")

    def run(item: tuple[int, str]) -> tuple[Any, list[float]]:
        place, name = item
        return chain(folder / str(place), name)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CHAINS, pool.map(run, enumerate(CHAINS)), strict=True))


def simulated(name: str) -> RotationSeries:
    """The series of a chain."""
    return RotationSeries(**{key: value for key, value in CHAINS[name].items() if key in ("start", "width")})


def chain(folder: Path, name: str) -> tuple[Any, list[float]]:
    """The commands of docs/microed.md, on a simulated series."""
    series, gap = simulated(name), CHAINS[name].get("gap", ())
    images = series.images()
    numbers = [number for number in range(1, len(images) + 1) if number not in gap]
    write_series(folder / "raw", [images[number - 1] for number in numbers], numbers=numbers, prefix="scan_")
    words = ["smv", folder / "raw", "-o", folder / "smv", "--json", "--policy", CHAINS[name]["policy"], "--gain", 2]
    words += ["--wavelength", series.wavelength, "--distance", series.distance, "--pixel-size", series.pixel_size]
    words += [f"--osc-start={series.start}", f"--osc-range={series.width}", "--beam-center", *series.center]
    words += ["--fill-gaps"] if "filled" in name else []
    command = [sys.executable, "-m", "braggio", *map(str, words)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    dials = Dials(folder / "dials")
    dials.run(next(event["dials"] for event in map(json.loads, output.splitlines()) if "dials" in event))
    dials.run("dials.find_spots imported.expt nproc=1")
    # Distance and cell cannot both be refined from electron diffraction: the sphere of Ewald is nearly flat.
    output = dials.run("dials.index imported.expt strong.refl nproc=1 indexing.method=fft1d detector.fix=distance")
    shares = re.findall(r"([\d.]+)% *\|", output.rsplit("% indexed", 1)[1])
    return dials.models("indexed.expt")["indexed.expt"], list(map(float, shares))


@pytest.mark.parametrize("name", CHAINS)
def test_a_known_cell_comes_back(indexed: dict[str, tuple[Any, list[float]]], name: str) -> None:
    """Within a thousandth, with nearly all spots, and the crystal stands as it was simulated.

    A scan about the wrong axis indexes too, since a mirrored lattice is a lattice: its orientation gives it away.
    """
    series = simulated(name)
    found, shares = indexed[name]
    assert len(found) == len(shares) == (2 if "with a gap" in name else 1)
    assert min(shares) > 95
    for each in found:
        *edges, alpha, beta, gamma = each["crystal"]["cell"]
        assert sorted(edges) == pytest.approx(sorted(series.cell), rel=1e-3)
        assert (alpha, beta, gamma) == pytest.approx((90, 90, 90), abs=0.1)
        indices = np.linalg.solve(series.reciprocal, np.array(each["crystal"]["A"]).reshape(3, 3))
        assert indices == pytest.approx(np.rint(indices), abs=0.02)
        assert abs(np.linalg.det(np.rint(indices))) == 1


def test_versions_are_known(dials: Dials) -> None:
    """The program that was run says its version: a green run names what it was green with."""
    assert re.search(r"DIALS \d+\.\d+", dials.run("dials.version"))
