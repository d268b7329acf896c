"""Filters by values that have several columns, and by values that several rows show alike.

A mapping, a dataclass or a named tuple has a column for each of its items. An array has the text of
its shape, which other arrays have as well.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from superparams.adapters.content import items_of, same
from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.instance_state import on_demand, open_fields
from superparams.declare.presentation import table_value
from superparams.errors import StoreError
from superparams.outcomes.arrow import flatten
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.space.ranges import Range
from superparams.store.names.name_filters import RecordedPoints
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import MOST_POINTS, OneOf, declared_fields, matches
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.schema import field_of, source_of

__all__ = ["cells_of_items", "has_no_items", "refuse_shared_text"]

_NO_CONTENT: Final = re.compile(r".*\.\.\.|.*<lambda>|<.* object>", re.DOTALL)


def cells_of_items(schema: pa.Schema, name: str, x: object) -> dict[str, Any] | None:
    """The cells of a value with a column for each of its items.

    Args:
        schema: The columns of the table, with its metadata.
        name: The column that a filter names.
        x: The value of the filter.

    Returns:
        The cells by column, or None for a value that has one column.
    """
    if is_group(x) or isinstance(x, type | Value | OneOf) or not items_of(x):
        return None
    cells = flatten({name: x})
    own = [field for field in schema if field.name.startswith(f"{name}.")]
    if not own or name in cells:
        return None
    is_param = any((source_of(field) or "").startswith(PARAM) for field in own)
    # A parameter that is a dataclass has one column, also beside a dict, which has several.
    return None if is_param and isinstance(table_value(x), str) else cells


def has_no_items(rows: Rows, name: str, x: object) -> pa.Array | None:
    """The rows without any other item than those of a value; None if there are no such columns.

    Args:
        rows: The rows.
        name: The column that a filter names.
        x: The value of the filter: None, or a value with items.
    """
    items = {} if x is None else cells_of_items(rows.schema, name, x)
    if items is None:
        return None
    named = [] if x is None else [name]
    others = [
        column
        for column in rows.schema.names
        if column not in items and (column in named or column.startswith(f"{name}."))
    ]
    masks = [flat(pc.is_null(rows.columns(column).column(0))) for column in others]
    return functools.reduce(pc.and_, masks) if masks else None


def refuse_shared_text(experiment: object, rows: Rows, column: str, x: object) -> None:
    """Refuse a value that a table shows by a text which other values have as well.

    Args:
        experiment: The experiment's class or the space; None if only the table is known.
        rows: The rows of the table.
        column: The column that a filter names.
        x: The value of the filter.

    Raises:
        StoreError: Names the text, and how to tell the values apart.
    """
    schema = rows.schema
    name = field_of(schema, column)
    if not name or isinstance(x, str | type | OneOf | Value) or x is None or is_group(x):
        return
    text = table_value(x)
    if not isinstance(text, str) or RecordedPoints(schema, column).names:
        return
    alike = [y for y in _declared_values(experiment, name) if _is_shown_as(y, text)]
    n_other = sum(not same(x, y) for y in alike)
    if not n_other and (alike or not _lacks_content(x, text)):
        return
    if not _has_text(rows, column, text):
        return
    why = f"is the text of {n_other + 1} values" if n_other else "does not tell its content"
    raise StoreError(
        f"no filter finds the rows of this {name}: the table shows it as {text!r}, which {why}; "
        f"name the points, as in {name.rpartition('.')[2]}=search({{'a': ...}}), and filter by the "
        f"name, or filter by the text itself"
    )


def _lacks_content(x: object, text: str) -> bool:
    """Whether a text of a table says nothing of the content, as that of a large array."""
    shape = getattr(x, "shape", None)
    if isinstance(shape, tuple):
        size = "x".join(map(str, cast("tuple[object, ...]", shape)))
        return text.startswith(f"{type(x).__name__}({size}")
    return _NO_CONTENT.fullmatch(text) is not None


def _has_text(rows: Rows, column: str, text: str) -> bool:
    try:
        found = matches(rows.columns(column).column(0), rows.schema.field(column), text)
    except StoreError:  # the column holds no texts
        return False
    return bool(pc.any(found).as_py())


def _is_shown_as(x: object, text: str) -> bool:
    return not isinstance(x, str) and table_value(x) == text


def _declared_values(experiment: object, name: str) -> Iterator[Any]:
    """The points and the constant of a field: those of the call, else those of the class."""
    holders: list[Mapping[str, Any]] = []
    if is_group(experiment):
        holders = [open_fields(experiment), on_demand(experiment), experiment.__dict__]
    of_call = [held[name] for held in holders if name in held]
    for field, axis in declared_fields(experiment, name):
        if axis is None or not axis.labels:
            for declared in of_call[:1] or [field.declared]:
                yield from _values_of(declared)


def _values_of(declared: object) -> Iterator[Any]:
    if isinstance(declared, Axis):
        if not isinstance(declared.points, range):
            yield from declared.points[:MOST_POINTS]
    elif isinstance(declared, Value):
        if declared.given is not REQUIRED:
            yield declared.given
    elif declared is not REQUIRED and not isinstance(declared, Range):
        yield declared
