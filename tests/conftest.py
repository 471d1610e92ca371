"""What all tests share: where the real files are, and the instruction levels of this machine."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import settings

from braggio._core import cpu_levels

settings.register_profile("braggio", database=None, deadline=None, print_blob=True)
settings.load_profile("braggio")

SHARED = Path(os.environ.get("BRAGGIO_TEST_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real and reference files, beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"REAL DATA NOT TESTED: no folder {SHARED}")
    return SHARED


@pytest.fixture
def never_unpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would unpickle, raises: our readers must do without."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)


@pytest.fixture(params=cpu_levels())
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each instruction level of this machine in turn, set for the kernels."""
    monkeypatch.setenv("BRAGGIO_CPU", request.param)
    return str(request.param)
