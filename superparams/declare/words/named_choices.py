"""What a field may be given by name: named points, groups by their class, functions."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from superparams.declare.descriptors import Value
from superparams.declare.field import Field
from superparams.declare.instance_state import declaration_on
from superparams.declare.words.annotations import Scope, is_group_class, parts
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = [
    "Pick",
    "Unmade",
    "current",
    "group_classes",
    "names_of",
    "own_name",
    "picks_of",
    "points_of",
]


@dataclass(frozen=True)
class Unmade:
    """A group that is yet to be made, of what else is given."""

    cls: type[Any]


@dataclass
class Pick:
    """What one name stands for: points, with their own names where they have any."""

    points: list[Any] = field(default_factory=list[Any])
    labels: list[str | None] = field(default_factory=list[str | None])


def current(of: Any, one: Field) -> Any:
    """What a field is on a class, or on an instance of it: an `Axis`, a `Value` or nothing yet."""
    held: dict[str, Any] = {} if isinstance(of, type) else of.__dict__
    if one.name not in held:
        return declaration_on(of, one)
    x = held[one.name]
    return x if isinstance(x, Axis) else Value(x, plain=True)


def points_of(declared: Any) -> Sequence[Any]:
    """What a field is declared as, where that may hold something to pick."""
    if isinstance(declared, Axis):
        return () if isinstance(declared.points, range) else declared.points
    return (declared.given,) if isinstance(declared, Value) else ()


def group_classes(annotation: Any, scope: Scope) -> Iterator[type[Any]]:
    """The classes of groups that an annotation names and that can be made."""
    for member in parts(annotation, scope.plain):
        member = getattr(member, "__origin__", member)  # of a generic class
        is_ours = is_group_class(member) and member.__module__.startswith("superparams.")
        if is_group_class(member) and not is_ours and not inspect.isabstract(member):
            yield member


def picks_of(of: Any, one: Field, scope: Scope) -> dict[str, Pick]:
    """What each name stands for on a class, or on an instance of it.

    Points with names are given by these. Several points of one class share its name. A class that
    the annotation names stands for a group that is made of what else is given.
    """
    picks: dict[str, Pick] = {}
    for declared in (current(of, one), one.declared):
        labels = declared.labels if isinstance(declared, Axis) else None
        for label, point in zip(labels or (), points_of(declared), strict=False):
            picks.setdefault(label, Pick([point], [label]))
    points = points_of(current(of, one))
    if not picks:
        for point in points:
            name = own_name(point)
            if name is not None:
                picks.setdefault(name, Pick()).points.append(point)
    for cls in group_classes(one.annotation, scope):
        if not any(type(point) is cls for point in points):
            picks.setdefault(cls.__name__, Pick([Unmade(cls)]))
    return picks


def names_of(of: Any, one: Field) -> Axis | None:
    """The axis whose named points name the values of a field in tables; None without names."""
    known = (current(of, one), one.declared)
    return next((x.names for x in known if isinstance(x, Axis) and x.names.labels), None)


def own_name(point: Any) -> str | None:
    """The name of a group's class, or of a class or a function itself."""
    if is_group(point):
        return type(point).__name__
    name = getattr(point, "__name__", None) if callable(point) else None
    return name if isinstance(name, str) and name.isidentifier() else None
