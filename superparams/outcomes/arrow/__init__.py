"""Values of any Python type as Arrow columns in which nothing is lost in silence.

`cell` looks at one value and says which Arrow type holds it, as what. What Arrow has no
type for becomes text that a person can read, and the column's `kind` says what the text was: a
path, the name of an Enum member, an integer beyond 64 bits, the repr of an object, or JSON for
nested values without one type.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import types
import uuid
from collections.abc import Callable, Set
from typing import Any

import pyarrow as pa

from superparams.adapters.content import items_of
from superparams.adapters.numpy_library import array_cell
from superparams.outcomes.arrow.cell_arrays import (
    KIND,
    common_tag,
    kind_of,
    make_array,
    make_field,
    metadata_of,
    plain_array,
    plain_scalar,
    python_values,
    simple_type,
    typed_values,
)
from superparams.outcomes.arrow.cells import (
    EXACT,
    FLOAT64,
    NULL,
    RULES,
    Cell,
    cell,
    cell_or_repr,
    datetime_cell,
    decimal_cell,
    int_cell,
    name_cell,
    text,
    time_cell,
    timedelta_cell,
)
from superparams.outcomes.arrow.container_cells import (
    CELLS,
    adapter_cell,
    as_text,
    flatten,
    has_adapter_cell,
    is_array,
    list_cell,
    mapping_cell,
    set_cell,
    to_json,
)
from superparams.outcomes.arrow.flat_arrays import flat_array

__all__ = [
    "KIND",
    "NULL",
    "Cell",
    "as_text",
    "cell",
    "cell_or_repr",
    "common_tag",
    "flat_array",
    "flatten",
    "kind_of",
    "make_array",
    "make_field",
    "metadata_of",
    "plain_array",
    "plain_scalar",
    "python_values",
    "simple_type",
    "text",
    "to_json",
    "typed_values",
]


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _is_named(value: object) -> bool:
    named = (type, types.FunctionType, types.BuiltinFunctionType)
    return isinstance(value, named) and "<" not in getattr(value, "__qualname__", "<")


def _is_arrow(value: object) -> bool:
    """Whether a value of any library speaks Arrow's C interface."""
    return hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__")


EXACT.update(
    {
        type(None): lambda _: NULL,
        bool: lambda value: Cell(pa.bool_(), None, value),
        int: int_cell,
        float: lambda value: Cell(FLOAT64, None, value),
        str: text,
        bytes: lambda value: Cell(pa.binary(), None, value),
        list: list_cell,
        tuple: list_cell,
        dict: mapping_cell,
        dt.datetime: datetime_cell,
        dt.date: lambda value: Cell(pa.date32(), None, value),
        decimal.Decimal: decimal_cell,
    }
)

# For subclasses and foreign types. The order matters: an Enum that is also an int is an Enum, and
# np.float64 is also a float.
_RULES: list[tuple[Callable[[Any], bool], Callable[[Any], Cell]]] = [
    (_is_a(enum.Enum), lambda value: text(str(value.name or value.value), "enum")),
    (has_adapter_cell, adapter_cell),
    (_is_a(pathlib.PurePath), lambda value: text(str(value), "path")),
    (_is_a(uuid.UUID), lambda value: text(str(value), "uuid")),
    (_is_named, name_cell),
    (
        lambda value: items_of(value) is not None,
        lambda value: mapping_cell(items_of(value) or {}),
    ),
    (_is_a(str), lambda value: text(str.__str__(value))),
    (_is_a(int), lambda value: int_cell(int(value))),
    (_is_a(float), lambda value: Cell(FLOAT64, None, float(value))),
    (_is_a(bytes, bytearray, memoryview), lambda value: Cell(pa.binary(), None, bytes(value))),
    (_is_a(dt.datetime), datetime_cell),
    (_is_a(dt.date), lambda value: Cell(pa.date32(), None, value)),
    (_is_a(dt.time), time_cell),
    (_is_a(dt.timedelta), timedelta_cell),
    (_is_a(decimal.Decimal), decimal_cell),
    (is_array, lambda value: array_cell(value, CELLS)),
    (_is_arrow, CELLS.arrow),
    (_is_a(Set), set_cell),
    (_is_a(list, tuple), list_cell),
]
RULES.extend(_RULES)
