"""Modules that code imports by a name it makes itself: ``import_module(f"models.{name}")``.

Where the text tells the beginning of the name, it tells the package, and all modules of that may be
meant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from superparams.identity.code.project import Project, Source
from superparams.identity.code.syntax import Imported, chain_of

__all__ = ["Dynamic", "dynamic_imports", "modules_below"]

_CALLS = ("import_module", "__import__")
_HERE = ("__name__", "__package__")  # at the beginning of a name: the package that the code is in
_WALKS = ("iter_modules", "walk_packages")


@dataclass(frozen=True)
class Dynamic:
    """The imports of a module by name.

    Attributes:
        modules: those whose name the text tells.
        packages: those of which it tells the package alone.
        walks: whether it goes through the modules of its own package.
        is_unknown: whether there are more, of which the text tells nothing.
    """

    modules: tuple[Imported, ...] = ()
    packages: tuple[Imported, ...] = ()
    walks: bool = False
    is_unknown: bool = False


def dynamic_imports(source: Source) -> Dynamic:
    """The imports by name anywhere in a module."""
    unknown = "entry_points(" in source.text
    if not any(word in source.text for word in _CALLS):
        return Dynamic(is_unknown=unknown)
    modules: list[Imported] = []
    packages: list[Imported] = []
    for node in ast.walk(source.tree):
        chain = chain_of(node.func) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and chain is not None and chain[-1] in _CALLS:
            beginning, is_whole = _beginning(node.args[0]) if node.args else ("", False)
            if is_whole:
                modules.append(_imported(beginning))
            elif "." in beginning.lstrip("."):
                packages.append(_imported(beginning.rpartition(".")[0]))
            elif beginning.startswith("."):
                packages.append(_imported(beginning))
            else:
                unknown = True
    walks = any(word in source.text for word in _WALKS)
    return Dynamic(tuple(modules), tuple(packages), walks, unknown)


def _imported(name: str) -> Imported:
    bare = name.lstrip(".")
    return Imported(bare, len(name) - len(bare))


def _beginning(node: ast.expr) -> tuple[str, bool]:
    """The text that a name begins with, and whether that is all of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, True
    if isinstance(node, ast.JoinedStr) and node.values:
        return _joined(node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined([node.left, node.right])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _beginning(node.left)[0].partition("%")[0], False
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr == "format":
        return _beginning(called.value)[0].partition("{")[0], False
    return "", False


def _joined(parts: list[ast.expr]) -> tuple[str, bool]:
    found = ""
    for part in parts:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if not found and isinstance(inner, ast.Name) and inner.id in _HERE:
            continue  # what follows begins with a dot, as a relative name does
        text, is_whole = _beginning(inner)
        found += text
        if not is_whole:
            return found, False
    return found, True


def modules_below(project: Project, place: Path) -> Iterator[Path]:
    """All modules of the user's own in the package at `place`."""
    folder = place.parent if place.name == "__init__.py" else place
    if folder.is_dir():
        found = sorted(folder.rglob("*.py"))
        yield from (file for file in found if project.owns(file))
