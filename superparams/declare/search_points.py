"""Translates between a space and the points of strategies.

A strategy gets a `SearchSpace`, which is plain data. `SearchPoints` makes the values of a setting
from a point, and finds the point of a setting. An axis that is a repetition is no dimension: each
point goes with all repetitions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from superparams.adapters.content import same
from superparams.declare.draws import Repetition, Strides, is_repeated, names_of, repetitions
from superparams.declare.field import declared_of
from superparams.declare.instance_state import open_fields
from superparams.declare.metaclass import recorded_fields
from superparams.declare.sequence import has_valid, is_kept_in, layout_of, same_field
from superparams.errors import SpaceError
from superparams.errors.short_repr import shorten
from superparams.space.algebra import Dimension, dimension_of, zipped
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, is_group, is_open
from superparams.space.ranges import Range
from superparams.space.search_space import (
    Categories,
    ConditionalChoice,
    NumberRange,
    OrderedNumbers,
    SearchDimension,
    SearchPoint,
    SearchSpace,
)

__all__ = ["SearchPoints"]


class SearchPoints:
    """The points of a space and their settings.

    Args:
        space: The space; it may have ranges.

    Attributes:
        space: The space as strategies see it.
        repetitions: How many settings each point has.

    Raises:
        SpaceError: For an alternative with a repetition.
    """

    def __init__(self, space: object) -> None:
        self._whole, self._has_valid = space, has_valid(space)
        self.repetitions = repetitions(space) if is_open(space) else 1
        self._part = _Group(space, "", Strides()) if is_open(space) else None
        self.space = SearchSpace(() if self._part is None else tuple(self._part.dimensions))

    def values(self, point: SearchPoint, repetition: int = 0) -> tuple[Any, ...]:
        """The values of the open fields, in the order of the layout of the space.

        Args:
            point: A point that `SearchSpace.checked` has returned.
            repetition: Which of its settings.
        """
        return () if self._part is None else self._part.values(point, repetition)

    def setting(self, point: SearchPoint, repetition: int = 0) -> Any:
        """A setting of a point; ``valid`` is not asked."""
        if self._part is None:
            return self._whole
        return layout_of(self._whole).make(self.values(point, repetition))

    def kept(self, point: SearchPoint) -> Collection[int]:
        """The repetitions of a point that ``valid`` keeps."""
        each = range(self.repetitions)
        if not self._has_valid:
            return each
        return [n for n in each if is_kept_in(self._whole, self.setting(point, n))]

    def point_of(self, setting: object) -> dict[str, Any]:
        """The point of a setting, whatever its repetition is.

        Raises:
            SpaceError: When the space has no such setting; names the field that differs.
        """
        cls: type[Any] = self._whole.__class__
        if type(setting) is not cls or is_open(setting):
            raise SpaceError(f"{shorten(setting)} is not a setting of {cls.__name__}")
        opened: Mapping[str, Any] = open_fields(self._whole) if is_open(self._whole) else {}
        for name in recorded_fields(cls):
            if name not in opened and not same_field(self._whole, setting, name):
                raise SpaceError(
                    f"{cls.__name__}.{name}={shorten(getattr(setting, name))} is not in this "
                    f"space, in which it is fixed to {shorten(getattr(self._whole, name))}"
                )
        return {} if self._part is None else self._part.point_of(setting)


class _Part(Protocol):
    """One open field, or a zip group: its dimensions, and its value for a point."""

    dimensions: Sequence[SearchDimension]

    def at(self, point: SearchPoint, repetition: int, /) -> Any:
        """The value."""
        ...

    def point(self, value: object, /) -> dict[str, Any] | None:
        """The part of a point for a value; None if there is none."""
        ...


class _OfRepetition:
    dimensions: Sequence[SearchDimension] = ()

    def __init__(self, repetition: Repetition) -> None:
        self._of = repetition

    def at(self, _: SearchPoint, repetition: int) -> Any:
        return self._of.value(repetition)

    def point(self, _: object) -> dict[str, Any] | None:
        return {}


class _OfNumbers:
    """A range, or points that are a range of integers: a search point has the value itself."""

    def __init__(self, name: str, field_range: Range) -> None:
        self._name = name
        self._of = field_range
        dimension = NumberRange(
            name, field_range.low, field_range.high, log=field_range.log, step=field_range.step
        )
        self.dimensions: Sequence[SearchDimension] = (dimension,)

    def at(self, point: SearchPoint, _: int) -> Any:
        return point[self._name]

    def point(self, value: object) -> dict[str, Any] | None:
        return {self._name: value} if value in self._of else None


class _OfPlaces:
    """Points that a search point names by their position, perhaps in another order."""

    def __init__(
        self,
        dimension: SearchDimension,
        field_dimension: Dimension,
        order: Sequence[int] | None = None,
    ) -> None:
        self.dimensions: Sequence[SearchDimension] = (dimension,)
        self._name = dimension.name
        self._of = field_dimension
        self._order = order

    def at(self, point: SearchPoint, _: int) -> Any:
        index: int = point[self._name]
        return self._of.at(index if self._order is None else self._order[index])

    def point(self, value: object) -> dict[str, Any] | None:
        index = self._of.find(value)
        if index is None:
            return None
        return {self._name: index if self._order is None else self._order.index(index)}


class _OfAlternatives:
    """Points, some of which are open: the position of a point, and its fields."""

    def __init__(self, name: str, labels: Sequence[str], points: Sequence[object]) -> None:
        self._name = name
        self._parts: list[Any] = [
            _Group(point, f"{name}.{label}.", None) if is_open(point) else point
            for label, point in zip(labels, points, strict=True)
        ]
        inner = [tuple(x.dimensions) if isinstance(x, _Group) else () for x in self._parts]
        self.dimensions: Sequence[SearchDimension] = (
            ConditionalChoice(name, tuple(labels), tuple(inner)),
        )

    def at(self, point: SearchPoint, repetition: int) -> Any:
        part = self._parts[point[self._name]]
        return part.at(point, repetition) if isinstance(part, _Group) else part

    def point(self, value: object) -> dict[str, Any] | None:
        for index, part in enumerate(self._parts):
            if not isinstance(part, _Group):
                inner: dict[str, Any] | None = {} if same(part, value) else None
            else:
                inner = part.point(value)
            if inner is not None:
                return {self._name: index, **inner}
        return None


class _Group:
    """The open fields of a space: the experiment, a nested group, or an alternative."""

    def __init__(self, space: object, prefix: str, strides: Strides | None) -> None:
        self._space = space
        self._layout = layout_of(space)
        opened = open_fields(space)
        self._parts = [
            _part(space, group, [opened[name] for name in group], prefix, strides)
            for group in self._layout.groups
        ]
        dimensions = [dimension for part in self._parts for dimension in part.dimensions]
        self.dimensions: Sequence[SearchDimension] = dimensions

    def values(self, point: SearchPoint, repetition: int) -> tuple[Any, ...]:
        return tuple([part.at(point, repetition) for part in self._parts])

    def at(self, point: SearchPoint, repetition: int) -> Any:
        return self._layout.make(self.values(point, repetition))

    def point(self, value: object) -> dict[str, Any] | None:
        """The point of a group that holds the same fixed fields; None for another one."""
        cls: type[Any] = self._space.__class__
        if type(value) is not cls or is_open(value):
            return None
        opened = open_fields(self._space)
        fixed = [name for name in recorded_fields(cls) if name not in opened]
        if not all(same_field(self._space, value, name) for name in fixed):
            return None
        try:
            return self.point_of(value)
        except SpaceError:
            return None

    def point_of(self, setting: object) -> dict[str, Any]:
        point: dict[str, Any] = {}
        for names, part in zip(self._layout.groups, self._parts, strict=True):
            held = [declared_of(setting, name) for name in names]
            inner = part.point(held[0] if len(names) == 1 else tuple(held))
            if inner is None:
                cls = type(setting).__name__
                assignments = " and ".join(
                    f"{cls}.{name}={shorten(x)}" for name, x in zip(names, held, strict=True)
                )
                raise SpaceError(f"{assignments} is not among the values of this space")
            point.update(inner)
        return point


def _part(
    space: Any, names: Sequence[str], opened: Sequence[Any], prefix: str, strides: Strides | None
) -> _Part:
    """The dimensions of one open field, or of a zip group."""
    first, name = opened[0], prefix + "+".join(names)
    if isinstance(first, Range):
        return _OfNumbers(name, first)
    if is_group(first):
        return _Group(first, f"{name}.", strides)
    if len(opened) == 1 and not first.repeat and _has_open_points(first):
        return _OfAlternatives(name, names_of(first), first.points)
    dimension = zipped([dimension_of(axis) for axis in opened])
    if is_repeated(opened):
        return _OfRepetition(Strides.added(strides, dimension, space, names[0], prefix))
    if len(opened) > 1:
        return _OfPlaces(Categories(name, dimension.size), dimension)
    if isinstance(first.points, range):
        return _of_integers(name, first.points, dimension)
    numbers = _ordered(first.points)
    if numbers is None:
        return _OfPlaces(Categories(name, dimension.size), dimension)
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    ascending = OrderedNumbers(name, tuple(numbers[index] for index in order))
    return _OfPlaces(ascending, dimension, order)


def _has_open_points(axis: Axis) -> bool:
    is_listed = isinstance(axis.points, range) or not has_groups(axis.points)
    return not is_listed and any(map(is_open, axis.points))


def _of_integers(name: str, points: range, dimension: Dimension) -> _Part:
    if len(points) < 2:
        return _OfPlaces(Categories(name, dimension.size), dimension)
    low, high = sorted((points[0], points[-1]))
    step = abs(points.step)
    return _OfNumbers(name, Range(low, high, step=None if step == 1 else step))


def _ordered(points: Sequence[Any]) -> list[float] | None:
    """The points as different numbers; None if they are not such numbers."""
    if not {int, float}.issuperset(map(type, points)) or len(set(points)) < max(2, len(points)):
        return None
    numbers: list[float] = list(points)
    return numbers if all(x == x for x in numbers) else None
