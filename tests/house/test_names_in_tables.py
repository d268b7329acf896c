"""Modules that the package imports by a name in a table are there, so that a move breaks none."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from source import PACKAGE, read_package

PAYLOAD = f"{PACKAGE.name}.executor.payload"
MODULES = read_package(PACKAGE)


def reducers() -> Iterator[tuple[str, str]]:
    """The module and the function of each row of the table of reducers."""
    for node in MODULES[f"{PAYLOAD}.reducers"].tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_TABLE":
            assert node.value is not None
            for *_, module, function in ast.literal_eval(node.value):
                yield module, function


def test_every_reducer_is_there() -> None:
    rows = list(reducers())
    assert len(rows) > 4
    here = {name for name, _ in rows if f"{PAYLOAD}.{name}" in MODULES}
    assert here == {name for name, _ in rows}
    for module, function in rows:
        tree = MODULES[f"{PAYLOAD}.{module}"].tree
        assert function in {x.name for x in tree.body if isinstance(x, ast.FunctionDef)}, function


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
