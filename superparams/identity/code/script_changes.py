"""Finds changes that a script or notebook has made in modules that worker processes import.

A worker imports the user's modules and never runs the script, so ``lib.f = f`` in a script holds in
the driver alone. Only certain changes count: values that the script itself defines, and values
that differ from the text of the module if the script sets that name and no module does.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from superparams.adapters.content import same
from superparams.identity.code.fingerprint import Code
from superparams.identity.code.main_script import script_name, set_by_script, sets
from superparams.identity.code.syntax import parsed
from superparams.identity.module_names import class_of, module_name
from superparams.identity.source_texts import loaded_modules, resolved_file

__all__ = ["notes_of_changes"]

_MAX_NAMES = 20
_TABLES = (dict, list, set)


def notes_of_changes(code: Code) -> list[str]:
    """A sentence about changes that worker processes do not get; none without changes.

    Args:
        code: The fingerprint of the experiment's code. Only what it has reached counts.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    script = Path(resolved_file(file)) if isinstance(file, str) else None
    modules = {
        path: module
        for path, module in loaded_modules(code.texts)
        if module is not main and path != script
    }
    names = sorted(set(_ScriptChanges(code, modules, vars(main)).names())) if modules else []
    if not names:
        return []
    n_hidden = len(names) - _MAX_NAMES
    listed = [*names[:_MAX_NAMES], *([f"and {n_hidden} more"] if n_hidden > 0 else [])]
    name = script_name()
    return [
        f"{name} changes {', '.join(listed)} after import. Worker processes import "
        f"{'it' if len(names) == 1 else 'them'} without running {name}, so the change does not "
        "hold there: make it in a module that the experiment imports, or in setup()"
    ]


class _ScriptChanges:
    """One search for changes.

    Args:
        code: The code that the experiment has reached.
        modules: The loaded modules of the experiment without the script, by their files.
        main: The variables of the script.
    """

    def __init__(
        self, code: Code, modules: Mapping[Path, types.ModuleType], main: dict[str, Any]
    ) -> None:
        self._code = code
        self._modules = modules
        self._main = main
        self._texts = {path: code.texts[path].decode("utf-8", "replace") for path in modules}
        self._reached: set[str] = set()
        for name in code.parts:
            while name and name not in self._reached:
                self._reached.add(name)
                name = name.rpartition(".")[0]

    def names(self) -> Iterator[str]:
        """The full names of changed values."""
        for path, module in self._modules.items():
            text = self._texts[path]
            if "import __main__" not in text and "from __main__" not in text:
                yield from self._in_module(module, text)

    def _in_module(self, module: types.ModuleType, text: str) -> Iterator[str]:
        prefix = module_name(module.__name__)
        for name, value in list(vars(module).copy().items()):
            full = f"{prefix}.{name}"
            if name.startswith("__"):
                continue
            if self._is_of_script(value):
                if full in self._reached or not _is_defined(name, text):
                    yield full
            elif full in self._reached:
                text_of_value = self._code.source.get(full, "")
                if self._is_filled(value) or self._differs(text_of_value, name, value, module):
                    yield full
                elif isinstance(value, type) and value.__module__ == module.__name__:
                    yield from self._in_class(full, value, module)

    def _in_class(self, full: str, cls: type[Any], module: types.ModuleType) -> Iterator[str]:
        for name, value in list(vars(cls).copy().items()):
            inner = _unwrapped(value)
            part = f"{full}.{name}"
            if self._is_of_script(inner) or self._is_filled(inner):
                yield part
            elif not name.startswith("__") and not _is_own(inner, module) and _is_plain(value):
                texts = _class_texts(self._code.source.get(full, ""))
                text = texts.get(name, self._code.source.get(part, ""))
                if self._differs(text, name, value, module):
                    yield part

    def _is_of_script(self, value: object) -> bool:
        """Whether the script defines a function or class, or the function in a ``partial``."""
        if isinstance(value, functools.partial):
            value = cast("Any", value).func
        if isinstance(value, types.FunctionType):
            return value.__globals__ is self._main
        return isinstance(value, type) and value.__module__ == "__main__"

    def _is_filled(self, value: object) -> bool:
        """Whether a table or a generic function contains an object that the script defines."""
        kind = class_of(value)
        registry: object = None
        if isinstance(value, types.FunctionType):
            registry = vars(value).get("registry")  # of functools.singledispatch
        elif isinstance(value, functools.singledispatchmethod):
            registry = cast("Any", value).dispatcher.registry
        if isinstance(registry, types.MappingProxyType):
            return any(map(self._is_of_script, cast("Mapping[Any, object]", registry).values()))
        if kind not in _TABLES:
            return False
        table = cast("Any", value)
        items: list[object] = [*(table.values() if kind is dict else table)]
        return any(self._is_of_script(x) and not _registers_itself(x) for x in items)

    def _differs(self, text: str, name: str, value: object, module: types.ModuleType) -> bool:
        """Whether a value differs from its text, and only the script has set it."""
        if _is_own(value, module):
            return False
        if text.startswith(("def ", "async def ", "class ")):
            differs = True
        else:
            is_literal, x = _literal(text, name)
            differs = is_literal and not (class_of(x) is class_of(value) and same(x, value))
        return (
            differs
            and set_by_script(name, if_unknown=True)
            and not self._set_by_module(name, module)
        )

    def _set_by_module(self, name: str, module: types.ModuleType) -> bool:
        statement = rf"\bglobal\b[^\n]*\b{re.escape(name)}\b"
        return any(
            sets(name, text) or (self._modules[path] is module and re.search(statement, text))
            for path, text in self._texts.items()
        )


def _is_defined(name: str, text: str) -> bool:
    pattern = rf"^\s*(?:(?:async\s+)?def|class)\s+{re.escape(name)}\b"
    return re.search(pattern, text, re.MULTILINE) is not None


def _is_plain(value: object) -> bool:
    """Whether a value in a class is plain: a method, or no descriptor such as a field."""
    methods = (types.FunctionType, staticmethod, classmethod, property)
    return isinstance(value, methods) or not hasattr(class_of(value), "__get__")


def _unwrapped(value: object) -> Any:
    """The function in a static method, class method or property."""
    if isinstance(value, (staticmethod, classmethod)):
        return cast("Any", value).__func__
    return value.fget if isinstance(value, property) else value


def _is_own(value: object, module: types.ModuleType) -> bool:
    """Whether a function or class is defined in the module."""
    if isinstance(value, types.FunctionType):
        return value.__globals__ is vars(module)
    return isinstance(value, type) and value.__module__ == module.__name__


def _registers_itself(value: object) -> bool:
    """Whether a class of the script registers itself, so that it does the same in a worker."""
    if not isinstance(value, type):
        return False
    bases = [base for base in value.__mro__[1:] if base is not object]
    return type(value) is not type or any("__init_subclass__" in vars(base) for base in bases)


@functools.lru_cache(maxsize=1024)
def _class_texts(text: str) -> dict[str, str]:
    """The statements of a class body that assign one name, by this name."""
    try:
        body = parsed(text).body
    except (SyntaxError, ValueError):
        return {}
    statements: dict[str, list[str]] = {}
    for node in body[0].body if body and isinstance(body[0], ast.ClassDef) else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            statements.setdefault(node.targets[0].id, []).append(ast.unparse(node))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.decorator_list:
            statements.setdefault(node.name, []).append(f"def {node.name}")
    return {name: texts[0] for name, texts in statements.items() if len(texts) == 1}


@functools.lru_cache(maxsize=4096)
def _literal(text: str, name: str) -> tuple[bool, Any]:
    """Whether a text is one assignment of a literal to `name`, and its value."""
    try:
        (node,) = parsed(text).body
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        (target,) = targets
        if isinstance(target, ast.Name) and target.id == name:
            return True, ast.literal_eval(cast("Any", node).value)
    except (SyntaxError, ValueError, TypeError, AttributeError):
        pass
    return False, None
