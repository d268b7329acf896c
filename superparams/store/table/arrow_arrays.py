"""Arrow arrays: types of numbers, masks of rows, and keys of settings as 16 bytes each."""

from __future__ import annotations

import binascii
import hashlib
import struct
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import plain_scalar

__all__ = [
    "are_distinct",
    "constant",
    "first_places",
    "flat",
    "is_number_type",
    "joined",
    "key_bytes",
    "keys_of",
    "true_where_known",
]


def flat(column: Any) -> Any:
    """A column of a table as one array; an array as it is."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def joined(arrays: list[pa.Array], form: pa.DataType) -> pa.Array:
    """Arrays end to end, as one."""
    if len(arrays) == 1:
        return arrays[0]
    return pa.concat_arrays(arrays) if arrays else pa.nulls(0, form)


def is_number_type(form: pa.DataType) -> bool:
    """Whether values of a type are integers, floats or bools, which count as 0 and 1."""
    is_a = pa.types
    return bool(is_a.is_integer(form) or is_a.is_floating(form) or is_a.is_boolean(form))


def constant(value: bool, size: int) -> pa.Array:
    """A mask of `size` rows that is the same for all of them."""
    return pa.repeat(plain_scalar(value, pa.bool_()), size)


def true_where_known(mask: object) -> pa.Array:
    """A mask with False for null."""
    return pc.fill_null(flat(mask), plain_scalar(False, pa.bool_()))


def first_places(values: pa.Array, which: pa.Array | None = None) -> pa.Array:
    """The first position of each value.

    Args:
        values: The values.
        which: The values to find; None for all, in the order of their appearance.
    """
    return pc.index_in(values.unique() if which is None else which, value_set=values)


# ---- keys


def keys_of(digits: Iterable[str]) -> pa.Array:
    """Keys of 32 hex digits as 16 bytes each."""
    data = bytes.fromhex("".join(digits))
    return pa.Array.from_buffers(pa.binary(16), len(data) // 16, [None, pa.py_buffer(data)])


def key_bytes(column: pa.Array) -> pa.Array:
    """Keys of 32 hex digits as 16 bytes each, half the memory; other text by its hash."""
    count = len(column)
    try:
        raw = binascii.unhexlify(_digits(column))
    except ValueError:
        texts: list[object] = column.to_pylist()
        raw = b"".join(hashlib.blake2b(str(x).encode(), digest_size=16).digest() for x in texts)
    return pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(raw)])


def _digits(column: pa.Array) -> Any:
    """The text of all keys end to end. Raises ValueError unless each has 32 bytes."""
    if not len(column):
        return b""
    sizes = pc.min_max(pc.binary_length(column)).as_py()
    if column.null_count or sizes != {"min": 32, "max": 32}:
        raise ValueError("not a key of superparams")
    (start,) = struct.unpack_from("<i", column.buffers()[1], 4 * column.offset)
    return column.buffers()[2][start : start + 32 * len(column)]


def are_distinct(keys: pa.Array) -> bool:
    """Whether the beginnings of all keys differ; complete keys would take three times the memory.

    Args:
        keys: Keys of 16 bytes each, without nulls and from the start of their buffer.
    """
    words = pa.Array.from_buffers(pa.int64(), 2 * len(keys), [None, keys.buffers()[1]])
    pairs = pa.FixedSizeListArray.from_arrays(words, 2)
    halves = pc.list_element(pairs, plain_scalar(0, pa.int64()))
    steps = pc.pairwise_diff(halves.take(pc.array_sort_indices(halves)))
    return not pc.any(pc.equal(steps, plain_scalar(0, pa.int64()))).as_py()
