"""Which names of the script the initializer of an executor sets in the executor's workers."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Iterator

__all__ = ["set_by"]

# What nobody can change: a name that is only read has the same value in every process.
_FIXED = (int, float, complex, str, bytes, tuple, frozenset, type(None), type, types.ModuleType)


def set_by(initializer: object) -> frozenset[str]:
    """The names of the main module that a function sets, or whose objects it may change."""
    main = vars(sys.modules["__main__"])
    found: set[str] = set()
    seen: list[types.FunctionType] = []
    left = [getattr(initializer, "func", initializer)]  # `func`: of a `functools.partial`
    while left:
        function = left.pop()
        if not isinstance(function, types.FunctionType) or function in seen:
            continue
        if function.__globals__ is not main:
            continue
        seen.append(function)
        for name, is_set in _globals_of(function.__code__):
            value = main.get(name)
            if isinstance(value, types.FunctionType):
                left.append(value)
            if is_set or (name in main and not isinstance(value, (*_FIXED, types.FunctionType))):
                found.add(name)
    return frozenset(found)


def _globals_of(code: types.CodeType) -> Iterator[tuple[str, bool]]:
    """The global names in a piece of code, and whether it sets them."""
    for one in dis.get_instructions(code):
        if one.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            yield str(one.argval), True
        elif one.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(one.argval), False
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _globals_of(inner)
