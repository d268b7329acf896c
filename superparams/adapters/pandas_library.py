"""pandas: frames, series, indexes, extension arrays, times and missing values.

The content of a frame is its values, the types and names of its columns, and its index. How pandas
keeps the columns in blocks is no content.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from superparams.adapters.adapter import Adapter, Buffers, Copy, Digests, Library, Same, TableCells
from superparams.adapters.numpy_library import array_cell, time_cell
from superparams.adapters.pyarrow_library import arrow_values

__all__ = ["LIBRARY"]


# ---- comparing


def _equal_frames(a: Any, b: Any, same: Same) -> bool:
    if a.shape != b.shape or not _equal_indexes(a.columns, b.columns, same):
        return False
    pairs = ((a.iloc[:, i].array, b.iloc[:, i].array) for i in range(a.shape[1]))
    return _equal_indexes(a.index, b.index, same) and all(
        _equal_values(x, y, same) for x, y in pairs
    )


def _equal_series(a: Any, b: Any, same: Same) -> bool:
    return (
        same(a.name, b.name)
        and _equal_values(a.array, b.array, same)
        and _equal_indexes(a.index, b.index, same)
    )


def _equal_indexes(a: Any, b: Any, same: Same) -> bool:
    if a is b:
        return True
    if a.nlevels != b.nlevels or len(a) != len(b) or not same(list(a.names), list(b.names)):
        return False
    levels = ((a.get_level_values(i), b.get_level_values(i)) for i in range(a.nlevels))
    return all(_equal_values(x.array, y.array, same) for x, y in levels)


def _equal_values(a: Any, b: Any, same: Same) -> bool:
    """Two extension arrays: those of pandas around numpy, or of a type of their own."""
    import numpy as np

    if a is b:
        return True
    if a.dtype != b.dtype or len(a) != len(b):
        return False
    if isinstance(a.dtype, np.dtype):
        return same(np.asarray(a), np.asarray(b))
    if hasattr(a.dtype, "categories") and not same(list(a.categories), list(b.categories)):
        return False  # equal types may list them in another order
    return bool(a.equals(b)) or (a.dtype.kind == "O" and all(map(same, a, b)))


# ---- copying


def _copy_frame(frame: Any, copy_item: Copy) -> Any:
    """A lazy copy, with own objects in columns of lists, dicts and arrays."""
    own_frame: Any = frame.copy(deep=not _copies_lazily())
    for position, dtype in enumerate(frame.dtypes):
        column: Any = frame.iloc[:, position] if _holds_objects(dtype) else None
        own = None if column is None else _own_items(column, copy_item)
        if own is not None:
            own_frame.isetitem(position, own)
    return own_frame


def _copy_series(series: Any, copy_item: Copy) -> Any:
    own = _own_items(series, copy_item) if _holds_objects(series.dtype) else None
    return series.copy(deep=not _copies_lazily()) if own is None else own


def _holds_objects(dtype: Any) -> bool:
    return isinstance(dtype, sys.modules["numpy"].dtype) and dtype.kind == "O"


def _own_items(series: Any, copy_item: Copy) -> Any:
    """A copy with own objects, if some of them are copied; else None."""
    items = series.tolist()
    copies = [copy_item(item) for item in items]
    if all(own is item for own, item in zip(copies, items, strict=True)):
        return None
    own_series = series.copy()
    for index, own in enumerate(copies):
        own_series.array[index] = own
    return own_series


def _copies_lazily() -> bool:
    # From 3 on, a shallow copy shares memory until one of the two is written to.
    return int(sys.modules["pandas"].__version__.partition(".")[0]) >= 3


def _copy_array(value: Any, _: Copy) -> Any:
    return value.copy()


# ---- digests


def _digest_frame(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_frame)


def _encoded_frame(value: Any, digests: Digests) -> bytes:
    columns = [_encoded_values(value.iloc[:, i].array, digests) for i in range(value.shape[1])]
    labels = [_encoded_index(value.columns, digests), _encoded_index(value.index, digests)]
    return digests.pack("frame", _name(value, digests), *labels, *columns)


def _digest_series(value: object, digests: Digests) -> bytes:
    return digests.whole(value, _encoded_series)


def _encoded_series(value: Any, digests: Digests) -> bytes:
    labels = [digests.encode(value.name), _encoded_index(value.index, digests)]
    values = _encoded_values(value.array, digests)
    return digests.pack("series", _name(value, digests), *labels, values)


def _digest_index(value: object, digests: Digests) -> bytes:
    return digests.whole(value, lambda x, _: digests.pack("pandas", _encoded_index(x, digests)))


def _digest_array(value: object, digests: Digests) -> bytes:
    return digests.whole(value, lambda x, _: digests.pack("pandas", _encoded_values(x, digests)))


def _name(value: object, digests: Digests) -> bytes:
    return digests.text(digests.class_name(value, "pandas"))


def _encoded_index(value: Any, digests: Digests) -> bytes:
    levels = [value.get_level_values(i) for i in range(value.nlevels)]
    parts = [_encoded_values(level.array, digests) for level in levels]
    return digests.pack("index", digests.encode(list(value.names)), *parts)


def _encoded_values(array: Any, digests: Digests) -> bytes:
    import numpy as np
    import pandas as pd

    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return digests.pack("values", digests.encode(np.asarray(array)))
    if isinstance(dtype, pd.CategoricalDtype):
        categories = _encoded_index(array.categories, digests)
        codes = digests.encode(np.asarray(array.codes).astype("<i8"))
        ordered = digests.encode(bool(array.ordered))
        return digests.pack("categories", ordered, categories, codes)
    return digests.pack("values", digests.text(str(dtype)), _encoded_extension(array, digests))


def _encoded_extension(array: Any, digests: Digests) -> bytes:
    import numpy as np
    import pyarrow as pa

    if hasattr(array, "asi8"):  # times with a zone, periods
        return digests.encode(np.asarray(array.asi8))
    try:
        return arrow_values(pa.array(array), digests)
    except (TypeError, ValueError, NotImplementedError):  # types that only pandas knows
        return digests.pack("objects", *digests.items(list(array)))


# ---- to Arrow


def _time_cell(value: Any, cells: TableCells) -> Any:
    """A time or a duration, nanoseconds kept."""
    import pyarrow as pa

    if getattr(value, "tzinfo", None) is None:
        return time_cell(value.to_numpy(), cells)
    try:
        form = pa.timestamp(value.unit, pa.scalar(value.to_pydatetime(warn=False)).type.tz)
    except (ValueError, TypeError, NotImplementedError):
        return cells.text(value.isoformat(), "datetime")
    utc = value.tz_convert("UTC").tz_localize(None).to_numpy()
    return cells.plain(form, int(utc.astype("int64")))


def _missing_cell(_: object, cells: TableCells) -> Any:
    return cells.null


def _array_cell(array: Any, cells: TableCells) -> Any:
    """A list of the values of a series, an index or an array, each of its own type.

    Numpy has no missing integers: it would make them floats, and change those beyond 2**53.
    """
    import numpy as np
    import pyarrow as pa

    if isinstance(array.dtype, np.dtype) or not _is_known_to_arrow(array.dtype):
        return array_cell(array, cells)
    try:
        return cells.arrow(pa.array(array, from_pandas=True))
    except (ValueError, TypeError, NotImplementedError):  # types that only pandas knows
        return cells.items(array.tolist())


def _is_known_to_arrow(dtype: Any) -> bool:
    """Whether Arrow has a type for missing values, text or categories of pandas.

    Arrow would record a period by its ordinal. All others have their values in numpy.
    """
    pandas: Any = sys.modules["pandas"]
    if isinstance(dtype, pandas.CategoricalDtype):
        return _is_plain_index(dtype.categories) or _is_text(dtype.categories)
    return not isinstance(
        dtype,
        (pandas.PeriodDtype, pandas.IntervalDtype, pandas.DatetimeTZDtype, pandas.SparseDtype),
    )


def _is_plain_index(index: Any) -> bool:
    import numpy as np

    return not issubclass(type(index.dtype), np.dtype) or index.dtype.kind in "biuf"


def _is_text(index: Any) -> bool:
    """Whether all values are text, which pandas 2 holds as objects."""
    return index.dtype == object and all(isinstance(one, str) for one in index)


def _frame_cell(frame: Any, cells: TableCells) -> Any:
    if not frame.columns.is_unique:
        raise TypeError(
            "a table cannot hold a frame with two columns of one name; rename one of them"
        )
    try:
        import pyarrow as pa

        return cells.arrow(_with_texts_of_periods(pa.table(frame)))
    except (ValueError, TypeError, NotImplementedError):  # objects of several types
        return cells.items(frame.to_dict("records"))


def _table(frame: Any, cells: TableCells) -> Any:
    """A table of the columns and the index; mixed objects become text as in a dict."""
    import pyarrow as pa

    try:
        return _with_texts_of_periods(pa.table(frame))
    except (ValueError, TypeError, NotImplementedError):
        columns = [_column(frame.iloc[:, position], cells) for position in range(frame.shape[1])]
        return cells.table([str(name) for name in frame.columns], columns)


def _column(series: Any, cells: TableCells) -> tuple[Any, str | None]:
    import pyarrow as pa

    try:
        return _text_of_periods(pa.chunked_array([pa.array(series, from_pandas=True)])), None
    except (ValueError, TypeError, NotImplementedError):
        return cells.column(series.tolist())


def _with_texts_of_periods(table: Any) -> Any:
    """A table with periods such as 2020-01 as text, which Arrow holds as numbers since 1970."""
    for place, column in enumerate(table.columns):
        text = _text_of_periods(column)
        if text is not column:
            table = table.set_column(place, table.column_names[place], text)
    return table


def _text_of_periods(column: Any) -> Any:
    import pyarrow as pa

    if getattr(column.type, "extension_name", "") != "pandas.period":
        return column
    values = column.to_pandas().array
    texts = [str(x) if x == x else None for x in values]  # no time is equal to itself
    return pa.chunked_array([pa.array(texts, pa.string())])


# ---- sharing
#
# Frames share their memory until somebody writes. Which frames do is not in their pickles: in a
# worker, each would write into the memory of the others. So a small one that shares its memory
# travels as a copy. Large memory is read-only in workers.


def _share_manager(source: Any, buffers: Buffers) -> Any:
    """What a Series or DataFrame consists of: with memory of its own where that is small."""
    if not _copies_on_write():
        return NotImplemented
    try:
        blocks = tuple(_own_block(block, buffers.threshold) for block in source.blocks)
        if all(own is block for own, block in zip(blocks, source.blocks, strict=True)):
            return NotImplemented
        if len(source.axes) == 1:
            return rebuild_manager, (type(source)(blocks[0], source.axes[0]),)
        return rebuild_manager, (source.from_blocks(blocks, list(source.axes)),)
    except AttributeError:  # a pandas that is built in another way
        return NotImplemented


def _copies_on_write() -> bool:
    pandas: Any = sys.modules["pandas"]
    return _copies_lazily() or getattr(pandas.options.mode, "copy_on_write", False) is True


def _own_block(block: Any, threshold: int) -> Any:
    is_large = getattr(block.values, "nbytes", threshold) >= threshold
    return block if is_large or not block.refs.has_reference() else block.copy(deep=True)


def rebuild_manager(manager: object) -> Any:
    """What `_share_manager` copied."""
    return manager


# ---- all classes

_TIME: Final = Adapter(is_immutable=True, cell=_time_cell)
_MISSING: Final = Adapter(is_immutable=True, cell=_missing_cell)

LIBRARY: Final = Library(
    "pandas",
    {
        "DataFrame": Adapter(
            equal=_equal_frames,
            copy=_copy_frame,
            is_lazy=True,
            digest=_digest_frame,
            cell=_frame_cell,
            table=_table,
        ),
        "Series": Adapter(
            equal=_equal_series,
            copy=_copy_series,
            is_lazy=True,
            digest=_digest_series,
            cell=_array_cell,
        ),
        "Index": Adapter(
            equal=_equal_indexes, copy=_copy_array, digest=_digest_index, cell=_array_cell
        ),
        "ExtensionArray": Adapter(
            equal=_equal_values, copy=_copy_array, digest=_digest_array, cell=_array_cell
        ),
        "BaseBlockManager": Adapter(share=_share_manager),
        "Timestamp": _TIME,
        "Timedelta": _TIME,
        "NaTType": _MISSING,
        "NAType": _MISSING,
    },
)
