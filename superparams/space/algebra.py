"""The algebra of spaces: products, sums and zips of axes; from an index to a point and back.

A dimension is a finite, lazy sequence that finds the index of a value. A space is the product of
its dimensions; the last one varies fastest, as in `itertools.product`. The values of a dimension
are the points of one axis, the settings of a nested space, alternatives of both kinds, or the
tuples of several axes that advance together.
"""

from __future__ import annotations

import copy
import itertools
import math
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast, overload

from superparams.adapters.content import same
from superparams.errors import SizeError, SpaceError
from superparams.errors.short_repr import shorten
from superparams.errors.units import counted
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, index_in, is_group, size_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Dimension", "Product", "Slice", "ValidIndices", "dimension_of", "zipped"]

S = TypeVar("S")
_LARGEST_POOL: Final = 1 << 16  # values of a dimension that itertools.product may copy


class Dimension:
    """A finite, lazy sequence of the values of one field, or of fields with the same ``zip=``."""

    __slots__ = ("size",)
    size: int

    def at(self, index: int) -> Any:
        """The value at ``0 <= index < size``."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def find(self, value: object) -> int | None:
        """The first index of `value`, or None."""
        raise NotImplementedError


class Points(Dimension):
    """The points of an axis without nested spaces."""

    __slots__ = ("axis",)

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.size = len(axis)

    def at(self, index: int) -> Any:
        return self.axis.points[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.axis.points)

    def find(self, value: object) -> int | None:
        """The first index of a point with the same content, or None."""
        return self.axis.find(value)


class _Space(Protocol):
    """The part of a ``Params`` that a dimension needs."""

    def __getitem__(self, index: int, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


class Nested(Dimension):
    """The settings of a nested space."""

    __slots__ = ("space",)

    def __init__(self, space: _Space) -> None:
        self.space = space
        self.size = size_of(space)

    def at(self, index: int) -> Any:
        return self.space[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.space)

    def find(self, value: object) -> int | None:
        """The index of a setting of the nested space, or None."""
        if type(value) is not type(self.space):
            return None
        try:
            return index_in(self.space, value)
        except SpaceError:
            return None


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
        number = bisect_right(self.ends, index)
        part = self.parts[number]
        return part.at(index - self.ends[number] + part.size)

    def __iter__(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(self.parts)

    def find(self, value: object) -> int | None:
        """The first index of `value` in the first of the parts that has it, or None."""
        for part, end in zip(self.parts, self.ends, strict=True):
            index = part.find(value)
            if index is not None:
                return end - part.size + index
        return None


class Zipped(Dimension):
    """Dimensions of one size that advance together; the values are tuples."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Dimension]) -> None:
        self.parts = parts
        self.size = parts[0].size

    def at(self, index: int) -> Any:
        return tuple([part.at(index) for part in self.parts])

    def __iter__(self) -> Iterator[Any]:
        return zip(*self.parts, strict=True)

    def find(self, value: Any) -> int | None:
        """The first index at which each part has its item of the tuple `value`, or None."""
        first = self.parts[0].find(value[0])
        if first is not None and self._agrees(first, value):
            return first
        if first is None:
            return None
        return next((i for i in range(first + 1, self.size) if self._agrees(i, value)), None)

    def _agrees(self, index: int, value: Any) -> bool:
        return all(same(part.at(index), x) for part, x in zip(self.parts, value, strict=True))


def dimension_of(open_field: Axis | _Space) -> Dimension:
    """The dimension of an open field: of an `Axis` or a nested space."""
    if not isinstance(open_field, Axis):
        return Nested(open_field)
    if isinstance(open_field.points, range) or not has_groups(open_field.points):
        return Points(open_field)
    return Alternatives(open_field)


def zipped(parts: Sequence[Dimension]) -> Dimension:
    """One dimension for several dimensions of equal size, which advance together."""
    return parts[0] if len(parts) == 1 else Zipped(parts)


class Product:
    """All combinations of the dimensions, the last one fastest; the values are tuples."""

    __slots__ = ("dimensions", "size")

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = tuple(dimensions)
        self.size = math.prod(dimension.size for dimension in dimensions)

    def at(self, index: int) -> tuple[Any, ...]:
        """The combination at ``0 <= index < size``, in time independent of the size."""
        point: list[Any] = []
        for dimension in reversed(self.dimensions):
            index, inner = divmod(index, dimension.size)
            point.append(dimension.at(inner))
        point.reverse()
        return tuple(point)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return _combinations(self.dimensions)

    def find(self, point: Sequence[object]) -> tuple[int | None, int | None]:
        """Finds a combination.

        Returns:
            Its index and None; or None and the number of the first dimension that lacks its value.
        """
        index = 0
        for number, (dimension, value) in enumerate(zip(self.dimensions, point, strict=True)):
            inner = dimension.find(value)
            if inner is None:
                return None, number
            index = index * dimension.size + inner
        return index, None


def _combinations(dimensions: Sequence[Dimension]) -> Iterator[tuple[Any, ...]]:
    # itertools.product copies all values into memory, so a very long dimension gets a loop of its
    # own around the product of the dimensions after it.
    for number, dimension in enumerate(dimensions):
        if dimension.size > _LARGEST_POOL:
            heads, tails = dimensions[:number], dimensions[number + 1 :]
            return (
                (*head, value, *tail)
                for head in itertools.product(*heads)
                for value in dimension
                for tail in _combinations(tails)
            )
    return itertools.product(*dimensions)


class ValidIndices:
    """The indices of a product that a predicate accepts, found in order and as far as needed.

    Args:
        size: The size of the product.
        is_valid: The predicate.
    """

    def __init__(self, size: int, is_valid: Callable[[int], bool]) -> None:
        self.size = size
        self._is_valid = is_valid
        self._indices: array[int] = array("Q")
        self._next = 0
        self._lock = threading.Lock()

    @property
    def is_counted(self) -> bool:
        """Whether the predicate has seen every index."""
        return self._next >= self.size

    def count(self) -> int:
        """The number of valid indices; the first call looks at all indices."""
        self._advance(self.size, None)
        return len(self._indices)

    def count_within(self, limit: int) -> int:
        """The number of valid indices, at most `limit`; stops as soon as there are so many."""
        self._advance(self.size, limit)
        return min(len(self._indices), limit)

    def at(self, rank: int) -> int:
        """The valid index at `rank`.

        Raises:
            IndexError: If there are fewer.
        """
        self._advance(self.size, rank + 1)
        return self._indices[rank]

    def rank(self, index: int) -> int | None:
        """The rank of `index` among the valid ones, or None."""
        self._advance(index + 1, None)
        rank = bisect_left(self._indices, index)
        return rank if rank < len(self._indices) and self._indices[rank] == index else None

    def state(self) -> tuple[array[int], int]:
        """The valid indices so far, and the next index to look at; for `resume`."""
        with self._lock:
            return self._indices[:], self._next

    def resume(self, indices: array[int], next_index: int) -> None:
        """Continue from the `state` of another one of the same product."""
        with self._lock:
            self._indices, self._next = indices[:], next_index

    def _advance(self, stop: int, enough: int | None) -> None:
        with self._lock:
            while self._next < stop and (enough is None or len(self._indices) < enough):
                if self._is_valid(self._next):
                    self._indices.append(self._next)
                self._next += 1


class Slice(Sequence[S], Generic[S]):
    """A lazy slice of a space: ``space[10:20]``."""

    __slots__ = ("_at", "_indices")

    def __init__(self, item_at: Callable[[int], S], indices: range) -> None:
        self._at = item_at
        self._indices = indices

    def __len__(self) -> int:
        try:
            return len(self._indices)
        except OverflowError:
            raise SizeError(
                f"this slice has {self._size:,} settings, more than len() can return; take a "
                "narrower one"
            ) from None

    @property
    def _size(self) -> int:
        """``len`` without its upper limit."""
        indices = self._indices
        return (indices[-1] - indices[0]) // indices.step + 1 if indices else 0

    @overload
    def __getitem__(self, index: int, /) -> S: ...
    @overload
    def __getitem__(self, index: slice, /) -> Self: ...
    def __getitem__(self, index: int | slice, /) -> S | Self:
        if isinstance(index, slice):
            part = copy.copy(self)
            part._indices = self._indices[index]
            return part
        try:
            return self._at(self._indices[index])
        except IndexError:
            raise IndexError(f"[{index}]: the slice has {counted(self._size, 'setting')}") from None

    def __iter__(self) -> Iterator[S]:
        return map(self._at, self._indices)

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """The place of a setting, from `start` to before `stop`; raises ValueError without one."""
        places = range(self._size)[start:stop]
        position = next((index for index in places if same(value, self[index])), None)
        if position is None:
            size = counted(self._size, "setting")
            raise ValueError(f"{shorten(value)} is none of the {size} here")
        return position

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
