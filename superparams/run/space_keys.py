"""The keys of the settings of a space: all of them, or those that are recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import pyarrow as pa

from superparams.declare.keys import Keys
from superparams.run.shards import Shard, is_in_shard
from superparams.store.table.index import Index

__all__ = [
    "LARGEST_PLAN",
    "SMALL_SPACE",
    "all_keys",
    "can_find",
    "is_sparse",
    "keys_as_bytes",
    "keys_at",
    "keys_in_space",
    "places_in_shard",
]

# More keys than this are not compared with the records: that would take minutes, and gigabytes.
LARGEST_PLAN: Final = 20_000_000
# In a space larger than this, only recorded or requested keys are looked up, if they are few.
SMALL_SPACE: Final = 1 << 17
MOST_LOOKED_UP: Final = 1 << 16


def is_sparse(keys: Keys, size: int, index: Index | None, part: int | None = None) -> bool:
    """Whether a space is so much larger than its records that only these are looked up in it.

    Args:
        keys: The keys of the space.
        size: The number of its settings.
        index: The recorded outcomes; None if there are none.
        part: The number of settings to compare; with a shard, the number of its settings.
    """
    recorded, n_compared = 0 if index is None else len(index), size if part is None else part
    is_little = recorded * 16 < n_compared and recorded <= MOST_LOOKED_UP
    if n_compared <= SMALL_SPACE or not is_little or not can_find(keys):
        return False
    # Records of all shards would be looked up in the whole space, so comparing the keys of one
    # shard may cost less.
    return (
        n_compared == size or n_compared > LARGEST_PLAN or keys.cost_of_find(recorded) < n_compared
    )


def can_find(keys: Keys) -> bool:
    """Whether to look up keys in a space; with a long axis this would digest all of its points."""
    return keys.longest <= LARGEST_PLAN and keys.are_distinct


def all_keys(keys: Keys, size: int) -> Any:
    """The keys of all settings in order, 16 bytes each."""
    return keys_at(keys, [range(size)])


def keys_at(keys: Keys, ranges: Collection[range]) -> Any:
    """The keys of the settings with the indices of some ranges, 16 bytes each."""
    size, data = sum(map(len, ranges)), keys.packed_ranges(ranges)
    return pa.Array.from_buffers(pa.binary(16), size, [None, pa.py_buffer(data)])


def keys_in_space(keys: Keys, every: Any, shard: Shard | None = None, size: int = 0) -> Any:
    """The keys among `every`, 16 bytes each, that settings of a space have, in its order.

    Args:
        keys: The keys of the space.
        every: The keys to look up.
        shard: Only those of settings of this shard; None for all.
        size: The number of settings of the space, for a shard.
    """
    places = keys.find([int.from_bytes(key, "big") for key in every.to_pylist()])
    places = places_in_shard(places, shard, size)
    return keys_as_bytes(sorted(places, key=places.__getitem__))


def places_in_shard(places: dict[int, int], shard: Shard | None, size: int) -> dict[int, int]:
    """The indices by key of the settings that a shard has."""
    if shard is None:
        return places
    return {key: place for key, place in places.items() if is_in_shard(shard, size, place)}


def keys_as_bytes(keys: Iterable[int]) -> Any:
    """Keys as an Arrow array, 16 bytes each."""
    data = b"".join(key.to_bytes(16, "big") for key in keys)
    return pa.Array.from_buffers(pa.binary(16), len(data) // 16, [None, pa.py_buffer(data)])
