"""Reads from the declaration of a field which classes of instances the field may hold.

Only plain forms are understood: an annotation such as ``Svm | Forest``, and a value such as
``Svm(C=1)`` or ``search([Svm(), Forest(kernel=Rbf())])``. Such a declaration makes instances of
these classes and nothing else, so the settings that hold no instance of a class do not run it.
Everything else in a declaration, such as a function that is called, counts for all settings.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from superparams.identity.code.syntax import Chain, chain_of

__all__ = ["Declared", "read_annotation", "read_points", "read_statement"]

_SEQUENCES = (ast.List, ast.Tuple, ast.Set)


@dataclass
class Declared:
    """The parts of a declaration.

    Args:
        is_alternative: Whether a name means a class whose instances a field may hold.
        is_declaring: Whether a name means ``search`` or ``value``.

    Attributes:
        alternatives: The names of such classes.
        of_annotations: Other names in annotations, which may mean another annotation.
        of_points: Names of constants, which may be lists of points.
        rest: All other expressions.
    """

    is_alternative: Callable[[Chain], bool]
    is_declaring: Callable[[Chain], bool]
    alternatives: set[Chain] = field(default_factory=set[Chain])
    of_annotations: set[Chain] = field(default_factory=set[Chain])
    of_points: set[Chain] = field(default_factory=set[Chain])
    rest: list[ast.AST] = field(default_factory=list[ast.AST])


def read_statement(node: ast.stmt, declared: Declared) -> None:
    """Read the declaration of a field in the body of a class."""
    if isinstance(node, ast.AnnAssign):
        read_annotation(node.annotation, declared)
    value = getattr(node, "value", None)
    if isinstance(value, ast.expr):
        _read_value(value, declared)


def read_annotation(node: ast.expr, declared: Declared) -> None:
    """Read an annotation: ``Svm | Forest``, ``Optional[Svm]``, or a name for one of these."""
    chain = chain_of(node)
    if chain is not None:
        is_alternative = declared.is_alternative(chain)
        (declared.alternatives if is_alternative else declared.of_annotations).add(chain)
    elif isinstance(node, ast.BinOp):
        read_annotation(node.left, declared)
        read_annotation(node.right, declared)
    elif isinstance(node, ast.Subscript):
        read_annotation(node.value, declared)
        read_annotation(node.slice, declared)
    elif isinstance(node, ast.Tuple):
        for item in node.elts:
            read_annotation(item, declared)
    else:
        declared.rest.append(node)


def read_points(node: ast.expr, declared: Declared) -> None:
    """Read the points of an axis, or the constant in ``value(...)``."""
    chain = chain_of(node)
    if chain is not None:
        declared.of_points.add(chain)
    elif isinstance(node, _SEQUENCES):
        for item in node.elts:
            _read_instance(item, declared)
    elif isinstance(node, ast.Dict):
        declared.rest += filter(None, node.keys)
        for item in node.values:
            _read_instance(item, declared)
    elif isinstance(node, ast.ListComp):
        _read_instance(node.elt, declared)
        declared.rest += node.generators
    else:
        _read_instance(node, declared)


def _read_value(node: ast.expr, declared: Declared) -> None:
    """Read the declaration of a field: ``search(...)``, ``value(...)``, or its value."""
    called = chain_of(node.func) if isinstance(node, ast.Call) else None
    if not isinstance(node, ast.Call) or called is None or not declared.is_declaring(called):
        _read_instance(node, declared)
        return
    declared.rest.append(node.func)
    if node.args:
        read_points(node.args[0], declared)
    declared.rest += [*node.args[1:], *(keyword.value for keyword in node.keywords)]


def _read_instance(node: ast.expr, declared: Declared) -> None:
    """Read an expression that may create an instance of an alternative."""
    called = chain_of(node.func) if isinstance(node, ast.Call) else None
    if not isinstance(node, ast.Call) or called is None or not declared.is_alternative(called):
        declared.rest.append(node)
        return
    declared.alternatives.add(called)
    for value in (*node.args, *(keyword.value for keyword in node.keywords)):
        _read_value(value, declared)
