"""Arrays and fields made of cells."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

from superparams.adapters.libraries import adapter_for
from superparams.outcomes.arrow.cells import FLOAT64, INT64, NULL, Cell

KIND = b"superparams.kind"  # field metadata: what the text of a column was before it became text
SIMPLE: dict[type, pa.DataType] = {
    float: pa.float64(),
    int: pa.int64(),
    str: pa.string(),
    bool: pa.bool_(),
    bytes: pa.binary(),
}


# ---- columns


def simple_type(values: Sequence[object]) -> pa.DataType | None:
    """The type of values that are all of one plain scalar type or None; None when they are not."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if len(kinds) > 1:
        return None
    return _simple(kinds.pop()) if kinds else pa.null()


def _simple(kind: type) -> pa.DataType | None:
    form = SIMPLE.get(kind)
    adapter = adapter_for(kind) if form is None else None
    if adapter is not None and adapter.column_type is not None:
        form = adapter.column_type(kind)
        if form is not None:
            SIMPLE[kind] = form
    return form


def common_tag(cells: Sequence[Cell]) -> tuple[pa.DataType, str | None] | None:
    """The one tag of cells of which nulls fit anywhere.

    Integers among floats count as floats where none changes.
    """
    tags = list(dict.fromkeys(cell.tag for cell in cells if cell.type != NULL.type))
    if len(tags) < 2:
        return tags[0] if tags else NULL.tag
    if set(tags) == {(INT64, None), (FLOAT64, None)}:
        fits = all(cell.type != INT64 or abs(cell.value or 0) <= 2**53 for cell in cells)
        return (FLOAT64, None) if fits else None
    return None


_CODES = {
    pa.int64(): "q",
    pa.int32(): "i",
    pa.int8(): "b",
    pa.float64(): "d",
    pa.bool_(): "b",
}


def plain_array(values: list[Any], form: pa.DataType) -> pa.Array:
    """`make_array` for values of one plain type or None.

    Built from buffers, since the first ``pa.array(list)`` of a process imports pandas wherever
    that is installed, which takes longer than all else that starts a run or a worker.
    """
    count = len(values)
    n_null = values.count(None)
    if n_null == count:
        return pa.nulls(count, form)
    is_text, code = form == pa.string(), _CODES.get(form)
    if code is None and not is_text:
        return make_array(values, form)
    bitmap = None
    if n_null:
        bitmap = plain_array([value is not None for value in values], pa.bool_()).buffers()[1]
        blank: Any = "" if is_text else 0
        values = [blank if value is None else value for value in values]
    if form == pa.bool_():
        values = list(map(bool, values))  # a truth value of numpy is no number to `array`
    data = _text_buffers(values) if code is None else [pa.py_buffer(array(code, values))]
    if form == pa.bool_():  # a bit each, where the buffer has a byte
        return pa.Array.from_buffers(pa.int8(), count, [bitmap, *data]).cast(form)
    return pa.Array.from_buffers(form, count, [bitmap, *data])


def plain_scalar(value: object, form: pa.DataType) -> Any:
    """``pa.scalar`` in the way of `plain_array`: the compute functions take it without pandas."""
    return plain_array([value], form)[0]


def _text_buffers(values: list[str]) -> list[pa.Buffer]:
    """Offsets and UTF-8 of texts."""
    joined = "".join(values)
    data = joined.encode()
    is_ascii = len(data) == len(joined)
    sizes = map(len, values) if is_ascii else (len(value.encode()) for value in values)
    return [pa.py_buffer(array("i", accumulate(sizes, initial=0))), pa.py_buffer(data)]


def make_array(values: list[Any], form: pa.DataType) -> pa.Array:
    """An array of plain values; text beyond 2 GiB gets 64-bit offsets."""
    array_or_chunks = pa.array(values, form)
    if isinstance(array_or_chunks, pa.Array):
        return array_or_chunks
    wide = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
    return pa.array(values, wide[form]) if form in wide else array_or_chunks.combine_chunks()


def python_values(array: Any) -> list[Any]:
    """The values of an array (or a chunked one) as Python's own.

    Nanoseconds, for which Python has no type, are those of pandas, and text where that is missing.
    Moments before the year 1 and after 9999 are text.
    """
    try:
        values: list[Any] = array.to_pylist()
    except (ValueError, OverflowError):
        return [_python_value(scalar) for scalar in array]
    return values


def _python_value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        form = scalar.type
    if pa.types.is_duration(form):
        return f"{scalar.value} {form.unit}"
    if pa.types.is_temporal(form):
        return str(scalar.cast(pa.string()))
    if pa.types.is_struct(form):
        return {name: _python_value(scalar[name]) for name in scalar}
    return [_python_value(item) for item in scalar.values]


def make_field(name: str, form: pa.DataType, kind: str | None) -> pa.Field:
    """A field that remembers what its text was."""
    return pa.field(name, form, metadata={KIND: kind.encode()} if kind else None)


def kind_of(field: pa.Field) -> str | None:
    """What the text of a column was before it became text.

    None when the values are what they seem.
    """
    kind = metadata_of(field).get(KIND)
    return kind.decode() if kind else None


def typed_values(column: object, field: pa.Field) -> list[Any]:
    """The values of a column as Python's own, also where it holds them as text.

    A column of several types holds JSON text, and one of huge integers their digits.
    """
    kind, values = kind_of(field), python_values(column)
    if kind == "json":
        return [_from_text(json.loads, x) for x in values]
    return [_from_text(int, x) for x in values] if kind == "int" else values


def _from_text(read: Callable[[str], Any], x: object) -> Any:
    try:
        return read(x) if isinstance(x, str) else x
    except ValueError:
        return x


def metadata_of(owner: Any) -> dict[bytes, bytes]:
    """The metadata of a field or a schema."""
    metadata: dict[bytes, bytes] | None = owner.metadata
    return metadata or {}
