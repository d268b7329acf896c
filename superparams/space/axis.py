"""The axis of a field: its points, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from superparams.adapters.content import is_truth, same, whole_number
from superparams.errors.short_repr import shorten

__all__ = ["Axis"]


class Axis:
    """The points of one field, in order.

    Args:
        points: The points, lazily if they are a range.
        labels: The names of the points, if they have any.
        zip: The name of the group of axes that advance together.
        names: The axis whose labels name the points of this axis in tables; by default this axis.
            It is another one if fields inside the points were changed.
        repeat: Whether the axis is a repetition, such as a seed or a fold.
    """

    __slots__ = ("_table", "labels", "names", "points", "repeat", "zip")

    def __init__(
        self,
        points: Sequence[object],
        labels: tuple[str, ...] | None = None,
        zip: str | None = None,
        names: Axis | None = None,
        repeat: bool = False,
    ) -> None:
        self.points = points
        self.labels = labels
        self.zip = zip
        self.names = self if names is None else names
        self.repeat = repeat
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
            and (self.labels, self.zip, self.repeat) == (other.labels, other.zip, other.repeat)
            and _same_points(self.points, other.points)
        )

    def __hash__(self) -> int:
        return hash((len(self.points), self.labels, self.zip))

    def __reduce__(self) -> tuple[Any, ...]:
        names = None if self.names is self else self.names
        return Axis, (self.points, self.labels, self.zip, names, self.repeat)

    def having(self, points: Sequence[object]) -> Axis:
        """The same axis with as many other points, which get the names of the old ones."""
        return Axis(points, self.labels, self.zip, self.names, self.repeat)

    def repeated(self) -> Axis:
        """The same axis as a repetition."""
        names = None if self.names is self else self.names
        return self if self.repeat else Axis(self.points, self.labels, self.zip, names, True)

    def find(self, point: object) -> int | None:
        """The first index of `point`, or None."""
        if isinstance(self.points, range):
            return _index_in_range(self.points, point)
        if self._table is None:
            self._table = _index_table(self.points)
        try:
            index = self._table.get((is_truth(point), point))
        except Exception:  # it has no hash, or its == raises: it is compared to each point
            index = None
        if index is not None and same(self.points[index], point):
            return index
        return next((i for i, other in enumerate(self.points) if same(other, point)), None)

    def named(self, x: object) -> Any:
        """The point whose name is `x`; `x` itself if it is a point, or if no point has the name."""
        labels = self.names.labels
        if not isinstance(x, str) or not labels or x not in labels or self.find(x) is not None:
            return x
        owner = self if self.labels and x in self.labels else self.names
        return owner.points[(owner.labels or ()).index(x)]

    def __repr__(self) -> str:
        items = list(self.labels) if self.labels else self.points
        if len(items) <= 12:
            return f"[{', '.join(map(shorten, items))}]"
        first = ", ".join(shorten(items[i]) for i in range(5))
        return f"[{first}, ..., {shorten(items[len(items) - 1])}] ({len(items):,} points)"


def _same_points(a: Sequence[object], b: Sequence[object]) -> bool:
    """Whether as many points are the same, without a look at each number of a long range."""
    if isinstance(a, range) and isinstance(b, range):
        return a == b
    return a is b or all(map(same, a, b))


def _index_in_range(points: range, point: Any) -> int | None:
    # ``range.index`` compares any other class than int to each point: too slow for 10**12 points.
    if isinstance(point, float):
        return _index_in_range(points, int(point)) if point.is_integer() else None
    whole = whole_number(point)
    return None if whole is None or whole not in points else points.index(whole)


def _index_table(points: Sequence[object]) -> dict[Any, int]:
    table: dict[Any, int] = {}
    for index, point in enumerate(points):
        with suppress(Exception):  # it has no hash, or its == raises
            table.setdefault((is_truth(point), point), index)
    return table
