"""Cells of numpy, pandas, torch, polars and their like, recognised without importing them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from superparams.outcomes.arrow.cells import FLOAT64, NULL, Cell, cell, text
from superparams.outcomes.arrow.container_cells import list_cell

# ---- numpy, pandas, torch and their like: recognised without importing them


def is_numpy_scalar(value: Any) -> bool:
    """Whether a value is one of numpy's."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


def numpy_scalar(value: Any) -> Cell:
    """A numpy scalar with its own type."""
    letter = value.dtype.kind
    if letter in "mM":
        return _numpy_time(value)
    if letter in "biu":
        return Cell(pa.from_numpy_dtype(value.dtype), None, value.item())
    if letter == "f":
        return _numpy_float(value)
    if letter == "V" and value.dtype.names:
        return cell({name: value[name] for name in value.dtype.names})
    if letter in "SU":
        return cell(value.item())
    return text(repr(value.item()), "repr")


def _numpy_float(value: Any) -> Cell:
    size = value.dtype.itemsize
    if size > 8:  # long double: only where a double holds it
        same = float(value) == value or value != value
        return Cell(FLOAT64, None, float(value)) if same else text(str(value), "float")
    return Cell(FLOAT64 if size == 8 else pa.float32(), None, float(value))


_UNITS = {"D": "s", "h": "s", "m": "s", "W": "s", "s": "s", "ms": "ms", "us": "us", "ns": "ns"}


def _numpy_time(value: Any) -> Cell:
    numpy = sys.modules["numpy"]
    unit = str(numpy.datetime_data(value.dtype)[0])
    is_date = value.dtype.kind == "M"
    if unit not in _UNITS or numpy.datetime_data(value.dtype)[1] != 1:
        return (
            NULL if numpy.isnat(value) else text(str(value), "datetime" if is_date else "timedelta")
        )
    form = pa.timestamp(_UNITS[unit]) if is_date else pa.duration(_UNITS[unit])
    if numpy.isnat(value):
        return Cell(form, None, None)
    return Cell(
        form, None, int(value.astype(f"{value.dtype.kind}8[{_UNITS[unit]}]").astype("int64"))
    )


def is_pandas_time(value: Any) -> bool:
    """Whether a value is a time, duration or missing value of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and (
        value is pandas.NaT
        or value is pandas.NA
        or isinstance(value, (pandas.Timestamp, pandas.Timedelta))
    )


def pandas_time(value: Any) -> Cell:
    """A time of pandas, nanoseconds kept."""
    pandas = sys.modules["pandas"]
    if value is pandas.NaT or value is pandas.NA:
        return NULL
    if isinstance(value, pandas.Timedelta):
        return _numpy_time(value.to_numpy())
    if value.tzinfo is None:
        return _numpy_time(value.to_numpy())
    try:
        form = pa.timestamp(value.unit, pa.scalar(value.to_pydatetime(warn=False)).type.tz)
    except (ValueError, TypeError, NotImplementedError):
        return text(value.isoformat(), "datetime")
    return Cell(
        form, None, int(value.tz_convert("UTC").tz_localize(None).to_numpy().astype("int64"))
    )


def array_cell(value: Any) -> Cell:
    """An array as nested lists, one without dimensions as a scalar."""
    numpy: Any = sys.modules.get("numpy")
    if hasattr(value, "detach"):  # a torch tensor that may carry a gradient or live on a GPU
        value = value.detach().cpu()
    if isinstance(value, numpy.ma.MaskedArray):
        return list_cell(value.tolist())
    array = numpy.asarray(value)
    if array.ndim == 0:
        return cell(array[()])
    if array.dtype.kind in "biuf" and array.dtype.itemsize <= 8:
        return _numeric_array(array)
    return list_cell([array[i] for i in range(array.shape[0])])


def _numeric_array(array: Any) -> Cell:
    """A numeric array as nested lists.

    The values stay numpy rows, which Arrow takes without a Python loop.
    """
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.dtype.itemsize == 2 and native.dtype.kind == "f":
        native = native.astype("float32")
    form = pa.from_numpy_dtype(native.dtype)
    for _ in range(native.ndim):
        form = pa.list_(form)
    return Cell(form, None, native if native.ndim == 1 else native.tolist())


def is_arrow(value: Any) -> bool:
    """Whether a value speaks Arrow's C interface."""
    return hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__")


def arrow_cell(value: Any) -> Cell:
    """A series of pandas, polars or pyarrow as a list."""
    numpy_like = getattr(value, "as_py", None)
    if numpy_like is not None:  # a pyarrow scalar
        return Cell(value.type, None, value.as_py())
    if hasattr(value, "__arrow_c_stream__"):
        whole = pa.chunked_array(value)
    else:
        whole = pa.chunked_array([pa.array(value)])
    return list_cell(flat_array(whole).to_pylist())


def flat_array(array: pa.Array) -> pa.Array:
    """An array without dictionaries, extension types and views, which other tools may not know."""
    form = array.type
    if isinstance(form, pa.BaseExtensionType):
        return flat_array(_by_chunk(array, lambda chunk: chunk.storage, form.storage_type))
    if pa.types.is_dictionary(form):
        return _by_chunk(array, _without_dictionary, None)
    if pa.types.is_string_view(form):
        return _from_view(array, pa.string())
    if pa.types.is_binary_view(form):
        return _from_view(array, pa.binary())
    if _is_foreign(form):
        return _by_chunk(array, lambda chunk: pa.array(chunk.to_pylist()), None)
    return array


def _from_view(array: pa.Array, form: pa.DataType) -> pa.Array:
    try:
        return array.cast(form)
    except NotImplementedError:  # older pyarrow
        return _by_chunk(array, lambda chunk: pa.array(chunk.to_pylist(), form), form)


def _by_chunk(
    array: pa.Array, change: Callable[[pa.Array], pa.Array], form: pa.DataType | None
) -> pa.Array:
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    changed = [change(chunk) for chunk in chunks or [pa.array([], array.type)]]
    return pa.chunked_array(changed, form)


def _without_dictionary(array: pa.Array) -> pa.Array:
    words = flat_array(array.dictionary)
    return pa.DictionaryArray.from_arrays(array.indices, words).dictionary_decode()


def _is_foreign(form: pa.DataType) -> bool:
    """Whether a nested type holds, at any depth, one that `flat_array` would change."""
    inner = [form.field(i).type for i in range(form.num_fields)]
    return any(
        isinstance(one, pa.BaseExtensionType)
        or pa.types.is_dictionary(one)
        or pa.types.is_string_view(one)
        or pa.types.is_binary_view(one)
        or _is_foreign(one)
        for one in inner
    )
