"""The parts of a class that count one by one: its body, and each of its methods."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

from superparams.identity.code.syntax import FUNCTIONS, Chain, Uses, chain_of, normal, uses

__all__ = [
    "ClassParts",
    "assigned_calls",
    "class_parts",
    "declared_names",
    "name_of_statement",
    "outside_settings",
]

# Names that settings of an experiment do not use, unless its methods do.
_OUTSIDE_SETTINGS = {"goal", "keep_checkpoints", "report", "resources", "valid"}


@dataclass
class ClassParts:
    """The parts of a class.

    Attributes:
        form: The normal form of the body without methods and declarations.
        methods: Each method with its normal form; of a property each function.
        uses: The names that the class takes from outside.
        uses_of_declarations: The names that its declarations of fields take from outside.
        inner: The classes in its body.
        not_in_form: The statements of the body that are not in `form`.
        declarations: The declarations of fields.
        used_body: The statements of the body from which `uses` was made.
    """

    form: bytes
    methods: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, bytes]]
    uses: Uses
    uses_of_declarations: Uses
    inner: list[ast.ClassDef]
    not_in_form: list[ast.stmt]
    declarations: list[ast.stmt]
    used_body: list[ast.stmt]


def class_parts(node: ast.ClassDef, fields: frozenset[str], is_params: bool) -> ClassParts:
    """The parts of a class.

    Args:
        node: The class.
        fields: The names of fields, whose declarations do not count.
        is_params: Whether it is a `Params`: then code that runs outside of settings does not count.
    """
    declarations = [item for item in node.body if _is_declaration(item, fields)]
    names = outside_settings(node) if is_params else set[str]()
    uncounted = [item for item in node.body if name_of_statement(item) in names]
    counted = [item for item in node.body if item not in declarations and item not in uncounted]
    inner = [item for item in counted if isinstance(item, ast.ClassDef)]
    methods = [item for item in counted if isinstance(item, FUNCTIONS)]
    body = [item for item in counted if item not in inner and item not in methods]
    used_body = [item for item in counted if item not in inner]
    return ClassParts(
        normal([_with_body(node, body)]),
        [(method, normal([method])) for method in methods],
        uses([_with_body(node, used_body)]),
        uses(declarations, in_class=True),
        inner,
        [*declarations, *uncounted, *inner, *methods],
        declarations,
        used_body,
    )


def declared_names(node: ast.ClassDef) -> Iterator[str]:
    """The names that the body of a `Params` declares as fields."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            annotation = item.annotation
            inner = annotation.value if isinstance(annotation, ast.Subscript) else annotation
            chain = chain_of(inner)
            if chain is None or chain[-1] != "ClassVar":
                yield item.target.id


def assigned_calls(node: ast.ClassDef) -> Iterator[tuple[str, Chain]]:
    """The annotated names in a class body whose value is a call, with the called name."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            called = chain_of(item.value.func) if isinstance(item.value, ast.Call) else None
            if called is not None:
                yield item.target.id, called


def _is_declaration(node: ast.stmt, fields: frozenset[str]) -> bool:
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.target.id in fields
    # Without an annotation: another default for an inherited field.
    targets = node.targets if isinstance(node, ast.Assign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return bool(names) and len(names) == len(targets) and fields.issuperset(names)


def _with_body(node: ast.ClassDef, body: list[ast.stmt]) -> ast.ClassDef:
    new = copy.copy(node)
    new.body = body
    return new


def name_of_statement(item: ast.stmt) -> str:
    """The name of a method, or of the one attribute that a statement assigns."""
    if isinstance(item, ast.Assign) and len(item.targets) == 1:
        return getattr(item.targets[0], "id", "")
    return getattr(item, "name", "")


def outside_settings(node: ast.ClassDef) -> set[str]:
    """The names of methods that settings do not use, since nothing else in the class uses them."""
    others = [item for item in node.body if name_of_statement(item) not in _OUTSIDE_SETTINGS]
    used = {x.attr for item in others for x in ast.walk(item) if isinstance(x, ast.Attribute)}
    return _OUTSIDE_SETTINGS - used
