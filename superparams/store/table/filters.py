"""The cells by which a table shows a value of a declared field, and the rows with a cell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.instance_state import named_axes, on_demand, open_fields
from superparams.declare.labels import label_of, labels_of_class, naming
from superparams.declare.metaclass import recorded_fields
from superparams.declare.presentation import row_of_field, table_value, text_beside
from superparams.errors import StoreError
from superparams.errors.suggestions import similar
from superparams.identity.module_names import class_of
from superparams.outcomes.arrow import cell, kind_of, plain_scalar, python_values, to_json
from superparams.space.axis import Axis
from superparams.space.decimals import meant_among
from superparams.space.groups import FIELDS, is_group, is_open
from superparams.store.table.arrow_arrays import true_where_known
from superparams.store.table.column_order import PARAM
from superparams.store.table.schema import source_of
from superparams.store.table.table_file import OUTCOME
from superparams.store.table.text_columns import texts

__all__ = [
    "OF_OUTCOMES",
    "OneOf",
    "are_equal_json",
    "cells_of_field",
    "column_of_filter",
    "declared_fields",
    "matches",
    "refuse_no_name",
    "unknown_column",
]

OF_OUTCOMES: Final = "outcome."  # before the name of a column of outcomes, in a filter
MOST_POINTS: Final = 10_000  # of an axis that are compared with a column
_NEAR: Final = 1e-14  # relative: how far a float may be from its short form


class OneOf(tuple[Any, ...]):
    """Several cells; a row matches if it has any of them."""

    __slots__ = ()


# ---- the cells of a value


def cells_of_field(experiment: object, name: str, x: object) -> dict[str, Any]:
    """The cells by which a table shows that a field has a value, by column.

    Args:
        experiment: The class or the space of the table, which knows the names of points; or None.
        name: The field, dotted where it is one of a group.
        x: A point or the name of one; for a field of groups, a group, a class or the name of a
            class; for a constant with a key, the key or ``value(x, key=...)``.
    """
    x = _constant_of_key(experiment, name, x)
    for field, axis in declared_fields(experiment, name):
        if isinstance(x, str):
            cells = _cells_of_text(field, axis, name, x)
        elif axis is not None and not is_group(x) and not isinstance(x, type | OneOf):
            cells = {name: _label_or_text(axis, x)}
        else:
            cells = _cells_of_group(field, axis, name, x)
        if cells is not None:
            return cells
    return _cells_of_group(None, None, name, x) or {name: table_value(x)}


def _constant_of_key(experiment: object, name: str, x: object) -> Any:
    """The cell of the constant that has a key; else `x`."""
    if isinstance(x, Value) and x.key is not None and x.given is not REQUIRED:
        return x.given if is_group(x.given) else OneOf((x.key, table_value(x.given)))
    for declared in _declared_constants(experiment, name):
        if declared.key is not None and declared.given is not REQUIRED:
            if declared.given is x and table_value(x) != _constant_or_key(declared, declared.key):
                return OneOf((declared.key, table_value(x)))  # rows of older versions have a text
            if isinstance(x, str) and declared.key == x:
                return _constant_or_key(declared, x)
    return x


def _label_or_text(axis: Axis, x: object) -> Any:
    """The name of a value among the named points of an axis, or the cell of another value."""
    label = label_of(axis, x)
    if label is not None or x is None:
        return label
    if all(map(is_group, axis.points)):
        return table_value(x)
    return OneOf((text_beside(axis.labels or (), table_value(x)), table_value(x)))


def _constant_or_key(declared: Value, key: str) -> Any:
    """A constant, or its key if the table shows the key."""
    shown = table_value(declared.given)
    is_text_of_it = isinstance(shown, str) and not isinstance(declared.given, str)
    return key if is_text_of_it and not is_group(declared.given) else declared.given


def _declared_constants(experiment: object, name: str) -> Iterator[Value]:
    """The constants that the class and the instance declare for a dotted name."""
    declared: list[object] = [field.declared for field, _ in declared_fields(experiment, name)]
    if "." not in name and is_group(experiment):
        declared.insert(0, on_demand(experiment).get(name))
    yield from (x for x in declared if isinstance(x, Value))


def declared_fields(holder: object, name: str) -> Iterator[tuple[Field, Axis | None]]:
    """The fields of a dotted name on a class or an instance, with the axis that names values."""
    head, _, rest = name.partition(".")
    field = getattr(holder, FIELDS, {}).get(head)
    if field is None:
        return
    declared = [open_fields(holder).get(head), named_axes(holder).get(head), field.declared]
    axes = [x for x in declared if isinstance(x, Axis)]
    if not rest:
        yield field, next((axis.names for axis in axes if axis.names.labels), None)
        return
    plain = [holder.__dict__.get(head), *declared, getattr(field.declared, "given", None)]
    points = [x for axis in axes if not isinstance(axis.points, range) for x in axis]
    for group in filter(is_group, [*plain, *points]):
        yield from declared_fields(group, rest)


def _cells_of_text(field: Field, axis: Axis | None, name: str, text: str) -> dict[str, Any] | None:
    """The cells of a point by its name, or of groups by the name of their class."""
    if axis is not None and axis.labels and text in axis.labels:
        point = axis.points[axis.labels.index(text)]
        if is_open(point) or label_of(axis, point) == text:
            return {name: text}
        # An earlier point has the same key, so its name is in the table.
        return _cells_of_group(field, axis, name, point) or {name: label_of(axis, point)}
    label = None if axis is None else label_of(axis, text)
    if label is not None:  # the text is the value of a named point
        return {name: label}
    return {name: _class_cell(field, axis, text)}


def _cells_of_group(
    field: Field | None, axis: Axis | None, name: str, x: object
) -> dict[str, Any] | None:
    """The cells of a group, one for each field, or of a class of groups; None for anything else."""
    if isinstance(x, type) and hasattr(x, FIELDS):
        return {name: _class_cell(field, axis, x.__name__)}
    if not is_group(x):
        return None
    label = None if axis is None else label_of(axis, x)
    own = _class_cell(field, None, type(x).__name__) if label is None else label
    return {name: own, **dict(_allowed_cells(x, f"{name}."))}


def _class_cell(field: Field | None, axis: Axis | None, name: str) -> Any:
    """The cell for groups of a class.

    Tables that were written before each row had a name have none for the annotated class.
    """
    annotated = None if field is None else field.annotation
    is_annotated = isinstance(annotated, type) and annotated.__name__ == name
    names: list[str | None] = [*([] if axis is None else labels_of_class(axis, name)), name]
    names += [None] if is_annotated and hasattr(annotated, FIELDS) else []
    return names[0] if len(names) == 1 else OneOf(names)


def _allowed_cells(group: object, prefix: str) -> Iterator[tuple[str, Any]]:
    """The columns of a group, with all cells that an open axis of it allows."""
    for name, field in recorded_fields(group.__class__).items():
        x = getattr(group, name)
        if is_open(x):
            yield from _allowed_cells(x, f"{prefix}{name}.")
        elif not isinstance(x, Axis):
            if not isinstance(x, Value):  # a derived field follows from the others
                yield from row_of_field(group, field, prefix)
        elif len(x) <= MOST_POINTS and not any(map(is_group, x)):
            axis = naming(group, field)
            cells = (table_value(y) if axis is None else _label_or_text(axis, y) for y in x)
            flat = (y for each in cells for y in (each if isinstance(each, OneOf) else (each,)))
            yield prefix + name, OneOf(flat)


# ---- the texts of the command line


def refuse_no_name(experiment: object, name: str, text: object, column: pa.ChunkedArray) -> None:
    """Refuse a text that is no name of a point or alternative, and is not in the column.

    Args:
        experiment: The class or the space of the table; or None.
        name: The column.
        text: The text of a filter; another type is not refused.
        column: Its values.

    Raises:
        StoreError: Lists the names that there are.
    """
    if not isinstance(text, str):
        return
    names: dict[str, None] = {x.key: None for x in _declared_constants(experiment, name) if x.key}
    for field, naming_axis in declared_fields(experiment, name):
        axes = [axis for axis in (naming_axis, field.declared) if isinstance(axis, Axis)]
        if any(axis.find(text) is not None for axis in axes):
            return
        names.update((label, None) for axis in axes for label in axis.labels or ())
        unnamed = [axis for axis in axes if not axis.labels and not isinstance(axis.points, range)]
        groups = [x for axis in unnamed for x in axis.points if is_group(x)]
        names.update((type(x).__name__, None) for x in groups)
        if not groups and unnamed:
            return  # a plain axis
    if names and text not in names and text not in column.unique().to_pylist():
        raise StoreError(f"no row has {name}={text!r}; there are {', '.join(map(repr, names))}")


# ---- the rows with a cell


def matches(column: pa.ChunkedArray, field: pa.Field, value: Any) -> pa.Array:
    """A mask of the rows that have this value.

    A float is found by its short form, too: 0.3 finds 0.30000000000000004 where no row has 0.3. An
    Enum member is found by its name, a path by its text, a value in a column of JSON text by
    its content, None and NaN too.

    Raises:
        StoreError: For a value that the column could never hold.
    """
    if isinstance(value, OneOf):
        return _matches_any(column, field, value)
    if value is None:
        return pc.is_null(column)
    if kind_of(field) == "json":
        contents = _json_contents(value)
        return _mask(
            text is not None and any(are_equal_json(json.loads(text), x) for x in contents)
            for text in texts(column, "json")
        )
    if isinstance(value, float) and value != value and pa.types.is_floating(column.type):
        return pc.is_nan(column)
    form = column.type
    if kind_of(field) == "int" and pa.types.is_string(form) and isinstance(value, int | float):
        value = str(int(value)) if value == value // 1 else repr(value)
    if pa.types.is_floating(form) and form != pa.float64() and isinstance(value, float):
        return pc.equal(column, plain_scalar(value, form))  # 0.1 in 32 bits is not that in 64
    if form == pa.float64() and isinstance(value, int | float) and not isinstance(value, bool):
        return _has_number(column, value)
    arrow = cell(value)
    if _family(column.type) != _family(arrow.type) and column.null_count < len(column):
        raise _impossible_value(column, field, value)
    try:
        return pc.equal(column, plain_scalar(arrow.value, arrow.type))
    except (ValueError, TypeError, NotImplementedError):
        (plain,) = python_values(pa.array([arrow.value], arrow.type))  # of an array, a list
        return _mask(_are_equal(x, plain) for x in python_values(column))


def _json_contents(value: Any) -> list[Any]:
    """What JSON text may hold for a value.

    A column of one type that became text, since other runs recorded other types, has the texts of
    that type: of a time with all digits of its unit, of a fraction as Python writes it.
    """
    if isinstance(value, Decimal) and value.is_finite():
        contents: list[Any] = [float(value)]
    else:
        contents = [json.loads(to_json(value))]
    own = cell(value)
    for form in _units(own.type):
        with suppress(ValueError, TypeError):  # the unit is too coarse for it, or too fine
            (text,) = texts(pa.array([own.value], own.type).cast(form), own.kind)
            contents.append(json.loads(str(text)))
    return contents


def _units(form: pa.DataType) -> list[pa.DataType]:
    """The types that a column of these values may have, by its unit."""
    if pa.types.is_timestamp(form):
        return [pa.timestamp(unit, form.tz) for unit in ("s", "ms", "us", "ns")]
    if pa.types.is_time(form):
        return [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
    return [form]


def _are_equal(left: Any, right: Any) -> bool:
    """Whether two values of a column are the same, NaN and NaN too."""
    if issubclass(type(left), list) and issubclass(type(right), list):
        return len(left) == len(right) and all(map(_are_equal, left, right))
    return bool(left == right) or (left != left and right != right)


def _has_number(column: pa.ChunkedArray, value: float) -> pa.Array:
    """A mask of the floats with this value, or else with this short form; see `meant_among`."""
    try:
        number = plain_scalar(float(value), pa.float64())
    except OverflowError:
        number = plain_scalar(None, pa.float64())
    mask = pc.equal(column, number)
    if pc.any(mask).as_py() or not number.is_valid:
        return mask
    distance = pc.abs(pc.subtract(column, number))
    near = pc.less_equal(distance, plain_scalar(abs(number.as_py()) * _NEAR, pa.float64()))
    meant = meant_among(column.filter(near).unique().to_pylist(), number.as_py())
    return mask if meant is None else pc.equal(column, plain_scalar(meant, pa.float64()))


def _family(form: pa.DataType) -> str:
    """Values of types of two families are never the same."""
    if pa.types.is_string(form) or pa.types.is_large_string(form):
        return "text"
    return "nested" if pa.types.is_nested(form) else "other"


def _matches_any(column: pa.ChunkedArray, field: pa.Field, values: OneOf) -> pa.Array:
    masks: list[pa.Array] = []
    errors: list[StoreError] = []
    for value in values:
        try:
            masks.append(true_where_known(matches(column, field, value)))
        except StoreError as error:
            errors.append(error)
    if not masks or (errors and len(masks) == 1 and None in values):
        raise errors[0]
    union = masks[0]
    for mask in masks[1:]:
        union = pc.or_(union, mask)
    return union


def are_equal_json(left: Any, right: Any) -> bool:
    """Whether two values of JSON are the same, numbers by their value; True is no number."""
    kind = class_of(left)
    if kind is not class_of(right) or kind not in (list, dict):
        is_equal = left == right or (left != left and right != right)  # NaN
        return bool(is_equal) and isinstance(left, bool) == isinstance(right, bool)
    if len(left) != len(right):
        return False
    if kind is list:
        return all(map(are_equal_json, left, right))
    return all(name in right and are_equal_json(left[name], right[name]) for name in left)


def _mask(bits: Iterable[object]) -> pa.Array:
    return pa.array(list(map(bool, bits)), pa.bool_())


def _impossible_value(column: pa.ChunkedArray, field: pa.Field, value: object) -> StoreError:
    values = python_values(column.drop_null().slice(0, MOST_POINTS))
    examples = list(dict.fromkeys(map(repr, values)))[:3]
    return StoreError(
        f"no row can have {field.name}={value!r}: that column holds "
        f"{kind_of(field) or str(column.type)} such as {', '.join(examples)}"
    )


def unknown_column(name: str, names: Sequence[str]) -> str:
    """The message for an unknown column, with similar names or else all names."""
    near = similar(name, names)
    if near:
        return f"no column {name!r}; did you mean {' or '.join(map(repr, near))}?"
    return f"no column {name!r}; there are {', '.join(names)}"


def column_of_filter(schema: pa.Schema, name: str) -> str:
    """The column that a filter names; ``outcome.rank`` is the column `rank` that outcomes have.

    Args:
        schema: The columns of the table.
        name: The name in the filter.

    Raises:
        StoreError: For the name of both a parameter and a column of outcomes.
    """
    plain = name.removeprefix(OF_OUTCOMES)
    if name not in schema.names and plain in OUTCOME:
        return plain
    source = f"{PARAM}{name}"
    column = next((field.name for field in schema if source_of(field) == source), name)
    if name in OUTCOME and column != name:
        raise StoreError(
            f"{name!r} is a parameter, and a column of every outcome as well: write {column!r} for "
            f"the parameter, or {OF_OUTCOMES + name!r} for the column of outcomes"
        )
    return name
