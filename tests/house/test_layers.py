"""The layers of the house: a module imports only from those above it, and nothing in a circle."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from source import PACKAGE, ROOT, Module, read_package

# From the ground up. A layer is a file or a folder of superparams/; of two that contain a module,
# the longer name counts.
LAYERS = (
    "errors.safe_text",
    "errors.units",
    "errors.user_lines",
    "views.text_table",
    "errors",
    "adapters.processors",
    "adapters.content",
    "errors.short_repr",
    "adapters.copies",
    "identity.source_texts",
    "declare.descriptors",
    "declare.mistakes",
    "declare.points",
    "declare.field",
    "space",
    "declare.metaclass",
    "declare.layout",
    "declare.labels",
    "declare.dotted_names",
    "declare.words",
    "declare.presentation",
    "declare.html",
    "declare.params",
    "declare.secrets",
    "declare.legacy",
    "declare.experiment",
    "identity",
    "declare.keys",
    "outcomes.arrow",
    "executor.payload",
    "executor.experiment_modules",
    "executor.code_snapshot",
    "executor.preload",
    "executor.process_state",
    "outcomes",
    "outcomes.outcome",
    "outcomes.batches",
    "executor.worker",
    "executor.engines",
    "store",
    "run.plan",
    "run.options",
    "run.job",
    "run.code_record",
    "views.notebook",
    "views",
    "declare",
    "executor",
    "run.interrupts",
    "views.progress",
    "run.debugger",
    "run",
    "cli",
    "adapters",
)
# The one door from a lower layer to those above it: `run_all` and its kin are methods of an
# experiment, and hand over to the layers that carry them out when they are called.
DOOR = "declare.experiment"
# The engines do not see each other. What they share lies in engines/__init__.py and in these.
ENGINES = "executor.engines"
SHARED_BY_ENGINES = ("attempts", "backlog")

# What values are made of: keys, payload and tables each know something about them.
DATA = {"numpy", "pandas", "polars", "torch"}

MODULES = read_package(PACKAGE)


def layer_of(name: str) -> str:
    """The layer that contains a module; for a module in none, the first part of its name."""
    _, *parts = name.split(".")
    for count in range(len(parts), 0, -1):
        layer = ".".join(parts[:count])
        if layer in LAYERS:
            return layer
    return [*parts, ""][0]


def inside_engines(name: str) -> str | None:
    """Which part of the layer of engines a module is: "" for the layer's own `__init__`."""
    if layer_of(name) != ENGINES:
        return None
    return [*name.split(".")[1 + len(ENGINES.split(".")) :], ""][0]


def inner(modules: Mapping[str, Module]) -> dict[str, Module]:
    """The modules that the layers are about: all but the package's own __init__."""
    return {name: module for name, module in modules.items() if "." in name}


def unknown_layers(modules: Mapping[str, Module]) -> set[str]:
    return {layer_of(name) for name in inner(modules)} - set(LAYERS)


def height(name: str) -> int:
    layer = layer_of(name)
    return LAYERS.index(layer) if layer in LAYERS else -1


def upward_imports(modules: Mapping[str, Module]) -> list[str]:
    """Imports that go from a layer to one above it, in functions and for type checkers too."""
    package = next(iter(modules)).split(".")[0]
    wrong: list[str] = []
    for module in inner(modules).values():
        here = height(module.name)
        for each in module.imports if here >= 0 else ():
            if each.target.split(".")[0] != package:
                continue
            there = layer_of(each.target)
            if not there:
                wrong.append(f"{module.name}:{each.line} imports from the package itself")
            elif height(each.target) > here and (each.at_import or layer_of(module.name) != DOOR):
                wrong.append(f"{module.name}:{each.line} imports {each.target}, which is above it")
    return wrong


def sideways_imports(modules: Mapping[str, Module]) -> list[str]:
    """Imports of one engine by another, or of an engine by what the engines share."""
    wrong: list[str] = []
    for module in inner(modules).values():
        here = inside_engines(module.name)
        for each in module.imports if here else ():
            there = inside_engines(each.target)
            if there is not None and there not in ("", here, *SHARED_BY_ENGINES):
                wrong.append(f"{module.name}:{each.line} imports its sibling {each.target}")
    return wrong


def cycle(modules: Mapping[str, Module]) -> list[str]:
    """A circle of imports that run when a module is loaded, or nothing."""
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for module in modules.values():
        targets = {each.target for each in module.imports if each.at_import}
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


def test_every_module_has_a_layer() -> None:
    assert not unknown_layers(MODULES), "give them their place in LAYERS"


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

    def test_a_module_without_a_layer(self, tmp_path: Path) -> None:
        assert unknown_layers(laid(tmp_path, attic="")) == {"attic"}

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
            "executor__engines__serial": "import house.executor.engines.backlog",
            "executor__engines__backlog": "",
        }
        assert sideways_imports(laid(tmp_path, **files)) == []

    def test_a_circle(self, tmp_path: Path) -> None:
        modules = laid(tmp_path, store____init__="", store__a="import house.store.b")
        assert cycle(modules) == []
        modules = laid(tmp_path, store__b="from house.store import a")
        assert set(cycle(modules)) == {"house.store.a", "house.store.b"}

    def test_a_circle_through_a_function_is_none(self, tmp_path: Path) -> None:
        late = "def late():\n    import house.store.b"
        modules = laid(tmp_path, store__a=late, store__b="import house.store.a")
        assert cycle(modules) == []

    def test_an_optional_package_in_two_files(self, tmp_path: Path) -> None:
        modules = laid(tmp_path, space="import ray", run="def f():\n    from ray import x")
        assert outside_imports(modules) == {"ray": {"house.space", "house.run"}}

    def test_core_dependencies_are_read(self) -> None:
        assert {"pyarrow", "cloudpickle", "rich"} <= core_dependencies()
