"""Which rows have a value, as people write it and whatever the table made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
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
from superparams.space.groups import FIELDS, is_group, is_open
from superparams.store.table.schema import field_of
from superparams.store.table.text_columns import texts

__all__ = [
    "OneOf",
    "are_same",
    "columns_meant",
    "columns_of_value",
    "fields_named",
    "matches",
    "refuse_no_name",
    "unknown_column",
]

MOST_POINTS: Final = 10_000  # of an axis that are compared with a column


class OneOf(tuple[Any, ...]):
    """Several values, of which a row has one."""

    __slots__ = ()


def columns_meant(of: Any, name: str, x: Any) -> dict[str, Any]:
    """The columns, and what stands in them, by which a table knows that a field is `x`.

    Args:
        of: The class or the space that the table is of, which knows the names of points; or None.
        name: The field, dotted where it is one of a group.
        x: A point, the name of one, a group, or a class of groups or the name of one; of a constant
            with a key the key, or ``value(x, key=...)``.
    """
    x = _of_key(of, name, x)
    for field, axis in fields_named(of, name):
        if isinstance(x, str):
            found = _of_text(field, axis, name, x)
        elif axis is not None and not is_group(x) and not isinstance(x, type | OneOf):
            found = {name: _beside(axis, x)}
        else:
            found = _of_group(field, axis, name, x)
        if found is not None:
            return found
    return _of_group(None, None, name, x) or {name: table_value(x)}


def _of_key(of: Any, name: str, x: Any) -> Any:
    """What stands in the table for the constant that a key is of; else `x`."""
    if isinstance(x, Value) and x.key is not None and x.given is not REQUIRED:
        return x.given if is_group(x.given) else OneOf((x.key, table_value(x.given)))
    for declared in _constants_named(of, name):
        if declared.key is not None and declared.given is not REQUIRED:
            if declared.given is x and table_value(x) != _shown_by_key(declared, declared.key):
                return OneOf((declared.key, table_value(x)))  # rows of older versions have a text
            if isinstance(x, str) and declared.key == x:
                return _shown_by_key(declared, x)
    return x


def _beside(axis: Axis, x: Any) -> Any:
    """The name of a value by the named points of an axis, or what stands there for another."""
    label = label_of(axis, x)
    if label is not None or x is None:
        return label
    if all(map(is_group, axis.points)):
        return table_value(x)
    return OneOf((text_beside(axis.labels or (), table_value(x)), table_value(x)))


def _shown_by_key(declared: Value, key: str) -> Any:
    """A constant, or its key where that stands in the table."""
    made = table_value(declared.given)
    is_text_of_it = isinstance(made, str) and not isinstance(declared.given, str)
    return key if is_text_of_it and not is_group(declared.given) else declared.given


def _constants_named(of: Any, name: str) -> Iterator[Value]:
    """What the class and the instance declare as the constant of a dotted name."""
    path, _, last = name.rpartition(".")
    if not path:
        given = on_demand(of).get(last) if is_group(of) else None
        fields = [field.declared for field, _ in fields_named(of, name)]
        yield from (one for one in (given, *fields) if isinstance(one, Value))
    else:
        yield from (x.declared for x, _ in fields_named(of, name) if isinstance(x.declared, Value))


def refuse_no_name(of: Any, name: str, text: object, column: pa.ChunkedArray) -> None:
    """Complain about a text that is no name of a point or alternative, nor in the column.

    Args:
        of: The class or the space that the table is of; or None.
        name: The column.
        text: What it is to have; anything but a text is let pass.
        column: Its values.

    Raises:
        StoreError: Tells the names that there are.
    """
    if not isinstance(text, str):
        return
    known: dict[str, None] = {one.key: None for one in _constants_named(of, name) if one.key}
    for field, axis in fields_named(of, name):
        axes = [one for one in (axis, field.declared) if isinstance(one, Axis)]
        if any(one.find(text) is not None for one in axes):
            return
        known.update((label, None) for one in axes for label in one.labels or ())
        several = [one for one in axes if not one.labels and not isinstance(one.points, range)]
        points = [x for one in several for x in one.points if is_group(x)]
        known.update((type(x).__name__, None) for x in points)
        if not points and several:
            return  # a plain axis
    if known and text not in known and text not in column.unique().to_pylist():
        raise StoreError(f"no row has {name}={text!r}; there are {', '.join(map(repr, known))}")


def fields_named(of: Any, name: str) -> Iterator[tuple[Field, Axis | None]]:
    """The fields of a dotted name on a class or an instance, with the axis that names values."""
    head, _, rest = name.partition(".")
    field = getattr(of, FIELDS, {}).get(head)
    if field is None:
        return
    known = [open_fields(of).get(head), named_axes(of).get(head), field.declared]
    axes = [one for one in known if isinstance(one, Axis)]
    if not rest:
        yield field, next((one.names for one in axes if one.names.labels), None)
        return
    plain = [of.__dict__.get(head), *known, getattr(field.declared, "given", None)]
    points = [one for axis in axes if not isinstance(axis.points, range) for one in axis]
    for group in filter(is_group, [*plain, *points]):
        yield from fields_named(group, rest)


def _of_text(field: Field, axis: Axis | None, name: str, text: str) -> dict[str, Any] | None:
    """The name of a point, or of the class of a group."""
    if axis is not None and axis.labels and text in axis.labels:
        point = axis.points[axis.labels.index(text)]
        if is_open(point) or label_of(axis, point) == text:
            return {name: text}
        # An earlier point has the same key, so its name stands in the table.
        return _of_group(field, axis, name, point) or {name: label_of(axis, point)}
    label = None if axis is None else label_of(axis, text)
    if label is not None:  # the text is the value of a named point
        return {name: label}
    labels = [] if axis is None else labels_of_class(axis, text)
    return {name: _class_names(field, labels, text)}


def _of_group(field: Field | None, axis: Axis | None, name: str, x: Any) -> dict[str, Any] | None:
    """A group by its name and all of its fields, a class of groups by its name."""
    if isinstance(x, type) and hasattr(x, FIELDS):
        labels = [] if axis is None else labels_of_class(axis, x.__name__)
        return {name: _class_names(field, labels, x.__name__)}
    if not is_group(x):
        return None
    label = None if axis is None else label_of(axis, x)
    own = _class_names(field, [], type(x).__name__) if label is None else label
    return {name: own, **dict(_allowed(x, f"{name}."))}


def _class_names(field: Field | None, labels: list[str], name: str) -> Any:
    """What stands in a table for a group of this class.

    Tables that were written before each row had a name have none for the annotated class.
    """
    annotated = None if field is None else field.annotation
    is_annotated = isinstance(annotated, type) and annotated.__name__ == name
    names = [*labels, name, *([None] if is_annotated and hasattr(annotated, FIELDS) else [])]
    return names[0] if len(names) == 1 else OneOf(names)


def _allowed(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The columns of a group, with all values that an open axis of it allows."""
    for name, field in recorded_fields(group.__class__).items():
        x = getattr(group, name)
        if is_open(x):
            yield from _allowed(x, f"{prefix}{name}.")
        elif not isinstance(x, Axis):
            if not isinstance(x, Value):  # what is derived follows from the others
                yield from row_of_field(group, field, prefix)
        elif len(x) <= MOST_POINTS and not any(map(is_group, x)):
            axis = naming(group, field)
            values = (table_value(one) if axis is None else _beside(axis, one) for one in x)
            yield prefix + name, OneOf(_flat(values))


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for one in values:
        yield from one if isinstance(one, OneOf) else (one,)


def matches(column: pa.ChunkedArray, field: pa.Field, value: Any) -> pa.Array:
    """A mask of the rows that have this value.

    An Enum member is found by its name, a path by its text, a value in a column of JSON text by
    what it is, None and NaN too. Raises StoreError for a value that the column could never hold.
    """
    if isinstance(value, OneOf):
        return _any_of(column, field, value)
    if value is None:
        return pc.is_null(column)
    if kind_of(field) == "json":
        return _of_json(column, value)
    if isinstance(value, float) and value != value and pa.types.is_floating(column.type):
        return pc.is_nan(column)
    form = column.type
    if kind_of(field) == "int" and pa.types.is_string(form) and isinstance(value, int | float):
        value = str(int(value)) if value == value // 1 else repr(value)
    if pa.types.is_floating(form) and form != pa.float64() and isinstance(value, float):
        return pc.equal(column, plain_scalar(value, form))  # 0.1 in 32 bits is not that in 64
    made = cell(value)
    if _family(column.type) != _family(made.type) and column.null_count < len(column):
        raise _never(column, field, value)
    try:
        return pc.equal(column, plain_scalar(made.value, made.type))
    except (ValueError, TypeError, NotImplementedError):
        return _mask(one == made.value for one in python_values(column))


def _family(form: pa.DataType) -> str:
    """Values of types of two families are never the same."""
    is_a = pa.types
    if is_a.is_string(form) or is_a.is_large_string(form):
        return "text"
    return "nested" if is_a.is_nested(form) else "other"


def _any_of(column: pa.ChunkedArray, field: pa.Field, values: OneOf) -> pa.Array:
    masks: list[pa.Array] = []
    errors: list[StoreError] = []
    for one in values:
        try:
            masks.append(pc.fill_null(matches(column, field, one), plain_scalar(False, pa.bool_())))
        except StoreError as error:
            errors.append(error)
    if not masks or (errors and len(masks) == 1 and None in values):
        raise errors[0]
    found = masks[0]
    for mask in masks[1:]:
        found = pc.or_(found, mask)
    return found


def _of_json(column: pa.ChunkedArray, value: Any) -> pa.Array:
    wanted = json.loads(to_json(value))
    shown = texts(column, "json")
    return _mask(one is not None and are_same(json.loads(one), wanted) for one in shown)


def are_same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same, numbers by their value; True is no number."""
    kind = class_of(one)
    if kind is not class_of(other) or kind not in (list, dict):
        return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
    if len(one) != len(other):
        return False
    if kind is list:
        return all(map(are_same, one, other))
    return all(name in other and are_same(one[name], other[name]) for name in one)


def _mask(found: Any) -> pa.Array:
    return pa.array([bool(one) for one in found], pa.bool_())


def _never(column: pa.ChunkedArray, field: pa.Field, value: Any) -> StoreError:
    values = python_values(column.drop_null().slice(0, MOST_POINTS))
    some = list(dict.fromkeys(map(repr, values)))[:3]
    return StoreError(
        f"no row can have {field.name}={value!r}: that column holds "
        f"{kind_of(field) or str(column.type)} such as {', '.join(some)}"
    )


def unknown_column(name: str, names: Sequence[str]) -> str:
    """What to say of a name that no column has: names that are like it, or else all."""
    near = similar(name, names)
    if near:
        return f"no column {name!r}; did you mean {' or '.join(map(repr, near))}?"
    return f"no column {name!r}; there are {', '.join(names)}"


def columns_of_value(of: Any, schema: pa.Schema, name: str, value: Any) -> dict[str, Any]:
    """The columns that a value of a column or a group stands in, with what stands there.

    Args:
        of: The experiment's class, or the space; None where that is not known.
        schema: The columns of the table.
        name: The column, or the field.
        value: What it is to have.
    """
    field = field_of(schema, name)
    if not field:
        return {name: value}
    meant = columns_meant(of, field, value)
    if len(meant) == 1:
        return {name: meant[field]}
    columns = {field_of(schema, column): column for column in schema.names}
    return {columns.get(one, one): x for one, x in meant.items() if one != field or one in columns}
