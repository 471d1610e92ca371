"""`import braggio` is light; its names are there when first used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import braggio

HEAVY = "numpy numba pandas h5py starfile mrcfile matplotlib PIL tqdm scipy dask".split()


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_import_loads_nothing_heavy() -> None:
    assert (
        loaded_after("import braggio; dir(braggio); braggio.__version__; braggio.BraggioError; braggio.DataWarning")
        == set()
    )


def test_reading_a_frame_needs_numpy_only() -> None:
    assert loaded_after("import braggio; braggio.read(braggio.demo_files()[0])") == {"numpy"}


def test_converting_a_series_needs_numpy_only(tmp_path: Path) -> None:
    code = f"""
import warnings, braggio
warnings.simplefilter("ignore")
braggio.microed.convert_series(braggio.demo_files(), {str(tmp_path)!r})
"""
    assert loaded_after(code) == {"numpy"}


def test_every_public_name_is_there() -> None:
    for name in braggio.__all__:
        assert getattr(braggio, name) is not None
        assert name in dir(braggio)
    with pytest.raises(AttributeError, match="no_such_name"):
        braggio.no_such_name  # noqa: B018


@pytest.mark.parametrize("module", ["formats", "kernels", "microed", "errors"])
def test_modules_export_what_they_say(module: str) -> None:
    found = getattr(braggio, module)
    for name in getattr(found, "__all__", []):
        assert hasattr(found, name)


def test_star_import_works() -> None:
    namespace: dict[str, object] = {}
    exec("from braggio import *", namespace)
    assert namespace["demo_files"] is braggio.demo_files


@pytest.mark.parametrize("system", ["microed", "laue", "matching", "particles"])
def test_no_name_of_a_system_is_that_of_a_module_of_it(system: str) -> None:
    """Importing the module would put it in the place of the function, wherever it is imported first."""
    package = getattr(braggio, system)
    modules = {path.stem for path in Path(package.__path__[0]).glob("*.py")}
    assert not modules & set(package.__all__)
