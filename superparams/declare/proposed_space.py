"""A space whose settings are not known beforehand: a strategy proposes their points one by one.

The setting at an index is a repetition of a point that was proposed. It gives keys, rows and
settings like any other space. If settings run in other processes, these get the points as bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from superparams.declare.instance_state import open_fields, set_layout, state_to_pickle
from superparams.declare.layout import close_run
from superparams.declare.listed_ranges import without_ranges
from superparams.declare.search_points import SearchPoints
from superparams.declare.sequence import layout_of
from superparams.space.algebra import Dimension, zipped
from superparams.space.groups import is_open
from superparams.space.search_space import SearchPoint

__all__ = ["ProposedSpace"]

MOST: Final = 1 << 62  # settings; an index is a number of 64 bits


class ProposedSpace:
    """The points that were proposed for a space, by number, and their settings.

    Args:
        space: The space, with at least one open axis; it may have ranges.

    Attributes:
        points: Makes settings from points.
        settings: A space of the settings that were proposed: setting i is repetition
            ``i % repetitions`` of point ``i // repetitions``.
    """

    def __init__(self, space: object) -> None:
        self._space = space
        self.points = SearchPoints(space)
        self._proposed: dict[int, SearchPoint] = {}
        self._last: tuple[int, tuple[Any, ...]] = (-1, ())
        self.settings: Any = _copy_of(space)
        self._lay_out()

    @property
    def repetitions(self) -> int:
        """How many settings each point has."""
        return self.points.repetitions

    def propose(self, number: int, point: SearchPoint) -> range:
        """Take a point, which `SearchSpace.checked` has returned.

        Args:
            number: The number of the point.
            point: A value for each dimension.

        Returns:
            The indices of its settings.
        """
        self._proposed[number] = point
        self._last = (-1, ())
        return range(number * self.repetitions, (number + 1) * self.repetitions)

    def point(self, number: int) -> SearchPoint:
        """The point with a number."""
        return self._proposed[number]

    def values(self, index: int) -> tuple[Any, ...]:
        """The values of the open fields of a setting, in the order of its class."""
        last_index, values = self._last
        if last_index != index:
            number, repetition = divmod(index, self.repetitions)
            by_name: dict[str, Any] = {}
            group_values = self.points.values(self._proposed[number], repetition)
            for group, x in zip(layout_of(self._space).groups, group_values, strict=True):
                by_name.update({group[0]: x} if len(group) == 1 else zip(group, x, strict=True))
            values = tuple([by_name[name] for name in open_fields(self._space)])
            self._last = index, values
        return values

    def listed(self) -> Any:
        """The space with one value of each range: it has the same alternatives."""
        return without_ranges(self._space, 1)

    # ---- for other processes

    def packed(self, indices: Iterable[int]) -> bytes:
        """The points of some settings as bytes."""
        numbers = dict.fromkeys(index // self.repetitions for index in indices)
        return json.dumps({number: dict(self._proposed[number]) for number in numbers}).encode()

    def learn(self, data: bytes) -> None:
        """Add the points that `packed` has encoded."""
        for number, point in json.loads(data).items():
            self.propose(int(number), point)

    def __getstate__(self) -> dict[str, Any]:
        return {"_space": self._space, "settings": self.settings, "_proposed": self._proposed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.points, self._last = SearchPoints(self._space), (-1, ())
        self._lay_out()

    def _lay_out(self) -> None:
        parts = [
            _ProposedField(self, position) for position in range(len(open_fields(self._space)))
        ]
        set_layout(self.settings, layout_of(self._space).with_points_of(zipped(parts)))


def _copy_of(space: object) -> Any:
    cls: type[Any] = space.__class__
    instance: Any = object.__new__(cls)
    instance.__dict__.update(state_to_pickle(space))
    if is_open(instance):
        close_run(instance)
    return instance


class _ProposedField(Dimension):
    """The values of one field, by the index of the setting."""

    __slots__ = ("_of", "_place")

    def __init__(self, space: ProposedSpace, position: int) -> None:
        self._of = space
        self._place = position
        self.size = MOST

    def at(self, index: int) -> Any:
        return self._of.values(index)[self._place]

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def find(self, value: object) -> int | None:
        """Return None, since a value may have any number of indices."""
        return None
