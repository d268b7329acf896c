"""Converts columns of the table for the page: to booleans, numbers and readable text."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.errors.safe_text import lines
from superparams.outcomes.arrow import plain_array, plain_scalar, typed_values
from superparams.store.table.arrow_arrays import flat

__all__ = ["parquet_bytes", "simple_column"]

LONGEST: Final = 2000  # characters of a text
SHORTEST: Final = 100  # characters that a text keeps at least, however long the column is
MOST_TEXT: Final = 20_000_000  # characters of a column
LEVEL: Final = 9  # the level of compression
_EXACT: Final = 1 << 53  # whole numbers up to this are exact in a browser
_INT32: Final = 1 << 31


def simple_column(
    column: pa.ChunkedArray, field: pa.Field, change: Callable[[str], str] | None = None
) -> pa.Array:
    """A column as booleans, 32-bit integers, doubles or text.

    Args:
        column: Its values.
        field: Its field in the table. The metadata of a field may say what type its texts have.
        change: Applied to each text.
    """
    array = flat(column)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    form, is_a = array.type, pa.types
    if is_a.is_boolean(form):
        return array
    if is_a.is_integer(form):
        return _numbers(array)
    if is_a.is_floating(form) or is_a.is_decimal(form):
        return pc.cast(array, pa.float64(), safe=False)
    if is_a.is_timestamp(form):
        written = pc.cast(array, pa.string())
        return pc.replace_substring(written, " ", "T", max_replacements=1)
    if not (is_a.is_string(form) or is_a.is_large_string(form)):
        array = plain_array([_text(x) for x in typed_values(array, field)], pa.string())
    return _texts(pc.cast(array, pa.large_string()), change)


def _numbers(array: pa.Array) -> pa.Array:
    """Integers in the smallest type that is exact in a browser; text if there is none."""
    ends = pc.min_max(array).as_py()
    low, high = ends["min"] or 0, ends["max"] or 0
    if low >= -_INT32 and high < _INT32:
        return pc.cast(array, pa.int32())
    if low >= -_EXACT and high <= _EXACT:
        return pc.cast(array, pa.float64())
    return pc.cast(array, pa.string())


def _text(value: object) -> str | None:
    """A value that is neither a number nor text."""
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return None if value is None else str(value)[: LONGEST + 1]


def _texts(array: pa.Array, change: Callable[[str], str] | None) -> pa.Array:
    """Texts that are safe to show, and not too long."""
    longest = max(SHORTEST, min(LONGEST, MOST_TEXT // max(1, len(array))))
    mask = pc.greater(pc.utf8_length(array), plain_scalar(longest, pa.int64()))
    mask = pc.or_(mask, pc.invert(pc.utf8_is_printable(array)))
    if change is not None:
        mask = pc.or_(mask, pc.match_substring(array, "/"))
    array = pc.cast(array, pa.large_string())
    mask = pc.and_(pc.fill_null(mask, plain_scalar(False, pa.bool_())), pc.is_valid(array))
    if mask.true_count:
        odd = array.filter(mask).dictionary_encode()
        shown = [_shown_text(x, longest, change) for x in odd.dictionary.to_pylist()]
        new = plain_array(shown, pa.large_string()).take(odd.indices)
        array = pc.replace_with_mask(array, mask, new)
    return pc.cast(array, pa.string()) if array.nbytes < _INT32 else array


def _shown_text(text: str, longest: int, change: Callable[[str], str] | None) -> str:
    if len(text) > 4 * longest:
        text = f"{text[: 2 * longest]}{text[-2 * longest :]}"
    text = lines(text if change is None else change(text))
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}…{text[half + 1 - longest :]}"


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a parquet file without metadata.

    Columns of text with few different values are stored as dictionaries.
    """
    buffer = io.BytesIO()
    repetitive = [name for name in table.column_names if _is_repetitive(table.column(name))]
    parquet.write_table(
        table.replace_schema_metadata(None),
        buffer,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=repetitive,
        write_statistics=False,
        store_schema=False,
    )
    return buffer.getvalue()


def _is_repetitive(column: pa.ChunkedArray) -> bool:
    if pa.types.is_boolean(column.type):
        return False
    return 2 * int(pc.count_distinct(column).as_py()) <= len(column)
