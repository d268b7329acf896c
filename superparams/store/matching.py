"""Which rows of a column have a value, as people write it and whatever the table made of it."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.columns import cell, kind_of, python_values, to_json
from superparams.errors import StoreError
from superparams.identity.names import class_of


def matches(column: pa.ChunkedArray, field: pa.Field, value: Any) -> pa.Array:
    """A mask of the rows that have this value.

    An Enum member is found by its name, a path by its text, a value in a column of JSON text by
    what it is, None and NaN too. Raises StoreError for a value that the column could never hold.
    """
    if value is None:
        return pc.is_null(column)
    if kind_of(field) == "json":
        return _of_json(column, value)
    if isinstance(value, float) and value != value and pa.types.is_floating(column.type):
        return pc.is_nan(column)
    made = cell(value)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if is_text != pa.types.is_string(made.type) and column.null_count < len(column):
        raise _never(column, field, value)
    try:
        return pc.equal(column, pa.scalar(made.value, made.type))
    except (ValueError, TypeError, NotImplementedError):
        return _mask(one == made.value for one in python_values(column))


def _of_json(column: pa.ChunkedArray, value: Any) -> pa.Array:
    wanted = json.loads(to_json(value))
    return _mask(one is not None and _same(json.loads(one), wanted) for one in column.to_pylist())


def _same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same, numbers by their value; True is no number."""
    kind = class_of(one)
    if kind is not class_of(other) or kind not in (list, dict):
        return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
    if len(one) != len(other):
        return False
    if kind is list:
        return all(map(_same, one, other))
    return all(name in other and _same(one[name], other[name]) for name in one)


def _mask(found: Any) -> pa.Array:
    return pa.array([bool(one) for one in found], pa.bool_())


def _never(column: pa.ChunkedArray, field: pa.Field, value: Any) -> StoreError:
    some = [repr(one) for one in python_values(column.unique().drop_null().slice(0, 3))]
    return StoreError(
        f"no row can have {field.name}={value!r}: that column holds "
        f"{kind_of(field) or str(column.type)} such as {', '.join(some)}"
    )
