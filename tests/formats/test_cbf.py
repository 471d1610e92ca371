"""CBF images: real ones, against fabio and pycbf, and what is written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from braggio.errors import FormatError, OutputError, UnsupportedError
from braggio.formats.cbf import read_cbf, write_cbf
from braggio.storage.cbf import open_cbf

IMAGE = np.random.default_rng(0).normal(0, 15, (7, 11)).round().astype(np.int32)


@pytest.mark.parametrize(
    ("name", "shape", "total", "detector"),
    [
        ("DLS_I03_smargon_0001.cbf.gz", (2527, 2463), 36200, "PILATUS3 6M, S/N 60-0126"),
        ("dlsnxs2cbf_therm_0001.cbf.gz", (4362, 4148), -1210773, "EIGER 16M XR4i S/N 160-0001 Diamond"),
    ],
)
def test_real_mini_cbf(real_data: Path, name: str, shape: tuple[int, int], total: int, detector: str) -> None:
    file = open_cbf(real_data / "xfel" / name)
    (section,) = file.sections
    pixels = section.read()
    assert (pixels.shape, pixels.dtype, int(pixels.sum())) == (shape, np.int32, total)
    assert file.mini_header["Detector"] == detector
    assert (section.digest is None) == name.startswith("dlsnxs")


def test_real_mini_cbf_as_fabio_reads_it(real_data: Path, tmp_path: Path) -> None:
    fabio = pytest.importorskip("fabio")
    path = tmp_path / "x.cbf"
    path.write_bytes(gzip.decompress((real_data / "xfel" / "DLS_I03_smargon_0001.cbf.gz").read_bytes()))
    assert (read_cbf(path) == fabio.open(str(path)).data).all()


@pytest.mark.parametrize("codec", ["byte_offset", "packed", "packed_v2", "none"])
@pytest.mark.parametrize("dtype", ["int32", "uint16", "int8", "float64", "float32"])
def test_what_is_written_is_read(tmp_path: Path, codec: Any, dtype: str) -> None:
    if codec == "byte_offset" and dtype.startswith("f"):
        return
    path = tmp_path / "x.cbf"
    array = IMAGE.astype(dtype)
    write_cbf(path, array, codec=codec, header={"Wavelength": "0.9795 A"})
    file = open_cbf(path)
    assert file.mini_header == {"Wavelength": "0.9795 A"}
    found = file.sections[0].read()
    assert found.dtype == array.dtype
    assert (found == array).all()
    out = np.zeros_like(array)
    assert file.sections[0].read(out=out) is out
    assert (out == array).all()


def test_fabio_reads_what_is_written(tmp_path: Path) -> None:
    fabio = pytest.importorskip("fabio")
    write_cbf(tmp_path / "x.cbf", IMAGE)
    assert (fabio.open(str(tmp_path / "x.cbf")).data == IMAGE).all()


@pytest.mark.parametrize("codec", ["packed", "packed_v2", "byte_offset", "none"])
def test_pycbf_reads_what_is_written_and_back(tmp_path: Path, codec: Any) -> None:
    pycbf = pytest.importorskip("pycbf")
    from braggio.formats.cspad_cbf import write_cspad_cbf
    from braggio.model.cspad import Cspad, Placement, raw

    pixels = np.random.default_rng(0).normal(0, 15, (64, 185, 194)).round().astype(np.int32)
    path = tmp_path / "x.cbf"
    write_cspad_cbf(path, pixels, Cspad(Placement(), (Placement(),) * 4, (Placement(),) * 32), codec=codec)
    handle = pycbf.cbf_handle_struct()
    handle.read_widefile(str(path), pycbf.MSG_DIGEST)
    handle.find_category("array_data")
    handle.find_column("data")
    for q in range(4):
        handle.select_row(q)
        found = np.frombuffer(handle.get_integerarray_as_string(), "<i4").reshape(8, 185, 388)
        assert (found == raw(pixels)[q]).all()


def test_several_sections_are_not_one_image(real_data: Path) -> None:
    with pytest.raises(UnsupportedError, match="found 4"):
        read_cbf(real_data / "xfel" / "idx-20130301060858601.cbf")


def test_an_existing_file_survives(tmp_path: Path) -> None:
    path = tmp_path / "x.cbf"
    path.write_bytes(b"kept")
    with pytest.raises(OutputError):
        write_cbf(path, IMAGE)
    with pytest.raises(FormatError):
        write_cbf(path, IMAGE, header={"a": "\n;"}, overwrite=True)
    assert path.read_bytes() == b"kept"


@pytest.mark.parametrize("pixels", [np.zeros((2, 2), np.float16), np.zeros((0, 2), np.int32)])
def test_what_could_not_be_read_is_not_written(tmp_path: Path, pixels: Any) -> None:
    with pytest.raises(UnsupportedError, match=r"a\.cbf: (codec|pixels): "):
        write_cbf(tmp_path / "a.cbf", pixels, codec="none")
    assert not list(tmp_path.iterdir())
