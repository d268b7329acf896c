"""Data frames as Arrow tables."""

from __future__ import annotations

import pyarrow as pa

from superparams.adapters.libraries import adapter_of
from superparams.outcomes.arrow.container_cells import CELLS
from superparams.outcomes.arrow.flat_arrays import flat_array


def copied_table(frame: object) -> pa.Table:
    """A frame as a table of plain columns that shares no memory with it.

    Args:
        frame: Anything with ``__arrow_c_stream__``.
    """
    table = table_of(frame)
    columns = [flat_array(column).combine_chunks() for column in table.columns]
    fields = [
        field.with_type(column.type) for field, column in zip(table.schema, columns, strict=True)
    ]
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
