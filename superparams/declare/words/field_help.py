"""What can be given to a class: the lines that its help shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from superparams.declare.descriptors import REQUIRED, Value, name_of
from superparams.declare.field import Field
from superparams.declare.metaclass import fields_of
from superparams.declare.words.annotations import Scope
from superparams.declare.words.docstrings import docs_of
from superparams.declare.words.enums import name_of_option
from superparams.declare.words.named_choices import current, group_classes, own_name, points_of
from superparams.declare.words.type_names import type_text
from superparams.errors.short_repr import shorten
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["Described", "describe"]

Docs = dict[type[Any], dict[str, str]]
MOST_SHOWN: Final = 12  # points of an axis, defaults of alternatives
MOST_GROUPS: Final = 50  # that are looked into for one field


@dataclass(frozen=True)
class Described:
    """One field, as help shows it.

    Attributes:
        name: Dotted where the field is one of a group.
        type: What it takes, in short: ``int | None``, ``fast | exact``.
        default: Its points or its value; ``required`` where it has none.
        doc: What its class says about it, or nothing.
    """

    name: str
    type: str
    default: str
    doc: str = ""


def describe(cls: type[Any]) -> list[Described]:
    """The fields of a class in order, each followed by those of the groups that it can hold.

    A field that several alternatives have is told once, with the default of each.
    """
    return list(_fields(cls, (), {}))


def _fields(of: Any, path: tuple[type[Any], ...], known: Docs) -> Iterator[Described]:
    """The fields of a class, or of an instance; `path` is what it is inside of."""
    cls: type[Any] = of if isinstance(of, type) else type(of)
    path = (*path, cls)
    scope = Scope(cls)
    if cls not in known:
        known[cls] = docs_of(cls)
    for name, one in fields_of(cls).items():
        declared = current(of, one)
        wanted = type_text(one.annotation, scope)
        yield Described(name, wanted, _default(declared), known[cls].get(name, ""))
        groups = _groups(declared, one, scope, path)
        told = [(_class_name(group), list(_fields(group, path, known))) for group in groups]
        for inner in _merged(told):
            yield replace(inner, name=f"{name}.{inner.name}")


def _groups(declared: Any, one: Field, scope: Scope, path: Sequence[type[Any]]) -> list[Any]:
    """The groups that a field holds, or else the classes of those that it can hold."""
    points = points_of(declared)
    groups = [point for point in points[:MOST_GROUPS] if is_group(point)]
    if groups or not (declared is REQUIRED or (len(points) == 1 and points[0] is None)):
        return groups
    classes = group_classes(one.annotation, scope)
    return [each for each in classes if each not in path]  # a list of groups has no end


def _class_name(group: Any) -> str:
    return group.__name__ if isinstance(group, type) else type(group).__name__


def _merged(alternatives: Sequence[tuple[str, Sequence[Described]]]) -> Iterator[Described]:
    """The fields of several groups, those of one name together."""
    by_name: dict[str, list[tuple[str, Described]]] = {}
    for group, fields in alternatives:
        for each in fields:
            by_name.setdefault(each.name, []).append((group, each))
    for name, told in by_name.items():
        types = dict.fromkeys(each.type for _, each in told)
        doc = next((each.doc for _, each in told if each.doc), "")
        yield Described(name, " | ".join(types), _defaults(told), doc)


def _defaults(told: Sequence[tuple[str, Described]]) -> str:
    if len({each.default for _, each in told}) == 1:
        return told[0][1].default
    return _several([f"{each.default} ({group})" for group, each in told])


def _default(declared: Any) -> str:
    if isinstance(declared, Axis):
        zipped = f" (zip {declared.zip!r})" if declared.zip else ""
        return f"{_points(declared)}{zipped}"
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
    return f"[{_several([_point(point) for point in points])}]"


def _point(point: Any) -> str:
    """A point by the name that it can be given by, else as it is."""
    return name_of_option(point) if isinstance(point, Enum) else own_name(point) or shorten(point)


def _several(texts: Sequence[str]) -> str:
    shown = list(dict.fromkeys(texts))
    return ", ".join(shown[:MOST_SHOWN] + ["..."] * (len(shown) > MOST_SHOWN))
