"""Compiled functions: their form, the functions that a text compiles to, and closures."""

from __future__ import annotations

import ast
import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any, cast

from superparams.errors import IdentityError
from superparams.identity.code.module_source import Source
from superparams.identity.digests.digest import digest

__all__ = ["closure_forms", "closure_values", "code_form", "compiled_functions", "plain_functions"]


def code_form(code: types.CodeType) -> bytes:
    """The form of a code object: the same for equivalent texts, wherever they are.

    It differs between versions of Python, since their instructions differ.
    """
    constants = code.co_consts
    # The first constant of a function is its docstring or None. If it is another string, the
    # instructions use it, and so it is found there.
    if constants and (constants[0] is None or isinstance(constants[0], str)):
        constants = constants[1:]
    forms = [
        code_form(item) if isinstance(item, types.CodeType) else _constant_form(item)
        for item in constants
    ]
    names = repr((code.co_names, code.co_varnames, code.co_freevars, code.co_argcount))
    return b"\0".join([code.co_code.hex().encode(), names.encode(), *forms])


def _constant_form(value: object) -> bytes:
    if isinstance(value, frozenset):  # of ``x in {1, 2}``: its order differs between processes
        return f"frozenset{sorted(map(repr, cast('frozenset[object]', value)))}".encode()
    return f"{type(value).__name__} {value!r}".encode()


def compiled_functions(text: str, path: str) -> dict[str, list[types.CodeType]]:
    """The functions that `text` compiles to, by qualified name."""
    functions: dict[str, list[types.CodeType]] = {}
    _collect(compile(text, path, "exec", dont_inherit=True), "", functions)
    return functions


def _collect(code: types.CodeType, prefix: str, functions: dict[str, list[types.CodeType]]) -> None:
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            name = prefix + item.co_name
            if item.co_flags & inspect.CO_OPTIMIZED:
                functions.setdefault(name, []).append(item)
                _collect(item, f"{name}.<locals>.", functions)
            else:  # the body of a class
                _collect(item, f"{name}.", functions)


def plain_functions(value: object) -> Iterator[types.FunctionType]:
    """The Python functions in the value of a name in a module or class."""
    inner: Any = value
    if isinstance(inner, (staticmethod, classmethod)):
        inner = cast("Any", inner).__func__
    if isinstance(inner, property):
        parts = (inner.fget, inner.fset, inner.fdel)
        yield from (part for part in parts if isinstance(part, types.FunctionType))
        return
    if isinstance(inner, functools.cached_property):
        inner = cast("Any", inner).func
    while inner is not None:
        if isinstance(inner, types.FunctionType):
            yield inner
        inner = getattr(inner, "__wrapped__", None)


def closure_values(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """The closure variables of a function, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def closure_forms(cls: type[Any], source: Source | None) -> list[bytes]:
    """The forms that distinguish `cls` from classes of the same text or name; mostly none.

    ``def make(k): class Scaled(Experiment): ...`` makes classes with one text and different code.
    If the file defines the name more than once, the compiled methods count, which differ between
    versions of Python.
    """
    nodes = ast.walk(source.tree) if source is not None else ()
    same_name = [x for x in nodes if isinstance(x, ast.ClassDef) and x.name == cls.__name__]
    forms: list[bytes] = []
    for name, value in sorted(vars(cls).items()):
        for function in plain_functions(value):
            if function.__module__ == cls.__module__:
                own = [code_form(function.__code__)] if len(same_name) > 1 else []
                inner = [*own, *_closure_forms(function)]
                forms += [name.encode() + b"\0" + form for form in inner]
    return forms


def _closure_forms(function: types.FunctionType) -> Iterator[bytes]:
    for name, value in closure_values(function):
        if name != "__class__":  # super() needs it
            yield name.encode() + b"=" + _value_form(value)


def _value_form(value: object) -> bytes:
    if isinstance(value, types.FunctionType):
        return b"\0".join([code_form(value.__code__), *_closure_forms(value)])
    try:
        return digest(value).to_bytes(16, "little")
    except IdentityError:  # an object without content counts by its class
        return f"{type(value).__module__}.{type(value).__qualname__}".encode()
