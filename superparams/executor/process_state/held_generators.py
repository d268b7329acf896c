"""Finds the random generators that the variables of modules hold, at any depth.

``rng = default_rng(0)`` is a variable that is a generator. Variables also lead to generators that
are an item of a list, an attribute of an object, the default of a parameter, a variable of a
closure, or the object of a method, as in ``draw = Random(0).random``.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import (
    BuiltinMethodType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import Any, Final, cast

from superparams.executor.payload.script import namespaces_of_script
from superparams.executor.process_state.generator_objects import is_of_library, seeder

__all__ = ["Labels", "generator_at", "held_by_attributes", "held_generators"]

Labels = Mapping[tuple[str, tuple[str, ...]], str]

_DEEPEST: Final = 6
_MOST_ITEMS: Final = 1_000  # of a list or a dict
_MOST_VALUES: Final = 20_000  # that are looked at in all: a run has to begin soon
_HOLDS_NOTHING: Final = (str, bytes, bytearray, int, float, complex, type(None), ModuleType)


def held_generators(modules: Mapping[str, ModuleType]) -> dict[tuple[str, tuple[str, ...]], str]:
    """A label for each generator that a variable of a module, or of a class in it, holds.

    Args:
        modules: By the name that is the same in every process, the main module last.

    Returns:
        The labels by the module's name and the way to the generator, for `generator_at`. A
        generator that is found twice has one label.
    """
    label_of: dict[tuple[str, tuple[str, ...]], str] = {}
    labels: dict[int, str] = {}
    seen: set[int] = set()
    for module_name, module in modules.items():
        for path, generator in _search(vars(module), module.__name__, seen):
            label = labels.setdefault(id(generator), f"{module_name}.{'.'.join(path)}")
            label_of[module.__name__, path] = label
    return label_of


def generator_at(module: str, path: tuple[str, ...]) -> Any:
    """The generator at a place that `held_generators` named; None if there is none here."""
    if module == "__main__":
        namespaces = namespaces_of_script()
    else:
        namespaces = [vars(sys.modules[module])] if module in sys.modules else []
    for namespace in namespaces:
        x: Any = namespace.get(path[0])
        for step in path[1:]:
            x = next((value for name, value in _held(x, module) if name == step), None)
        if seeder(x) is not None:
            return x
    return None


def held_by_attributes(attributes: Mapping[str, object]) -> dict[str, object]:
    """The generators that attributes of an object hold, by labels that all processes have."""
    found: dict[int, tuple[str, object]] = {}
    for path, generator in _search(attributes, "", set()):
        found.setdefault(id(generator), (".".join(path), generator))
    return dict(found.values())


def _search(
    variables: Mapping[str, object], module: str, seen: set[int]
) -> Iterator[tuple[tuple[str, ...], object]]:
    """The generators that variables of a module hold, those that are nearest to one first."""
    level: list[tuple[tuple[str, ...], object]]
    level = [((name,), x) for name, x in dict(variables).items()]
    while level:
        deeper: list[tuple[tuple[str, ...], object]] = []
        for path, x in level:
            if isinstance(x, _HOLDS_NOTHING):
                continue
            if not isinstance(x, type) and seeder(x) is not None:
                if len(path) == 1 or not is_of_library(x):
                    yield path, x
            elif id(x) not in seen and len(path) < _DEEPEST and len(seen) < _MOST_VALUES:
                seen.add(id(x))
                deeper += [
                    ((*path, name), inner)
                    for name, inner in _held(x, module)
                    if not isinstance(inner, _HOLDS_NOTHING)
                ]
        level = deeper


def _held(x: Any, module: str) -> Iterator[tuple[str, object]]:
    """What a value of a module holds, with a name for each that is the same in every process."""
    if isinstance(x, type):
        if x.__module__ == module:
            yield from _members(x)
    elif issubclass(type(x), (dict, MappingProxyType)):
        yield from _items(x)
    elif isinstance(x, FunctionType):
        yield from _held_by_function(x)
    elif isinstance(x, MethodType | BuiltinMethodType):
        yield "__self__", x.__self__
    elif issubclass(type(x), (staticmethod, classmethod)):
        yield "__func__", x.__func__
    elif isinstance(x, property):
        yield "fget", x.fget
    elif isinstance(x, functools.partial):
        yield from (("func", x.func), ("args", x.args), ("keywords", x.keywords))
    elif isinstance(x, GeneratorType):
        yield from () if x.gi_frame is None else list(x.gi_frame.f_locals.items())
    elif not type(x).__module__.startswith("superparams."):  # fields, settings, tables of ours
        if issubclass(type(x), (list, tuple, deque)):
            items: list[object] = [*islice(cast("Iterable[object]", x), _MOST_ITEMS)]
            yield from ((f"[{i}]", item) for i, item in enumerate(items))
        yield from _attributes(x)


def _members(cls: type) -> Iterator[tuple[str, object]]:
    """The methods of a class, and its variables; names with two underscores are Python's own."""
    for name, x in list(vars(cls).items()):
        if isinstance(x, FunctionType) or not name.startswith("__"):
            yield name, x


def _items(mapping: Mapping[Any, object]) -> Iterator[tuple[str, object]]:
    with suppress(RuntimeError):  # another thread has changed it
        for i, (key, x) in enumerate(mapping.items()):
            if i == _MOST_ITEMS:
                return
            yield f"[{key!r}]" if type(key) in (str, int) else f"[#{i}]", x


def _held_by_function(function: FunctionType) -> Iterator[tuple[str, object]]:
    for i, x in enumerate(function.__defaults__ or ()):
        yield f"default {i}", x
    yield from (function.__kwdefaults__ or {}).items()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # nothing is in it yet
            yield f"closure {name}", cell.cell_contents
    yield from vars(function).items()


def _attributes(x: object) -> Iterator[tuple[str, object]]:
    """The attributes that are stored in an object, without asking it: that may run its code."""
    if type(x) in (list, tuple):  # these have none
        return
    with suppress(AttributeError, TypeError):
        yield from list(object.__getattribute__(x, "__dict__").items())
    for cls in type(x).__mro__:
        slots: Any = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            with suppress(AttributeError):
                yield name, object.__getattribute__(x, name)
