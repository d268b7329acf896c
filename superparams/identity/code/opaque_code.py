"""Code that may use a class whose name occurs neither in it nor in functions that it calls.

Such code gets the class of an object, the subclasses of a class, or objects from a file. If it is
reached, the text does not show which alternatives a setting runs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Final

from superparams.identity.code.module_source import Source
from superparams.identity.code.syntax import FUNCTIONS, Uses

__all__ = ["gives_its_class_away", "is_opaque", "loads_objects"]

_NAMES: Final = {
    *("__subclasses__", "__annotations__", "__superparams_fields__", "get_type_hints"),
    *("from_cli", "__mro__", "__globals__", "__builtins__"),
}
_CLASS: Final = {"type", "__class__"}
_WORDS: Final = re.compile(rf"\b({'|'.join(_NAMES | _CLASS)})\b")
# Attributes of a class that code may read without running the class.
_HARMLESS: Final = {"__name__", "__qualname__", "__module__", "__doc__"}
# Modules that return objects or classes, whose class the code does not name.
_LOADING: Final = {
    *("pickle", "cloudpickle", "dill", "joblib", "shelve", "jsonpickle", "marshal", "copyreg"),
    *("gc", "ctypes", "pydoc", "pkgutil", "runpy"),
}


def is_opaque(source: Source, nodes: Iterable[ast.AST]) -> bool:
    """Whether code in `source` takes the class of an object, or finds classes in other ways."""
    if _WORDS.search(source.text) is None:
        return False
    inner = [each for node in nodes for each in ast.walk(node)]
    harmless = {id(each) for node in inner for each in _harmless(node)}
    return any(_is_opaque(node) and id(node) not in harmless for node in inner)


def _is_opaque(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in _NAMES or node.attr == "__class__"
    return isinstance(node, ast.Name) and (node.id in _NAMES or node.id in _CLASS)


def _harmless(node: ast.AST) -> Iterator[ast.AST]:
    """The names of classes in `node` that it only shows or compares."""
    classes: list[ast.AST] = []
    if isinstance(node, ast.Attribute) and node.attr in _HARMLESS:
        classes = [node.value]
    elif isinstance(node, ast.Compare):
        classes = [node.left, *node.comparators]
    elif isinstance(node, ast.FormattedValue):
        classes = [node.value]
    for each in classes:
        if isinstance(each, ast.Call) and len(each.args) == 1 and isinstance(each.func, ast.Name):
            yield each.func  # ``type(x)``
        elif isinstance(each, ast.Attribute) and each.attr == "__class__":
            yield each


def loads_objects(source: Source, used: Uses) -> bool:
    """Whether code in `source` uses a module that returns objects of any class."""
    names = {chain[0] for chain in used.chains}
    bindings = (binding for name in names for binding in source.bindings.get(name, ()))
    modules = [binding.imported.module for binding in bindings if binding.imported is not None]
    modules += [imported.module for imported, _ in used.imports]
    return any(module.partition(".")[0] in _LOADING for module in modules)


def gives_its_class_away(node: ast.ClassDef) -> bool:
    """Whether a class method uses its class itself, as in ``return cls()``."""
    own = {item.name for item in node.body if isinstance(item, FUNCTIONS)} | _HARMLESS
    for method in node.body:
        if isinstance(method, FUNCTIONS) and any(map(_is_classmethod, method.decorator_list)):
            first = [*method.args.posonlyargs, *method.args.args][:1]
            names = {argument.arg for argument in first}
            inner = list(ast.walk(method))
            attributes = (x for x in inner if isinstance(x, ast.Attribute) and x.attr in own)
            harmless = {id(x.value) for x in attributes}
            named = (x for x in inner if isinstance(x, ast.Name) and x.id in names)
            if any(id(x) not in harmless for x in named):
                return True
    return False


def _is_classmethod(node: ast.expr) -> bool:
    return "classmethod" in (getattr(node, "id", ""), getattr(node, "attr", ""))
