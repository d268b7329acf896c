"""A class in the pieces that count one by one: its body, and each of its methods."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from superparams.identity.syntax import Uses, chain_of, normal, uses

__all__ = ["Pieces", "class_pieces"]

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
# Methods of an experiment that run outside of settings.
_OUTSIDE = {"report", "valid"}


@dataclass
class Pieces:
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


def class_pieces(node: ast.ClassDef, params: bool) -> Pieces:
    """A class in pieces; in a `params` class, declarations of fields do not count."""
    declarations = [item for item in node.body if params and _is_declaration(item)]
    hidden = _outside(node) if params else set[str]()
    dropped = [item for item in node.body if getattr(item, "name", "") in hidden]
    rest = [item for item in node.body if item not in declarations and item not in dropped]
    inner = [item for item in rest if isinstance(item, ast.ClassDef)]
    methods = [item for item in rest if isinstance(item, _Function)]
    body = [item for item in rest if item not in inner and item not in methods]
    used = uses([_with_body(node, [item for item in rest if item not in inner])])
    elsewhere = [*declarations, *dropped, *inner, *methods]
    return Pieces(
        normal([_with_body(node, body)]),
        [(method, normal([method])) for method in methods],
        used,
        uses(declarations, in_class=True),
        inner,
        elsewhere,
    )


def _is_declaration(node: ast.stmt) -> bool:
    """Whether a statement in the body of a `Params` declares a field."""
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
        return False
    annotation = node.annotation
    inner = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    named = chain_of(inner)
    return not (node.target.id.startswith("_") or (named and named[-1] == "ClassVar"))


def _with_body(node: ast.ClassDef, body: list[ast.stmt]) -> ast.ClassDef:
    new = ast.ClassDef(node.name, node.bases, node.keywords, body, node.decorator_list)
    return ast.copy_location(new, node)


def _outside(node: ast.ClassDef) -> set[str]:
    """The methods of an experiment that run outside of settings and that no other one uses."""
    others = [item for item in node.body if getattr(item, "name", "") not in _OUTSIDE]
    nodes = [inner for item in others for inner in ast.walk(item)]
    return _OUTSIDE - {inner.attr for inner in nodes if isinstance(inner, ast.Attribute)}
