"""Tests that need a peer's program skip loudly where it is not installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from peer_programs import SYSTEM_PATH, Dials


@pytest.fixture(scope="session")
def dials_is_there() -> None:
    """Skip where DIALS is not installed; where CI has installed it, that would be a fault."""
    if shutil.which("dials.import", path=SYSTEM_PATH) is None:
        if os.environ.get("BRAGGIO_PEERS") == "required":
            pytest.fail("dials.import is not installed")
        pytest.skip("DIALS NOT TESTED: no dials.import in /usr/bin (Debian packages dials, python3-dials)")


@pytest.fixture
def dials(dials_is_there: None, tmp_path: Path) -> Dials:
    """DIALS in a folder of its own."""
    return Dials(tmp_path / "dials")
