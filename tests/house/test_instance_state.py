"""What an instance holds besides its fields has names that one module knows."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from source import PACKAGE, Module, library, read_package

# The name of the open fields stands in `space.groups`, which `declare` is built on.
HOMES = ("declare.instance_state", "space.groups")
NAME = re.compile(r"~\w+")
ASKED_OF_TEXT = ("startswith", "removeprefix")

MODULES = library()


def names_in(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of state in a module, whole or as their first character, each with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and NAME.fullmatch(str(node.value)):
            yield str(node.value), node.lineno
        elif isinstance(node, ast.expr) and begins_with_tilde(node):
            yield "~", node.lineno


def begins_with_tilde(node: ast.expr) -> bool:
    """Whether an expression makes a name of state, or asks whether a text is one."""
    match node:
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(left=first):
            return is_tilde(first)
        case ast.Call(func=ast.Attribute(attr=asked), args=[first, *_]):
            return asked in ASKED_OF_TEXT and is_tilde(first)
        case ast.Compare(comparators=others):
            return any(map(is_tilde, others))
        case _:
            return False


def is_tilde(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == "~"


def names_elsewhere(modules: Mapping[str, Module]) -> list[str]:
    """Names of state in modules that should not know them."""
    return [
        f"{module.name}:{line} has {name!r}"
        for module in modules.values()
        if module.name.partition(".")[2] not in HOMES
        for name, line in names_in(module.tree)
    ]


def test_one_module_knows_the_names_of_state() -> None:
    assert names_elsewhere(MODULES) == []


def test_each_name_of_state_stands_once() -> None:
    found = [list(names_in(MODULES[f"{PACKAGE.name}.{home}"].tree)) for home in HOMES]
    assert all(found)
    times = Counter(name for names in found for name, _ in names)
    assert {name for name, n in times.items() if n > 1} == set()


@pytest.mark.parametrize(
    "text",
    [
        'def f(held): return held.get("~lazy", {})',
        'def f(held): held["~open"] = 1',
        'NAMES = ("~declared", "x")',
        'def f(x): return x.__dict__.pop("~made_up", None)',
        'def f(name): return f"~{name}"',
        'def f(name): return "~" + name',
        'def f(name): return name.startswith("~")',
        'def f(name): return name[0] == "~"',
    ],
)
def test_a_planted_name_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "house" / "store" / "planted.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"x = 1\n{text}\n", "utf-8")
    (found,) = names_elsewhere(read_package(tmp_path / "house"))
    assert found.startswith("house.store.planted:2 has '~")


@pytest.mark.parametrize("text", ['"""``~open`` is a name."""', 'name = "x"\nname += "~"'])
def test_another_tilde_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "house" / "planted.py"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    assert names_elsewhere(read_package(tmp_path / "house")) == []
