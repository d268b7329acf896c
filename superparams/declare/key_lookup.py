"""Finds the settings of a large space that have some keys, without the keys of all settings.

A key is a sum of one digest for each axis, so a search that meets in the middle finds it. The axes
are split in two parts. All sums of the first part are subtracted from the keys, and the differences
are put into a table. Then each sum of the second part is looked up in this table. For one key that
takes about as many steps as the square root of the size of the space. The table holds at most
`LARGEST_REST` differences at a time.

Recorded settings are often near the beginning of the axes, or of the space. So the first places of
all axes, and the first settings of the space, are searched first, and then all places of all axes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from superparams.identity.digests.digest import MODULUS

__all__ = ["KeyColumn", "cost_of_places", "places_of"]

MOST_AXES: Final = 12  # for so many axes, all ways to split them are tried
LARGEST_REST: Final = 1 << 20  # differences in the table
FIRST_PLACES: Final = (1 << 12, 1 << 16)  # so many places of each axis are searched first
FIRST_SETTINGS: Final = (1 << 16, 1 << 24)  # and so many settings of the space
# Such a first search is skipped if it costs more than this part of a search of the whole space.
MOST_IN_ADVANCE: Final = 0.25


class KeyColumn(Protocol):
    """The digest that each place of a dimension adds to the key.

    Attributes:
        size: The number of its places.
    """

    size: int

    def digests(self, n_places: int) -> Iterator[int]:
        """The digests of the first places, in order."""
        ...


class _Axis(NamedTuple):
    """The first places of a column, and how far apart in the space two of them are."""

    column: KeyColumn
    stride: int
    size: int


class _Split(NamedTuple):
    """The axes in two parts.

    Attributes:
        subtracted: Axes whose sums are subtracted from each key.
        looked_up: Axes whose sums are looked up among the differences.
        cost: The number of sums that are computed.
    """

    subtracted: Sequence[_Axis]
    looked_up: Sequence[_Axis]
    cost: int


def places_of(keys: Collection[int], columns: Sequence[KeyColumn]) -> dict[int, int]:
    """The index of each of these keys that a setting of the space has.

    Args:
        keys: Keys, from which the digests of the fixed fields are subtracted already.
        columns: The columns of the space, the fastest one first. All sums are different.

    Returns:
        The index of each key that was found.
    """
    sizes = [column.size for column in columns]
    firsts = [[min(size, most) for size in sizes] for most in FIRST_PLACES]
    firsts += [list(_first_settings(sizes, most)) for most in FIRST_SETTINGS]
    *splits, whole = (_split(_axes(columns, part), len(keys)) for part in [*firsts, sizes])
    indices: dict[int, int] = {}
    for first in sorted(splits, key=lambda split: split.cost):
        rest = [key for key in keys if key not in indices]
        if rest and first.cost < whole.cost * MOST_IN_ADVANCE:
            indices |= _indices_of(rest, first)
    rest = [key for key in keys if key not in indices]
    return {**indices, **_indices_of(rest, whole)} if rest else indices


def cost_of_places(n_keys: int, columns: Sequence[KeyColumn]) -> int:
    """How many sums `places_of` computes to search the whole space for so many keys."""
    return _split(_axes(columns, [column.size for column in columns]), n_keys).cost


def _first_settings(sizes: Sequence[int], most: int) -> Iterator[int]:
    """The number of places of each axis that occur in the first settings of a space."""
    for size in sizes:
        yield min(size, max(1, most))
        most //= size


def _axes(columns: Sequence[KeyColumn], sizes: Sequence[int]) -> list[_Axis]:
    axes, stride = list[_Axis](), 1
    for column, size in zip(columns, sizes, strict=True):
        axes.append(_Axis(column, stride, size))
        stride *= column.size
    return axes


def _split(axes: Sequence[_Axis], n_keys: int) -> _Split:
    """The cheapest way to split some axes, to find so many keys."""
    sizes = [axis.size for axis in axes]
    total, candidates = math.prod(sizes), range(min(len(axes), MOST_AXES))
    best, least = 0, total + n_keys
    for chosen in range(1 << len(candidates)):  # a bit for each axis
        n_subtracted = math.prod(sizes[index] for index in candidates if chosen >> index & 1)
        n_batches = -(-n_keys * n_subtracted // LARGEST_REST)
        cost = n_subtracted * n_keys + n_batches * (total // n_subtracted)
        if n_subtracted <= LARGEST_REST and cost < least:
            best, least = chosen, cost
    subtracted = [axes[index] for index in candidates if best >> index & 1]
    looked_up = [axis for axis in axes if axis not in subtracted]
    return _Split(subtracted, sorted(looked_up, key=lambda axis: -axis.size), least)


def _indices_of(keys: Sequence[int], split: _Split) -> dict[int, int]:
    """The index of each of these keys that is a sum of the axes."""
    n_subtracted = math.prod(axis.size for axis in split.subtracted)
    n_looked_up = math.prod(axis.size for axis in split.looked_up)
    # With several batches, the sums that each batch looks up are kept, if they are not too many.
    is_kept = n_looked_up <= LARGEST_REST < n_subtracted * len(keys)
    subtracted = list(_sums(split.subtracted))
    looked_up = list(_sums(split.looked_up)) if is_kept else None
    indices: dict[int, int] = {}
    for batch in _batches(keys, max(1, LARGEST_REST // n_subtracted)):
        table: dict[int, tuple[int, int]] = {}
        more: dict[int, list[tuple[int, int]]] = {}  # further keys with the same difference
        for key in batch:
            for total, offset in subtracted:
                difference = (key - total) % MODULUS
                if difference in table:
                    more.setdefault(difference, []).append((key, offset))
                else:
                    table[difference] = key, offset
        n_left = len(batch)
        for total, index in looked_up or _sums(split.looked_up):
            if (difference := total % MODULUS) in table:
                for key, offset in (table[difference], *more.get(difference, ())):
                    indices[key] = index + offset
                    n_left -= 1
                if not n_left:
                    break
    return indices


def _sums(axes: Sequence[_Axis]) -> Iterator[tuple[int, int]]:
    """The part of the key and the part of the index of each combination of places."""
    if not axes:
        yield 0, 0
        return
    (column, stride, size), *rest = axes
    places = zip(column.digests(size), range(0, size * stride, stride), strict=True)
    if not rest:
        yield from places
        return
    for digest, offset in places:
        for total, more in _sums(rest):
            yield digest + total, offset + more


def _batches(keys: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), most):
        yield keys[start : start + most]
