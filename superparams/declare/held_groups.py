"""Which classes of groups the settings of a space hold, by index.

The code of a setting depends on them (see `superparams.identity.code.held_alternatives`). To find
them, no setting is built and no factory called: the classes that a factory or a ``derive`` uses
belong to the code of the declaration.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from superparams.adapters.content import PLAIN_MODULES
from superparams.declare.descriptors import Value
from superparams.declare.field import declared_of
from superparams.declare.instance_state import declaration_on, on_demand, open_fields
from superparams.declare.layout import Layout
from superparams.declare.metaclass import fields_of
from superparams.declare.params import Params
from superparams.declare.presentation import given_fields
from superparams.declare.sequence import layout_of
from superparams.space.algebra import Alternatives, Dimension, Nested, Points, Zipped
from superparams.space.groups import is_group, is_open

__all__ = ["Classes", "HeldGroups", "UnknownGroup"]

# So many places of one dimension are examined to find which classes it may hold.
MOST_PLACES: Final = 1 << 16
_SCALARS: Final = frozenset({type(None), bool, int, float, complex, str, bytes, range})
Classes = frozenset[type[Any]]
_NONE: Final[Classes] = frozenset()


class UnknownGroup:
    """Represents the classes in a value of the call that may hold anything."""


_UNKNOWN: Final[Classes] = frozenset({UnknownGroup})


class HeldGroups:
    """The classes of all groups that the settings of a space hold, by index.

    Args:
        space: The space; groups inside of groups count as well.
    """

    def __init__(self, space: Params) -> None:
        self._space = space
        opened, given_names = open_fields(space), set(given_fields(space))
        constant = _NONE
        for name, field in fields_of(type(space)).items():
            if name in opened:
                continue
            declared = declaration_on(space, field)
            if name in space.__dict__:
                constant |= _classes_in(declared_of(space, name), is_given=name in given_names)
            elif isinstance(declared, Value) and declared.secret is not None:
                continue  # a text, which may name nothing yet
            elif isinstance(declared, Value) and (declared.factory or declared.derive):
                constant |= _UNKNOWN if name in on_demand(space) else _NONE
            else:
                constant |= _classes_in(declared_of(space, name), is_given=name in given_names)
        self._constant = constant
        self._given = given_names
        self._columns: list[_Column] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_columns": None}

    def at(self, index: int) -> Classes:
        """The classes that the setting at ``0 <= index < size`` holds."""
        if not is_open(self._space):
            return self._constant
        layout = layout_of(self._space)
        rest = index if layout.kept is None else layout.kept.at(index)
        classes = self._constant
        for column in self._columns_of(layout):
            rest, position = divmod(rest, column.size)
            classes |= column[position]
        return classes

    def combinations(self, most: int) -> set[Classes] | None:
        """All sets of classes that a setting may hold; None if there are more than `most`."""
        combinations = {self._constant}
        for column in self._columns_of(layout_of(self._space)) if is_open(self._space) else ():
            of_column = column.all()
            if of_column is None:
                return None
            combinations = {a | b for a, b in itertools.product(combinations, of_column)}
            if len(combinations) > most:
                return None
        return combinations

    def _columns_of(self, layout: Layout) -> list[_Column]:
        if self._columns is None:
            dimensions = zip(layout.groups, layout.product.dimensions, strict=True)
            columns = [_Column(x, not self._given.isdisjoint(group)) for group, x in dimensions]
            self._columns = columns[::-1]
        return self._columns


class _Column:
    """The classes at each place of a dimension."""

    def __init__(self, dimension: Dimension, is_given: bool) -> None:
        self.size = dimension.size
        self._dimension = dimension
        self._is_given = is_given
        self._is_plain = _has_no_groups(dimension)
        self._cache: dict[int, Classes] = {}
        self._nested: dict[int, HeldGroups] = {}

    def __getitem__(self, index: int) -> Classes:
        if self._is_plain:
            return _NONE
        classes = self._cache.get(index)
        if classes is None:
            classes = self._classes_at(self._dimension, index)
            if len(self._cache) < MOST_PLACES:
                self._cache[index] = classes
        return classes

    def all(self) -> set[Classes] | None:
        """The classes at every place; None if there are too many places to examine."""
        if self._is_plain:
            return {_NONE}
        return {self[index] for index in range(self.size)} if self.size <= MOST_PLACES else None

    def _classes_at(self, dimension: Dimension, index: int) -> Classes:
        if isinstance(dimension, Zipped):
            return _NONE.union(*(self._classes_at(part, index) for part in dimension.parts))
        if isinstance(dimension, Alternatives):
            number = bisect_right(dimension.ends, index)
            part = dimension.parts[number]
            return self._classes_at(part, index - dimension.ends[number] + part.size)
        if isinstance(dimension, Nested):
            return self._classes_of_nested(cast("Params", dimension.space), index)
        return _classes_in(dimension.at(index), is_given=self._is_given)

    def _classes_of_nested(self, space: Params, index: int) -> Classes:
        if self._is_given and _classes_in(space, is_given=True) >= _UNKNOWN:
            return _UNKNOWN
        if id(space) not in self._nested:
            self._nested[id(space)] = HeldGroups(space)
        return self._nested[id(space)].at(index) | {type(space)}


def _has_no_groups(dimension: Dimension) -> bool:
    """Whether all points are numbers, text and the like."""
    if isinstance(dimension, Zipped):
        return all(map(_has_no_groups, dimension.parts))
    points = dimension.axis.points if isinstance(dimension, Points) else None
    return points is not None and (
        isinstance(points, range) or _SCALARS.issuperset(map(type, points))
    )


def _classes_in(x: object, *, is_given: bool) -> Classes:
    """The classes of the groups in a value.

    Args:
        x: The value of a field.
        is_given: Whether it is a value of the call: then `UnknownGroup` represents other objects.
    """
    if type(x) in _SCALARS:
        return _NONE
    if is_group(x):
        values = _values_of(cast("Params", x))
        return frozenset({type(x)}).union(*(_classes_in(v, is_given=is_given) for v in values))
    if type(x) in (list, tuple, set, frozenset, dict):
        items = cast("Iterable[object]", x.values() if isinstance(x, dict) else x)
        return _NONE.union(*(_classes_in(item, is_given=is_given) for item in items))
    return _UNKNOWN if is_given and not _is_data(x) else _NONE


def _values_of(group: Params) -> Iterator[object]:
    """The values of a group's fields, except for values that are made when they are read."""
    for name, field in fields_of(type(group)).items():
        declared = declaration_on(group, field)
        is_made = isinstance(declared, Value) and (declared.factory or declared.derive)
        if name in group.__dict__ or not is_made:
            x: Any = declared_of(group, name)
            yield from x.points if hasattr(x, "points") and not is_group(x) else (x,)
        elif name in on_demand(group):
            yield declared  # a function in the call


def _is_data(x: object) -> bool:
    """Whether a value is data of a library, such as an array, and holds no objects of the user."""
    module = type(x).__module__
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    return module in PLAIN_MODULES or (module == "numpy" and kind not in ("O", "V", ""))
