"""Modules that the package names in texts are there, so that a move breaks none."""

from __future__ import annotations

import ast

from source import PACKAGE, read_package

MODULES = read_package(PACKAGE)


def test_modules_that_texts_name_are_there() -> None:
    checked = 0
    for module in MODULES.values():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            text = node.value
            if text.startswith(f"{PACKAGE.name}."):
                _, room, *inside = text.split(".")
                if inside and f"{PACKAGE.name}.{room}" in MODULES and all(inside):
                    checked += 1
                    assert text in MODULES, f"{module.name}:{node.lineno} names {text}"
    assert checked > 5
