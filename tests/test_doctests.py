"""Every example in a docstring of the installed package gives what it says it gives."""

import doctest
import importlib
import pkgutil

import pytest

import braggio

# The demo series lacks a frame, and the examples that convert it are told so.
pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")

MODULES = ["braggio", *(module.name for module in pkgutil.walk_packages(braggio.__path__, "braggio."))]
MODULES.remove("braggio.__main__")  # to import it is to run the command


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write files
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_front_door_has_an_example():
    """Protects the search itself: were it to find no examples at all, every test above would pass."""
    assert doctest.testmod(braggio).attempted > 0
