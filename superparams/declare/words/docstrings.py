"""What a class says about its fields: a string under the field, or one in ``Annotated``."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

from superparams.declare.metaclass import fields_of
from superparams.declare.words.annotations import Scope
from superparams.space.groups import FIELDS

__all__ = ["docs_of"]


def docs_of(cls: type[Any]) -> dict[str, str]:
    """What is said about the fields of a class, by field; of several texts the nearest one.

    A class whose source cannot be had says what stands in its ``Annotated``.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if FIELDS in vars(base):
            owned = (one for one in fields_of(base).values() if one.owner is base)
            scope = Scope(base)
            annotated = {one.name: _in_annotation(one.annotation, scope) for one in owned}
            docs.update({name: doc for name, doc in annotated.items() if doc})
        if not base.__module__.startswith(("superparams.", "builtins")):
            docs.update(_in_body(base))
    return {name: docs[name] for name in fields_of(cls) if name in docs}


def _in_annotation(annotation: Any, scope: Scope) -> str:
    annotation = scope.looked_up(annotation)
    for note in getattr(annotation, "__metadata__", ()):
        doc = getattr(note, "documentation", note)
        if isinstance(doc, str):
            return inspect.cleandoc(doc)
    return ""


def _in_body(cls: type[Any]) -> Iterator[tuple[str, str]]:
    """Names, and the strings right under their assignments."""
    body = _body(cls)
    for statement, below in itertools.pairwise(body):
        text = below.value if isinstance(below, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            doc = inspect.cleandoc(text.value)
            yield from ((name, doc) for name in _assigned(statement))


def _assigned(statement: ast.stmt) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Assign):
        targets = statement.targets
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _body(cls: type[Any]) -> list[ast.stmt]:
    """The statements of a class body, none where there is no source."""
    try:
        source = inspect.getsource(cls)
        # Not dedented: a string over several lines may begin at the left edge.
        tree = ast.parse(f"if 1:\n{source}" if source[0].isspace() else source)
    except Exception:  # no file, another file, no Python: docs are a courtesy
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            return node.body
    return []
