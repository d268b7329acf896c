"""Finds rows by the content of a named point, whatever its name was when they ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.presentation import table_value, text_beside
from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.space.groups import group_class, is_group
from superparams.store.names.field_owners import Owned, head_of, mask_of
from superparams.store.names.meanings import (
    MEANINGS,
    NOT_PLAIN,
    Named,
    Point,
    as_json,
    names_by_run,
    plain_or_not,
    point_of,
)
from superparams.store.names.name_filters import refuse_unknown
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import fields_named, matches
from superparams.store.table.lazy_rows import Rows, flat
from superparams.store.table.schema import source_of

__all__ = ["Contents", "mask_of_content", "mask_of_text"]


class Contents:
    """Finds rows by the content of a named point, whatever its name was in each run."""

    def __init__(self, rows: Rows) -> None:
        """Of these rows, whose schema has the metadata of the table."""
        self.rows = rows
        self._head = head_of(rows.schema)

    @cached_property
    def _runs(self) -> list[tuple[list[str], list[Named]]]:
        groups: dict[str, tuple[list[str], list[Named]]] = {}
        for run, names in names_by_run(self._head.get(MEANINGS)).items():
            groups.setdefault(json.dumps(as_json(names)), ([], names))[0].append(run)
        return list(groups.values())

    def field(self, column: str) -> str:
        """The field whose values stand in a column; an empty text for a result."""
        source = source_of(self.rows.schema.field(column)) or ""
        return source.removeprefix(PARAM) if source.startswith(PARAM) else ""

    def points(self, column: str) -> list[Point]:
        """The named points of a column, of all runs."""
        name = self.field(column)
        named = [one for _, names in self._runs for one in names if one.column == name]
        return [point for one in named for point in one.points]

    def mask(self, column: str, is_wanted: Callable[[Point], bool]) -> tuple[pa.Array, pa.Array]:
        """Which rows have one of the points, and which are of runs with names for the column."""
        name, rows = self.field(column), self.rows
        run, owned = rows.columns("run").column(0), Owned(rows)
        values, field = rows.columns(column).column(0), rows.schema.field(column)
        found = known = pa.repeat(plain_scalar(False, pa.bool_()), len(run))
        for runs, names in self._runs:
            is_of = flat(pc.is_in(run, value_set=plain_array(runs, pa.string())))
            if any(one.column == name for one in names):
                known = pc.or_(known, is_of)
            for one in names:
                labels = [p.label for p in one.points if is_wanted(p)] if one.column == name else []
                if labels:
                    mask = pc.and_(is_of, owned.holds(one.when, len(run)))
                    for label in labels:
                        found = pc.or_(found, pc.and_(mask, _matching(values, field, label)))
        return found, known


def _matching(values: pa.ChunkedArray, field: pa.Field, wanted: Any) -> pa.Array:
    """As `matches`; no row where the column could not hold it."""
    try:
        mask = flat(matches(values, field, wanted))
    except StoreError:
        return pa.repeat(plain_scalar(False, pa.bool_()), len(values))
    return pc.fill_null(mask, plain_scalar(False, pa.bool_()))


def mask_of_content(rows: Rows, column: str, wanted: Any, x: Any, of: Any) -> pa.Array:
    """Which rows hold a value, by what each run called it.

    Args:
        rows: The rows.
        column: The column.
        wanted: What stands in the column for the value today.
        x: The value; the name of a point is found as it stands in the table.
        of: The experiment's class, or the space; None where that is not known.

    Raises:
        StoreError: For a value that the column could never hold, and a name that no point has.
    """
    contents = Contents(rows)
    mask = _mask_by_run(contents, column, wanted, x, of)
    if mask is None:
        refuse_unknown(of, rows, column, x, wanted)
    value = _value_of_point(of, contents.field(column), x)
    if value is NOT_PLAIN:
        return mask_of(rows, column, wanted, of) if mask is None else mask
    # Rows that ran before the point had a name have its value.
    held = _held(contents, column, value)
    try:
        mask = mask_of(rows, column, wanted, of) if mask is None else mask
    except StoreError:
        if not held.true_count:
            raise
        return held
    return pc.or_(pc.fill_null(flat(mask), plain_scalar(False, pa.bool_())), held)


def _held(contents: Contents, column: str, value: Any) -> pa.Array:
    """Which rows have a value itself, or its text beside the names of points."""
    rows = contents.rows
    labels = {point.label for point in contents.points(column)}
    values, field = rows.columns(column).column(0), rows.schema.field(column)
    found = _matching(values, field, value)
    if isinstance(value, str) and value in labels:  # it is the name of another point
        found = pc.and_(found, pc.invert(contents.mask(column, lambda _: False)[1]))
    beside = text_beside(labels, table_value(value)) if labels else None
    if beside is None or beside in labels:
        return found
    return pc.or_(found, _matching(values, field, beside))


def _value_of_point(of: Any, name: str, x: Any) -> Any:
    """The plain value of the named point that `x` is, or is the name of; else `NOT_PLAIN`."""
    for _, axis in fields_named(of, name):
        if axis is None or is_group(x) or isinstance(x, type):
            continue
        if isinstance(x, str) and x in (axis.labels or ()):
            x = axis.points[(axis.labels or ()).index(x)]
        if axis.find(x) is not None:
            return plain_or_not(x)
    return NOT_PLAIN


def _mask_by_run(contents: Contents, column: str, today: Any, x: Any, of: Any) -> pa.Array | None:
    """As `mask_of_content`; None where no run tells of names."""
    rows = contents.rows
    points = contents.points(column)
    if not points or (isinstance(x, str) and x in [p.label for p in points]):
        return None
    is_wanted = _class_asked(points, x) or _value_asked(points, x, contents.field(column), of)
    if is_wanted is None:
        return None
    found, known = contents.mask(column, is_wanted)
    try:
        others = pc.fill_null(
            flat(mask_of(rows, column, today, of)), plain_scalar(False, pa.bool_())
        )
    except StoreError:
        return found
    if not is_group(x):
        others = pc.or_(
            pc.and_(others, pc.invert(known)), _held(contents, column, _text_of_class(x))
        )
    return pc.or_(found, others)


def _class_asked(points: Sequence[Point], x: Any) -> Callable[[Point], bool] | None:
    """Whether a point is of the class that is asked for; None where no class is."""
    name = _text_of_class(x)
    if not name or not isinstance(name, str) or all(point.class_name != name for point in points):
        return None
    return lambda point: point.class_name == name


def _text_of_class(x: Any) -> Any:
    """What stands in the table for a group of a class; anything else as it is."""
    cls = group_class(x)
    return x if cls is None else cls.__name__


def _value_asked(
    points: Sequence[Point], x: Any, name: str, of: Any
) -> Callable[[Point], bool] | None:
    """Whether a point is the value that is asked for; None where none is."""
    if isinstance(x, type):
        return None
    field = next((field for field, _ in fields_named(of, name)), None)
    wanted = point_of(field or name.rpartition(".")[2], x)
    if any(map(wanted.agrees, points)):
        return wanted.agrees
    if of is None and wanted.shown and any(point.shown == wanted.shown for point in points):
        return lambda point: point.shown == wanted.shown  # digests may depend on the annotation
    return None


def mask_of_text(rows: Rows, column: str, text: str) -> tuple[pa.Array, pa.Array] | None:
    """Which rows have the named point with a value that is written so, and which tell of names.

    None for a name that stands in the table, and for a text that is no such value.

    Args:
        rows: The rows.
        column: The column.
        text: A value as it is written on the command line.
    """
    contents = Contents(rows)
    points = contents.points(column)
    if any(point.label == text for point in points):
        return None
    if not any(_is_written(point, text) for point in points):
        return None
    found, known = contents.mask(column, lambda point: _is_written(point, text))
    held = _matching(rows.columns(column).column(0), rows.schema.field(column), text)
    return pc.or_(found, held), known


def _is_written(point: Point, text: str) -> bool:
    if point.cls is not None:
        return text == point.class_name
    if text in (point.text, str(point.value)):
        return True
    try:
        is_number = isinstance(point.value, int | float) and not isinstance(point.value, bool)
        return is_number and float(text) == point.value
    except ValueError:
        return False
