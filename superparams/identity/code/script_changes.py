"""Finds what a script or notebook has changed in modules that worker processes import.

A worker imports the user's modules and never runs the script. So ``lib.f = f`` in a script holds in
the driver alone. Only what is certain counts: values that the script itself defines, and values
that differ from the text of the module where the script sets that name and no module does.
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
from superparams.identity.code.main_script import in_notebook
from superparams.identity.code.script_text import set_by_script, sets
from superparams.identity.module_names import class_of, module_name
from superparams.identity.source_texts import loaded_modules, resolved_file

__all__ = ["notes_of_changes"]

_MOST_NAMES = 20
_TABLES = (dict, list, set)


def notes_of_changes(code: Code) -> list[str]:
    """A sentence about the changes that worker processes do not get; none without changes.

    Args:
        code: The fingerprint of the experiment's code. Only what it has reached counts.
    """
    main = sys.modules["__main__"]
    modules = [(path, one) for path, one in loaded_modules(code.texts) if one is not main]
    main_file = getattr(main, "__file__", None)
    if isinstance(main_file, str):
        script = Path(resolved_file(main_file))
        modules = [(path, one) for path, one in modules if path != script]
    if not modules:
        return []
    found = _Changes(code, dict(modules), vars(main)).names()
    names = sorted(set(found))
    if not names:
        return []
    left = len(names) - _MOST_NAMES
    shown = [*names[:_MOST_NAMES], *([f"and {left} more"] if left > 0 else [])]
    who = _script_name(main_file)
    return [
        f"{who} changes {', '.join(shown)} after import. Worker processes import "
        f"{'it' if len(names) == 1 else 'them'} without running {who}, so the change does not hold "
        "there: make it in a module that the experiment imports, or in setup()"
    ]


def _script_name(file: object) -> str:
    if in_notebook():
        return "the notebook"
    is_file = isinstance(file, str) and not file.startswith("<")
    return Path(cast("str", file)).name if is_file else "the script"


class _Changes:
    """One search for changes.

    Args:
        code: What the experiment has reached.
        modules: The loaded modules of it, but for the script, by their files.
        main: The variables of the script.
    """

    def __init__(
        self, code: Code, modules: Mapping[Path, types.ModuleType], main: dict[str, Any]
    ) -> None:
        self._code = code
        self._modules = modules
        self._main = main
        self._reached: set[str] = set()
        for full in code.parts:
            part = full
            while part and part not in self._reached:
                self._reached.add(part)
                part = part.rpartition(".")[0]

    def names(self) -> Iterator[str]:
        """The full names of what was changed."""
        for path, module in self._modules.items():
            name = module_name(module.__name__)
            text = self._code.texts[path].decode("utf-8", "replace")
            if "import __main__" not in text and "from __main__" not in text:
                yield from self._in_module(name, module, text)

    def _in_module(self, name: str, module: types.ModuleType, text: str) -> Iterator[str]:
        for inner, value in list(vars(module).items()):
            full = f"{name}.{inner}"
            if inner.startswith("__"):
                continue
            if self._is_of_script(value):
                if full in self._reached or not _is_defined(inner, text):
                    yield full
            elif full in self._reached:
                if self._is_filled(value) or self._differs(full, inner, value, module):
                    yield full
                elif isinstance(value, type) and value.__module__ == module.__name__:
                    yield from self._in_class(full, value, module)

    def _in_class(self, full: str, cls: type[Any], module: types.ModuleType) -> Iterator[str]:
        texts: dict[str, str] | None = None
        for inner, value in list(vars(cls).items()):
            plain = _unwrapped(value)
            part = f"{full}.{inner}"
            if self._is_of_script(plain) or self._is_filled(plain):
                yield part
            elif not inner.startswith("__") and not _is_own(plain, module) and _is_open(value):
                texts = _class_texts(self._code.source.get(full, "")) if texts is None else texts
                written = texts.get(inner, self._code.source.get(part, ""))
                if self._differs_from(written, inner, value, module):
                    yield part

    def _is_of_script(self, value: Any) -> bool:
        """Whether the script defines a function or class, or what a function wraps it with."""
        if isinstance(value, functools.partial):
            value = cast("Any", value).func
        if isinstance(value, types.FunctionType):
            return value.__globals__ is self._main
        return isinstance(value, type) and value.__module__ == "__main__"

    def _is_filled(self, value: Any) -> bool:
        """Whether a table or a generic function holds something that the script defines."""
        registry: Any = None
        table: Any = value
        if isinstance(value, types.FunctionType):
            registry = vars(value).get("registry")  # of functools.singledispatch
        elif isinstance(value, functools.singledispatchmethod):
            registry = cast("Any", value).dispatcher.registry
        if isinstance(registry, types.MappingProxyType):
            return any(map(self._is_of_script, cast("Mapping[Any, Any]", registry).values()))
        if type(table) not in _TABLES:
            return False
        values: Any = cast("Any", table.values()) if type(table) is dict else table
        held: list[Any] = list(values)
        return any(self._is_of_script(x) and not _enters_itself(x) for x in held)

    def _differs(self, full: str, name: str, value: Any, module: types.ModuleType) -> bool:
        if _is_own(value, module):
            return False
        return self._differs_from(self._code.source.get(full, ""), name, value, module)

    def _differs_from(self, written: str, name: str, value: Any, module: types.ModuleType) -> bool:
        """Whether a value is another than that of its text, and the script alone has set it."""
        if written.startswith(("def ", "async def ", "class ")):
            differs = True
        else:
            known, literal = _literal(written, name)
            differs = known and not (class_of(literal) is class_of(value) and same(literal, value))
        return (
            differs
            and set_by_script(name, if_unknown=True)
            and not self._set_by_module(name, module)
        )

    def _set_by_module(self, name: str, module: types.ModuleType) -> bool:
        for path, one in self._modules.items():
            text = self._code.texts[path].decode("utf-8", "replace")
            if sets(name, text):
                return True
            if one is module and re.search(rf"\bglobal\b[^\n]*\b{re.escape(name)}\b", text):
                return True
        return False


def _is_defined(name: str, text: str) -> bool:
    pattern = rf"^\s*(?:(?:async\s+)?def|class)\s+{re.escape(name)}\b"
    return re.search(pattern, text, re.MULTILINE) is not None


def _is_open(value: Any) -> bool:
    """Whether a value in a class is no descriptor, such as a field, or one of Python's own."""
    known = (types.FunctionType, staticmethod, classmethod, property)
    return isinstance(value, known) or not hasattr(class_of(value), "__get__")


def _unwrapped(value: Any) -> Any:
    """The function in a static method, class method or property."""
    if isinstance(value, (staticmethod, classmethod)):
        return cast("Any", value).__func__
    return value.fget if isinstance(value, property) else value


def _is_own(value: Any, module: types.ModuleType) -> bool:
    """Whether a function or class is defined in the module."""
    if isinstance(value, types.FunctionType):
        return value.__globals__ is vars(module)
    return isinstance(value, type) and value.__module__ == module.__name__


def _enters_itself(value: Any) -> bool:
    """Whether a class of the script registers itself where a worker makes it, too."""
    if not isinstance(value, type):
        return False
    hooks = [one for one in value.__mro__[1:] if one is not object]
    return type(value) is not type or any("__init_subclass__" in vars(one) for one in hooks)


@functools.lru_cache(maxsize=1024)
def _class_texts(text: str) -> dict[str, str]:
    """The statements of a class body that assign one name, by this name."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, list[str]] = {}
    for node in body[0].body if body and isinstance(body[0], ast.ClassDef) else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(ast.unparse(node))
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.decorator_list:
            found.setdefault(node.name, []).append(f"def {node.name}")
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1}


@functools.lru_cache(maxsize=4096)
def _literal(text: str, name: str) -> tuple[bool, Any]:
    """Whether a text is one assignment of a literal to `name`, and its value."""
    try:
        (node,) = ast.parse(text).body
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        (target,) = targets
        if isinstance(target, ast.Name) and target.id == name:
            return True, ast.literal_eval(cast("Any", node).value)
    except (SyntaxError, ValueError, TypeError, AttributeError):
        pass
    return False, None
