"""pyarrow: tables, batches, arrays, scalars and types.

The content of an array is its type and its values: how they are cut into chunks, what lies under a
null and metadata are none. Nothing can change a value of pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Buffers, Digests, Library, Same, TableCells

__all__ = ["LIBRARY", "arrow_values", "equal_columns"]


# ---- comparing


def _equal_tables(a: Any, b: Any, same: Same) -> bool:
    return (
        a.num_rows == b.num_rows
        and a.schema.equals(b.schema)
        and all(equal_columns(x, y, same) for x, y in zip(a.columns, b.columns, strict=True))
    )


def equal_columns(a: Any, b: Any, same: Same) -> bool:
    """Whether two Arrow arrays have the same type and the same values, NaN included."""
    if a.type != b.type or len(a) != len(b):
        return False
    if a.equals(b):
        return True
    # Arrow says that NaN differ, at any depth.
    has_floats = any(name in str(a.type) for name in ("double", "float"))
    return has_floats and all(map(same, a.to_pylist(), b.to_pylist()))


def _equal_scalars(a: Any, b: Any, same: Same) -> bool:
    return bool(a.type == b.type and (a.equals(b) or same(a.as_py(), b.as_py())))


# ---- digests


def _digest_table(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_table)


def _encoded_table(value: Any, digests: Digests) -> bytes:
    name = digests.text(digests.class_name(value, "pyarrow"))
    columns = [arrow_values(column, digests) for column in value.columns]
    names = [digests.text(name) for name in value.schema.names]
    return digests.pack("frame", name, digests.encode(value.num_rows), *names, *columns)


def _digest_array(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_array)


def _encoded_array(value: object, digests: Digests) -> bytes:
    return digests.pack("arrow", digests.text("array"), arrow_values(value, digests))


def _digest_scalar(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_scalar)


def _encoded_scalar(value: Any, digests: Digests) -> bytes:
    return digests.pack("arrow", digests.text(str(value.type)), digests.encode(value.as_py()))


def _digest_type(value: object, digests: Digests) -> bytes:
    return digests.pack("arrow type", digests.text(str(value)))


def arrow_values(values: Any, digests: Digests) -> bytes:
    """The encoding of the content of an Array or a ChunkedArray."""
    import pyarrow as pa

    values = _one_chunk(_wide(values))
    kind = values.type
    valid = b""
    if values.null_count and not pa.types.is_null(kind):
        valid = digests.encode(values.is_valid().cast("uint8").to_numpy(zero_copy_only=False))
    parts = _reader(kind)(values, digests)
    length = digests.encode(len(values))
    return digests.pack("arrow", digests.text(str(kind)), length, valid, *parts)


def _wide(values: Any) -> Any:
    """Texts and binaries in the one layout with 64-bit offsets."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_string(kind) or str(kind) == "string_view":
        return values.cast(pa.large_string())
    if pa.types.is_binary(kind) or str(kind) == "binary_view":
        return values.cast(pa.large_binary())
    return values


def _one_chunk(values: Any) -> Any:
    import pyarrow as pa

    if not isinstance(values, pa.ChunkedArray):
        return values
    if values.num_chunks == 1:
        return values.chunk(0)
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)


def _reader(kind: Any) -> Callable[[Any, Digests], list[bytes]]:
    """What reads the values of the Arrow type `kind`, with nulls made the same everywhere."""
    import pyarrow as pa

    types = pa.types
    if types.is_null(kind):
        return lambda values, digests: []
    if types.is_boolean(kind):
        return _booleans
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return _texts
    if types.is_struct(kind):
        return _structs
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _lists
    if types.is_dictionary(kind):
        return lambda values, digests: [arrow_values(values.dictionary_decode(), digests)]
    if isinstance(kind, pa.BaseExtensionType):
        return lambda values, digests: [arrow_values(values.storage, digests)]
    if types.is_primitive(kind) and kind.bit_width in (8, 16, 32, 64):
        return _numbers
    return lambda values, digests: digests.items(values.to_pylist())


def _booleans(values: Any, digests: Digests) -> list[bytes]:
    plain = values.fill_null(False).cast("uint8")
    return [digests.encode(plain.to_numpy(zero_copy_only=False))]


def _numbers(values: Any, digests: Digests) -> list[bytes]:
    # As integers of the same width: every such type is bits of a fixed number.
    bits = values.view(f"int{values.type.bit_width}")
    if bits.null_count:
        bits = bits.fill_null(0)
    return [digests.encode(bits.to_numpy(zero_copy_only=False))]


def _texts(values: Any, digests: Digests) -> list[bytes]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    values = values.cast(pa.large_binary())
    if values.null_count:
        values = values.fill_null(b"")
    if not len(values):
        return []
    lengths = pc.binary_length(values).to_numpy(zero_copy_only=False)
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, "i8")[values.offset : values.offset + len(values) + 1]
    content = np.frombuffer(data or b"", "u1")[ends[0] : ends[-1]]
    return [digests.encode(np.asarray(lengths, "i8")), digests.encode(content)]


def _lists(values: Any, digests: Digests) -> list[bytes]:
    import numpy as np
    import pyarrow.compute as pc

    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    return [digests.encode(np.asarray(lengths, "i8")), arrow_values(values.flatten(), digests)]


def _structs(values: Any, digests: Digests) -> list[bytes]:
    # `flatten` marks a field null where its struct is.
    return [arrow_values(field, digests) for field in values.flatten()]


# ---- to Arrow


def _scalar_cell(value: Any, cells: TableCells) -> Any:
    return cells.plain(value.type, value.as_py())


# ---- sharing


def _share_buffer(source: Any, buffers: Buffers) -> Any:
    """The buffers that everything of Arrow consists of."""
    import pyarrow as pa

    if not source.is_cpu:
        return NotImplemented
    return pa.py_buffer, (buffers.add(source.address, source.size),)


def _share(source: Any, buffers: Buffers) -> Any:
    """An array, table or batch that is a small part of its buffers; else pyarrow does it itself."""
    import pyarrow as pa

    total, used = source.get_total_buffer_size(), source.nbytes
    if total - used <= max(used // 8, buffers.threshold):
        return NotImplemented
    table, kind = _as_table(source)
    try:
        buffer = _written(table, buffers, small=used < buffers.threshold)
    except pa.ArrowException:  # a type that IPC does not know
        return NotImplemented
    return rebuild_arrow, (kind, buffer)


def _as_table(source: object) -> tuple[Any, str]:
    import pyarrow as pa

    if isinstance(source, pa.Table):
        return source, "table"
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source]), "batch"
    kind = "chunks" if isinstance(source, pa.ChunkedArray) else "array"
    return pa.Table.from_arrays([source], names=["0"]), kind


def _written(table: object, buffers: Buffers, *, small: bool) -> Any:
    """The table as an IPC stream, which holds no more than the rows there are."""
    import pyarrow as pa

    if small:
        sink = pa.BufferOutputStream()
        _write(table, sink)
        return sink.getvalue()
    with buffers.stream() as stream:
        _write(table, pa.PythonFile(stream, mode="w"))
    return stream.buffer


def _write(table: Any, sink: Any) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(sink, table.schema) as ipc:
        ipc.write_table(table)


def rebuild_arrow(kind: str, buffer: object) -> Any:
    """What `_share` took apart."""
    import pyarrow as pa

    table = pa.ipc.open_stream(buffer).read_all()
    if kind == "table":
        return table
    if kind == "chunks":
        return table.column(0)
    batch = _only_batch(table)
    return batch if kind == "batch" else batch.column(0)


def _only_batch(table: Any) -> Any:
    import pyarrow as pa

    batches = table.combine_chunks().to_batches()
    if batches:
        return batches[0]
    empty = [pa.array([], field.type) for field in table.schema]
    return pa.RecordBatch.from_arrays(empty, schema=table.schema)


# ---- all classes

_TABLE: Final = Adapter(equal=_equal_tables, is_immutable=True, digest=_digest_table, share=_share)
_ARRAY: Final = Adapter(equal=equal_columns, is_immutable=True, digest=_digest_array, share=_share)

LIBRARY: Final = Library(
    "pyarrow",
    {
        "Table": _TABLE,
        "RecordBatch": _TABLE,
        "Array": _ARRAY,
        "ChunkedArray": _ARRAY,
        "Scalar": Adapter(
            equal=_equal_scalars, is_immutable=True, digest=_digest_scalar, cell=_scalar_cell
        ),
        "Buffer": Adapter(share=_share_buffer),
        "DataType": Adapter(is_immutable=True, digest=_digest_type),
    },
)
