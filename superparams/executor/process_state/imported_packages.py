"""Finds the packages that the code of a setting imports, to tell whether it may draw numbers."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from superparams.executor.process_state.random_generators import Generators, instances
from superparams.identity.module_names import is_fileless, module_name

__all__ = ["generators_of"]

_ALL = ("random", "numpy.random", "torch")


def generators_of(
    cls: type[Any], files: Iterable[Path], imports: Iterable[str]
) -> Generators | None:
    """The global generators that settings of `cls` may draw from; None if there are none.

    Classes without a file are searched in memory.

    Args:
        cls: The experiment class.
        files: The project's files that its code reaches.
        imports: The packages that these files import.
    """
    if not getattr(cls, "seed_globals", True):
        return None
    paths = {path.resolve() for path in files}
    modules = _modules(paths)
    imported = set(imports)
    for one in cls.__mro__:
        if is_fileless(one.__module__):
            imported.update(_packages_in_memory(one))
            modules.setdefault(one.__module__, sys.modules[one.__module__])
    loaded = (name.partition(".")[0] for name in modules)
    ours = {"superparams", "__main__", "", *loaded, *(path.stem for path in paths)}
    foreign = imported - sys.stdlib_module_names - ours
    labels = instances(_named(modules))
    if foreign:
        return Generators(_ALL, labels)
    if "random" in imported or labels:
        return Generators(("random",), labels)
    return None


def _modules(paths: set[Path]) -> dict[str, ModuleType]:
    names = {path.name for path in paths}
    found: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        file: object = getattr(module, "__file__", None)
        if not isinstance(file, str) or file.rpartition(os.sep)[2] not in names:
            continue
        if Path(file).resolve() in paths:
            found[name] = module
    return found


def _named(modules: dict[str, ModuleType]) -> dict[str, ModuleType]:
    """The modules by the names that are the same in every process, the main module last."""
    ordered = sorted(modules, key=lambda name: (name == "__main__", name))
    return {module_name(name): modules[name] for name in ordered}


def _packages_in_memory(cls: type[Any]) -> Iterator[str]:
    """The packages that are named by a class without a file and by the functions that it uses."""
    names: dict[str, Any] = vars(sys.modules[cls.__module__])
    todo: list[object] = [cls]
    seen: set[int] = set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        for code in _codes(value):
            for name in code.co_names:
                value_of_name = names.get(name)
                if name in sys.modules and value_of_name is None:
                    yield name
                elif (
                    isinstance(value_of_name, type | types.FunctionType)
                    and value_of_name.__module__ == cls.__module__
                ):
                    todo.append(value_of_name)
                elif value_of_name is not None:
                    yield _package_of(value_of_name)


def _codes(value: Any) -> Iterator[types.CodeType]:
    held = vars(value).values() if isinstance(value, type) else (value,)
    for one in held:
        function = getattr(one, "__func__", getattr(one, "fget", one))
        todo = [function.__code__] if isinstance(function, types.FunctionType) else []
        while todo:
            code = todo.pop()
            yield code
            todo += [x for x in code.co_consts if isinstance(x, types.CodeType)]


def _package_of(x: Any) -> str:
    """The package that a module, class, function or other object belongs to."""
    if isinstance(x, ModuleType):
        return x.__name__.partition(".")[0]
    holder = getattr(x, "__self__", None)  # `from random import random`
    name: Any = getattr(x, "__module__", None)
    if not isinstance(name, str):
        name = type(x if holder is None else holder).__module__
    return str(name).partition(".")[0]
