"""Cells of containers, and JSON text for what has no one type."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Final

import pyarrow as pa

from superparams.adapters.content import items_of
from superparams.adapters.libraries import adapter_of
from superparams.identity.module_names import class_of
from superparams.outcomes.arrow.cell_arrays import (
    common_tag,
    make_array,
    make_field,
    simple_type,
)
from superparams.outcomes.arrow.cells import EXACT, INT64, NULL, TEXT, Cell, cell, safe_repr, text
from superparams.outcomes.arrow.flat_arrays import flat_array

MOST_LEVELS: Final = 30  # of containers in containers in a cell; deeper ones are text

# ---- containers


def nesting(form: pa.DataType) -> int:
    """How many levels of containers are in a type."""
    inner = (form.field(place).type for place in range(form.num_fields))
    return 1 + max(map(nesting, inner), default=0) if pa.types.is_nested(form) else 0


def list_cell(value: Iterable[object]) -> Cell:
    """A list, as JSON text where its elements have no one type."""
    items = list(value)
    form = simple_type(items)
    if form is not None and form != INT64 and form != TEXT:  # those two may not fit
        return Cell(pa.list_(form), None, items)
    cells = [cell(item) for item in items]
    tag = common_tag(cells)
    if tag is None or nesting(tag[0]) >= MOST_LEVELS:
        return as_text(items)
    return Cell(pa.list_(tag[0]), tag[1], [inner.value for inner in cells])


def set_cell(value: Set[Any]) -> Cell:
    """A set as a list, in order where its elements have one."""
    try:
        return list_cell(sorted(value))
    except TypeError:
        return list_cell(sorted(value, key=repr))


def mapping_cell(value: Mapping[Any, object]) -> Cell:
    """A mapping inside a list. (One that stands by itself becomes dotted columns.)"""
    names = [str(name) for name in value]
    cells = [cell(item) for item in value.values()]
    kinds = {inner.kind for inner in cells}
    if not names or len(set(names)) < len(names) or kinds != {None}:
        return as_text(value)
    if any(nesting(inner.type) >= MOST_LEVELS for inner in cells):
        return as_text(value)
    form = pa.struct([pa.field(name, inner.type) for name, inner in zip(names, cells, strict=True)])
    return Cell(form, None, {name: inner.value for name, inner in zip(names, cells, strict=True)})


def flatten(values: Mapping[Any, object], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Nested mappings, dataclasses and named tuples as dotted names.

    A name met twice gets `~2`, so both are kept.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        label = prefix + text(name if isinstance(name, str) else str(name)).value
        inner = items_of(value) if depth < 16 else None
        labelled = flatten(inner, label + ".", depth + 1) if inner else {label: value}
        for key, item in labelled.items():
            flat[_free(key, flat)] = item
    return flat


def _free(name: str, labels: Mapping[str, object]) -> str:
    if name not in labels:
        return name
    number = 2
    while f"{name}~{number}" in labels:
        number += 1
    return f"{name}~{number}"


# ---- what adapters make cells with: see `superparams.adapters.adapter.TableCells`


class AdapterCells:
    """Makes the cells and columns that the adapter of a library asks for."""

    null = NULL

    def any(self, value: object) -> Cell:
        """The cell of a value of any kind."""
        return cell(value)

    def plain(self, arrow_type: object, value: object) -> Cell:
        """The cell of a value that ``pyarrow.array`` takes for this type."""
        return Cell(arrow_type, None, value)

    def text(self, value: str, kind: str | None = None) -> Cell:
        """The cell of a text; `kind` says what the text was."""
        return text(value, kind)

    def items(self, values: Iterable[object]) -> Cell:
        """The cell of a list."""
        return list_cell(values)

    def arrow(self, value: object) -> Cell:
        """The cell of a value with Arrow's C interface, as a list."""
        is_stream = hasattr(value, "__arrow_c_stream__")
        whole = pa.chunked_array(value if is_stream else [pa.array(value)])
        return list_cell(flat_array(whole).to_pylist())

    def column(self, values: Sequence[object]) -> tuple[pa.Array, str | None]:
        """An Arrow array of values, as JSON text if they have no one type."""
        cells = [cell(value) for value in values]
        tag = common_tag(cells)
        if tag is None:
            cells = [NULL if value is None else as_text(value) for value in values]
            tag = pa.string(), "json"
        return make_array([inner.value for inner in cells], tag[0]), tag[1]

    def table(self, names: Sequence[str], columns: Sequence[tuple[Any, str | None]]) -> pa.Table:
        """An Arrow table of such columns."""
        pairs = zip(names, columns, strict=True)
        fields = [make_field(name, array.type, kind) for name, (array, kind) in pairs]
        return pa.Table.from_arrays([array for array, _ in columns], schema=pa.schema(fields))


CELLS: Final = AdapterCells()


def has_adapter_cell(value: object) -> bool:
    """Whether an adapter makes the cell of a value."""
    adapter = adapter_of(value)
    return adapter is not None and adapter.cell is not None


def adapter_cell(value: object) -> Cell:
    """The cell that the adapter of a value makes; the adapter is looked up once a class."""
    adapter = adapter_of(value)
    make = None if adapter is None else adapter.cell
    assert make is not None
    EXACT[value.__class__] = lambda other: make(other, CELLS)
    new_cell: Cell = make(value, CELLS)
    return new_cell


# ---- JSON text, for what has no one type


def as_text(value: object) -> Cell:
    """Any value as JSON text (NaN and infinities as Python writes them)."""
    return Cell(TEXT, "json", to_json(value))


def to_json(value: object) -> str:
    """JSON of any value; what JSON has no form for stands as readable text."""
    plain = _jsonable(value, 0)
    shown = json.dumps(plain, ensure_ascii=False)
    try:
        shown.encode()
    except UnicodeEncodeError:
        return json.dumps(plain)
    return shown


def _jsonable(value: Any, depth: int) -> Any:
    if value is None or type(value) in (bool, float, str):
        return value
    if type(value) is int:
        return value if abs(value) < 10**4000 else hex(value)
    if depth > 50:
        return safe_repr(value)
    kind = class_of(value)
    if issubclass(kind, str) and not issubclass(kind, enum.Enum):
        return str(value)  # of a class of its own, such as numpy.str_, which has a shape as well
    if issubclass(kind, (bytes, bytearray, memoryview)):
        return repr(bytes(value))
    inner = items_of(value)
    if inner is not None:
        return {str(name): _jsonable(item, depth + 1) for name, item in inner.items()}
    if isinstance(value, (list, tuple, set, frozenset)) or is_array(value):
        return _json_list(value, depth)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return _json_scalar(value, depth)


def is_array(value: object) -> bool:
    """Whether a value is an n-dimensional array of any library."""
    return hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")


def _json_list(value: Any, depth: int) -> Any:
    if getattr(value, "shape", None) == ():
        return _json_scalar(value[()], depth)
    return [_jsonable(item, depth + 1) for item in value]


def _json_scalar(value: object, depth: int) -> Any:
    for plain in (str, int, float):
        if isinstance(value, plain) and not isinstance(value, enum.Enum):
            return _jsonable(plain(value), depth + 1)
    if isinstance(value, (decimal.Decimal, fractions.Fraction, dt.timedelta)):
        return str(value)
    value_cell = cell(value)
    if value_cell.kind is None and pa.types.is_temporal(value_cell.type):
        return None if value_cell.value is None else str(value)
    return value_cell.value
