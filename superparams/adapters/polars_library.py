"""polars: frames and series. A column is its name, its type and its values."""

from __future__ import annotations

import importlib
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Buffers, Copy, Digests, Library, Same, TableCells
from superparams.adapters.numpy_library import array_cell
from superparams.adapters.pyarrow_library import arrow_values

__all__ = ["LIBRARY"]


def _holds_objects(series: Any) -> bool:
    """Whether a series holds objects of Python, for which Arrow has no type."""
    return str(series.dtype).startswith("Object")


# ---- comparing


def _equal_frames(a: Any, b: Any, same: Same) -> bool:
    if a.shape != b.shape or a.schema != b.schema:
        return False
    pairs = zip(a.get_columns(), b.get_columns(), strict=True)
    return all(_equal_series(x, y, same) for x, y in pairs)


def _equal_series(a: Any, b: Any, same: Same) -> bool:
    if a.name != b.name or a.dtype != b.dtype or len(a) != len(b):
        return False
    if _holds_objects(a):
        return all(map(same, a.to_list(), b.to_list()))
    return bool(a.equals(b, null_equal=True))


# ---- copying


def _copy_frame(frame: Any, copy_item: Copy) -> Any:
    own_frame = frame.clone()
    for index, column in enumerate(frame.get_columns()):
        if _holds_objects(column):
            own_frame.replace_column(index, _copy_series(column, copy_item))
    return own_frame


def _copy_series(series: Any, copy_item: Copy) -> Any:
    """A clone shares its memory until one of the two is written to; objects are copied."""
    if not _holds_objects(series):
        return series.clone()
    items = series.to_list()
    return type(series)(series.name, [copy_item(item) for item in items], dtype=series.dtype)


# ---- digests


def _digest_frame(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_frame)


def _encoded_frame(value: Any, digests: Digests) -> bytes:
    columns = [_encoded_column(column, digests) for column in value.get_columns()]
    return digests.pack("frame", _name(value, digests), digests.encode(value.height), *columns)


def _digest_series(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_series)


def _encoded_series(value: object, digests: Digests) -> bytes:
    return digests.pack("series", _name(value, digests), _encoded_column(value, digests))


def _name(value: object, digests: Digests) -> bytes:
    return digests.text(digests.class_name(value, "polars"))


def _encoded_column(series: Any, digests: Digests) -> bytes:
    if _holds_objects(series):
        content = digests.pack("objects", *digests.items(series.to_list()))
    else:
        content = arrow_values(series.to_arrow(), digests)
    dtype = digests.text(str(series.dtype))
    return digests.pack("column", digests.text(series.name), dtype, content)


# ---- to Arrow


def _frame_cell(frame: Any, cells: TableCells) -> Any:
    if any(map(_holds_objects, frame.get_columns())):
        return cells.items(frame.to_dicts())
    return cells.arrow(frame)


def _series_cell(series: Any, cells: TableCells) -> Any:
    """A list of the values, each of its own type; numpy has no missing integers and no zones."""
    if _holds_objects(series):
        return cells.items(series.to_list())
    dtype = series.dtype
    if (dtype.is_integer() or dtype.is_float()) and not series.null_count():
        return array_cell(series, cells)
    try:
        return cells.arrow(series.to_arrow())
    except Exception:  # a type that only polars has
        return cells.items(series.to_list())


def _table(frame: Any, cells: TableCells) -> Any:
    """A table; objects become text as in a dict, since Arrow would record where they are."""
    import pyarrow as pa

    columns = frame.get_columns()
    if not any(map(_holds_objects, columns)):
        return pa.table(frame)
    return cells.table(frame.columns, [_column(series, cells) for series in columns])


def _column(series: Any, cells: TableCells) -> tuple[Any, str | None]:
    if _holds_objects(series):
        return cells.column(series.to_list())
    import pyarrow as pa

    return pa.chunked_array(series), None


# ---- sharing


def _share_series(source: Any, buffers: Buffers) -> Any:
    """A polars series through Arrow, where that gives it back as it was; frames are series."""
    if _holds_objects(source):
        return rebuild_objects, (type(source), source.name, source.to_list(), source.dtype)
    if source.estimated_size() < buffers.threshold:
        return NotImplemented
    table = _lossless(source, buffers)
    return NotImplemented if table is None else (rebuild_series, (table,))


def _lossless(source: Any, buffers: Buffers) -> Any:
    pl: Any = importlib.import_module("polars")
    try:
        table = source.to_frame().to_arrow(compat_level=pl.CompatLevel.newest())
        if table.get_total_buffer_size() > 2 * source.estimated_size() + buffers.threshold:
            # A slice of strings refers to all of them; in the older layout it does not.
            table = source.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest())
        back = pl.from_arrow(table.slice(0, 0))
    except Exception:  # a type that only polars has, or a polars too old to ask
        return None
    return table if back.schema == source.to_frame().schema else None


def rebuild_series(table: object) -> Any:
    """What `_share_series` took apart."""
    pl: Any = importlib.import_module("polars")
    frame = pl.from_arrow(table, rechunk=False)
    return frame.to_series(0)


def rebuild_objects(kind: type[Any], name: str, items: list[Any], dtype: object) -> Any:
    """A series of objects, which polars does not pickle."""
    return kind(name, items, dtype=dtype)


def _share_frame(source: Any, _: Buffers) -> Any:
    """A frame with objects by its columns, which polars does not pickle; others are series."""
    columns = source.get_columns()
    if not any(map(_holds_objects, columns)):
        return NotImplemented
    return type(source), (columns,)


# ---- all classes

LIBRARY: Final = Library(
    "polars",
    {
        "DataFrame": Adapter(
            equal=_equal_frames,
            copy=_copy_frame,
            is_lazy=True,
            digest=_digest_frame,
            cell=_frame_cell,
            table=_table,
            share=_share_frame,
        ),
        "Series": Adapter(
            equal=_equal_series,
            copy=_copy_series,
            is_lazy=True,
            digest=_digest_series,
            cell=_series_cell,
            share=_share_series,
        ),
    },
)
