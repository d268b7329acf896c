"""A space as strategies see it: names, numbers and how many alternatives there are.

It is plain data without classes of the user, so that it can be sent to another process. A point is
a value for each dimension by its dotted name: a number of a range, else the place of a value among
the values of its dimension. The fields of an alternative have its name in theirs, as in
``optimizer.Adam.rate``, and a point has values only for the alternative that it chooses.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, cast

from superparams.errors import StrategyError
from superparams.errors.short_repr import shorten
from superparams.errors.suggestions import similar
from superparams.errors.units import counted
from superparams.space.random_bits import Method
from superparams.space.ranges import Range

__all__ = [
    "Categories",
    "ConditionalChoice",
    "NumberRange",
    "OrderedNumbers",
    "SearchDimension",
    "SearchPoint",
    "SearchSpace",
]

SearchPoint: TypeAlias = Mapping[str, Any]  # an int or a float for each name
_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class NumberRange:
    """All numbers between two ends; the value in a point is such a number.

    Attributes:
        name: The dotted name of the field.
        low: The lowest number, an int for integers, else a float.
        high: The highest number, of the same type.
        log: Whether the scale is logarithmic.
        step: The distance of neighbouring numbers; None for all floats, or all integers.
    """

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_int(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int)

    @property
    def size(self) -> int | None:
        """How many numbers there are; None for all floats of a range."""
        return self._range().size

    def at(self, bits: int) -> Any:
        """The number that random bits choose, ``0 <= bits < 2**64``."""
        return self._range().at(bits)

    def value(self, place: int) -> Any:
        """The number at a place, ``0 <= place < size``, in ascending order."""
        return self._range().value(place)

    def checked(self, x: object) -> Any:
        """The number of the range that is nearest to `x`.

        Raises:
            StrategyError: When `x` is not a number from `low` to `high`.
        """
        number = _plain(x)
        if number is None or not self.low <= number <= self.high:
            raise StrategyError(
                f"{self.name}={shorten(x)} is not a number from {self.low!r} to {self.high!r}"
            )
        return self._range().nearest(number)

    def _range(self) -> Range:
        return _range_of(self.low, self.high, self.log, self.step)


@functools.lru_cache(maxsize=256, typed=True)  # to make one takes longer than all else of a point
def _range_of(low: float, high: float, log: bool, step: float | None) -> Range:
    return Range(low, high, log=log, step=step)


class _Sized(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...


class _Places:
    """A dimension whose value in a point is a place among `size` values."""

    __slots__ = ()

    def at(self: _Sized, bits: int) -> int:
        """The place that random bits choose, ``0 <= bits < 2**64``."""
        return bits * self.size >> _BITS

    def checked(self: _Sized, x: object) -> int:
        """The place as an int.

        Raises:
            StrategyError: When there is no such place.
        """
        return _place(self.name, x, self.size)


@dataclass(frozen=True, slots=True)
class OrderedNumbers(_Places):
    """Points that are numbers; the value in a point is the place among them in ascending order.

    Attributes:
        name: The dotted name of the field.
        numbers: The points in ascending order.
    """

    name: str
    numbers: tuple[float, ...]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.numbers)


@dataclass(frozen=True, slots=True)
class Categories(_Places):
    """Values without an order; the value in a point is the place among them.

    Attributes:
        name: The dotted name of the field; those of a zip group with "+" between them.
        size: How many there are.
    """

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ConditionalChoice(_Places):
    """Alternatives with fields of their own; the value in a point is the place of one of them.

    Attributes:
        name: The dotted name of the field.
        labels: The names of the alternatives.
        alternatives: The dimensions of each, which a point has only if it chooses this one.
    """

    name: str
    labels: tuple[str, ...]
    alternatives: tuple[tuple[SearchDimension, ...], ...]

    @property
    def size(self) -> int:
        """How many alternatives there are."""
        return len(self.alternatives)


SearchDimension: TypeAlias = NumberRange | OrderedNumbers | Categories | ConditionalChoice


@dataclass(frozen=True)
class SearchSpace:
    """The dimensions that a strategy chooses values for.

    Attributes:
        dimensions: In the order of the fields; a `ConditionalChoice` has those of alternatives.
    """

    dimensions: tuple[SearchDimension, ...]

    @property
    def size(self) -> int | None:
        """How many points there are; None where a range has all floats."""
        return _size(self.dimensions)

    def every_dimension(self) -> Iterator[SearchDimension]:
        """All dimensions, those of all alternatives included."""
        return _every_dimension(self.dimensions)

    def used(self, point: SearchPoint) -> Iterator[SearchDimension]:
        """The dimensions for which a point has values, in order.

        Args:
            point: Has a value for each.
        """
        return _used_dimensions(self.dimensions, lambda dimension: point[dimension.name])

    def drawn(self, method: Method, index: int, attempt: int = 0) -> dict[str, Any]:
        """A random point.

        Args:
            method: Gives the random bits of each name.
            index: The number of the point.
            attempt: How many points with this number were refused.
        """
        return self.made(
            lambda dimension: dimension.at(method(dimension.name).bits(index, attempt))
        )

    def made(self, value_of: Callable[[SearchDimension], Any]) -> dict[str, Any]:
        """A point that has the value of a function for each dimension that it needs."""
        point: dict[str, Any] = {}

        def kept(dimension: SearchDimension) -> Any:
            point[dimension.name] = x = value_of(dimension)
            return x

        for _ in _used_dimensions(self.dimensions, kept):
            pass
        return point

    def listed(self) -> Iterator[dict[str, Any]]:
        """All points, the last dimension fastest; only where `size` is known."""
        return _listed(self.dimensions)

    def checked(self, point: object) -> dict[str, Any]:
        """A point with all values that it needs, each the nearest one of its dimension.

        Args:
            point: A mapping; values for alternatives that it does not choose are left out.

        Raises:
            StrategyError: For anything else, and for a value that is missing or that its dimension
                does not have.
        """
        if not isinstance(point, Mapping):
            raise StrategyError(f"{shorten(point)} is no mapping of names to values")

        values = cast("Mapping[object, object]", point)

        def value(dimension: SearchDimension) -> Any:
            if dimension.name not in values:
                names = ", ".join(map(repr, values)) or "no values"
                raise StrategyError(f"a value for {dimension.name!r} is missing; there are {names}")
            return dimension.checked(values[dimension.name])

        valid_point = self.made(value)
        if len(valid_point) < len(values):
            self._refuse_unknown(values)
        return valid_point

    def _refuse_unknown(self, point: Mapping[Any, object]) -> None:
        names = [dimension.name for dimension in self.every_dimension()]
        for name in point:
            if name not in names:
                there = ", ".join(map(repr, similar(str(name), names) or names))
                raise StrategyError(f"{shorten(name)} is no dimension of this space: give {there}")


def _used_dimensions(
    dimensions: Sequence[SearchDimension], value_of: Callable[[SearchDimension], Any]
) -> Iterator[SearchDimension]:
    for dimension in dimensions:
        x = value_of(dimension)
        yield dimension
        if isinstance(dimension, ConditionalChoice):
            index: int = x
            yield from _used_dimensions(dimension.alternatives[index], value_of)


def _every_dimension(dimensions: Sequence[SearchDimension]) -> Iterator[SearchDimension]:
    for dimension in dimensions:
        yield dimension
        if isinstance(dimension, ConditionalChoice):
            for inner in dimension.alternatives:
                yield from _every_dimension(inner)


def _listed(dimensions: Sequence[SearchDimension]) -> Iterator[dict[str, Any]]:
    if not dimensions:
        yield {}
        return
    first, *rest = dimensions
    inner = first.alternatives if isinstance(first, ConditionalChoice) else None
    for index in range(first.size or 0):
        x = first.value(index) if isinstance(first, NumberRange) else index
        for more in _listed((*(inner[index] if inner else ()), *rest)):
            yield {first.name: x, **more}


def _size(dimensions: Sequence[SearchDimension]) -> int | None:
    total = 1
    for dimension in dimensions:
        sizes: list[int | None] = [dimension.size]
        if isinstance(dimension, ConditionalChoice):
            sizes = [_size(inner) for inner in dimension.alternatives]
        finite_sizes = [size for size in sizes if size is not None]
        if len(finite_sizes) < len(sizes):
            return None
        total *= sum(finite_sizes)
    return total


def _plain(x: Any) -> int | float | None:
    """A number of a library as one of Python."""
    is_scalar = hasattr(x, "item") and getattr(x, "ndim", 1) == 0
    number: Any = x.item() if is_scalar else x
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return number if is_number and math.isfinite(number) else None


def _place(name: str, x: object, size: int) -> int:
    number = _plain(x)
    if number is None or number != int(number) or not 0 <= number < size:
        raise StrategyError(
            f"{name}={shorten(x)} is no place among its {counted(size, 'value')}: give an int from "
            f"0 to {size - 1}"
        )
    return int(number)
