"""Calls at the top level of a module, and what a function changes outside of itself.

``lib.register("a", f)`` fills a table of `lib` as ``lib.TABLE["a"] = f`` does, and so does a
function that is called there and calls `register`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from superparams.identity.code.syntax import Chain, bound_names, chain_of

__all__ = ["FILLING", "Call", "SideEffects", "calls_in", "changed_by", "changes_of", "is_guard"]

FILLING = {"add", "append", "appendleft", "extend", "insert", "register", "setdefault", "update"}
# Functions of Python that change their first argument.
_CHANGING = {
    *("setattr", "delattr", "setitem", "delitem", "heappush", "heapify"),
    *("insort", "insort_left", "insort_right", "shuffle"),
}
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Call(NamedTuple):
    """A call: the called name, and the arguments that are names.

    Attributes:
        changed: What a function of Python or a method of a table changes, such as ``setattr``.
    """

    called: Chain
    arguments: tuple[Chain, ...]
    changed: Chain | None


class SideEffects(NamedTuple):
    """What a function or class changes outside of itself.

    Attributes:
        outside: The tables, attributes and global variables.
        calls: The calls in it.
        parameters: Whether it changes what it gets as an argument.
        runs: Whether it runs experiments: then it is no part of them.
    """

    outside: tuple[Chain, ...]
    calls: tuple[Call, ...]
    parameters: bool
    runs: bool


def calls_in(node: ast.AST) -> Iterator[Call]:
    """The calls that happen when a statement at the top level of a module runs."""
    todo = [node]
    while todo:
        inner = todo.pop()
        if isinstance(inner, _INNER):
            continue
        if isinstance(inner, ast.Call):
            call = _call(inner)
            if call is not None:
                yield call
        todo += ast.iter_child_nodes(inner)


def _call(node: ast.Call) -> Call | None:
    called = chain_of(node.func)
    if called is None:
        return None
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    chains = [chain_of(item.value if isinstance(item, ast.Starred) else item) for item in given]
    return Call(called, tuple(filter(None, chains)), _changed(node, called))


def _changed(node: ast.Call, called: Chain) -> Chain | None:
    if called[-1] in _CHANGING:
        first = chain_of(node.args[0]) if node.args else None
        name = node.args[1] if called[-1] == "setattr" and len(node.args) > 1 else None
        if first and isinstance(name, ast.Constant) and isinstance(name.value, str):
            return (*first, name.value)
        return first
    return called[:-1] if len(called) > 1 and called[-1] in FILLING else None


def changed_by(node: ast.AST) -> Chain | None:
    """The place that an assignment to an item, an attribute, or a call of `setattr` changes."""
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return chain_of(node.value)
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        return chain_of(node)
    call = _call(node) if isinstance(node, ast.Call) else None
    return None if call is None else call.changed


def changes_of(node: ast.AST) -> SideEffects:
    """What a function or class changes, those inside it included."""
    body: list[ast.AST] = list(getattr(node, "body", ()))
    local = set(bound_names(body)) if isinstance(node, _INNER) else set[str]()
    parameters = {item.arg for item in ast.walk(node) if isinstance(item, ast.arg)}
    outside: list[Chain] = []
    calls: list[Call] = []
    takes, runs = False, False
    for inner in ast.walk(node):
        chain = changed_by(inner)
        if chain is not None and chain[0] in parameters:
            takes |= chain[0] not in ("self", "cls")
        elif chain is not None and chain[0] not in local:
            outside.append(chain)
        if isinstance(inner, ast.Global):
            outside += [(name,) for name in inner.names]
        elif isinstance(inner, ast.Attribute):
            runs |= inner.attr == "run_all"
        call = _call(inner) if isinstance(inner, ast.Call) else None
        calls += [call] if call is not None else []
    return SideEffects(tuple(outside), tuple(calls), takes, runs)


def is_guard(test: ast.expr) -> bool:
    """Whether a condition is ``__name__ == "__main__"``."""
    return any(isinstance(inner, ast.Name) and inner.id == "__name__" for inner in ast.walk(test))
