"""A folder to work in, and what fills it."""

from pathlib import Path

import pytest
from particle_makers import Maker


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.chdir(tmp_path)
    return Maker(tmp_path)
