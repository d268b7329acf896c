"""Data frames as Arrow tables."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from superparams.outcomes.arrow.cell_arrays import common_tag, make_array, make_field
from superparams.outcomes.arrow.cells import NULL, cell
from superparams.outcomes.arrow.container_cells import as_text
from superparams.outcomes.arrow.library_cells import flat_array


def copied_table(frame: Any) -> pa.Table:
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


def table_of(result: Any) -> pa.Table:
    """A frame as a table, which may share its memory."""
    try:
        return pa.table(result)
    except (ValueError, TypeError, NotImplementedError):
        if not hasattr(result, "to_dict") or not hasattr(result, "columns"):
            raise
        return _mixed_table(result)


def _mixed_table(result: Any) -> pa.Table:
    """A pandas frame with columns of mixed objects.

    Those become text as in a dict, value by value.
    """
    names = [str(name) for name in result.columns]
    columns = [_frame_column(result.iloc[:, place]) for place in range(len(names))]
    fields = [
        make_field(name, array.type, kind)
        for name, (array, kind) in zip(names, columns, strict=True)
    ]
    return pa.Table.from_arrays([array for array, _ in columns], schema=pa.schema(fields))


def _frame_column(column: Any) -> tuple[pa.Array, str | None]:
    try:
        return pa.chunked_array(column), None
    except (ValueError, TypeError, NotImplementedError):
        values = column.tolist()
        cells = [cell(value) for value in values]
        tag = common_tag(cells)
        if tag is None:
            cells = [NULL if value is None else as_text(value) for value in values]
            tag = pa.string(), "json"
        return make_array([one.value for one in cells], tag[0]), tag[1]
