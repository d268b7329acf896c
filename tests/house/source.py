"""What the house tests read: the modules of a package as syntax trees, and who imports whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "superparams"


@dataclass(frozen=True)
class Import:
    """One imported module."""

    target: str  # dotted name, as deep as it is known to be a module
    line: int
    at_import: bool  # runs when the importing module is loaded


@dataclass
class Module:
    """One source file."""

    name: str
    path: Path
    tree: ast.Module
    imports: list[Import] = field(default_factory=list[Import])

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@cache
def library() -> dict[str, Module]:
    """The modules of superparams, which are read once for all test files."""
    return read_package(PACKAGE)


def read_package(folder: Path) -> dict[str, Module]:
    """Every module of the package in `folder`, by dotted name, with its imports resolved."""
    modules: dict[str, Module] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = list(path.relative_to(folder.parent).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path, ast.parse(path.read_bytes(), str(path)))
    for module in modules.values():
        module.imports.extend(_imports(module, set(modules)))
    return modules


def _imports(module: Module, known: set[str]) -> Iterator[Import]:
    for node, at_import in _statements(module.tree, True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_import)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            for alias in node.names:
                deeper = f"{source}.{alias.name}"
                yield Import(deeper if deeper in known else source, node.lineno, at_import)


def _statements(node: ast.AST, at_import: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            continue  # an expression holds no import
        inside = at_import and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield child, inside
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield part, False
                yield from _statements(part, False)
            for part in child.orelse:
                yield part, inside
                yield from _statements(part, inside)
        else:
            yield from _statements(child, inside)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    above = module.name.split(".")
    drop = node.level - (1 if module.is_package else 0)
    kept = above[: len(above) - drop]
    return ".".join([*kept, *([node.module] if node.module else [])])
