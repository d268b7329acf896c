"""The content of tables: pandas, polars and pyarrow.

A table is the names, types and values of its columns, and for pandas its index. How the values
are cut into chunks, what lies under a null, and metadata do not count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from superparams.identity.digests.encoding import (
    Encoder,
    Walk,
    compound,
    encode_int,
    encode_items,
    pack,
    text,
)
from superparams.identity.module_names import class_name, class_of, library_of

__all__ = ["find_encoder"]


def find_encoder(kind: type[Any]) -> Encoder | None:
    """The encoder for a class of pandas, polars or pyarrow; None when it needs no special one."""
    names = [f"{library_of(parent)}.{parent.__name__}" for parent in kind.__mro__]
    return next((_ENCODERS[name] for name in names if name in _ENCODERS), None)


def _name(value: Any) -> bytes:
    # Libraries move their classes between modules: theirs count by name, the user's in full.
    kind = class_of(value)
    library = library_of(kind)
    ours = library in ("pandas", "polars", "pyarrow")
    return text(f"{library}.{kind.__name__}" if ours else class_name(kind))


@compound
def _pandas_frame(value: Any, walk: Walk) -> bytes:
    columns = [_pandas_values(value.iloc[:, i].array, walk) for i in range(value.shape[1])]
    labels = [_pandas_index(value.columns, walk), _pandas_index(value.index, walk)]
    return pack("frame", _name(value), *labels, *columns)


@compound
def _pandas_series(value: Any, walk: Walk) -> bytes:
    labels = [walk.encode(value.name), _pandas_index(value.index, walk)]
    return pack("series", _name(value), *labels, _pandas_values(value.array, walk))


def _pandas_index(value: Any, walk: Walk) -> bytes:
    levels = [value.get_level_values(i) for i in range(value.nlevels)]
    parts = [_pandas_values(level.array, walk) for level in levels]
    return pack("index", walk.encode(list(value.names)), *parts)


def _pandas_values(array: Any, walk: Walk) -> bytes:
    import numpy as np
    import pandas as pd

    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return pack("values", walk.encode(np.asarray(array)))
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _pandas_index(array.categories, walk)
        codes = walk.encode(np.asarray(array.codes).astype("<i8"))
        return pack("categories", walk.encode(bool(array.ordered)), categories, codes)
    return pack("values", text(str(dtype)), _extension(array, walk))


def _extension(array: Any, walk: Walk) -> bytes:
    import numpy as np
    import pyarrow as pa

    if hasattr(array, "asi8"):  # times with a zone, periods
        return walk.encode(np.asarray(array.asi8))
    try:
        return _arrow_values(pa.array(array), walk)
    except (TypeError, ValueError, NotImplementedError):  # types that only pandas knows
        return pack("objects", *encode_items(list(array), walk))


@compound
def _polars_frame(value: Any, walk: Walk) -> bytes:
    columns = [_polars_values(column, walk) for column in value.get_columns()]
    return pack("frame", _name(value), encode_int(value.height, walk), *columns)


@compound
def _polars_series(value: Any, walk: Walk) -> bytes:
    return pack("series", _name(value), _polars_values(value, walk))


def _polars_values(series: Any, walk: Walk) -> bytes:
    if str(series.dtype).startswith("Object"):  # Python objects: Arrow has no type for them
        content = pack("objects", *encode_items(series.to_list(), walk))
    else:
        content = _arrow_values(series.to_arrow(), walk)
    return pack("column", text(series.name), text(str(series.dtype)), content)


@compound
def _arrow_table(value: Any, walk: Walk) -> bytes:
    columns = [_arrow_values(column, walk) for column in value.columns]
    names = [text(name) for name in value.schema.names]
    return pack("frame", _name(value), encode_int(value.num_rows, walk), *names, *columns)


@compound
def _arrow_array(value: Any, walk: Walk) -> bytes:
    return pack("arrow", text("array"), _arrow_values(value, walk))


@compound
def _arrow_scalar(value: Any, walk: Walk) -> bytes:
    return pack("arrow", text(str(value.type)), walk.encode(value.as_py()))


def _arrow_type(value: Any, walk: Walk) -> bytes:
    return pack("arrow type", text(str(value)))


def _arrow_values(values: Any, walk: Walk) -> bytes:
    """The content of an Array or a ChunkedArray."""
    import pyarrow as pa

    values = _one_chunk(_wide(values))
    kind = values.type
    valid = b""
    if values.null_count and not pa.types.is_null(kind):
        valid = walk.encode(values.is_valid().cast("uint8").to_numpy(zero_copy_only=False))
    parts = _reader(kind)(values, walk)
    return pack("arrow", text(str(kind)), encode_int(len(values), walk), valid, *parts)


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


def _reader(kind: Any) -> Callable[[Any, Walk], list[bytes]]:
    """What reads the values of the Arrow type `kind`, with nulls made the same everywhere."""
    import pyarrow as pa

    types = pa.types
    if types.is_null(kind):
        return lambda values, walk: []
    if types.is_boolean(kind):
        return _booleans
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return _texts
    if types.is_struct(kind):
        return _structs
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _lists
    if types.is_dictionary(kind):
        return lambda values, walk: [_arrow_values(values.dictionary_decode(), walk)]
    if isinstance(kind, pa.BaseExtensionType):
        return lambda values, walk: [_arrow_values(values.storage, walk)]
    if types.is_primitive(kind) and kind.bit_width in (8, 16, 32, 64):
        return _numbers
    return lambda values, walk: encode_items(values.to_pylist(), walk)


def _booleans(values: Any, walk: Walk) -> list[bytes]:
    plain = values.fill_null(False).cast("uint8")
    return [walk.encode(plain.to_numpy(zero_copy_only=False))]


def _numbers(values: Any, walk: Walk) -> list[bytes]:
    # As integers of the same width: every such type is bits of a fixed number.
    bits = values.view(f"int{values.type.bit_width}")
    if bits.null_count:
        bits = bits.fill_null(0)
    return [walk.encode(bits.to_numpy(zero_copy_only=False))]


def _texts(values: Any, walk: Walk) -> list[bytes]:
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
    return [walk.encode(np.asarray(lengths, "i8")), walk.encode(content)]


def _lists(values: Any, walk: Walk) -> list[bytes]:
    import numpy as np
    import pyarrow.compute as pc

    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    return [walk.encode(np.asarray(lengths, "i8")), _arrow_values(values.flatten(), walk)]


def _structs(values: Any, walk: Walk) -> list[bytes]:
    # `flatten` marks a field null where its struct is.
    return [_arrow_values(field, walk) for field in values.flatten()]


_ENCODERS: dict[str, Encoder] = {
    "pandas.DataFrame": _pandas_frame,
    "pandas.Series": _pandas_series,
    "pandas.Index": compound(lambda value, walk: pack("pandas", _pandas_index(value, walk))),
    "pandas.ExtensionArray": compound(
        lambda value, walk: pack("pandas", _pandas_values(value, walk))
    ),
    "polars.DataFrame": _polars_frame,
    "polars.Series": _polars_series,
    "pyarrow.Table": _arrow_table,
    "pyarrow.RecordBatch": _arrow_table,
    "pyarrow.Array": _arrow_array,
    "pyarrow.ChunkedArray": _arrow_array,
    "pyarrow.Scalar": _arrow_scalar,
    "pyarrow.DataType": _arrow_type,
}
