"""Code that has no file of its own: cells of a notebook, ``python -c``, standard input, ``exec``.

Names are looked up in the running module instead of a text: functions and classes by the text
that `linecache` keeps of their cell, other values by their content.
"""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superparams.errors import IdentityError
from superparams.identity.code.class_parts import class_parts
from superparams.identity.code.compiled_functions import code_form, plain_functions
from superparams.identity.code.project import Source
from superparams.identity.code.reach import CodePart, Reach
from superparams.identity.code.syntax import Chain, Uses, normal, uses
from superparams.identity.digests.digest import digest
from superparams.identity.module_names import is_fileless, module_file, module_name
from superparams.space.groups import FIELDS

__all__ = ["Live"]


class Live:
    """Adds to `reach` what has no file; `notes` says in sentences what could not be done fully."""

    def __init__(self, reach: Reach) -> None:
        self.notes: list[str] = []
        self._reach = reach
        self._done: dict[int, object] = {}  # by id, kept so that no other gets the id
        self._cells: dict[str, Source] = {}

    def add(self, value: Any) -> None:
        """Count a class or function that has no file, and what it uses."""
        if id(value) in self._done:
            return
        self._done[id(value)] = value
        if isinstance(value, type):
            self._add_class(value)
        else:
            for function in plain_functions(value):
                self._add_function(function)

    @property
    def is_used(self) -> bool:
        """Whether anything without a file was counted."""
        return bool(self._done)

    def _add_class(self, cls: type[Any]) -> None:
        functions = [item for value in vars(cls).values() for item in plain_functions(value)]
        own = [item for item in functions if item.__module__ == cls.__module__]
        node = next(filter(None, (self._class_node(cls, item) for item in own)), None)
        if node is None:
            if own:
                self._note(f"{cls.__qualname__} has no text: its compiled methods count instead")
            for function in own:
                self._add_compiled(function)
            return
        fields: Mapping[str, Any] | None = getattr(cls, FIELDS, None)
        pieces = class_parts(node, frozenset(fields or ()), fields is not None)
        source = self._cell(own[0])
        self._put(cls.__module__, cls.__qualname__, pieces.form, _text(source, node), node.lineno)
        for method, form in pieces.methods:
            name = f"{cls.__qualname__}.{method.name}"
            self._put(cls.__module__, name, form, _text(source, method), method.lineno)
        names = own[0].__globals__
        self._follow(names, pieces.uses, True)
        self._follow(names, pieces.declared, False)
        for parent in cls.__mro__[1:]:
            if is_fileless(parent.__module__):
                self.add(parent)

    def _class_node(self, cls: type[Any], function: types.FunctionType) -> ast.ClassDef | None:
        """The statement that made `cls`: the one of its name that holds its method."""
        line = function.__code__.co_firstlineno
        for node in ast.walk(self._cell(function).tree):
            if not (isinstance(node, ast.ClassDef) and node.name == cls.__name__):
                continue
            if node.lineno <= line <= (node.end_lineno or line):
                return node
        return None

    def _cell(self, function: types.FunctionType) -> Source:
        name = function.__code__.co_filename
        if name not in self._cells:
            text = "".join(linecache.getlines(name, function.__globals__))
            self._cells[name] = Source(module_name(function.__module__), Path(name), text)
        return self._cells[name]

    def _add_function(self, function: types.FunctionType) -> None:
        line = function.__code__.co_firstlineno
        for node in ast.walk(self._cell(function).tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
                if node.name == function.__name__ and line in (first, node.lineno):
                    text = _text(self._cell(function), node)
                    self._put(function.__module__, function.__qualname__, normal([node]), text)
                    self._follow(function.__globals__, uses([node]), True)
                    return
        self._add_compiled(function)

    def _add_compiled(self, function: types.FunctionType) -> None:
        self._note(f"{function.__qualname__} has no text: its compiled code counts instead")
        form = code_form(function.__code__)
        self._put(function.__module__, function.__qualname__, form)
        used = Uses()
        used.chains = {(name,) for name in _global_names(function.__code__)}
        self._follow(function.__globals__, used, True)

    def _follow(self, names: dict[str, Any], used: Uses, full: bool) -> None:
        for chain in sorted(used.chains):
            if chain[0] in names:
                self._follow_value(names[chain[0]], chain, names, full)
        here = Source("", Path.cwd() / "_.py", "")
        reached = Uses()
        reached.imports = used.imports
        self._reach.follow(here, reached, full)

    def _follow_value(self, value: Any, chain: Chain, names: dict[str, Any], full: bool) -> None:
        rest = chain[1:]
        while isinstance(value, types.ModuleType):
            place = self._file(value.__name__)
            if place is not None:
                self._reach.follow_place(place, rest, full)
                return
            if not rest or not hasattr(value, rest[0]):
                break
            value, rest = getattr(value, rest[0]), rest[1:]
        module = str(names.get("__name__", "__main__"))
        if isinstance(value, types.ModuleType):
            self._put(module, chain[0], f"import {value.__name__}".encode())
        elif isinstance(value, (type, types.FunctionType)) or hasattr(value, "__wrapped__"):
            self._follow_code(value, chain, module)
        elif full:
            self._add_value(value, module, chain[0])

    def _follow_code(self, value: Any, chain: Chain, module: str) -> None:
        place = self._file(value.__module__)
        if place is not None:
            self._reach.follow_place(place, (value.__qualname__.partition(".")[0],), True)
        elif is_fileless(value.__module__):
            self.add(value)
        else:
            form = f"import {value.__module__} {value.__qualname__}".encode()
            self._put(module, chain[0], form)

    def _add_value(self, value: Any, module: str, name: str) -> None:
        if is_fileless(type(value).__module__) or self._file(type(value).__module__) is not None:
            self._follow_code(type(value), (type(value).__qualname__,), module)
        try:
            content = digest(value, where=f"{module_name(module)}.{name}")
        except IdentityError:
            self._note(f"{name} = {type(value).__name__} object is not covered by the fingerprint")
            return
        self._put(module, name, f"value {content:x}".encode())

    def _file(self, module: str) -> Path | None:
        """The file of a module of the project."""
        path = module_file(module)
        return path if path is not None and self._reach.project.owns(path) else None

    def _put(self, module: str, name: str, form: bytes, text: str = "", line: int = 0) -> None:
        part = self._reach.parts.setdefault(f"{module_name(module)}.{name}", CodePart())
        if form not in part.forms:
            part.add(line, form, text)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _text(source: Source, node: ast.stmt) -> str:
    return ast.get_source_segment(source.text, node) or ""


def _global_names(code: types.CodeType) -> set[str]:
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return set(code.co_names).union(*map(_global_names, inner))
