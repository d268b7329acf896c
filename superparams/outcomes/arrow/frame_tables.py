"""Data frames as Arrow tables."""

from __future__ import annotations

import pyarrow as pa

from superparams.adapters.libraries import adapter_of
from superparams.outcomes.arrow.cell_arrays import kind_of, make_field
from superparams.outcomes.arrow.container_cells import CELLS
from superparams.outcomes.arrow.stored_columns import stored_column


def copied_table(frame: object) -> pa.Table:
    """A frame as a table of plain columns that shares no memory with it.

    Args:
        frame: Anything with ``__arrow_c_stream__``.

    Raises:
        TypeError: For a column that a table cannot hold.
    """
    table = table_of(frame)
    columns: list[pa.Array] = []
    fields: list[pa.Field] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        array, kind = stored_column(field.name, column, kind_of(field))
        columns.append(array)
        changed = make_field(field.name, array.type, kind)
        fields.append(field.with_type(array.type) if kind == kind_of(field) else changed)
    schema = pa.schema(fields)
    batch = pa.record_batch(columns, schema=schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch)
    with pa.ipc.open_stream(sink.getvalue()) as reader:
        return reader.read_all()


def table_of(frame: object) -> pa.Table:
    """A frame as a table, which may share its memory.

    Args:
        frame: Anything with ``__arrow_c_stream__``.
    """
    adapter = adapter_of(frame)
    if adapter is None or adapter.table is None:
        return pa.table(frame)
    table: pa.Table = adapter.table(frame, CELLS)
    return table
