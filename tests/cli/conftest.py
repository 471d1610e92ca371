"""Series for the commands to work on."""

import shutil

import numpy as np
import pytest

import braggio
from braggio.cli import main


@pytest.fixture
def demo_copy(tmp_path):
    """The demo series in a folder of its own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return [shutil.copy2(path, folder / path.name) for path in braggio.demo_files()]


@pytest.fixture
def big_series(tmp_path):
    """A series that takes long enough to be stopped."""
    folder = tmp_path / "big"
    folder.mkdir()
    frame = np.random.default_rng(0).integers(-300, 3000, (1024, 1024), dtype=np.int32)
    for number in range(1, 41):
        braggio.write(folder / f"big_{number:03d}.bin", frame)
    return folder


@pytest.fixture
def run(capsys):
    """Run a command in this process: (exit code, standard output, standard error)."""

    def call(*words):
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
