"""Which rows a filter selects, also if points had other names when the rows were made.

If the class is not known, the metadata of the table says what the names of points meant in each
run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.presentation import table_value, text_beside
from superparams.errors import StoreError
from superparams.errors.short_repr import shorten
from superparams.outcomes.arrow import kind_of, plain_array, to_json
from superparams.space.groups import group_class, is_group
from superparams.store.names.field_owners import FIELDS_OF, FieldOwners, fields_by_run, mask_of
from superparams.store.names.meanings import (
    MEANINGS,
    NOT_PLAIN,
    Point,
    name_groups,
    plain_or_not,
    point_of,
)
from superparams.store.table.arrow_arrays import constant, flat, true_where_known
from superparams.store.table.filters import (
    OneOf,
    are_equal_json,
    cells_of_field,
    declared_fields,
    matches,
    refuse_no_name,
)
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.schema import field_of
from superparams.store.table.table_file import head_of

__all__ = [
    "cells_of_filter",
    "mask_of_content",
    "mask_of_text",
    "refuse_unknown",
    "texts_of_filter",
]

CONTAINERS: Final[tuple[type[Any], ...]] = (list, tuple, set, frozenset, dict)
IsPoint = Callable[[Point], bool]


class RecordedPoints:
    """The named points of one column in all runs, as the metadata of a table has them."""

    def __init__(self, schema: pa.Schema, column: str) -> None:
        """Of a column of a table with this schema."""
        self.field = field_of(schema, column)
        head = head_of(schema)
        groups = [
            (runs, [named for named in names if named.column == self.field])
            for runs, names in name_groups(head.get(MEANINGS))
        ]
        self.groups = [(runs, names) for runs, names in groups if names]
        self.by_label: dict[str, list[Point]] = {}
        for _, names in self.groups:
            for point in (point for named in names for point in named.points):
                self.by_label.setdefault(point.label, []).append(point)
        self.points = [point for points in self.by_label.values() for point in points]
        self.alternatives = {
            condition[self.field]
            for fields in fields_by_run(head.get(FIELDS_OF)).values()
            for conditions in fields.values()
            for condition in conditions
            if self.field in condition
        }

    @property
    def names(self) -> list[str]:
        """All names that points of this column have."""
        names = [x for label, points in self.by_label.items() for x in (label, *points[0].also)]
        return list(dict.fromkeys([*names, *sorted(self.alternatives)]))

    @property
    def has_values(self) -> bool:
        """Whether there are named points that are no groups."""
        return any(point.cls is None for point in self.points)

    def of_class(self, name: str) -> list[str]:
        """The labels of groups of a class of this name."""
        return self._labels(lambda point: point.class_name == name) if name else []

    def of_value(self, x: object) -> list[str]:
        """The labels of a value."""
        value = json.loads(to_json(table_value(x)))
        return self._labels(
            lambda point: point.shown != "" and are_equal_json(json.loads(point.shown), value)
        )

    def of_text(self, text: str) -> list[str]:
        """The labels for a text: itself, or those of a class or value of this text."""
        firsts = self._labels(lambda point: text in point.also)
        if text in self.by_label or firsts:
            return [text, *firsts]
        if text in self.alternatives:
            return [text, *self.of_class(text)]
        return [*self.of_class(text), *self.of_value(text)]

    def _labels(self, is_wanted: IsPoint) -> list[str]:
        return [label for label, points in self.by_label.items() if any(map(is_wanted, points))]

    def masks(self, rows: Rows, column: str, is_wanted: IsPoint) -> tuple[pa.Array, pa.Array]:
        """Which rows have one of the points, and which are of runs with names for the column."""
        run, owners = rows.columns("run").column(0), FieldOwners(rows)
        has_point = has_names = constant(False, len(run))
        for runs, names in self.groups:
            is_of_runs = flat(pc.is_in(run, value_set=plain_array(runs, pa.string())))
            has_names = pc.or_(has_names, is_of_runs)
            for named in names:
                labels = [point.label for point in named.points if is_wanted(point)]
                if labels:
                    mask = pc.and_(is_of_runs, owners.meets(named.conditions, len(run)))
                    for label in labels:
                        has_point = pc.or_(has_point, pc.and_(mask, _has(rows, column, label)))
        return has_point, has_names


def _has(rows: Rows, column: str, value: object) -> pa.Array:
    """Do the same as `matches`, but select no row for a value that the column could not hold."""
    cells = rows.columns(column).column(0)
    try:
        return true_where_known(matches(cells, rows.schema.field(column), value))
    except StoreError:
        return constant(False, len(cells))


# ---- rows by the content of a point


def mask_of_content(
    rows: Rows, column: str, cell: object, x: object, experiment: object
) -> pa.Array:
    """Which rows have a value, by the name that it had in each run.

    Args:
        rows: The rows.
        column: The column.
        cell: The cell for the value by the present names.
        x: The value; for the name of a point, only the name in the table counts.
        experiment: The experiment's class, or the space; None if it is not known.

    Raises:
        StoreError: For a value that the column could never hold, and a name that no point has.
    """
    recorded = RecordedPoints(rows.schema, column)
    mask = _mask_by_run(recorded, rows, column, cell, x, experiment)
    if mask is None:
        refuse_unknown(experiment, rows, column, x, cell)
    value = _value_of_point(experiment, recorded.field, x)
    if value is NOT_PLAIN:
        return mask_of(rows, column, cell, experiment) if mask is None else mask
    # Rows that ran before the point had a name have its value.
    has_value = _has_value(recorded, rows, column, value)
    try:
        mask = mask_of(rows, column, cell, experiment) if mask is None else mask
    except StoreError:
        if not has_value.true_count:
            raise
        return has_value
    return pc.or_(true_where_known(mask), has_value)


def _has_value(recorded: RecordedPoints, rows: Rows, column: str, value: object) -> pa.Array:
    """Which rows have a value itself, or its text beside the names of points."""
    mask = _has(rows, column, value)
    if isinstance(value, str) and value in recorded.by_label:  # it is the name of another point
        has_names = recorded.masks(rows, column, lambda _: False)[1]
        mask = pc.and_(mask, pc.invert(has_names))
    beside = text_beside(recorded.by_label, table_value(value)) if recorded.by_label else None
    if beside is None or beside in recorded.by_label:
        return mask
    return pc.or_(mask, _has(rows, column, beside))


def _value_of_point(experiment: object, name: str, x: object) -> Any:
    """The plain value of a named point, or of its name; else `NOT_PLAIN`."""
    for _, axis in declared_fields(experiment, name):
        if axis is None or is_group(x) or isinstance(x, type):
            continue
        if isinstance(x, str) and x in (axis.labels or ()):
            x = axis.points[(axis.labels or ()).index(x)]
        if axis.find(x) is not None:
            return plain_or_not(x)
    return NOT_PLAIN


def _mask_by_run(
    recorded: RecordedPoints, rows: Rows, column: str, cell: object, x: object, experiment: object
) -> pa.Array | None:
    """As `mask_of_content`; None if no run recorded a name for the value."""
    points = recorded.points
    if not points or (isinstance(x, str) and x in recorded.by_label):
        return None
    cls = group_class(x)
    class_or_value = x if cls is None else cls.__name__
    is_wanted = _is_of_class(recorded, class_or_value) or _is_value(
        points, x, recorded.field, experiment
    )
    if is_wanted is None:
        return None
    has_point, has_names = recorded.masks(rows, column, is_wanted)
    try:
        has_cell = true_where_known(mask_of(rows, column, cell, experiment))
    except StoreError:
        return has_point
    if not is_group(x):
        has_cell = pc.and_(has_cell, pc.invert(has_names))
        has_cell = pc.or_(has_cell, _has_value(recorded, rows, column, class_or_value))
    return pc.or_(has_point, has_cell)


def _is_of_class(recorded: RecordedPoints, name: object) -> IsPoint | None:
    """A function that says whether a point is of a class; None if no point is."""
    if not isinstance(name, str) or not recorded.of_class(name):
        return None
    return lambda point: point.class_name == name


def _is_value(points: Sequence[Point], x: object, name: str, experiment: object) -> IsPoint | None:
    """A function that says whether a point is this value; None if no point is."""
    if isinstance(x, type):
        return None
    field = next((field for field, _ in declared_fields(experiment, name)), None)
    target = point_of(field or name.rpartition(".")[2], x)
    if any(map(target.agrees, points)):
        return target.agrees
    if experiment is None and target.shown and any(point.shown == target.shown for point in points):
        return lambda point: point.shown == target.shown  # digests may depend on the annotation
    return None


def mask_of_text(rows: Rows, column: str, text: str) -> tuple[pa.Array, pa.Array] | None:
    """Finds rows by the text of a named point's value.

    Args:
        rows: The rows.
        column: The column.
        text: A value as it is written on the command line.

    Returns:
        A mask of the rows with such a point, and a mask of the rows of runs that recorded names.
        None for a name that is in the table, and for a text that no point has.
    """
    recorded = RecordedPoints(rows.schema, column)
    if text in recorded.by_label or not any(_has_text(point, text) for point in recorded.points):
        return None
    has_point, has_names = recorded.masks(rows, column, lambda point: _has_text(point, text))
    return pc.or_(has_point, _has(rows, column, text)), has_names


def _has_text(point: Point, text: str) -> bool:
    if point.cls is not None:
        return text == point.class_name
    if text in (point.text, str(point.value)):
        return True
    try:
        is_number = isinstance(point.value, int | float) and not isinstance(point.value, bool)
        return is_number and float(text) == point.value
    except ValueError:
        return False


# ---- cells by which a table shows a value


def cells_of_filter(experiment: object, schema: pa.Schema, name: str, x: object) -> dict[str, Any]:
    """The cells by which a table shows that a field has a value, by column.

    Args:
        experiment: The experiment's class or the space; None if only the table is known.
        schema: The columns of the table, with its metadata.
        name: The column, or the field.
        x: The value.
    """
    cells = _declared_cells(experiment, schema, name, x)
    if experiment is not None or name not in cells:
        return cells
    recorded, cls = RecordedPoints(schema, name), _class_of(x)
    if cls is not None:
        labels = recorded.of_class(cls.__name__)
        return {**cells, name: OneOf([*labels, cls.__name__])} if labels else cells
    if not recorded.by_label or x is None:
        return cells
    if isinstance(x, str):  # also the name of a class
        return {**cells, name: OneOf(dict.fromkeys([*recorded.of_text(x), x]))}
    if not recorded.has_values:
        return cells
    labels = recorded.of_value(x)
    beside = text_beside(recorded.by_label, table_value(x))
    return {**cells, name: OneOf([*labels, *([] if labels else [beside, table_value(x)])])}


def _declared_cells(experiment: object, schema: pa.Schema, name: str, x: object) -> dict[str, Any]:
    """The cells of a value, as far as the declared class tells."""
    field = field_of(schema, name)
    if not field:
        return {name: x}
    cells = cells_of_field(experiment, field, x)
    if len(cells) == 1:
        return {name: cells[field]}
    columns = {field_of(schema, column): column for column in schema.names}
    return {columns.get(y, y): x for y, x in cells.items() if y != field or y in columns}


def _class_of(x: object) -> type[Any] | None:
    """The class of groups that a filter means: a class of groups, or that of a group."""
    cls: type[Any] = x.__class__
    return cls if is_group(x) else group_class(x)


def texts_of_filter(schema: pa.Schema, name: str, text: str) -> list[str]:
    """The texts that a column may hold for a text of the command line.

    Args:
        schema: The columns of the table, with its metadata.
        name: The column.
        text: A name, a class, or a value as it is written.
    """
    recorded = RecordedPoints(schema, name)
    labels = recorded.of_text(text)
    if not labels:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        labels = [] if isinstance(value, str) else recorded.of_value(value)
    return labels or [text]


def refuse_unknown(experiment: object, rows: Rows, name: str, x: object, cell: object) -> None:
    """Refuse a filter that can select no row, whatever the rows are.

    Args:
        experiment: The experiment's class or the space; None if only the table is known.
        rows: The rows of the table.
        name: The column.
        x: The value of the filter.
        cell: What the column holds for it.

    Raises:
        StoreError: For a function or a container that is no value of the column, and for a class
            or a name that no run had; names the remedy.
    """
    form = rows.schema.field(name)
    if kind_of(form) == "json" or not pa.types.is_string(form.type):
        return
    cls = _class_of(x)
    is_odd = callable(x) or isinstance(x, CONTAINERS)
    recorded = RecordedPoints(rows.schema, name)
    if cls is None and not is_odd and (experiment is not None or not recorded.names):
        return
    texts = {
        text for text in (cell if isinstance(cell, OneOf) else (cell,)) if isinstance(text, str)
    }
    column = rows.columns(name).column(0)
    present: list[str] = column.unique().drop_null().to_pylist()
    # A number that is none of the named points: rows may have had it.
    is_unnamed = isinstance(x, bool | int | float) and recorded.has_values
    if not texts or texts & {*present, *recorded.names} or is_unnamed:
        return
    if cls is not None and experiment is not None:
        refuse_no_name(experiment, field_of(rows.schema, name), cls.__name__, column)
    shown = cls.__name__ if cls is not None and isinstance(x, type) else shorten(x)
    names = recorded.names or present[:5]
    remedy = f"; there are {', '.join(map(repr, names))}" if names else ""
    if is_odd and cls is None:
        remedy = (
            f", which is compared as one value; give one value, or filter `to_pandas()`{remedy}"
        )
    raise StoreError(f"no row has {name}={shown}{remedy}")
