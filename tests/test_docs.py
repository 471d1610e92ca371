"""The documentation runs: every Python block of it, in order, and the two commands that a newcomer types first."""

import re
from pathlib import Path

import pytest

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
