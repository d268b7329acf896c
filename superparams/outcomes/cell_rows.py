"""Columns of Arrow made of rows of cells, of lists of plain values, and of data frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from superparams.outcomes.arrow import (
    Cell,
    cell,
    common_tag,
    flat_array,
    kind_of,
    make_array,
    make_field,
    plain_array,
    simple_type,
)
from superparams.outcomes.arrow.frame_tables import table_of
from superparams.outcomes.result_copies import Frozen, Refused

__all__ = [
    "CellRow",
    "arrays_of_cells",
    "frame_columns",
    "groups_of_one_type",
    "plain_arrays",
    "recorded_cell",
]

CellRow = Mapping[str, Cell]  # by name of the column


def recorded_cell(value: Any) -> Cell:
    """The cell of a value of a frozen result; raises where a table cannot hold the value."""
    if isinstance(value, Refused):
        raise TypeError(value.why)
    new_cell: Cell = value.cell if isinstance(value, Frozen) else cell(value)
    return new_cell


def plain_arrays(named: Iterable[tuple[str, list[Any]]]) -> dict[str, pa.Array] | None:
    """Columns of values of one plain scalar type each; None where a column has another value."""
    arrays: dict[str, pa.Array] = {}
    for name, values in named:
        form = simple_type(values)
        if form is None:
            return None
        try:
            arrays[name] = plain_array(values, form)
        except (OverflowError, ValueError, TypeError, NotImplementedError):
            return None  # an integer beyond 64 bits, a lone surrogate
    return arrays if all(isinstance(array, pa.Array) for array in arrays.values()) else None


def groups_of_one_type(rows: Sequence[CellRow]) -> Iterator[list[int]]:
    """The places of rows that fit in one batch: in every column one type, or nothing."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    tags_of: dict[str, set[Any]] = {name: set() for name in names}
    for row in rows:
        for name, value in row.items():
            if not pa.types.is_null(value.type):
                tags_of[name].add(value.tag)
    mixed = {name: next(iter(tags)) for name, tags in tags_of.items() if len(tags) > 1}
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(rows):
        cells = (row.get(name) for name in mixed)
        tags = tuple(
            some if value is None or pa.types.is_null(value.type) else value.tag
            for value, some in zip(cells, mixed.values(), strict=True)
        )
        groups.setdefault(tags, []).append(place)
    yield from groups.values()


def arrays_of_cells(rows: Sequence[CellRow]) -> tuple[list[pa.Field], list[pa.Array]]:
    """The columns of rows that fit in one batch; null where a row has no such name."""
    fields: list[pa.Field] = []
    arrays: list[pa.Array] = []
    for name in dict.fromkeys(name for row in rows for name in row):
        cells = [row[name] for row in rows if name in row]
        form, kind = common_tag(cells) or cells[0].tag
        values = [row[name].value if name in row else None for row in rows]
        arrays.append(make_array(values, form))
        fields.append(make_field(name, arrays[-1].type, kind))
    return fields, arrays


def frame_columns(frame: object, prefix: str) -> tuple[list[pa.Field], list[pa.Array], int]:
    """The columns of a data frame under names with a prefix, and its number of rows."""
    table = table_of(frame)
    arrays = [flat_array(column).combine_chunks() for column in table.columns]
    names = _column_names(table, prefix)
    kinds = map(kind_of, table.schema)
    parts = zip(names, arrays, kinds, strict=True)
    return [make_field(name, array.type, kind) for name, array, kind in parts], arrays, len(table)


def _column_names(table: pa.Table, prefix: str) -> list[str]:
    flat: dict[str, None] = {}
    for name in table.column_names:
        label = (
            "index"
            if name == "__index_level_0__" and "index" not in table.column_names
            else str(name)
        )
        number = 2
        while prefix + label in flat:
            label = f"{name}~{number}"
            number += 1
        flat[prefix + label] = None
    return list(flat)
