"""The names that a word can use for a field: of points, of classes of groups, of functions."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from superparams.declare.descriptors import Value
from superparams.declare.field import Field
from superparams.declare.instance_state import declaration_on
from superparams.declare.words.annotations import Scope, is_group_class, parts
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.space.ranges import Range

__all__ = [
    "Choice",
    "NewGroup",
    "choices_of",
    "current",
    "group_classes",
    "names_of",
    "own_name",
    "points_of",
]


@dataclass(frozen=True)
class NewGroup:
    """A group that is not made yet, since other words may change its fields."""

    cls: type[Any]


@dataclass
class Choice:
    """The points that a name means, each with its own name or None."""

    points: list[Any] = field(default_factory=list[Any])
    labels: list[str | None] = field(default_factory=list[str | None])


def current(owner: object, field: Field) -> Any:
    """The axis, range or value of a field, or `REQUIRED`, on a class or an instance of it."""
    held: dict[str, Any] = {} if isinstance(owner, type) else owner.__dict__
    if field.name not in held:
        return declaration_on(owner, field)
    x = held[field.name]
    return x if isinstance(x, Axis | Range) else Value(x, plain=True)


def points_of(declared: object) -> Sequence[Any]:
    """The points of a field: those of an axis that is no range, or its only value."""
    if isinstance(declared, Axis):
        return () if isinstance(declared.points, range) else declared.points
    return (declared.given,) if isinstance(declared, Value) else ()


def group_classes(annotation: object, scope: Scope) -> Iterator[type[Any]]:
    """The classes of groups in an annotation that can have instances."""
    for member in parts(annotation, scope.plain):
        member = getattr(member, "__origin__", member)  # of a generic class
        is_ours = is_group_class(member) and member.__module__.startswith("superparams.")
        if is_group_class(member) and not is_ours and not inspect.isabstract(member):
            yield member


def choices_of(owner: object, field: Field, scope: Scope) -> dict[str, Choice]:
    """The points that each name means, on a class or an instance of it.

    Names are those of named points, and those of the classes of groups. Several points of one class
    share its name. A class in the annotation without a point means a new group.
    """
    choices: dict[str, Choice] = {}
    points = points_of(current(owner, field))
    for declared in (current(owner, field), field.declared):
        labels = (declared.labels if isinstance(declared, Axis) else None) or ()
        named = list(zip(labels, points_of(declared), strict=False))
        for label, point in named:
            choices.setdefault(label, Choice([point], [label]))
        groups = [(type(x).__name__, label, x) for label, x in named if is_group(x)]
        _add(choices, groups)
    if not choices:
        _add(choices, [(name, None, x) for x in points if (name := own_name(x)) is not None])
    for cls in group_classes(field.annotation, scope):
        if not any(type(point) is cls for point in points):
            choices.setdefault(cls.__name__, Choice([NewGroup(cls)]))
    return choices


def _add(choices: dict[str, Choice], named: Iterable[tuple[str, str | None, Any]]) -> None:
    """Add points by a name that several of them may share. Known names stay as they are.

    Args:
        choices: The names, to which points are added.
        named: The shared name, the name of the point itself or None, and the point.
    """
    new_choices: dict[str, Choice] = {}
    for name, label, point in named:
        choice = new_choices.setdefault(name, Choice())
        choice.points.append(point)
        choice.labels.append(label)
    for name, choice in new_choices.items():
        choices.setdefault(name, choice)


def names_of(owner: object, field: Field) -> Axis | None:
    """The axis whose named points name the values of a field in tables; None without names."""
    declarations = (current(owner, field), field.declared)
    return next((x.names for x in declarations if isinstance(x, Axis) and x.names.labels), None)


def own_name(point: object) -> str | None:
    """The name of a group's class, of a class or of a function; None for other points."""
    if is_group(point):
        return type(point).__name__
    name = getattr(point, "__name__", None) if callable(point) else None
    return name if isinstance(name, str) and name.isidentifier() else None
