"""The fields of a class, as help shows them: names, types, defaults and docs."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from superparams.declare.descriptors import REQUIRED, Value, name_of
from superparams.declare.field import Field
from superparams.declare.metaclass import fields_of
from superparams.declare.presentation import shown_range
from superparams.declare.words.annotations import Scope
from superparams.declare.words.enums import name_of_option
from superparams.declare.words.named_choices import current, group_classes, own_name, points_of
from superparams.declare.words.type_names import type_text
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import FIELDS, is_group
from superparams.space.ranges import Range

__all__ = ["Described", "describe"]

Docs = dict[type[Any], dict[str, str]]
MOST_SHOWN: Final = 12  # points of an axis, and defaults of alternatives, that are shown
MOST_GROUPS: Final = 50  # groups whose fields are shown for one field


@dataclass(frozen=True)
class Described:
    """The help for one field.

    Attributes:
        name: The name; dotted if it is a field of a group.
        type: The type in short: ``int | None``, ``fast | exact``.
        default: The points or the value; ``required`` if there is none.
        doc: Its docstring in the class; empty without one.
    """

    name: str
    type: str
    default: str
    doc: str = ""


def describe(cls: type[Any]) -> list[Described]:
    """The fields of a class in order, each followed by the fields of the groups that it can hold.

    A field that several alternatives have is listed once, with the default of each.
    """
    return list(_fields(cls, (), {}))


def _fields(owner: object, path: tuple[type[Any], ...], docs: Docs) -> Iterator[Described]:
    """The fields of a class, or of an instance; `path` has the classes around it."""
    cls: type[Any] = owner if isinstance(owner, type) else type(owner)
    path = (*path, cls)
    scope = Scope(cls)
    if cls not in docs:
        docs[cls] = _docs_of(cls)
    for name, field in fields_of(cls).items():
        declared = current(owner, field)
        type_name = type_text(field.annotation, scope)
        yield Described(name, type_name, _default(declared), docs[cls].get(name, ""))
        groups = _groups(declared, field, scope, path)
        alternatives = [(_class_name(group), list(_fields(group, path, docs))) for group in groups]
        for inner in _merged(alternatives):
            yield replace(inner, name=f"{name}.{inner.name}")


def _groups(declared: object, field: Field, scope: Scope, path: Sequence[type[Any]]) -> list[Any]:
    """The groups that a field holds, or else the classes of groups that it can hold."""
    points = points_of(declared)
    groups = [point for point in points[:MOST_GROUPS] if is_group(point)]
    if groups or not (declared is REQUIRED or (len(points) == 1 and points[0] is None)):
        return groups
    classes = group_classes(field.annotation, scope)
    return [each for each in classes if each not in path]  # may be endless


def _class_name(group: object) -> str:
    return group.__name__ if isinstance(group, type) else type(group).__name__


def _merged(alternatives: Sequence[tuple[str, Sequence[Described]]]) -> Iterator[Described]:
    """The fields of several groups. Fields of one name become one."""
    by_name: dict[str, list[tuple[str, Described]]] = {}
    for group, fields in alternatives:
        for each in fields:
            by_name.setdefault(each.name, []).append((group, each))
    for name, same in by_name.items():
        types = dict.fromkeys(each.type for _, each in same)
        doc = next((each.doc for _, each in same if each.doc), "")
        yield Described(name, " | ".join(types), _defaults(same), doc)


def _defaults(same: Sequence[tuple[str, Described]]) -> str:
    if len({each.default for _, each in same}) == 1:
        return same[0][1].default
    return _short_list([f"{each.default} ({group})" for group, each in same])


def _default(declared: object) -> str:
    if isinstance(declared, Axis):
        zipped = f" (zip {declared.zip!r})" if declared.zip else ""
        repeated = " (repeat)" if declared.repeat else ""
        return f"{_points(declared)}{zipped}{repeated}"
    if isinstance(declared, Range):
        return shown_range(declared)
    if not isinstance(declared, Value):
        return "required"
    if declared.factory is not None:
        return f"made by {name_of(declared.factory)}"
    if declared.derive is not None:
        return "derived from the other fields"
    if declared.secret is not None:
        return f"read from the environment variable {declared.secret}"
    return _point(declared.given)


def _points(axis: Axis) -> str:
    points = points_of(axis)
    if axis.labels or len(points) > MOST_SHOWN or not points:
        return repr(axis)
    return f"[{_short_list([_point(point) for point in points])}]"


def _point(point: object) -> str:
    """The name of a point if a word can use one, else the point itself in short."""
    return name_of_option(point) if isinstance(point, Enum) else own_name(point) or shorten(point)


def _short_list(texts: Sequence[str]) -> str:
    unique_texts = list(dict.fromkeys(texts))
    return ", ".join(unique_texts[:MOST_SHOWN] + ["..."] * (len(unique_texts) > MOST_SHOWN))


# -- docs ------------------------------------------------------------------------------------------


def _docs_of(cls: type[Any]) -> dict[str, str]:
    """The docs of the fields of a class: strings under them, or in ``Annotated``.

    Of several texts, the text in the nearest class wins. Without the source of a class, only
    ``Annotated`` has docs.
    """
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if FIELDS in vars(base):
            owned = (field for field in fields_of(base).values() if field.owner is base)
            scope = Scope(base)
            annotated = {field.name: _in_annotation(field.annotation, scope) for field in owned}
            docs.update({name: doc for name, doc in annotated.items() if doc})
        if not base.__module__.startswith(("superparams.", "builtins")):
            docs.update(_in_body(base))
    return {name: docs[name] for name in fields_of(cls) if name in docs}


def _in_annotation(annotation: object, scope: Scope) -> str:
    annotation = scope.looked_up(annotation)
    for note in getattr(annotation, "__metadata__", ()):
        doc = getattr(note, "documentation", note)
        if isinstance(doc, str):
            return inspect.cleandoc(doc)
    return ""


def _in_body(cls: type[Any]) -> Iterator[tuple[str, str]]:
    """Names, and the strings below their assignments."""
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
    """The statements of a class body; none without a source."""
    try:
        source = inspect.getsource(cls)
        # Not dedented: a string over several lines may begin at the left edge.
        tree = ast.parse(f"if 1:\n{source}" if source[0].isspace() else source)
    except Exception:  # without the right file, there are no docs
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            return node.body
    return []
