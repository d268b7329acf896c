"""Draws points of a space: one value for each axis, from the bits of its dotted name.

The dotted name of a field in an alternative contains the name of the alternative, as in
``optimizer.Adam.rate``, so two alternatives never share bits. A zip group is one draw. An axis that
is a repetition is not drawn: each drawn point is combined with all repetitions.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from superparams.declare.instance_state import open_fields
from superparams.declare.layout import Layout, keeps
from superparams.declare.sequence import layout_of
from superparams.errors import SpaceError
from superparams.errors.units import counted
from superparams.space.algebra import Dimension, dimension_of, zipped
from superparams.space.axis import Axis
from superparams.space.groups import has_groups, is_group, is_open
from superparams.space.random_bits import BitSource, Method
from superparams.space.ranges import Range

__all__ = [
    "MOST_ATTEMPTS",
    "Drawing",
    "LeftOut",
    "Repetition",
    "Strides",
    "Trial",
    "is_repeated",
    "leaves_repetitions_out",
    "names_of",
    "refused",
    "repetitions",
]

MOST_ATTEMPTS: Final = 1000  # to draw a point that `valid` keeps
_BITS: Final = 64


class Trial(NamedTuple):
    """The setting that a value is drawn for.

    Attributes:
        number: The number of the point.
        attempt: How many draws of this point were refused.
        repetition: The number of the repetition, of all combinations of repetitions.
    """

    number: int
    attempt: int
    repetition: int


class LeftOut(Exception):
    """The ``valid`` of a group refuses a repetition of a point, but keeps another repetition."""


class _Draw(Protocol):
    """Draws the value of one axis, of a zip group, or of a group."""

    def at(self, trial: Trial, /) -> Any:
        """The value."""
        ...


def repetitions(space: object) -> int:
    """How many settings each drawn point of a space has: all combinations of its repetitions."""
    size = 1
    for dimension in _repeated(space):
        size *= dimension.size
    return size


def is_repeated(axes: Iterable[object]) -> bool:
    """Whether an axis, or every axis of a zip group, is a repetition."""
    return all(isinstance(axis, Axis) and axis.repeat for axis in axes)


def _repeated(space: object) -> Iterator[Dimension]:
    """The dimensions of repetitions, also inside of nested spaces; one for each zip group."""
    layout, opened = layout_of(space), open_fields(space)
    for group in layout.groups:
        first = opened[group[0]]
        if is_group(first):
            yield from _repeated(first)
        elif is_repeated(opened[name] for name in group):
            yield zipped([dimension_of(opened[name]) for name in group])


def leaves_repetitions_out(space: object) -> bool:
    """Whether a ``valid`` may keep one repetition of a point and refuse another one."""
    layout, opened = layout_of(space), open_fields(space)
    if repetitions(space) == 1:
        return False
    groups = [opened[group[0]] for group in layout.groups if is_group(opened[group[0]])]
    return layout.valid is not None or any(map(leaves_repetitions_out, groups))


class Drawing:
    """Draws the values of the open fields of a space, in the order of its layout.

    Args:
        space: The space.
        method: Gives the bits of each axis.

    Raises:
        SpaceError: For an alternative with a repetition, and from the method.
    """

    def __init__(self, space: object, method: Method) -> None:
        self._fields = _Space(space, method, "", Strides())

    def values(self, trial: Trial) -> tuple[Any, ...]:
        """The values of a setting.

        Raises:
            LeftOut: For a repetition that the ``valid`` of a group refuses.
        """
        return self._fields.values(trial)

    def columns(self, n: int, repetitions: int) -> list[Sequence[Any]]:
        """The values of each field for the first n points, each with so many repetitions.

        No draw of these points was refused. This is much faster than `values` of each setting.
        """
        return [_column(draw, n, repetitions) for draw in self._fields.draws]


def _column(draw: _Draw, n: int, repetitions: int) -> Sequence[Any]:
    if not isinstance(draw, _OfRange | _OfPoints):
        every = itertools.product(range(n), (0,), range(repetitions))
        return [draw.at(Trial(*each)) for each in every]
    values = draw.first(n)
    return values if repetitions == 1 else [x for x in values for _ in range(repetitions)]


class Strides:
    """Counts through the combinations of all repetitions; the last repetition varies fastest."""

    def __init__(self) -> None:
        self._repetitions: list[Repetition] = []

    @property
    def size(self) -> int:
        """The number of combinations."""
        first = self._repetitions[:1]
        return first[0].stride * first[0].size if first else 1

    @classmethod
    def added(
        cls, strides: Strides | None, dimension: Dimension, space: object, name: str, prefix: str
    ) -> Repetition:
        """Add a repetition.

        Args:
            strides: The strides to add it to; None inside of an alternative, where it is refused.
            dimension: The values of the repetition.
            space: The space whose field it is.
            name: The name of the field.
            prefix: The beginning of its dotted name.

        Raises:
            SpaceError: For a repetition inside of an alternative.
        """
        if strides is None:
            raise SpaceError(
                f"{type(space).__name__}.{name} is a repetition inside of an alternative, "
                f"{prefix[:-1]}, so points would have different numbers of repetitions; declare it "
                f"in the experiment"
            )
        for earlier in strides._repetitions:
            earlier.stride *= dimension.size
        strides._repetitions.append(Repetition(dimension))
        return strides._repetitions[-1]


class Repetition:
    """An axis that is a repetition.

    Attributes:
        stride: The number of combinations of the repetitions after this one.
    """

    def __init__(self, dimension: Dimension) -> None:
        self._dimension = dimension
        self.stride = 1

    @property
    def size(self) -> int:
        """The number of its values."""
        return self._dimension.size

    def at(self, trial: Trial) -> Any:
        """The value for a trial."""
        return self.value(trial.repetition)

    def value(self, repetition: int) -> Any:
        """The value for the number of a combination."""
        return self._dimension.at(repetition // self.stride % self._dimension.size)


class _OfRange:
    """A number of a range."""

    def __init__(self, numbers: Range, bits: BitSource) -> None:
        self._numbers = numbers
        self._bits = bits

    def at(self, trial: Trial) -> Any:
        return self._numbers.at(self._bits.bits(trial.number, trial.attempt))

    def first(self, n: int) -> list[Any]:
        return self._numbers.every(self._bits.first_bits(n))


class _OfPoints:
    """A point of an axis, or the points of a zip group, with equal weight."""

    def __init__(self, dimension: Dimension, bits: BitSource) -> None:
        self._dimension = dimension
        self._bits = bits

    def at(self, trial: Trial) -> Any:
        bits = self._bits.bits(trial.number, trial.attempt)
        return self._dimension.at(bits * self._dimension.size >> _BITS)

    def first(self, n: int) -> list[Any]:
        value_at, size = self._dimension.at, self._dimension.size
        return [value_at(bits * size >> _BITS) for bits in self._bits.first_bits(n)]


class _OfAlternatives:
    """An alternative, with equal weight, then the open fields of this alternative."""

    def __init__(self, parts: Sequence[object], bits: BitSource) -> None:
        self._parts = parts
        self._bits = bits

    def at(self, trial: Trial) -> Any:
        bits = self._bits.bits(trial.number, trial.attempt)
        part = self._parts[bits * len(self._parts) >> _BITS]
        return part.at(trial) if isinstance(part, _Space) else part


class _Space:
    """A setting of a space, whose open fields are drawn one by one."""

    def __init__(self, space: object, method: Method, prefix: str, strides: Strides | None) -> None:
        self._layout: Layout = layout_of(space)
        self._where = prefix.removesuffix(".") or type(space).__name__
        opened = open_fields(space)
        self.draws = [
            _draw(space, group, [opened[name] for name in group], method, prefix, strides)
            for group in self._layout.groups
        ]

        self._strides = strides if strides is not None and repetitions(space) > 1 else None
        self._last: tuple[tuple[int, int], int] = (-1, -1), 0

    def values(self, trial: Trial) -> tuple[Any, ...]:
        return tuple([draw.at(trial) for draw in self.draws])

    def at(self, trial: Trial) -> Any:
        layout = self._layout
        if layout.valid is None:
            return layout.make(self.values(trial))
        last_trial, attempt = self._last
        if last_trial != trial[:2]:
            attempt = self._attempt(trial)
            self._last = trial[:2], attempt
        point = self._values_if_kept(trial, attempt)
        if point is None:
            raise LeftOut
        return layout.make(point)

    def _attempt(self, trial: Trial) -> int:
        """The first attempt with any repetition that `valid` keeps."""
        among = [trial.repetition] if self._strides is None else range(self._strides.size)
        for attempt in range(MOST_ATTEMPTS):
            for repetition in among:
                if self._values_if_kept(trial._replace(repetition=repetition), attempt) is not None:
                    return attempt
        raise refused(self._where, trial.number)

    def _values_if_kept(self, trial: Trial, attempt: int) -> tuple[Any, ...] | None:
        """The values of an attempt, if `valid` keeps them."""
        layout = self._layout
        assert layout.valid is not None
        # An attempt to draw a nested space has its own number in each attempt of the outer one.
        try:
            point = self.values(trial._replace(attempt=trial.attempt * MOST_ATTEMPTS + attempt))
        except LeftOut:
            return None
        return point if keeps(layout.valid, layout.bare(point)) else None


def _draw(
    space: Any,
    names: Sequence[str],
    opened: Sequence[Any],
    method: Method,
    prefix: str,
    strides: Strides | None,
) -> _Draw:
    """The `_Draw` of one open field, or of a zip group."""
    first, name = opened[0], prefix + names[0]
    if isinstance(first, Range):
        return _OfRange(first, method(name))
    if not isinstance(first, Axis):
        return _Space(first, method, f"{name}.", strides)
    if is_repeated(opened):
        dimension = zipped([dimension_of(axis) for axis in opened])
        return Strides.added(strides, dimension, space, names[0], prefix)
    if first.zip is not None:
        bits = method(f"{prefix}zip {first.zip}")
        if len(opened) > 1:
            return _OfPoints(zipped([dimension_of(axis) for axis in opened]), bits)
    else:
        bits = method(name)
    is_listed = isinstance(first.points, range) or not has_groups(first.points)
    if is_listed or not any(map(is_open, first.points)):
        return _OfPoints(_Listed(first), bits)
    labels = names_of(first)
    parts = [
        _Space(point, method, f"{name}.{label}.", None) if is_open(point) else point
        for label, point in zip(labels, first.points, strict=True)
    ]
    return _OfAlternatives(parts, bits)


class _Listed(Dimension):
    """The points of an axis, none of which is open."""

    __slots__ = ("points",)

    def __init__(self, axis: Axis) -> None:
        self.points = axis.points
        self.size = len(axis)

    def at(self, index: int) -> Any:
        return self.points[index]


def names_of(axis: Axis) -> list[str]:
    """The names of alternatives: those of the points, else those of their classes."""
    if axis.names.labels and len(axis.names.labels) == len(axis):
        return list(axis.names.labels)
    names = [type(point).__name__ for point in axis.points]
    counts: Counter[str] = Counter()
    for index, name in enumerate(names):
        counts[name] += 1
        names[index] = name if counts[name] == 1 else f"{name} {counts[name]}"
    return names


def refused(where: str, index: int) -> SpaceError:
    """The error when `valid` has refused all attempts to draw a point."""
    attempts = counted(MOST_ATTEMPTS, "attempt")
    return SpaceError(
        f"{where}.valid() refused all {attempts} to draw point {index}, so it keeps less than "
        f"{100 / MOST_ATTEMPTS:g} % of the space; search over ranges and points that it keeps, or "
        f"derive the field that depends on others"
    )
