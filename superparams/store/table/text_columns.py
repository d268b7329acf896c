"""Rows of too many shapes, written as text.

A run whose results have ever new names or types (`{"loss_1": …}`, then `{"loss_2": …}`) would need
a file for each. Past `ledger.MAX_STREAMS` shapes, all columns but the plain ones of an outcome go
into one map column, name -> (type, JSON text), so that one file takes any row. In the table, values
find their typed column again; names which have none stand together in one column of JSON text,
`more`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

import pyarrow as pa

from superparams.outcomes.arrow import kind_of, python_values, to_json
from superparams.outcomes.batches import META

SPILLED = "superparams.spilled"
MORE = "result.more"
_TYPED = {str(form): form for form in (pa.int64(), pa.float64(), pa.bool_(), pa.string())}
_FORM = pa.map_(
    pa.string(), pa.struct([("type", pa.string()), ("kind", pa.string()), ("text", pa.string())])
)


def is_spilled(schema: bytes) -> bool:
    """Whether a schema message is the one of rows written as text."""
    return SPILLED.encode() in schema


def spill(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of any columns as one batch with all but the plain columns in a map of texts."""
    made = [_spill(batch) for batch in batches]
    return (
        made[0] if len(made) == 1 else pa.Table.from_batches(made).combine_chunks().to_batches()[0]
    )


def _spill(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows: list[list[tuple[str, dict[str, str | None]]]] = [[] for _ in range(batch.num_rows)]
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in META:
            continue
        kind = kind_of(field)
        for row, value in zip(rows, texts(column, kind), strict=True):
            if value is not None:
                row.append((field.name, {"type": str(field.type), "kind": kind, "text": value}))
    fields = [pa.field(name, form) for name, form in META.items()]
    plain = [batch.column(name) for name in META]
    return pa.record_batch(
        [*plain, pa.array(rows, _FORM)], schema=pa.schema([*fields, pa.field(SPILLED, _FORM)])
    )


def texts(column: pa.Array, kind: str | None) -> list[str | None]:
    """The values of a column as JSON text; null stays null."""
    if kind == "json":
        found: list[Any] = column.to_pylist()
        return [to_json(_plain(one)) if isinstance(one, list) else one for one in found]
    if (kind == "int" and pa.types.is_string(column.type)) or pa.types.is_integer(column.type):
        return [None if one is None else str(one) for one in column.to_pylist()]
    if pa.types.is_temporal(column.type) and not pa.types.is_duration(column.type):
        column = column.cast(pa.string())  # Python's own types have no nanoseconds
    values = python_values(column)
    if kind == "int":
        values = [_integers(one) for one in values]
    return [None if one is None else to_json(one) for one in values]


def _plain(value: Any) -> Any:
    """Lists of values that had to become JSON text, as those values."""
    if isinstance(value, list):
        return [_plain(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return None if value is None else json.loads(value)


def _integers(value: Any) -> Any:
    """Lists of integers that had to become text, as integers."""
    if isinstance(value, str):
        return int(value, 16 if "x" in value else 10)
    return None if value is None else [_integers(one) for one in value]


def rows_of(batch: pa.RecordBatch) -> list[dict[str, Mapping[str, Any]]]:
    """The spilled columns of each row: name -> type, kind and text."""
    return [dict(row) for row in batch.column(SPILLED).to_pylist()]


def form_of(value: Mapping[str, Any]) -> tuple[pa.DataType, str | None]:
    """The type and kind that a spilled value has when it comes back.

    Its own where JSON keeps it, else text.
    """
    if value["kind"] is None and value["type"] in _TYPED:
        return _TYPED[value["type"]], None
    if value["kind"] is not None and value["type"] == "string":
        return pa.string(), value["kind"]
    return pa.string(), "json"


def value_of(value: Mapping[str, Any]) -> pa.Array:
    """A spilled value in the form that `form_of` says, as an array of one."""
    form, kind = form_of(value)
    shown = value["text"]
    return pa.array([shown if kind in ("json", "int") else json.loads(shown)], form)


def more(row: Mapping[str, Mapping[str, Any]], known: Container[str]) -> str | None:
    """The values of a spilled row whose names have no column of their own, as one JSON object."""
    parts = [
        f"{json.dumps(name.removeprefix('result.'), ensure_ascii=False)}: {value['text']}"
        for name, value in row.items()
        if name not in known
    ]
    return "{" + ", ".join(parts) + "}" if parts else None
