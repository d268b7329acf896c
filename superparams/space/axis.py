"""The axis of a field: its candidate points, in order."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

from superparams.adapters.content import is_truth, same
from superparams.errors.short_repr import shorten

__all__ = ["Axis"]


class Axis:
    """The candidate points of one field, in order, with their names where they have any.

    `names`: the axis whose named points name the values of this one in tables; by default itself.
    It is another one where fields inside the points were changed since.
    """

    __slots__ = ("_table", "labels", "names", "points", "zip")

    def __init__(
        self,
        points: Sequence[Any],
        labels: tuple[str, ...] | None = None,
        zip: str | None = None,
        names: Axis | None = None,
    ) -> None:
        self.points = points
        self.labels = labels
        self.zip = zip
        self.names = self if names is None else names
        self._table: dict[Any, int] | None = None

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.points)

    def __getitem__(self, index: int) -> Any:
        return self.points[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Axis):
            return NotImplemented
        return (
            len(self) == len(other)
            and (self.labels, self.zip) == (other.labels, other.zip)
            and (self.points is other.points or all(map(same, self.points, other.points)))
        )

    def __hash__(self) -> int:
        return hash((len(self.points), self.labels, self.zip))

    def __reduce__(self) -> tuple[Any, ...]:
        names = None if self.names is self else self.names
        return Axis, (self.points, self.labels, self.zip, names)

    def find(self, point: Any) -> int | None:
        """The first place of `point` on the axis, None when it is not there."""
        if isinstance(self.points, range):
            return _place_in(self.points, point)
        if self._table is None:
            self._table = _hashable_places(self.points)
        try:
            place = self._table.get((is_truth(point), point))
        except TypeError:  # an unhashable point is found by comparing
            place = None
        if place is not None and same(self.points[place], point):
            return place
        return next((i for i, known in enumerate(self.points) if same(known, point)), None)

    def named(self, x: Any) -> Any:
        """The named point that `x` is the name of, else `x`."""
        labels = self.names.labels
        if not isinstance(x, str) or not labels or x not in labels or self.find(x) is not None:
            return x
        held = self if self.labels and x in self.labels else self.names
        return held.points[(held.labels or ()).index(x)]

    def __repr__(self) -> str:
        shown = list(self.labels) if self.labels else self.points
        if len(shown) <= 12:
            return f"[{', '.join(map(shorten, shown))}]"
        first = ", ".join(shorten(shown[i]) for i in range(5))
        return f"[{first}, ..., {shorten(shown[len(shown) - 1])}] ({len(shown):,} points)"


def _place_in(points: range, point: Any) -> int | None:
    # A range compares anything but an int to each of its points in turn: too long for 10**12.
    if isinstance(point, bool):
        return None
    if isinstance(point, float):
        return _place_in(points, int(point)) if point.is_integer() else None
    try:
        whole = operator.index(point)
    except TypeError:
        return None
    return points.index(whole) if whole in points else None


def _hashable_places(points: Sequence[Any]) -> dict[Any, int]:
    table: dict[Any, int] = {}
    for place, point in enumerate(points):
        try:
            table.setdefault((is_truth(point), point), place)
        except TypeError:  # an unhashable point is found by comparing
            continue
    return table
