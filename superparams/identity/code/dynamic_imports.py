"""Modules that code imports by a computed name: ``import_module(f"models.{name}")``.

If the text shows the beginning of the name, it shows the package, and the import may mean any
module of the package.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from superparams.identity.code.module_source import Source
from superparams.identity.code.project import Project
from superparams.identity.code.syntax import Imported, chain_of

__all__ = ["DynamicImports", "dynamic_imports", "modules_below"]

_IMPORT_FUNCTIONS = ("import_module", "__import__")
_OWN_PACKAGE = ("__name__", "__package__")  # names that mean the package of the code
_WALK_FUNCTIONS = ("iter_modules", "walk_packages")


@dataclass(frozen=True)
class DynamicImports:
    """The imports of a module by name.

    Attributes:
        modules: Modules whose names the text shows.
        packages: Packages, if the text does not show which of their modules.
        walks_package: Whether the code iterates over the modules of its own package.
        has_unknown: Whether there are further imports, about which the text shows nothing.
    """

    modules: tuple[Imported, ...] = ()
    packages: tuple[Imported, ...] = ()
    walks_package: bool = False
    has_unknown: bool = False


@functools.lru_cache(maxsize=4096)
def dynamic_imports(source: Source) -> DynamicImports:
    """The imports by name anywhere in a module."""
    has_unknown = "entry_points(" in source.text
    if not any(word in source.text for word in _IMPORT_FUNCTIONS):
        return DynamicImports(has_unknown=has_unknown)
    modules: list[Imported] = []
    packages: list[Imported] = []
    for node in ast.walk(source.tree):
        chain = chain_of(node.func) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and chain is not None and chain[-1] in _IMPORT_FUNCTIONS:
            prefix, is_whole = _constant_prefix(node.args[0]) if node.args else ("", False)
            if is_whole:
                modules.append(_imported(prefix))
            elif "." in prefix.lstrip("."):
                packages.append(_imported(prefix.rpartition(".")[0]))
            elif prefix.startswith("."):
                packages.append(_imported(prefix))
            else:
                has_unknown = True
    walks_package = any(word in source.text for word in _WALK_FUNCTIONS)
    return DynamicImports(tuple(modules), tuple(packages), walks_package, has_unknown)


def _imported(name: str) -> Imported:
    absolute = name.lstrip(".")
    return Imported(absolute, len(name) - len(absolute))


def _constant_prefix(node: ast.expr) -> tuple[str, bool]:
    """The constant text at the beginning of an expression, and whether it is the whole value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value, True
    if isinstance(node, ast.JoinedStr) and node.values:
        return _joined_prefix(node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined_prefix([node.left, node.right])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return _constant_prefix(node.left)[0].partition("%")[0], False
    called = node.func if isinstance(node, ast.Call) else None
    if isinstance(called, ast.Attribute) and called.attr == "format":
        return _constant_prefix(called.value)[0].partition("{")[0], False
    return "", False


def _joined_prefix(values: list[ast.expr]) -> tuple[str, bool]:
    prefix = ""
    for value in values:
        inner = value.value if isinstance(value, ast.FormattedValue) else value
        if not prefix and isinstance(inner, ast.Name) and inner.id in _OWN_PACKAGE:
            continue  # the rest begins with a dot, as a relative name does
        text, is_whole = _constant_prefix(inner)
        prefix += text
        if not is_whole:
            return prefix, False
    return prefix, True


def modules_below(project: Project, location: Path) -> Iterator[Path]:
    """All modules of the user in the package at `location`."""
    folder = location.parent if location.name == "__init__.py" else location
    if folder.is_dir():
        yield from filter(project.owns, sorted(folder.rglob("*.py")))
