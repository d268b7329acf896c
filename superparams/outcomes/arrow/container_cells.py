"""Cells of containers, and JSON text for what has no one type."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import json
from collections.abc import Iterable, Mapping, Set
from typing import Any

import pyarrow as pa

from superparams.adapters.content import items_of
from superparams.outcomes.arrow.cell_arrays import common_tag, simple_type
from superparams.outcomes.arrow.cells import INT64, TEXT, Cell, cell, safe_repr, text

# ---- containers


def list_cell(value: Iterable[Any]) -> Cell:
    """A list, as JSON text where its elements have no one type."""
    items = list(value)
    form = simple_type(items)
    if form is not None and form != INT64 and form != TEXT:  # those two may not fit
        return Cell(pa.list_(form), None, items)
    cells = [cell(item) for item in items]
    tag = common_tag(cells)
    if tag is None:
        return as_text(items)
    return Cell(pa.list_(tag[0]), tag[1], [one.value for one in cells])


def set_cell(value: Set[Any]) -> Cell:
    """A set as a list, in order where its elements have one."""
    try:
        return list_cell(sorted(value))
    except TypeError:
        return list_cell(sorted(value, key=repr))


def mapping_cell(value: Mapping[Any, Any]) -> Cell:
    """A mapping inside a list. (One that stands by itself becomes dotted columns.)"""
    names = [str(name) for name in value]
    cells = [cell(item) for item in value.values()]
    kinds = {one.kind for one in cells}
    if not names or len(set(names)) < len(names) or kinds != {None}:
        return as_text(value)
    form = pa.struct([pa.field(name, one.type) for name, one in zip(names, cells, strict=True)])
    return Cell(form, None, {name: one.value for name, one in zip(names, cells, strict=True)})


def flatten(values: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Nested mappings, dataclasses and named tuples as dotted names.

    A name met twice gets `~2`, so both are kept.
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        label = prefix + text(name if isinstance(name, str) else str(name)).value
        inner = items_of(value) if depth < 16 else None
        found = flatten(inner, label + ".", depth + 1) if inner else {label: value}
        for key, item in found.items():
            flat[_free(key, flat)] = item
    return flat


def _free(name: str, taken: Mapping[str, Any]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}~{number}" in taken:
        number += 1
    return f"{name}~{number}"


# ---- JSON text, for what has no one type


def as_text(value: Any) -> Cell:
    """Any value as JSON text (NaN and infinities as Python writes them)."""
    return Cell(TEXT, "json", to_json(value))


def to_json(value: Any) -> str:
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
    if issubclass(type(value), (bytes, bytearray, memoryview)):
        return repr(bytes(value))
    inner = items_of(value)
    if inner is not None:
        return {str(name): _jsonable(item, depth + 1) for name, item in inner.items()}
    if isinstance(value, (list, tuple, set, frozenset)) or is_array(value):
        return _json_list(value, depth)
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return _json_scalar(value, depth)


def is_array(value: Any) -> bool:
    """Whether a value is an n-dimensional array of any library."""
    return hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")


def _json_list(value: Any, depth: int) -> Any:
    if getattr(value, "shape", None) == ():
        return _json_scalar(value[()], depth)
    return [_jsonable(item, depth + 1) for item in value]


def _json_scalar(value: Any, depth: int) -> Any:
    for plain in (str, int, float):
        if isinstance(value, plain) and not isinstance(value, enum.Enum):
            return _jsonable(plain(value), depth + 1)
    if isinstance(value, (decimal.Decimal, fractions.Fraction, dt.timedelta)):
        return str(value)
    made = cell(value)
    if made.kind is None and pa.types.is_temporal(made.type):
        return None if made.value is None else str(value)
    return made.value
