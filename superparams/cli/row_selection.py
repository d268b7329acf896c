"""Selects columns by ``--columns``, and sorts rows by ``--sort``."""

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

__all__ = ["NUMBERS_AS_TEXT", "checked_name", "chosen", "ordered"]

NUMBERS_AS_TEXT: Final = ("json", "int")  # kinds of columns


# ---- columns


def chosen(names: Sequence[str], words: Iterable[str]) -> list[str]:
    """The columns that some words choose.

    Args:
        names: The names of all columns.
        words: Each the name of a column, the name of a group, or a pattern with ``*``.

    Raises:
        CommandError: For a word that chooses no column.
    """
    columns: dict[str, None] = {}
    for word in words:
        group = [name for name in names if name.startswith(f"{word}.")]
        match = [word] if word in names else group or fnmatch.filter(names, word)
        columns |= dict.fromkeys(match or [checked_name(names, word)])
    return list(columns)


def checked_name(names: Sequence[str], name: str) -> str:
    """The name, if there is a column of this name.

    Raises:
        CommandError: If there is no such column; suggests similar names.
    """
    if name in names:
        return name
    raise CommandError(unknown_column(name, names))


# ---- order


def ordered(table: pa.Table, words: Sequence[str]) -> pa.Table:
    """The rows of a table, sorted by columns.

    Nulls and NaN come last in both orders. Equal rows keep their order.

    Args:
        table: The table.
        words: Names of columns; ``-`` before a name sorts in descending order.

    Raises:
        CommandError: For an unknown column, and for a column whose values have no order.
    """
    keys = [_direction(table.column_names, word) for word in words]
    if not keys or not table.num_rows:
        return table
    columns = [
        _sortable(table.column(name), kind_of(table.schema.field(name)), way) for name, way in keys
    ]
    labels = [str(n) for n in range(len(columns))]
    order = pa.Table.from_arrays(columns, names=labels)
    sorts = [(label, "ascending") for label in labels]
    return table.take(pc.sort_indices(order, sort_keys=sorts))


def _direction(names: Sequence[str], word: str) -> tuple[str, int]:
    """The column of a word, and 1 for ascending or -1 for descending order."""
    if word not in names and word.startswith("-"):
        return checked_name(names, word[1:]), -1
    return checked_name(names, word), 1


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
