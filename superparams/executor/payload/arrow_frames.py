"""pyarrow and polars, out-of-band; of a slice, the slice."""

from __future__ import annotations

import importlib
from typing import Any

import pyarrow as pa

from superparams.executor.payload.buffer_writer import Writer

_Arrow = Any


def reduce_buffer(source: Any, writer: Writer) -> Any:
    """The buffers that everything of Arrow consists of."""
    if not source.is_cpu:
        return NotImplemented
    return pa.py_buffer, (writer.add(source.address, source.size),)


def reduce_arrow(source: _Arrow, writer: Writer) -> Any:
    """An array, table or batch that is a small part of its buffers; else pyarrow does it itself."""
    total, used = source.get_total_buffer_size(), source.nbytes
    if total - used <= max(used // 8, writer.threshold):
        return NotImplemented
    table, kind = _as_table(source)
    try:
        buffer = _written(table, writer, small=used < writer.threshold)
    except pa.ArrowException:  # a type that IPC does not know
        return NotImplemented
    return rebuild_arrow, (kind, buffer)


def _as_table(source: _Arrow) -> tuple[Any, str]:
    if isinstance(source, pa.Table):
        return source, "table"
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source]), "batch"
    kind = "chunks" if isinstance(source, pa.ChunkedArray) else "array"
    return pa.Table.from_arrays([source], names=["0"]), kind


def _written(table: Any, writer: Writer, *, small: bool) -> Any:
    """The table as an IPC stream, which holds no more than the rows there are."""
    if small:
        sink = pa.BufferOutputStream()
        _write(table, sink)
        return sink.getvalue()
    with writer.stream() as stream:
        _write(table, pa.PythonFile(stream, mode="w"))
    return stream.buffer


def _write(table: Any, sink: Any) -> None:
    with pa.ipc.new_stream(sink, table.schema) as ipc:
        ipc.write_table(table)


def rebuild_arrow(kind: str, buffer: Any) -> Any:
    """What `reduce_arrow` took apart."""
    table = pa.ipc.open_stream(buffer).read_all()
    if kind == "table":
        return table
    if kind == "chunks":
        return table.column(0)
    batch = _only_batch(table)
    return batch if kind == "batch" else batch.column(0)


def _only_batch(table: Any) -> Any:
    batches = table.combine_chunks().to_batches()
    if batches:
        return batches[0]
    empty = [pa.array([], field.type) for field in table.schema]
    return pa.RecordBatch.from_arrays(empty, schema=table.schema)


def reduce_series(source: Any, writer: Writer) -> Any:
    """A polars series through Arrow, where that gives it back as it was; frames are series."""
    if source.estimated_size() < writer.threshold:
        return NotImplemented
    table = _lossless(source, writer)
    return NotImplemented if table is None else (rebuild_series, (table,))


def _lossless(source: Any, writer: Writer) -> Any:
    pl: Any = importlib.import_module("polars")
    if source.dtype == pl.Object:
        return None
    try:
        table = source.to_frame().to_arrow(compat_level=pl.CompatLevel.newest())
        if table.get_total_buffer_size() > 2 * source.estimated_size() + writer.threshold:
            # A slice of strings refers to all of them; in the older layout it does not.
            table = source.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest())
        back = pl.from_arrow(table.slice(0, 0))
    except Exception:  # a type that only polars has, or a polars too old to ask
        return None
    return table if back.schema == source.to_frame().schema else None


def rebuild_series(table: Any) -> Any:
    """What `reduce_series` took apart."""
    pl: Any = importlib.import_module("polars")
    frame = pl.from_arrow(table, rechunk=False)
    return frame.to_series(0)
