"""No circle of imports, not even one inside functions: a module is understood with those below it alone."""

from __future__ import annotations

import ast
from pathlib import Path

import braggio

ROOT = Path(braggio.__file__).parent
FACADE = "braggio"  # looks its names up when they are used, and knows everyone


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Imports(ast.NodeVisitor):
    """Modules of braggio that a module imports at any place that runs."""

    def __init__(self, known: set[str]) -> None:
        self.known, self.found = known, set[str]()

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        checking = (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
            isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
        )
        for each in node.orelse if checking else [*node.body, *node.orelse]:
            self.visit(each)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name for alias in node.names if alias.name in self.known}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            self.found |= {name for name in (inner if inner in self.known else node.module,) if name in self.known}


def graph() -> dict[str, set[str]]:
    files = {name_of(path): path for path in ROOT.rglob("*.py")}
    found = {}
    for name, path in files.items():
        visitor = Imports(set(files))
        visitor.visit(ast.parse(path.read_text(encoding="utf-8")))
        found[name] = visitor.found - {name, FACADE}
    return found


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(arrows.get(name, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            component = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(component) > 1:
                found.append(sorted(component))

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_there_is_no_circle() -> None:
    arrows = graph()
    assert len(arrows) > 200
    assert circles(arrows) == []
