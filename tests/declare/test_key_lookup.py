"""A key leads to its setting in a large space, and first places are looked at first."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import pytest

from superparams.declare.key_lookup import places_of
from superparams.identity.digests.digest import MODULUS


class Column:
    """What the places of one axis add to keys; counts how many of them were asked for."""

    def __init__(self, seed: int, size: int) -> None:
        lot = random.Random(seed)
        self.size = size
        self.added = [lot.getrandbits(128) for _ in range(size)]
        self.n_digests = 0

    def digests(self, n_places: int) -> Iterator[int]:
        assert n_places <= self.size
        for one in self.added[:n_places]:
            self.n_digests += 1
            yield one


def columns_of(*sizes: int) -> list[Column]:
    """The columns of a space, the slowest axis first as in a class."""
    return [Column(seed, size) for seed, size in enumerate(sizes)][::-1]


def key_at(columns: list[Column], place: int) -> int:
    key = 0
    for column in columns:
        place, at = divmod(place, column.size)
        key += column.added[at]
    return key % MODULUS


@pytest.mark.parametrize(
    "sizes",
    [(1,), (300_000,), (70_000, 70_000), (3, 9_000, 1, 9_000), (9_000, 2, 9_000), (40,) * 5],
)
@pytest.mark.parametrize("many", [1, 30])
def test_wherever_the_settings_lie(sizes: tuple[int, ...], many: int) -> None:
    columns = columns_of(*sizes)
    size = 1
    for one in columns:
        size *= one.size
    lot = random.Random(many)
    edges = [0, 4_095, 4_096, 65_535, 65_536, size // 2, size - 1]
    places = [n for n in (*edges, *(lot.randrange(size) for _ in range(many))) if n < size]
    keys = {key_at(columns, place): place for place in places}
    strangers = [(key + 1) % MODULUS for key in keys][:3]
    found = places_of([*strangers, *keys], columns)
    assert found == keys
    assert places_of(strangers, columns) == {}
    assert places_of([], columns) == {}


@pytest.mark.parametrize("slow", [200_000, 100_000])
def test_keys_near_the_beginning_need_no_whole_axis(slow: int) -> None:
    for places in ([0, 1, 2], [slow * 3 + 9, 5], [slow * 4_000 + 4_000]):
        columns = columns_of(slow, slow)
        keys = {key_at(columns, place): place for place in places}
        assert places_of(keys, columns) == keys
        assert sum(one.n_digests for one in columns) <= 2 * 4_096


def test_many_of_the_first_settings_need_no_whole_axis() -> None:
    columns = columns_of(200_000, 200_000)
    keys = {key_at(columns, place): place for place in range(0, 20_000, 3)}
    assert places_of(keys, columns) == keys
    assert sum(one.n_digests for one in columns) <= 100_000


def test_what_is_looked_at_in_advance_costs_less_than_the_rest() -> None:
    """A key that no setting has takes not much longer than all axes do."""
    for sizes, many in itertools.product([(200_000, 200_000), (90_000, 90_000)], [1, 2]):
        columns = columns_of(*sizes)
        assert places_of([5 + n for n in range(many)], columns) == {}
        assert sum(one.n_digests for one in columns) <= 3 * sum(sizes)
