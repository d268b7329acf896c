"""A class in the pieces that count one by one: its body, and each of its methods."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from superparams.identity.code.syntax import Chain, Uses, chain_of, normal, uses

__all__ = ["ClassParts", "class_parts", "declared_names", "made_names"]

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
# Methods of an experiment that run outside of settings.
_OUTSIDE = {"report", "valid"}


@dataclass
class ClassParts:
    """A class in pieces.

    Attributes:
        form: the normal form of the body without methods and declarations.
        methods: each method with its normal form; a property has one a function.
        uses: what the class takes from outside.
        declared: what its declarations of fields take from outside.
        inner: the classes in its body.
        elsewhere: the statements of the body that `form` leaves out.
    """

    form: bytes
    methods: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bytes]]
    uses: Uses
    declared: Uses
    inner: list[ast.ClassDef]
    elsewhere: list[ast.stmt]


def class_parts(node: ast.ClassDef, fields: frozenset[str], params: bool) -> ClassParts:
    """A class in pieces, of which the declarations of `fields` do not count.

    In a `params` class methods that run outside of settings do not count either.
    """
    declarations = [item for item in node.body if _declares(item, fields)]
    hidden = _outside(node) if params else set[str]()
    dropped = [item for item in node.body if getattr(item, "name", "") in hidden]
    rest = [item for item in node.body if item not in declarations and item not in dropped]
    inner = [item for item in rest if isinstance(item, ast.ClassDef)]
    methods = [item for item in rest if isinstance(item, _Function)]
    body = [item for item in rest if item not in inner and item not in methods]
    used = uses([_with_body(node, [item for item in rest if item not in inner])])
    elsewhere = [*declarations, *dropped, *inner, *methods]
    return ClassParts(
        normal([_with_body(node, body)]),
        [(method, normal([method])) for method in methods],
        used,
        uses(declarations, in_class=True),
        inner,
        elsewhere,
    )


def declared_names(node: ast.ClassDef) -> Iterator[str]:
    """The names that the body of a `Params` declares as fields."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            annotation = item.annotation
            inner = annotation.value if isinstance(annotation, ast.Subscript) else annotation
            named = chain_of(inner)
            if named is None or named[-1] != "ClassVar":
                yield item.target.id


def made_names(node: ast.ClassDef) -> Iterator[tuple[str, Chain]]:
    """The annotated names in a class body that a call makes, with what is called."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            called = chain_of(item.value.func) if isinstance(item.value, ast.Call) else None
            if called is not None:
                yield item.target.id, called


def _declares(node: ast.stmt, fields: frozenset[str]) -> bool:
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.target.id in fields
    # Without an annotation: another default for an inherited field.
    targets = node.targets if isinstance(node, ast.Assign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return bool(names) and len(names) == len(targets) and fields.issuperset(names)


def _with_body(node: ast.ClassDef, body: list[ast.stmt]) -> ast.ClassDef:
    new = ast.ClassDef(node.name, node.bases, node.keywords, body, node.decorator_list)
    return ast.copy_location(new, node)


def _outside(node: ast.ClassDef) -> set[str]:
    """The methods of an experiment that run outside of settings and that no other one uses."""
    others = [item for item in node.body if getattr(item, "name", "") not in _OUTSIDE]
    nodes = [inner for item in others for inner in ast.walk(item)]
    return _OUTSIDE - {inner.attr for inner in nodes if isinstance(inner, ast.Attribute)}
