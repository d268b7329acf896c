"""The columns that `--columns` shows, and the order of rows that `--sort` asks for."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import CommandError
from superparams.outcomes.arrow import kind_of, plain_scalar
from superparams.store.table.filters import unknown_column

__all__ = ["NUMBERS_AS_TEXT", "chosen", "known", "ordered"]

NUMBERS_AS_TEXT: Final = ("json", "int")  # kinds of columns


# ---- columns


def chosen(names: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """The columns of these names, groups, and patterns with ``*``.

    Raises:
        CommandError: For what is no column, no group, and no pattern that matches.
    """
    found: dict[str, None] = {}
    for one in wanted:
        group = [name for name in names if name.startswith(f"{one}.")]
        match = [one] if one in names else group or fnmatch.filter(names, one)
        found |= dict.fromkeys(match or [known(names, one)])
    return list(found)


def known(names: Sequence[str], name: str) -> str:
    """The name of a column.

    Raises:
        CommandError: When there is none.
    """
    if name in names:
        return name
    raise CommandError(unknown_column(name, names))


# ---- order


def ordered(table: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """The rows sorted by columns; ``-`` before a name sorts in descending order.

    Nulls and NaN come last in both orders. Equal rows keep their order.

    Raises:
        CommandError: For an unknown column, and for a column whose values have no order.
    """
    if not wanted or not table.num_rows:
        for name in wanted:
            _direction(table.column_names, name)
        return table
    keys = [_direction(table.column_names, name) for name in wanted]
    columns = [
        _sortable(table.column(name), kind_of(table.schema.field(name)), way) for name, way in keys
    ]
    labels = [str(n) for n in range(len(columns))]
    order = pa.Table.from_arrays(columns, names=labels)
    sorts = [(label, "ascending") for label in labels]
    return table.take(pc.sort_indices(order, sort_keys=sorts))


def _direction(names: Sequence[str], wanted: str) -> tuple[str, int]:
    if wanted not in names and wanted.startswith("-"):
        return known(names, wanted[1:]), -1
    return known(names, wanted), 1


def _sortable(column: pa.ChunkedArray, kind: str | None, way: int) -> pa.Array:
    """The rank of each value, so that columns of all kinds are sorted together."""
    form = column.type
    if pa.types.is_floating(form):
        column = pc.if_else(pc.is_nan(column), plain_scalar(None, form), column)
    try:
        values = column.combine_chunks().drop_null().unique()
        is_text = kind in NUMBERS_AS_TEXT
        values = _sorted_texts(values) if is_text else values.take(pc.array_sort_indices(values))
        ranks = pc.index_in(column, value_set=values).combine_chunks()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise CommandError(f"columns of type {form} have no order: {error}") from error
    return ranks if way > 0 else pc.negate(ranks)


def _sorted_texts(values: pa.Array) -> pa.Array:
    """The values of a column of JSON text in order, numbers first."""

    def rank(text: str) -> tuple[bool, float, str]:
        try:
            x = json.loads(text)
        except ValueError:
            return True, 0, text
        is_number = isinstance(x, (int, float)) and x == x
        return (False, x, "") if is_number else (True, 0, text)

    return pa.array(sorted(values.to_pylist(), key=rank), values.type)
