"""Finds the settings of a large space that have some keys, without the keys of all settings.

A key is a sum, so it is met in the middle: the sums of some axes are looked up among what the
others leave of the keys. That takes about the square root of the size of the space for one key; of
the sums, at most `LARGEST_REST` are held.

What was recorded often lies near the beginning of the axes, or of the space. So the first places of
all axes, and the first settings of the space, are gone through before the whole axes are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from superparams.identity.digests.digest import MODULUS

__all__ = ["KeyColumn", "places_of"]

MOST_AXES: Final = 12  # of which all ways to part them are tried
LARGEST_REST: Final = 1 << 20  # entries that are held
FIRST_PLACES: Final = (1 << 12, 1 << 16)  # of each axis, which are gone through first
FIRST_SETTINGS: Final = (1 << 16, 1 << 24)  # of the space
# Either is skipped if that alone costs more than this part of the whole.
MOST_IN_ADVANCE: Final = 0.25


class KeyColumn(Protocol):
    """What each place of a dimension adds to the key.

    Attributes:
        size: The number of its places.
    """

    size: int

    def digests(self, n_places: int) -> Iterator[int]:
        """What each of the first places adds, one after another."""
        ...


class _Axis(NamedTuple):
    """The first places of a column, and how far apart in the space two of them are."""

    column: KeyColumn
    stride: int
    size: int


class _Split(NamedTuple):
    """Axes whose sums are taken off each key, axes that are gone through, and what that costs."""

    few: Sequence[_Axis]
    many: Sequence[_Axis]
    cost: int


def places_of(keys: Collection[int], columns: Sequence[KeyColumn]) -> dict[int, int]:
    """The index of each of these keys that a setting of the space has.

    Args:
        keys: Keys without what constants add to them.
        columns: The columns of the space, the fastest one first. All sums are different.
    """
    sizes = [one.size for one in columns]
    firsts = [[min(size, most) for size in sizes] for most in FIRST_PLACES]
    firsts += [list(_first_settings(sizes, most)) for most in FIRST_SETTINGS]
    *splits, whole = (_split(_axes(columns, each), len(keys)) for each in [*firsts, sizes])
    found: dict[int, int] = {}
    for first in sorted(splits, key=lambda split: split.cost):
        rest = [key for key in keys if key not in found]
        if rest and first.cost < whole.cost * MOST_IN_ADVANCE:
            found |= _found(rest, first)
    rest = [key for key in keys if key not in found]
    return {**found, **_found(rest, whole)} if rest else found


def _first_settings(sizes: Sequence[int], most: int) -> Iterator[int]:
    """How many places of each axis the first settings of a space have."""
    for size in sizes:
        yield min(size, max(1, most))
        most //= size


def _axes(columns: Sequence[KeyColumn], sizes: Sequence[int]) -> list[_Axis]:
    axes, stride = list[_Axis](), 1
    for column, size in zip(columns, sizes, strict=True):
        axes.append(_Axis(column, stride, size))
        stride *= column.size
    return axes


def _split(axes: Sequence[_Axis], wanted: int) -> _Split:
    """The cheapest way to part some axes."""
    sizes = [one.size for one in axes]
    total, near = math.prod(sizes), range(min(len(axes), MOST_AXES))
    best, least = 0, total + wanted
    for chosen in range(1 << len(near)):
        held = math.prod(sizes[at] for at in near if chosen >> at & 1)
        n_batches = -(-wanted * held // LARGEST_REST)
        cost = held * wanted + n_batches * (total // held)
        if held <= LARGEST_REST and cost < least:
            best, least = chosen, cost
    few = [axes[at] for at in near if best >> at & 1]
    many = [one for one in axes if one not in few]
    return _Split(few, sorted(many, key=lambda one: -one.size), least)


def _found(keys: Sequence[int], split: _Split) -> dict[int, int]:
    """The index of each of these keys that is a sum of the axes."""
    few, many, _ = split
    n_few = math.prod(one.size for one in few)
    # Sums that each batch of keys takes are kept, if they are not too many.
    is_kept = math.prod(one.size for one in many) <= LARGEST_REST < n_few * len(keys)
    taken_off, added = list(_sums(few)), list(_sums(many)) if is_kept else None
    found: dict[int, int] = {}
    for batch in _batches(keys, max(1, LARGEST_REST // n_few)):
        rest: dict[int, tuple[int, int]] = {}
        more: dict[int, list[tuple[int, int]]] = {}  # of keys that leave the same
        for key in batch:
            for total, offset in taken_off:
                left = (key - total) % MODULUS
                if left in rest:
                    more.setdefault(left, []).append((key, offset))
                else:
                    rest[left] = key, offset
        n_left = len(batch)
        for total, place in added or _sums(many):
            if (left := total % MODULUS) in rest:
                for key, offset in (rest[left], *more.get(left, ())):
                    found[key] = place + offset
                    n_left -= 1
                if not n_left:
                    break
    return found


def _sums(axes: Sequence[_Axis]) -> Iterator[tuple[int, int]]:
    """What each combination of places adds to the key, and to the index."""
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
    for at in range(0, len(keys), most):
        yield keys[at : at + most]
