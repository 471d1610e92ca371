"""The documentation runs: every Python block of it, in order, and the two commands that a newcomer types first."""

import re
from pathlib import Path

import pytest

import braggio
from braggio.options import table_of

# The demo series lacks a frame, and the examples that convert it are told so.
pytestmark = pytest.mark.filterwarnings("ignore::braggio.errors.DataWarning")

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    """(line number, text) of each fenced block of a language."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: match.start(1)].count("\n"), match[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks(page, tmp_path, monkeypatch):
    """All blocks of a page share one namespace and one folder, as for a reader who types them one after the other."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": page.stem}
    for line, text in blocks(page, "python"):
        code = "\n" * line + text  # the empty lines make tracebacks name the page's line
        exec(compile(code, page, "exec"), namespace)


def test_the_first_two_commands_of_the_readme():
    """Releases are checked by running these two as they stand."""
    commands = [text.strip() for _, text in blocks(README, "sh")]
    assert commands[:2] == ["pip install . && braggio demo", "pip install '.[test]' && pytest"]


TABLES = [
    (page, name, text)
    for page in PAGES
    for name, text in re.findall(
        r"<!-- options: (\S+) -->\n(.*?)<!-- end of options -->", page.read_text(encoding="utf-8"), re.DOTALL
    )
]


@pytest.mark.parametrize(("page", "name", "text"), TABLES, ids=[name for _, name, _ in TABLES])
def test_tables_of_options_are_made_from_their_fields(page, name, text):
    """A changed default or line of help changes the page too."""
    package, options = name.split(".")
    assert text == table_of(getattr(getattr(braggio, package), options)), page


def test_every_system_shows_its_options():
    assert {name for _, name, _ in TABLES} == {
        "microed.SmvOptions",
        "laue.SpotOptions",
        "matching.TableOptions",
        "particles.BatchOptions",
    }
