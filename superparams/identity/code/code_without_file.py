"""Code without a file of its own: cells of a notebook, ``python -c``, standard input, ``exec``.

Names are looked up in the running module instead of a text. Functions and classes count by the text
of their cell, which `linecache` keeps; other values count by their content.
"""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from superparams.errors import IdentityError
from superparams.identity.code.class_parts import class_parts
from superparams.identity.code.compiled_functions import code_form, plain_functions
from superparams.identity.code.module_source import Source
from superparams.identity.code.reach import Reach
from superparams.identity.code.reach_by_name import CodePart
from superparams.identity.code.syntax import FUNCTIONS, Chain, Uses, lines_of, normal, uses
from superparams.identity.digests.digest import digest
from superparams.identity.module_names import is_fileless, module_file, module_name
from superparams.space.groups import FIELDS

__all__ = ["CodeWithoutFile"]


class CodeWithoutFile:
    """Adds code without a file to `reach`.

    Attributes:
        notes: Sentences for the user about code that is not fully covered.
    """

    def __init__(self, reach: Reach) -> None:
        self.notes: list[str] = []
        self._reach = reach
        self._done: dict[int, object] = {}  # by id; an object that lives keeps its id
        self._cells: dict[str, Source] = {}

    def add(self, value: object) -> None:
        """Count a class or function without a file, and all that it uses."""
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
        nodes = (node for function in own for node in self._class_nodes(cls, function))
        node = next(nodes, None)
        if node is None:
            if own:
                self._note(
                    f"the source of {cls.__qualname__} is not known: its compiled methods count "
                    f"instead"
                )
            for function in own:
                self._add_compiled(function)
            return
        fields: Mapping[str, object] | None = getattr(cls, FIELDS, None)
        parts = class_parts(node, frozenset(fields or ()), fields is not None)
        source = self._cell(own[0])
        self._put(cls.__module__, cls.__qualname__, parts.form, _text(source, node), node.lineno)
        for method, form in parts.methods:
            name = f"{cls.__qualname__}.{method.name}"
            self._put(cls.__module__, name, form, _text(source, method), method.lineno)
        names = own[0].__globals__
        self._follow(names, parts.uses, True)
        self._follow(names, parts.uses_of_declarations, False)
        for parent in cls.__mro__[1:]:
            if is_fileless(parent.__module__):
                self.add(parent)

    def _class_nodes(self, cls: type[Any], function: types.FunctionType) -> Iterator[ast.ClassDef]:
        """The statements that may have made `cls`: those of its name around its method."""
        line = function.__code__.co_firstlineno
        for node in ast.walk(self._cell(function).tree):
            if not (isinstance(node, ast.ClassDef) and node.name == cls.__name__):
                continue
            if node.lineno <= line <= (node.end_lineno or line):
                yield node

    def _cell(self, function: types.FunctionType) -> Source:
        name = function.__code__.co_filename
        if name not in self._cells:
            text = "".join(linecache.getlines(name, function.__globals__))
            self._cells[name] = Source(module_name(function.__module__), Path(name), text)
        return self._cells[name]

    def _add_function(self, function: types.FunctionType) -> None:
        line = function.__code__.co_firstlineno
        for node in ast.walk(self._cell(function).tree):
            if not (isinstance(node, FUNCTIONS) and node.name == function.__name__):
                continue
            if line in (lines_of(node).start + 1, node.lineno):
                text = _text(self._cell(function), node)
                self._put(function.__module__, function.__qualname__, normal([node]), text)
                self._follow(function.__globals__, uses([node]), True)
                return
        self._add_compiled(function)

    def _add_compiled(self, function: types.FunctionType) -> None:
        self._note(
            f"the source of {function.__qualname__} is not known: its compiled code counts instead"
        )
        self._put(function.__module__, function.__qualname__, code_form(function.__code__))
        used = Uses()
        used.chains = {(name,) for name in _global_names(function.__code__)}
        self._follow(function.__globals__, used, True)

    def _follow(self, names: dict[str, Any], used: Uses, full: bool) -> None:
        for chain in sorted(used.chains):
            if chain[0] in names:
                self._follow_value(names[chain[0]], chain, names, full)
        imports = Uses()
        imports.imports = used.imports
        self._reach.follow(Source("", Path.cwd() / "_.py", ""), imports, full)

    def _follow_value(
        self, value: object, chain: Chain, names: Mapping[str, object], full: bool
    ) -> None:
        rest = chain[1:]
        while isinstance(value, types.ModuleType):
            file = self._own_file(value.__name__)
            if file is not None:
                self._reach.follow_module(file, rest, full)
                return
            if not rest or not hasattr(value, rest[0]):
                break
            value, rest = getattr(value, rest[0]), rest[1:]
        module = str(names.get("__name__", "__main__"))
        if isinstance(value, types.ModuleType):
            self._put(module, chain[0], f"import {value.__name__}".encode())
        elif isinstance(value, (type, types.FunctionType)) or hasattr(value, "__wrapped__"):
            self._follow_code(value, chain[0], module)
        elif full:
            self._add_value(value, chain[0], module)

    def _follow_code(self, value: Any, name: str, module: str) -> None:
        file = self._own_file(value.__module__)
        if file is not None:
            self._reach.follow_module(file, (value.__qualname__.partition(".")[0],))
        elif is_fileless(value.__module__):
            self.add(value)
        else:
            self._put(module, name, f"import {value.__module__} {value.__qualname__}".encode())

    def _add_value(self, value: object, name: str, module: str) -> None:
        cls = type(value)
        if is_fileless(cls.__module__) or self._own_file(cls.__module__) is not None:
            self._follow_code(cls, cls.__qualname__, module)
        try:
            content = digest(value, where=f"{module_name(module)}.{name}")
        except IdentityError:
            self._note(f"{name} = {cls.__name__} object is not covered by the fingerprint")
            return
        self._put(module, name, f"value {content:x}".encode())

    def _own_file(self, module: str) -> Path | None:
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
