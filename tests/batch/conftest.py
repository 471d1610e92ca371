"""Workers of a pool begin with what they need imported already, as those of ``braggio run`` do."""

from __future__ import annotations

import multiprocessing

import pytest

from braggio.batch.plan import Task
from braggio.recipes import packages_of


@pytest.fixture(scope="session", autouse=True)
def quick_workers() -> None:
    """Before the first pool of the session."""
    recipes = ("smv", "xtc", "matching")
    multiprocessing.set_forkserver_preload(packages_of([Task(recipe, "", ()) for recipe in recipes]))
