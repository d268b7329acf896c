"""Which names the code of an experiment uses, read from its bytecode without running it.

A run learns from them which packages its workers will need, whether settings may draw from global
random generators, and which names of the script the initializer of an executor sets.
"""

from __future__ import annotations

import dis
import os
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from superparams.adapters.libraries import library_of
from superparams.declare.experiment_place import seeds_globals
from superparams.executor.process_state.held_generators import held_generators
from superparams.executor.process_state.random_generators import Generators
from superparams.identity.code.roots import is_installed
from superparams.identity.module_names import is_fileless, module_name

__all__ = ["generators_of", "libraries_of", "names_set_by"]

RANDOM_LIBRARIES: Final = ("random", "numpy.random", "torch")
# Values that nobody can change: a name that is only read has the same value in every process.
IMMUTABLE: Final = (int, float, complex, str, bytes, tuple, frozenset, type(None), type, ModuleType)


def _codes(value: object) -> Iterator[CodeType]:
    """The code of a function or of all methods of a class, and the code nested in it."""
    members = vars(value).values() if isinstance(value, type) else (value,)
    for member in members:
        function = getattr(member, "__func__", getattr(member, "fget", member))
        codes = [function.__code__] if isinstance(function, FunctionType) else []
        while codes:
            code = codes.pop()
            yield code
            codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


# ---- packages that workers load ahead


def libraries_of(cls: type[Any], values: Iterable[object]) -> list[str]:
    """Installed packages that settings will need, for workers to load while the space is packed.

    If the module of an experiment is imported, all of its imports count. If the
    experiment is of a script or a notebook, only the names in its own methods count, and
    cloudpickle, which carries its class.

    Args:
        cls: The experiment class.
        values: The values of its fields.

    Returns:
        Names of modules that are loaded in this process.
    """
    types_of_values = (x if isinstance(x, type) else type(x) for x in values)
    names = dict.fromkeys([*map(library_of, types_of_values), *_modules_named_by(cls)])
    carriers = ["cloudpickle"] if _is_pickled_by_value(cls) else []
    return [*carriers, *filter(_is_loaded_library, names)]


def _modules_named_by(cls: type[Any]) -> Iterator[str]:
    for base in cls.__mro__:
        module = sys.modules.get(base.__module__)
        if module is None or library_of(base) in ("superparams", "builtins"):
            continue
        if _is_pickled_by_value(base):
            used = _names_in([base])
            names = used
        else:
            used, names = _names_in(_defined_in(module)), list(vars(module))
        for name in names:
            value = vars(module).get(name)
            if isinstance(value, ModuleType):
                yield from _with_submodules(value.__name__, used)
            elif isinstance(value, type | FunctionType):
                yield str(value.__module__)


def _names_in(definitions: Iterable[object]) -> list[str]:
    codes = (code for definition in definitions for code in _codes(definition))
    return list(dict.fromkeys(name for code in codes for name in code.co_names))


def _defined_in(module: ModuleType) -> list[object]:
    definitions = [x for x in vars(module).copy().values() if isinstance(x, type | FunctionType)]
    return [x for x in definitions if x.__module__ == module.__name__]


def _with_submodules(name: str, used: Iterable[str]) -> Iterator[str]:
    """A module and the loaded ones in it that code names, as in ``scipy.stats.norm``."""
    yield name
    for inner in used:
        if f"{name}.{inner}" in sys.modules:
            yield from _with_submodules(f"{name}.{inner}", used)


def _is_pickled_by_value(cls: type[Any]) -> bool:
    """Whether no other process can import the class."""
    return cls.__module__ == "__main__" or is_fileless(cls.__module__)


def _is_loaded_library(name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and is_installed(Path(file))


# ---- random generators


def generators_of(
    cls: type[Any], files: Iterable[Path], imports: Iterable[str]
) -> Generators | None:
    """The global random generators that settings may draw from.

    Classes without a file are searched in memory.

    Args:
        cls: The experiment class.
        files: The project's files that its code reaches.
        imports: The packages that these files import.

    Returns:
        The generators to seed before each setting, or None if there are none.
    """
    if not seeds_globals(cls):
        return None
    paths = {path.resolve() for path in files}
    modules = _modules_of(paths)
    imported = set(imports)
    for base in cls.__mro__:
        if is_fileless(base.__module__):
            imported.update(_packages_in_memory(base))
            modules.setdefault(base.__module__, sys.modules[base.__module__])
    loaded = (name.partition(".")[0] for name in modules)
    project = {"superparams", "__main__", "", *loaded, *(path.stem for path in paths)}
    # Names that are the same in every process; the main module comes last.
    ordered = sorted(modules, key=lambda name: (name == "__main__", name))
    labels = held_generators({module_name(name): modules[name] for name in ordered})
    if imported - sys.stdlib_module_names - project:
        return Generators(RANDOM_LIBRARIES, labels)
    if "random" in imported or labels:
        return Generators(("random",), labels)
    return None


def _modules_of(paths: set[Path]) -> dict[str, ModuleType]:
    """The loaded modules of these files, by name."""
    endings = tuple(f"{os.sep}{path.name}" for path in paths)
    modules: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.copy().items()):
        file: object = getattr(module, "__file__", None)
        # Resolving a path takes long, and names alone rule out most files.
        is_candidate = isinstance(file, str) and f"{os.sep}{file}".endswith(endings)
        if is_candidate and Path(str(file)).resolve() in paths:
            modules[name] = module
    return modules


def _packages_in_memory(cls: type[Any]) -> Iterator[str]:
    """The packages that a class without a file names, and the functions that it uses."""
    names: dict[str, Any] = vars(sys.modules[cls.__module__])
    to_search: list[object] = [cls]
    searched: set[int] = set()
    while to_search:
        definition = to_search.pop()
        if id(definition) in searched:
            continue
        searched.add(id(definition))
        for name in [name for code in _codes(definition) for name in code.co_names]:
            value = names.get(name)
            if value is None:
                if name in sys.modules:
                    yield name
            elif isinstance(value, type | FunctionType) and value.__module__ == cls.__module__:
                to_search.append(value)
            else:
                yield _package_of(value)


def _package_of(value: object) -> str:
    """The package that a module, class, function or other object belongs to."""
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0]
    owner = getattr(value, "__self__", None)  # `from random import random`
    name: object = getattr(value, "__module__", None)
    if not isinstance(name, str):
        name = type(value if owner is None else owner).__module__
    return str(name).partition(".")[0]


# ---- names that an initializer sets


def names_set_by(initializer: object) -> frozenset[str]:
    """The names of the main module that a function sets, or whose objects it may change."""
    main: Mapping[str, Any] = vars(sys.modules["__main__"])
    names: set[str] = set()
    searched: list[FunctionType] = []
    to_search: list[object] = [getattr(initializer, "func", initializer)]  # `functools.partial`
    while to_search:
        function = to_search.pop()
        if not isinstance(function, FunctionType) or function in searched:
            continue
        if function.__globals__ is not main:
            continue
        searched.append(function)
        for name, is_set in _globals_of(function):
            value = main.get(name)
            if isinstance(value, FunctionType):
                to_search.append(value)
            is_mutable = name in main and not isinstance(value, (*IMMUTABLE, FunctionType))
            if is_set or is_mutable:
                names.add(name)
    return frozenset(names)


def _globals_of(function: types.FunctionType) -> Iterator[tuple[str, bool]]:
    """The global names in a function, and whether it sets them."""
    for code in _codes(function):
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                yield str(instruction.argval), True
            elif instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                yield str(instruction.argval), False
