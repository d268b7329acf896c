"""The name of a value in a table: the name of its named point, or of its class for a group.

The name depends on the value and on the declared names only, and not on how the value was made: one
key has one name. A group has the name of the first named point that allows the values of all its
fields. If there is none, it has the name of the point of its class that differs in the fewest
fields. So a group keeps its name when one of its fields is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from superparams.adapters.content import same
from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.instance_state import is_set_on, named_axes, open_fields
from superparams.declare.metaclass import SUBCLASSED, recorded_fields
from superparams.space.axis import Axis
from superparams.space.groups import FIELDS, is_group, is_open
from superparams.space.ranges import Range

__all__ = [
    "axes_with_names",
    "label_of",
    "labels_of",
    "labels_of_class",
    "leaves_class_open",
    "naming",
]

FAR: Final = 1000  # more than the number of fields of any group
NOT_HELD: Final = object()
PLAIN: Final = (bool, int, str, type(None))  # equal values of these are the same and hash so


def naming(params: object, field: Field) -> Axis | None:
    """The axis whose named points give the names of a field's values; None without names."""
    name = field.name
    opened = open_fields(params).get(name)
    for axis in (opened, named_axes(params).get(name, field.declared)):
        if isinstance(axis, Axis) and axis.names.labels:
            return axis.names
    return None


def axes_with_names(params: object) -> dict[str, Axis]:
    """The axes whose names belong to an instance and not to its class, by the names of fields."""
    opened = open_fields(params).items()
    axes = {name: x.names for name, x in opened if isinstance(x, Axis) and x.names.labels}
    return {**named_axes(params), **axes}


def label_of(axis: Axis, x: object) -> str | None:
    """The name of a value by the named points of an axis; None if it has no name."""
    labels = axis.labels
    if not labels:
        return None
    index = axis.find(x)
    if not is_group(x) or (index is not None and not any(map(is_open, axis.points[:index]))):
        return None if index is None else labels[index]
    nearest, least = None, FAR
    for label, point in zip(labels, axis.points, strict=True):
        distance = _distance(point, x)
        if distance < least:
            nearest, least = label, distance
        if not least:
            break
    return nearest


def labels_of(axis: Axis, groups: Iterable[object]) -> Iterator[str | None]:
    """The names of many groups; the same as `label_of` returns.

    Each group is compared only with the points whose plain fields have the same values. Groups
    without such a point are compared with all points.
    """
    points, labels = axis.points, axis.labels or ()
    first_open = next(
        (number for number, point in enumerate(points) if is_open(point)), len(points)
    )
    fields = _plain_fields(points)
    alike: dict[Any, list[int]] = {}
    for number, point in enumerate(points):
        if is_group(point):
            alike.setdefault(_plain_values(point, fields), []).append(number)
    for x in groups:
        index = None if is_open(x) else axis.find(x)
        if index is None or index > first_open:
            candidates = alike.get(_plain_values(x, fields), ())
            index = next(
                (number for number in candidates if not _distance(points[number], x)), None
            )
        yield label_of(axis, x) if index is None or not labels else labels[index]


def _plain_fields(points: Iterable[object]) -> dict[type[Any], list[str]]:
    """The fields that hold a plain value in every group among some points, by class."""
    names: dict[type[Any], list[str]] = {}
    for point in filter(is_group, points):
        cls: type[Any] = point.__class__
        if cls not in names:
            fields = recorded_fields(cls).items()
            names[cls] = [name for name, field in fields if not _is_made(field)]
        names[cls] = [name for name in names[cls] if _is_plain(getattr(point, name, NOT_HELD))]
    return names


def _is_plain(x: object) -> bool:
    return type(x) in PLAIN or (type(x) is float and x == x)


def _plain_values(group: object, fields: dict[type[Any], list[str]]) -> Any:
    """The values of the plain fields of a group, hashable; None if one of them is not plain."""
    cls: type[Any] = group.__class__
    values = [getattr(group, name, NOT_HELD) for name in fields.get(cls, ())]
    if not all(map(_is_plain, values)):
        return None
    return cls, *((type(x) is bool, x) for x in values)


def labels_of_class(axis: Axis, name: str) -> list[str]:
    """The names of the points that are groups of a class of this name."""
    pairs = zip(axis.labels or (), axis.points, strict=False)
    return [label for label, x in pairs if is_group(x) and type(x).__name__ == name]


def leaves_class_open(field: Field, x: object) -> bool:
    """Whether a field may hold groups of other classes than that of the group `x`."""
    cls: type[Any] = x.__class__
    if field.annotation is not cls or SUBCLASSED in vars(cls):
        return True
    declared = field.declared
    if isinstance(declared, Value):
        return declared.given is not REQUIRED and type(declared.given) is not cls
    if not isinstance(declared, Axis) or isinstance(declared.points, range):
        return False
    return any(type(point) is not cls for point in declared.points)


def _distance(point: object, x: object) -> int:
    """The number of fields in which the group `x` has a value that the point does not allow."""
    if type(point) is not type(x):
        return FAR
    return sum(_differs(point, x, field) for field in recorded_fields(x.__class__).values())


def _differs(point: object, x: object, field: Field) -> int:
    if _follows_on_both(point, x, field):
        return 0
    try:
        allowed = point.__dict__.get(field.name, NOT_HELD)
        allowed = getattr(point, field.name) if allowed is NOT_HELD else allowed
        return min(_distances(allowed, getattr(x, field.name)))
    except Exception:  # a derived value that cannot be computed, or a failing __eq__ of the user
        return 1


def _distances(allowed: object, value: object) -> Iterator[int]:
    """The distance of a value from each value that a field of a named point allows."""
    if is_group(allowed):
        yield min(_distance(allowed, value), 1 + len(getattr(allowed.__class__, FIELDS)))
    elif isinstance(allowed, Range):
        yield int(value not in allowed)
    elif not isinstance(allowed, Axis) or isinstance(value, Axis):
        yield int(not same(allowed, value))
    else:
        yield int(allowed.find(value) is None)
        if is_group(value) and not isinstance(allowed.points, range):
            for group in filter(is_group, allowed.points):
                yield from _distances(group, value)


def _follows_on_both(point: object, x: object, field: Field) -> bool:
    """Whether the values of both come from a factory or ``derive``, not from the user."""
    if not _is_made(field):
        return False
    return not any(is_set_on(group, field.name) for group in (point, x))


def _is_made(field: Field) -> bool:
    """Whether a factory or `derive` may give the value of the field."""
    return isinstance(field.declared, Value) and field.declared.given is REQUIRED
