"""The rooms of the house: a room imports only from those before it, and nothing in a circle."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from source import PACKAGE, ROOT, Module, library, read_package

# The rooms of the house, from the ground up, as the table of docs/inside.md lists them.
ROOMS = tuple(
    re.findall(r"^\| `(\w+)/` \|", (ROOT / "docs" / "inside.md").read_text("utf-8"), re.MULTILINE)
)
# The doors from a room to those above it: modules that hand over to what is above when one of their
# methods is called. `run_all`, `results` and the like of an experiment; pictures of results.
DOORS = (
    "declare.experiment",
    "declare.experiment_place",
    "store.averages",
    "store.shown_results",
    "store.table.row",
)
# The engines do not see each other. What they share lies in these modules.
ENGINES = "executor.engines"
REGISTRY = "registry"  # finds them by their names
SHARED_BY_ENGINES = (
    "attempts",
    "held_resources",
    "contract",
    "drive",
    "feed",
    "held_time",
    "local_places",
    "option_fields",
    "output_log",
    "worker_versions",
)
# The agents of clusters are the one engine that is made of another: they run its pool.
BUILT_ON = {"clusters": "processes"}

# What values are made of: keys, payload and tables each know something about them.
DATA = {"numpy", "pandas", "polars", "torch"}

MODULES = library()


def room_of(name: str) -> str:
    return [*name.split("."), ""][1]


def inside_engines(name: str) -> str | None:
    """Which part of the engines a module is: "" for their own `__init__`; None for no part."""
    _, _, inside = f"{name}.".partition(f".{ENGINES}.")
    return inside.split(".")[0] if f".{ENGINES}." in f"{name}." else None


def inner(modules: Mapping[str, Module]) -> dict[str, Module]:
    """The modules in rooms: all but the package's own __init__."""
    return {name: module for name, module in modules.items() if "." in name}


def in_no_room(modules: Mapping[str, Module]) -> set[str]:
    """Modules at the root of the package, or in a folder that is no room."""
    return {name for name in inner(modules) if room_of(name) not in ROOMS}


def height(name: str) -> int:
    room = room_of(name)
    return ROOMS.index(room) if room in ROOMS else -1


def is_door(name: str) -> bool:
    return name.partition(".")[2] in DOORS


def upward_imports(modules: Mapping[str, Module]) -> list[str]:
    """Imports that go from a room to one above it, in functions and for type checkers too."""
    package = next(iter(modules)).split(".")[0]
    wrong: list[str] = []
    for module in inner(modules).values():
        here = height(module.name)
        for each in module.imports if here >= 0 else ():
            if each.target.split(".")[0] != package:
                continue
            if not room_of(each.target):
                wrong.append(f"{module.name}:{each.line} imports from the package itself")
            elif height(each.target) > here and (each.at_import or not is_door(module.name)):
                wrong.append(f"{module.name}:{each.line} imports {each.target}, which is above it")
    return wrong


def sideways_imports(modules: Mapping[str, Module]) -> list[str]:
    """Imports of one engine by another, or of an engine by what the engines share."""
    wrong: list[str] = []
    for module in inner(modules).values():
        here = inside_engines(module.name)
        for each in module.imports if here and here != REGISTRY else ():
            there = inside_engines(each.target)
            if there == BUILT_ON.get(here or ""):
                continue
            if there is not None and there not in ("", here, *SHARED_BY_ENGINES):
                wrong.append(f"{module.name}:{each.line} imports its sibling {each.target}")
    return wrong


def cycle(modules: Mapping[str, Module]) -> list[str]:
    """A circle of imports, in functions and for type checkers too, or nothing.

    What a door imports in its functions does not count.
    """
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for module in modules.values():
        counts_all = not is_door(module.name) and "." in module.name
        targets = {each.target for each in module.imports if each.at_import or counts_all}
        graph[module.name] = (targets & modules.keys()) - {module.name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def outside_imports(modules: Mapping[str, Module]) -> dict[str, set[str]]:
    """Top-level packages from outside, each with the modules that import it."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules.values():
        for each in module.imports:
            top = each.target.split(".")[0]
            if top not in sys.stdlib_module_names and top != module.name.split(".")[0]:
                found[top].add(module.name)
    return found


def core_dependencies() -> set[str]:
    """What pyproject.toml makes everyone install, by name of import."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = re.search(r"^dependencies = (\[.*?^\])", text, re.DOTALL | re.MULTILINE)
    assert listed, "pyproject.toml lists no dependencies"
    return {re.split(r"[^\w]", each)[0] for each in ast.literal_eval(listed[1])}


def test_the_page_lists_the_rooms() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(ROOMS) == folders
    assert len(ROOMS) == len(folders)


def test_every_module_is_in_a_room() -> None:
    assert in_no_room(MODULES) == set()


def test_names_of_modules_stand_once() -> None:
    """But for the verbs of the command, which are named as the user types them."""
    verbs = f"{PACKAGE.name}.cli.verbs."
    names = [name.split(".")[-1] for name in MODULES if not name.startswith(verbs)]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_names_of_classes_stand_once() -> None:
    names = [
        node.name
        for module in MODULES.values()
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_every_door_is_used() -> None:
    """A door that leads nowhere is no door."""
    for name in DOORS:
        module = MODULES[f"{PACKAGE.name}.{name}"]
        assert any(height(each.target) > height(module.name) for each in module.imports), name


def test_imports_go_one_way() -> None:
    assert upward_imports(MODULES) == []


def test_engines_do_not_see_each_other() -> None:
    assert sideways_imports(MODULES) == []


def test_no_import_runs_in_a_circle() -> None:
    assert cycle(MODULES) == []


def test_optional_packages_are_imported_by_one_file_each() -> None:
    core = core_dependencies()
    shared = {
        package: sorted(users)
        for package, users in outside_imports(MODULES).items()
        if package not in core | DATA and len(users) > 1
    }
    assert shared == {}


def test_typing_extensions_is_not_needed_from_3_11_on() -> None:
    """It stands in pyproject.toml for 3.10 alone, so that importing it must be conditional."""
    for name, module in MODULES.items():
        for node in module.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module == "typing_extensions":
                pytest.fail(f"{name}:{node.lineno} imports typing_extensions on every Python")


def laid(folder: Path, **files: str) -> dict[str, Module]:
    """A package `house` with these files; two underscores in a name stand for a folder."""
    for name, text in {"__init__": "", **files}.items():
        place, init, _ = name.partition("__init__")
        path = folder / "house" / place.rstrip("_").replace("__", "/") / init
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text, "utf-8")
    return read_package(folder / "house")


class TestTheTestsThemselves:
    """Each rule finds what it is there for."""

    def test_a_module_in_no_room(self, tmp_path: Path) -> None:
        modules = laid(tmp_path, attic="", cellar__box="", space__axis="")
        assert in_no_room(modules) == {"house.attic", "house.cellar.box"}

    @pytest.mark.parametrize(
        "text",
        [
            "from house.run import start",
            "import house.run",
            "from house import run",
            "from . import run",
            "from .run import start",
            "def late():\n    from house.run import start",
            "class Late:\n    def late(self):\n        import house.run",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house import run",
        ],
    )
    def test_an_import_from_above(self, tmp_path: Path, text: str) -> None:
        assert len(upward_imports(laid(tmp_path, space=text, run=""))) == 1

    def test_an_import_of_the_package_itself(self, tmp_path: Path) -> None:
        assert len(upward_imports(laid(tmp_path, space="from house import search"))) == 1

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [("def late():\n    from house.run import start", 0), ("from house.run import start", 1)],
    )
    def test_the_door(self, tmp_path: Path, text: str, wrong: int) -> None:
        assert len(upward_imports(laid(tmp_path, declare__experiment=text, run=""))) == wrong

    def test_an_import_from_below_is_fine(self, tmp_path: Path) -> None:
        modules = laid(tmp_path, space="", run="import os\nfrom house import space")
        assert upward_imports(modules) == []

    @pytest.mark.parametrize("name", ["executor__engines__threads", "executor__engines__backlog"])
    def test_a_sibling(self, tmp_path: Path, name: str) -> None:
        files = {"executor__engines__serial": "", name: "import house.executor.engines.serial"}
        assert len(sideways_imports(laid(tmp_path, **files))) == 1

    def test_what_engines_share_is_no_sibling(self, tmp_path: Path) -> None:
        files = {
            "executor__engines__serial": "import house.executor.engines.feed",
            "executor__engines__feed": "",
        }
        assert sideways_imports(laid(tmp_path, **files)) == []

    def test_a_circle(self, tmp_path: Path) -> None:
        modules = laid(tmp_path, store____init__="", store__a="import house.store.b")
        assert cycle(modules) == []
        modules = laid(tmp_path, store__b="from house.store import a")
        assert set(cycle(modules)) == {"house.store.a", "house.store.b"}

    def test_a_circle_through_a_function(self, tmp_path: Path) -> None:
        late = "def late():\n    import house.store.b"
        modules = laid(tmp_path, store__a=late, store__b="import house.store.a")
        assert set(cycle(modules)) == {"house.store.a", "house.store.b"}

    def test_a_circle_through_a_door_is_none(self, tmp_path: Path) -> None:
        late = "def late():\n    import house.views.a"
        modules = laid(
            tmp_path, store__shown_results=late, views__a="import house.store.shown_results"
        )
        assert cycle(modules) == []

    def test_an_optional_package_in_two_files(self, tmp_path: Path) -> None:
        modules = laid(tmp_path, space="import ray", run="def f():\n    from ray import x")
        assert outside_imports(modules) == {"ray": {"house.space", "house.run"}}

    def test_core_dependencies_are_read(self) -> None:
        assert {"pyarrow", "cloudpickle", "rich"} <= core_dependencies()
