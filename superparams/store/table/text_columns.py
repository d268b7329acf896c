"""Values as text: the types of columns, and rows that are written as text.

Each schema needs a file of the ledger. If results have new names or types again and again
(`{"loss_1": …}`, then `{"loss_2": …}`), there would be very many files. So after
`ledger.writer.MAX_STREAMS` schemas, all columns except those of outcomes go into one map column,
from the name to the type and the JSON text, and one file can hold any row. In the table, such
values are in typed columns again; names without a column of their own are together in a column of
JSON text, `more`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from superparams.outcomes.arrow import kind_of, python_values, to_json
from superparams.outcomes.batches import META
from superparams.outcomes.columns import CODE
from superparams.outcomes.step_batches import STEP_META, is_of_steps

SPILLED = "superparams.spilled"
MORE = "result.more"
_TYPED = {str(form): form for form in (pa.int64(), pa.float64(), pa.bool_(), pa.string())}
_MAP = pa.map_(
    pa.string(), pa.struct([("type", pa.string()), ("kind", pa.string()), ("text", pa.string())])
)


class ColumnType(NamedTuple):
    """The type of a column, and the kind of its values before they became text.

    kind: None if the values were not changed into text.
    """

    type: pa.DataType
    kind: str | None = None

    @classmethod
    def of(cls, field: pa.Field) -> ColumnType:
        """The type of a field of a schema."""
        return cls(field.type, kind_of(field))


def is_spilled(schema: bytes) -> bool:
    """Whether a schema message is the one of rows written as text."""
    return SPILLED.encode() in schema


def spill(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of any columns as one batch, with parameters and results in a map of texts."""
    spilled = [_spill(batch) for batch in batches]
    if len(spilled) == 1:
        return spilled[0]
    return pa.Table.from_batches(spilled).combine_chunks().to_batches()[0]


def _spill(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows: list[list[tuple[str, dict[str, str | None]]]] = [[] for _ in range(batch.num_rows)]
    meta = STEP_META if is_of_steps(batch.schema) else META
    own = {**meta, **({CODE: pa.string()} if CODE in batch.schema.names else {})}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        if field.name in own:
            continue
        kind = kind_of(field)
        for row, text in zip(rows, texts(column, kind), strict=True):
            if text is not None:
                row.append((field.name, {"type": str(field.type), "kind": kind, "text": text}))
    fields = [*(pa.field(name, form) for name, form in own.items()), pa.field(SPILLED, _MAP)]
    columns = [*(batch.column(name) for name in own), pa.array(rows, _MAP)]
    return pa.record_batch(columns, schema=pa.schema(fields, metadata=batch.schema.metadata))


def texts(column: pa.Array | pa.ChunkedArray, kind: str | None) -> list[str | None]:
    """The values of a column as JSON text; null stays null."""
    if kind == "json":
        values: list[Any] = column.to_pylist()
        return [to_json(_from_json(x)) if isinstance(x, list) else x for x in values]
    if (kind == "int" and pa.types.is_string(column.type)) or pa.types.is_integer(column.type):
        return [None if x is None else str(x) for x in column.to_pylist()]
    if pa.types.is_decimal(column.type):  # a number with all of its digits
        return [None if x is None else str(x) for x in column.to_pylist()]
    form = column.type
    has_text = not pa.types.is_duration(form) and not pa.types.is_interval(form)
    if pa.types.is_temporal(form) and has_text:
        column = column.cast(pa.string())  # Python's own types have no nanoseconds
    values = python_values(column)
    if kind == "int":
        values = [_integers(x) for x in values]
    return [None if x is None else to_json(x) for x in values]


def _from_json(value: Any) -> Any:
    """The values of nested lists of JSON text."""
    if isinstance(value, list):
        return [_from_json(x) for x in value]  # pyright: ignore[reportUnknownVariableType]
    return None if value is None else json.loads(value)


def _integers(value: Any) -> Any:
    """The integers of nested lists of texts."""
    if isinstance(value, str):
        return int(value, 16 if "x" in value else 10)
    return None if value is None else [_integers(x) for x in value]


# ---- reading spilled rows

SpilledRow = Mapping[str, Mapping[str, Any]]  # name of the column -> type, kind and text


def spilled_rows(rows: pa.RecordBatch | pa.Table) -> list[SpilledRow]:
    """The spilled columns of each row."""
    return [dict(row) for row in rows.column(SPILLED).to_pylist()]


def type_of(cell: Mapping[str, Any]) -> ColumnType:
    """The type of a spilled value in the table: its own type if JSON can hold it, else text."""
    if cell["kind"] is None and cell["type"] in _TYPED:
        return ColumnType(_TYPED[cell["type"]])
    is_text = cell["kind"] is not None and cell["type"] == "string"
    return ColumnType(pa.string(), cell["kind"] if is_text else "json")


def value_of(cell: Mapping[str, Any]) -> pa.Array:
    """A spilled value, as an array of one value of the type that `type_of` returns."""
    form, kind = type_of(cell)
    text = cell["text"]
    return pa.array([text if kind in ("json", "int") else json.loads(text)], form)


def more(row: SpilledRow, columns: Container[str]) -> str | None:
    """The values of a spilled row whose names have no column, as one JSON object."""
    parts = [
        f"{json.dumps(name.removeprefix('result.'), ensure_ascii=False)}: {cell['text']}"
        for name, cell in row.items()
        if name not in columns
    ]
    return "{" + ", ".join(parts) + "}" if parts else None
