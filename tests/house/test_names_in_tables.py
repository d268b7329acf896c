"""Modules that the package names in texts are there, so that a move breaks none."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from source import PACKAGE, Module, library, read_package

MODULES = library()


def named_modules(modules: Mapping[str, Module], package: str) -> Iterator[tuple[str, str]]:
    """Where a text is the dotted name of a module in a room of a package, and the text.

    Texts with one dot are keys of metadata, such as ``superparams.seal``.
    """
    pattern = re.compile(rf"{package}(\.\w+){{2,}}")
    for module in modules.values():
        for node in ast.walk(module.tree):
            match node:
                case ast.Constant(value=str(text)) if pattern.fullmatch(text):
                    yield f"{module.name}:{node.lineno}", text
                case _:
                    pass


def missing(modules: Mapping[str, Module], package: str) -> list[str]:
    return [f"{at} names {x}" for at, x in named_modules(modules, package) if x not in modules]


def test_modules_that_texts_name_are_there() -> None:
    assert len(list(named_modules(MODULES, PACKAGE.name))) > 5
    assert missing(MODULES, PACKAGE.name) == []


def test_a_planted_name_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "house"
    (folder / "store").mkdir(parents=True)
    for name in ("__init__", "store/__init__", "store/ledger"):
        (folder / f"{name}.py").write_text("", "utf-8")
    (folder / "planted.py").write_text(
        "TABLE = ['house.store.ledger', 'house.store.moved', 'house.attic.box', 'a house.attic.x']",
        "utf-8",
    )
    assert missing(read_package(folder), "house") == [
        "house.planted:1 names house.store.moved",
        "house.planted:1 names house.attic.box",
    ]
