"""Names of a module that are bound by other means than a statement at its top level.

A function may bind them by ``global``, and any code by ``globals()["name"] = …``, by ``setattr`` on
the module, or by ``exec``.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from typing import Final

from superparams.identity.code.syntax import FUNCTIONS, bound_names, chain_of, parsed

__all__ = ["COMPUTED", "indirect_names", "may_bind_indirectly"]

COMPUTED: Final = "<computed names>"  # stands for all names that the text does not show
_NAMESPACES: Final = {"globals", "vars", "locals"}
_READING: Final = {"get", "items", "keys", "values", "copy"}
_DEFINITIONS: Final = (*FUNCTIONS, ast.ClassDef)
_WORDS: Final = re.compile(r"\b(?:globals?|vars|locals|exec|modules)\b")


@functools.lru_cache(maxsize=8)
def may_bind_indirectly(text: str) -> bool:
    """Whether the text of a module has a word that `indirect_names` looks for."""
    return _WORDS.search(text) is not None


def indirect_names(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top level of a module binds indirectly.

    Args:
        node: The statement, such as a function that has a ``global`` statement.
    """
    parents = {child: inner for inner in ast.walk(node) for child in ast.iter_child_nodes(inner)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Global) and isinstance(node, _DEFINITIONS):
            yield from inner.names
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            if _is_this_module(inner.value):
                yield inner.attr
        elif isinstance(inner, ast.Call):
            yield from _bound_by_call(inner, parents, isinstance(node, _DEFINITIONS))


def _bound_by_call(
    call: ast.Call, parents: dict[ast.AST, ast.AST], is_inside: bool
) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    is_namespace = name == "globals" or (name in _NAMESPACES and not is_inside)
    if is_namespace and not call.args:
        yield from _bound_in_namespace(call, parents)
    elif name == "setattr" and len(call.args) == 3 and _is_this_module(call.args[0]):
        yield _name_or_computed(call.args[1])
    elif name == "exec" and _runs_in_this_module(call, is_inside):
        yield from _bound_by_text(call.args[0])


def _bound_in_namespace(call: ast.Call, parents: dict[ast.AST, ast.AST]) -> Iterator[str]:
    """The names that are bound through ``globals()``; none where it is only read."""
    parent = parents.get(call)
    if isinstance(parent, ast.Subscript) and parent.value is call:
        if isinstance(parent.ctx, ast.Store):
            yield _name_or_computed(parent.slice)
    elif isinstance(parent, ast.Attribute):
        method = parents.get(parent)
        if parent.attr in _READING or not isinstance(method, ast.Call):
            return
        yield from (keyword.arg or COMPUTED for keyword in method.keywords)
        if method.args:
            yield COMPUTED if parent.attr == "update" else _name_or_computed(method.args[0])
    elif not isinstance(parent, ast.Compare):  # it gets a name, or is passed on
        yield COMPUTED


def _runs_in_this_module(call: ast.Call, is_inside: bool) -> bool:
    """Whether ``exec`` binds names of this module, and not of a namespace that it is given."""
    text, namespace = [*call.args[:2], None, None][:2]
    if text is None or namespace is None:
        return text is not None and not is_inside
    if isinstance(namespace, ast.Attribute) and namespace.attr == "__dict__":
        return _is_this_module(namespace.value)
    if not isinstance(namespace, ast.Call) or not isinstance(namespace.func, ast.Name):
        return False
    if namespace.args:
        return namespace.func.id == "vars" and _is_this_module(namespace.args[0])
    return namespace.func.id == "globals" or (namespace.func.id in _NAMESPACES and not is_inside)


def _bound_by_text(text: ast.expr) -> Iterator[str]:
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        try:
            yield from bound_names(parsed(text.value).body)
        except (SyntaxError, ValueError):
            return
    else:
        yield COMPUTED


def _name_or_computed(name: ast.expr) -> str:
    is_text = isinstance(name, ast.Constant) and isinstance(name.value, str)
    return str(name.value) if is_text and isinstance(name, ast.Constant) else COMPUTED


def _is_this_module(node: ast.expr) -> bool:
    """Whether an expression is ``sys.modules[…]``."""
    return isinstance(node, ast.Subscript) and (chain_of(node.value) or ("",))[-1] == "modules"
