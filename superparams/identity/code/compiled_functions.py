"""Compiled functions: their form, and the functions that a text compiles to."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any

__all__ = ["code_form", "compiled_functions", "plain_functions"]


def code_form(code: types.CodeType) -> bytes:
    """What a code object does, without its place: the same as long as the text is equivalent.

    Differs between versions of Python, whose instructions differ.
    """
    constants = [
        code_form(item) if isinstance(item, types.CodeType) else _constant(item).encode()
        for item in _without_docstring(code)
    ]
    names = repr((code.co_names, code.co_varnames, code.co_freevars, code.co_argcount))
    return b"\0".join([code.co_code.hex().encode(), names.encode(), *constants])


def _without_docstring(code: types.CodeType) -> tuple[Any, ...]:
    # The first constant of a function is its docstring or None; of other strings there the
    # instructions tell that they are used.
    constants = code.co_consts
    if constants and (constants[0] is None or isinstance(constants[0], str)):
        return constants[1:]
    return constants


def _constant(value: Any) -> str:
    if isinstance(value, frozenset):  # of ``x in {1, 2}``: its order is that of this process
        members: list[str] = sorted(map(repr, value))  # pyright: ignore
        return f"frozenset{members}"
    return f"{type(value).__name__} {value!r}"


def compiled_functions(text: str, path: str) -> dict[str, list[types.CodeType]]:
    """The functions that `text` compiles to, by qualified name."""
    found: dict[str, list[types.CodeType]] = {}
    _collect(compile(text, path, "exec", dont_inherit=True), "", found)
    return found


def _collect(code: types.CodeType, prefix: str, found: dict[str, list[types.CodeType]]) -> None:
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            name = prefix + item.co_name
            if item.co_flags & inspect.CO_OPTIMIZED:
                found.setdefault(name, []).append(item)
                _collect(item, f"{name}.<locals>.", found)
            else:  # the body of a class
                _collect(item, f"{name}.", found)


def plain_functions(value: Any) -> Iterator[types.FunctionType]:
    """The Python functions in what a name of a module or class is bound to."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__  # pyright: ignore
    if isinstance(value, property):
        parts = (value.fget, value.fset, value.fdel)
        yield from (part for part in parts if isinstance(part, types.FunctionType))
        return
    if isinstance(value, functools.cached_property):
        value = value.func  # pyright: ignore
    while value is not None:
        if isinstance(value, types.FunctionType):
            yield value
        value = getattr(value, "__wrapped__", None)
