"""Columns of data frames in types that a table can hold.

A ledger takes more types than Parquet. A column that only the ledger could hold would keep the
table, with all of its other rows, from being written.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from superparams.outcomes.arrow.cell_arrays import python_values
from superparams.outcomes.arrow.container_cells import CELLS, nesting
from superparams.outcomes.arrow.flat_arrays import flat_array

__all__ = ["is_stored_type", "stored_column"]

MOST_LEVELS: Final = 60  # of the containers in a column; Arrow writes no more than 64


def stored_column(name: str, column: pa.Array, kind: str | None) -> tuple[pa.Array, str | None]:
    """A column in a type that a table can hold, and what its text was before.

    Args:
        name: The name, for errors.
        column: A column of a frame.
        kind: What the text of the column was before it became text.

    Raises:
        TypeError: For a column whose values cannot be read.
    """
    if nesting(column.type) > MOST_LEVELS:
        raise TypeError(f"column {name!r} has more than {MOST_LEVELS} nested containers")
    array = flat_array(column).combine_chunks()
    if _is_storable(array):
        return array, kind
    try:
        return CELLS.column(python_values(array))
    except Exception as error:  # whatever the values of a foreign type raise
        why = f"{type(error).__name__}: {error}"
        raise TypeError(f"column {name!r} of type {array.type} cannot be read: {why}") from error


def _is_storable(array: pa.Array) -> bool:
    if not pa.types.is_timestamp(array.type) or array.type.unit != "s":
        return is_stored_type(array.type) and not _holds_seconds(array.type)
    try:
        array.cast(pa.timestamp("ms", array.type.tz))  # Parquet has no seconds
    except ValueError:
        return False
    return _has_known_zone(array.type)


def _holds_seconds(form: pa.DataType) -> bool:
    if pa.types.is_timestamp(form):
        return bool(form.unit == "s")
    return any(_holds_seconds(form.field(place).type) for place in range(form.num_fields))


def is_stored_type(form: pa.DataType) -> bool:
    """Whether Parquet has a type; seconds beyond its milliseconds apart."""
    is_a = pa.types
    if is_a.is_interval(form) or is_a.is_union(form) or str(form).startswith("run_end_encoded"):
        return False
    if is_a.is_timestamp(form):
        return _has_known_zone(form)
    if is_a.is_fixed_size_binary(form):
        return bool(form.byte_width > 0)
    if is_a.is_fixed_size_list(form) and form.list_size == 0:
        return False
    fields = [form.field(place) for place in range(form.num_fields)]
    if is_a.is_struct(form) and not 0 < len(fields) == len({field.name for field in fields}):
        return False
    return all(is_stored_type(field.type) for field in fields)


def _has_known_zone(form: pa.DataType) -> bool:
    if form.tz is None:
        return True
    try:
        pa.scalar(0, form).as_py()
    except Exception:  # whatever a library of time zones raises
        return False
    return True
