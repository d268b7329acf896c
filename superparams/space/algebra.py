"""The algebra of spaces: product and sum of axes, size, index to point and back.

A dimension is a finite, lazy sequence that can say where a value stands in it. A space is the
product of its dimensions, the last one fastest, as in `itertools.product`; a dimension is the
points of one axis, the settings of a nested space, alternatives of both kinds, or several axes
that advance together.
"""

from __future__ import annotations

import itertools
import math
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, cast, overload

from superparams.adapters.content import same
from superparams.errors import SizeError, SpaceError
from superparams.errors.units import counted
from superparams.space.axis import Axis
from superparams.space.groups import is_group

__all__ = ["Dimension", "Kept", "Product", "Settings", "dimension_of", "zipped"]

S = TypeVar("S")
LARGEST_POOL: Final = 1 << 16


class Dimension:
    """A finite, lazy sequence of what one field (or one zip group) can be."""

    __slots__ = ("size",)
    size: int

    def at(self, index: int) -> Any:
        """The value at ``0 <= index < size``."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def find(self, value: Any) -> int | None:
        """The first index of `value`, None when it is not there."""
        raise NotImplementedError


class Points(Dimension):
    """The points of an axis that holds no nested space."""

    __slots__ = ("axis",)

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.size = len(axis)

    def at(self, index: int) -> Any:
        return self.axis.points[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.axis.points)

    def find(self, value: Any) -> int | None:
        return self.axis.find(value)


class Nested(Dimension):
    """The settings of a nested space."""

    __slots__ = ("space",)

    def __init__(self, space: Any) -> None:
        self.space = space
        self.size = space.n_settings

    def at(self, index: int) -> Any:
        return self.space[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.space)

    def find(self, value: Any) -> int | None:
        if type(value) is not type(self.space):
            return None
        try:
            place: int = self.space.index(value)
        except SpaceError:
            return None
        return place


class Alternatives(Dimension):
    """The sum of several dimensions: all of the first, then all of the second, and so on."""

    __slots__ = ("ends", "parts")

    def __init__(self, axis: Axis) -> None:
        self.parts: list[Dimension] = [
            Nested(point) if is_group(point) else Points(Axis((point,))) for point in axis
        ]
        self.ends = list(itertools.accumulate(part.size for part in self.parts))
        self.size = self.ends[-1]

    def at(self, index: int) -> Any:
        place = bisect_right(self.ends, index)
        return self.parts[place].at(index - self._start(place))

    def _start(self, place: int) -> int:
        return self.ends[place - 1] if place else 0

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.parts)

    def find(self, value: Any) -> int | None:
        for place, part in enumerate(self.parts):
            inside = part.find(value)
            if inside is not None:
                return self._start(place) + inside
        return None


class Zipped(Dimension):
    """Several dimensions of one size that advance together; its values are tuples."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Dimension]) -> None:
        self.parts = parts
        self.size = parts[0].size

    def at(self, index: int) -> Any:
        return tuple(part.at(index) for part in self.parts)

    def __iter__(self) -> Iterator[Any]:
        return zip(*self.parts, strict=True)

    def find(self, value: Any) -> int | None:
        first = self.parts[0].find(value[0])
        if first is not None and self._agrees(first, value):
            return first
        if first is None:
            return None
        return next((i for i in range(first + 1, self.size) if self._agrees(i, value)), None)

    def _agrees(self, index: int, value: Any) -> bool:
        return all(same(part.at(index), x) for part, x in zip(self.parts, value, strict=True))


def dimension_of(open_field: Any) -> Dimension:
    """The dimension of an open field: an `Axis` or a nested space."""
    if not isinstance(open_field, Axis):
        return Nested(open_field)
    if isinstance(open_field.points, range) or not any(map(is_group, open_field.points)):
        return Points(open_field)
    return Alternatives(open_field)


def zipped(parts: Sequence[Dimension]) -> Dimension:
    """One dimension of several that advance together; they must be equally long."""
    return parts[0] if len(parts) == 1 else Zipped(parts)


class Product:
    """All combinations of the dimensions, the last one fastest; its values are tuples."""

    __slots__ = ("dimensions", "size")

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self.size = math.prod(dimension.size for dimension in dimensions)

    def at(self, index: int) -> tuple[Any, ...]:
        """The combination at ``0 <= index < size``, in time independent of the size."""
        point: list[Any] = []
        for dimension in reversed(self.dimensions):
            index, place = divmod(index, dimension.size)
            point.append(dimension.at(place))
        point.reverse()
        return tuple(point)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return _combinations(self.dimensions)

    def find(self, point: Sequence[Any]) -> tuple[int | None, int | None]:
        """The index of a combination, and the first dimension (if any) that does not have it."""
        index = 0
        for number, (dimension, value) in enumerate(zip(self.dimensions, point, strict=True)):
            place = dimension.find(value)
            if place is None:
                return None, number
            index = index * dimension.size + place
        return index, None


def _combinations(dimensions: Sequence[Dimension]) -> Iterator[tuple[Any, ...]]:
    # itertools.product holds all its pools in memory, so a very long dimension gets a loop of
    # its own around the product of what follows it.
    for place, dimension in enumerate(dimensions):
        if dimension.size > LARGEST_POOL:
            heads, tails = dimensions[:place], dimensions[place + 1 :]
            return (
                (*head, value, *tail)
                for head in itertools.product(*heads)
                for value in dimension
                for tail in _combinations(tails)
            )
    return itertools.product(*dimensions)


class Kept:
    """Which indices of a product a predicate keeps, found in order and no further than needed."""

    def __init__(self, size: int, keeps: Callable[[int], bool]) -> None:
        self.size = size
        self.keeps = keeps
        self.found: array[int] = array("Q")
        self._next = 0
        self._lock = threading.Lock()

    @property
    def is_counted(self) -> bool:
        """Whether every index has been looked at."""
        return self._next >= self.size

    def count(self) -> int:
        """How many are kept: looks at all of them once."""
        self._advance(self.size, None)
        return len(self.found)

    def at(self, rank: int) -> int:
        """The index of the kept one at `rank`.

        Raises:
            IndexError: When fewer are kept.
        """
        self._advance(self.size, rank + 1)
        return self.found[rank]

    def rank(self, index: int) -> int | None:
        """The place of `index` among the kept ones, None when it is left out."""
        self._advance(index + 1, None)
        place = bisect_left(self.found, index)
        return place if place < len(self.found) and self.found[place] == index else None

    def count_within(self, limit: int) -> int:
        """How many are kept, or `limit` when there are more: looks no further than needed."""
        self._advance(self.size, limit)
        return min(len(self.found), limit)

    def known(self) -> tuple[array[int], int]:
        """What has been found so far, for another `Kept` of the same product to go on from."""
        with self._lock:
            return self.found[:], self._next

    def resume(self, found: array[int], looked_at: int) -> None:
        """Go on from what another one has found."""
        with self._lock:
            self.found, self._next = found[:], looked_at

    def _advance(self, stop: int, enough: int | None) -> None:
        with self._lock:
            while self._next < stop and (enough is None or len(self.found) < enough):
                if self.keeps(self._next):
                    self.found.append(self._next)
                self._next += 1


class Settings(Sequence[S], Generic[S]):
    """A lazy slice of a space: ``space[10:20]``."""

    __slots__ = ("_at", "_indices")

    def __init__(self, at: Callable[[int], S], indices: range) -> None:
        self._at = at
        self._indices = indices

    def __len__(self) -> int:
        try:
            return len(self._indices)
        except OverflowError:
            raise SizeError(
                f"this slice has {self._size:,} settings, more than len() can return; take a "
                f"narrower one"
            ) from None

    @property
    def _size(self) -> int:
        """As ``len``, at any size."""
        indices = self._indices
        return (indices[-1] - indices[0]) // indices.step + 1 if indices else 0

    @overload
    def __getitem__(self, index: int, /) -> S: ...
    @overload
    def __getitem__(self, index: slice, /) -> Settings[S]: ...
    def __getitem__(self, index: int | slice, /) -> S | Settings[S]:
        if isinstance(index, slice):
            return Settings(self._at, self._indices[index])
        try:
            return self._at(self._indices[index])
        except IndexError:
            raise IndexError(f"[{index}]: the slice has {counted(self._size, 'setting')}") from None

    def __iter__(self) -> Iterator[S]:
        return map(self._at, self._indices)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        others = cast("Sequence[object]", other)
        return len(self) == len(others) and all(map(same, self, others))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._size <= 12:
            return f"[{', '.join(map(repr, self))}]"
        return f"[{self[0]!r}, ..., {self[-1]!r}] ({self._size:,} settings)"
