"""Names of superparams that a field may take are read of no instance and no class.

Which variables hold instances and classes is told by their names; `tests/declare/test_own_names.py`
watches what is read in runs and by the command.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from source import PACKAGE, Module, library, read_package

CLASSES = {"declare.params": "Params", "declare.experiment": "Experiment"}
INSTANCES = {"space", "setting", "group", "instance", "point", "twin", "cls", "experiment", "other"}
INSTANCES_IN_DECLARE = {*INSTANCES, "params"}  # in other rooms, a dict of parameters

MODULES = library()


def body_of(module: Module, name: str) -> list[ast.stmt]:
    (found,) = [x for x in module.tree.body if isinstance(x, ast.ClassDef) and x.name == name]
    return found.body


def own_names() -> set[str]:
    """The attributes that are assigned in the bodies of `Params` and `Experiment`, but `place`."""
    found: set[str] = set()
    for module, name in CLASSES.items():
        for node in body_of(MODULES[f"{PACKAGE.name}.{module}"], name):
            if isinstance(node, ast.Assign):
                found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return {name for name in found if not name.startswith("__")} - {"place"}


NAMES = own_names()


def reads(module: Module) -> Iterator[str]:
    """Where a module reads one of the names."""
    _, _, place = module.name.partition(".")
    held = INSTANCES_IN_DECLARE if place.startswith("declare.") else INSTANCES
    held = {*held, "self"} if place in CLASSES else held
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(value=value, attr=name):
                is_read = holder(value) in held
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr"),
                args=[value, ast.Constant(value=str(name)), *_],
            ):
                is_read = holder(value) in held
            case ast.Call(func=called, args=[ast.Constant(value=str(name)), *_]):
                is_read = holder(called) in ("attrgetter", "methodcaller")
            case _:
                continue
        if is_read and name in NAMES:
            yield f"{module.name}:{node.lineno} reads {name!r}"


def holder(node: ast.expr) -> str:
    """The last name of an expression: `space` of ``self._space[0]`` and of ``type(job.space)``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.removeprefix("_")
        case ast.Subscript(value=value):
            return "cls" if holder(value) == "classes" else holder(value)
        case ast.Call(func=ast.Name(id="type"), args=[value]):
            return "cls" if holder(value) in {*INSTANCES, "self"} else ""
        case _:
            return ""


def all_reads(modules: Mapping[str, Module]) -> list[str]:
    return [read for module in modules.values() for read in reads(module)]


def test_the_names_are_found() -> None:
    assert {"rank", "key", "index", "items", "results", "seed_globals", "n_settings"} <= NAMES


def test_no_room_reads_them() -> None:
    assert all_reads(MODULES) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(space): return space.n_settings",
        "def f(self): return self._space.index(3)",
        "def f(job): return type(job.space).results",
        "def f(classes): return classes[0].results('x')",
        "def f(cls): return getattr(cls, 'seed_globals', True)",
        "read = operator.attrgetter('rank')",
    ],
)
def test_a_planted_read_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "house" / "store" / "planted.py"
    path.parent.mkdir(parents=True)
    path.write_text(f"x = 1\n{text}\n", "utf-8")
    (found,) = all_reads(read_package(tmp_path / "house"))
    assert found.startswith("house.store.planted:2 reads '")


def test_a_read_of_something_else_is_none(tmp_path: Path) -> None:
    path = tmp_path / "house" / "planted.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f(row, space): return row.key, space.keys(), space.place.rank", "utf-8")
    assert all_reads(read_package(tmp_path / "house")) == []
