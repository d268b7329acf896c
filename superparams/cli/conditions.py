"""Which rows `--where` selects: conditions such as ``kernel=rbf,poly`` or ``accuracy>0.9``."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import json
import operator
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.adapters.content import items_of
from superparams.cli.row_selection import NUMBERS_AS_TEXT, checked_name
from superparams.declare.params import Params
from superparams.declare.presentation import table_value
from superparams.declare.words import column_values, filter_values
from superparams.declare.words.annotations import is_group_class
from superparams.declare.words.grammar import Unreadable, split, text_of
from superparams.errors import CommandError, FieldError, StoreError, SuperparamsError
from superparams.outcomes.arrow import flatten, kind_of, plain_array, plain_scalar
from superparams.store.names.field_owners import FieldOwners, is_none
from superparams.store.names.name_filters import (
    cells_of_filter,
    mask_of_content,
    mask_of_text,
    refuse_unknown,
    texts_of_filter,
)
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.filters import (
    OF_OUTCOMES,
    column_of_filter,
    declared_fields,
    matches,
    refuse_no_name,
    unknown_column,
)
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.schema import field_of, source_of
from superparams.store.table.table_file import OUTCOME

__all__ = ["matching"]

Of = type[Params] | Params | None  # an experiment

_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|=|<|>)\s*")
_ORDERS: Final[dict[str, tuple[Any, Callable[[Any, Any], bool]]]] = {
    "<": (pc.less, operator.lt),
    "<=": (pc.less_equal, operator.le),
    ">": (pc.greater, operator.gt),
    ">=": (pc.greater_equal, operator.ge),
}
_BEGINNINGS: Final = ("key", "code", "run")  # columns for which the beginning of a value is enough
_FALSE: Final = plain_scalar(False, pa.bool_())
_TRUE: Final = plain_scalar(True, pa.bool_())
ANY: Final[Any] = bool | Any  # a text such as `true` is a bool where columns hold all types
NUMBER: Final[Any] = int | float
_KINDS: Final[dict[str | None, Any]] = {"int": NUMBER, "path": PurePath, "uuid": uuid.UUID}
_ANNOTATIONS: Final[Sequence[tuple[Callable[[pa.DataType], bool], Any]]] = (
    (pa.types.is_boolean, bool),
    (pa.types.is_integer, NUMBER),
    (pa.types.is_floating, float),
    (pa.types.is_decimal, decimal.Decimal),
    (pa.types.is_timestamp, dt.datetime),
    (pa.types.is_date, dt.date),
    (pa.types.is_time, dt.time),
    (pa.types.is_duration, dt.timedelta),
    (pa.types.is_binary, bytes),
    (pa.types.is_large_binary, bytes),
)


@dataclass(frozen=True)
class _Condition:
    """A condition such as ``kernel=rbf,poly``: a name, an operator and a text."""

    name: str
    operator: str
    text: str


@dataclass(frozen=True)
class _Class:
    """The known facts about the class of an experiment.

    Attributes:
        shown: The class whose names of points the rows have; None if only the table has names.
        reads: The class that reads texts; None if the types of columns read them.
    """

    shown: Of = None
    reads: Of = None


def matching(
    table: pa.Table, conditions: Iterable[str], of: Of = None, *, schema: Of = None
) -> pa.Table:
    """The rows for which all conditions hold: ``kernel=rbf,poly``, ``accuracy>0.9``, ``C!=1``.

    The text of a condition means what it means in the words of a run: it is read by the type of
    the field, and names of points and of alternatives are known. Texts that the field does not
    take, and texts for other columns, are read by the type of the column. ``x=None`` selects fields
    that are None, of settings that have the field; ``x!=None`` selects fields with a value.

    Args:
        table: The rows, with all columns.
        conditions: The conditions.
        of: The experiment's class; None if it is not known.
        schema: Without the class, its schema when it ran, which reads words as the class did.

    Raises:
        CommandError: For a text that is no condition, and for a name that no column has.
        FieldError: For a text that is no value of the field or column, as for a run.
        StoreError: For a value that the column could never hold.
    """
    for condition in conditions:
        table = table.filter(_mask(table, _parsed(table, condition), _Class(of, schema or of)))
    return table


def column_of_condition(names: Iterable[str], text: str) -> str | None:
    """The longest name of a column with which a condition begins; None if there is none."""
    return max((name for name in names if _is_before(text, name)), key=len, default=None)


def _parsed(table: pa.Table, text: str) -> _Condition:
    names = dict.fromkeys([*table.column_names, *(f"{OF_OUTCOMES}{name}" for name in OUTCOME)])
    for column in table.column_names:  # the fields with several columns
        parts = column.split(".")
        names.update((".".join(parts[:n]), None) for n in range(1, len(parts)))
    longest = max((name for name in names if _is_before(text, name)), key=len, default=None)
    if longest is not None:
        match = _OPERATOR.match(text, len(longest))
        assert match is not None
        name = column_of_filter(table.schema, longest)
        return _Condition(name, match[1], text[match.end() :].strip())
    match = _OPERATOR.search(text)
    if match is None:
        raise CommandError(
            f"--where {text}: give a condition such as kernel=rbf, accuracy>0.9 or C!=1"
        )
    name = unicodedata.normalize("NFKC", text[: match.start()]).strip()
    name = next((x for x in (name, name.replace("-", "_")) if x in names), name)
    if name not in names:
        checked_name(table.column_names, name)
    name = column_of_filter(table.schema, name)
    return _Condition(name, match[1], text[match.end() :].strip())


def _is_before(text: str, name: str) -> bool:
    return text.startswith(name) and _OPERATOR.match(text, len(name)) is not None


def _mask(table: pa.Table, condition: _Condition, known_class: _Class) -> pa.Array:
    if condition.operator in _ORDERS:
        return _compared(table, condition)
    mask = _equal(Rows.of_table(table), condition, known_class)
    return pc.invert(mask) if condition.operator == "!=" else mask


def _equal(rows: Rows, condition: _Condition, known_class: _Class) -> pa.Array:
    """Which rows have one of the values of a condition.

    A text that the field does not take, but that is in the column, comes from an earlier class.
    """
    name, text = condition.name, condition.text
    field = rows.schema.field(name) if name in rows.schema.names else None
    is_open = condition.operator == "!="  # then None means missing fields, too
    refused: FieldError | None = None
    if known_class.reads is not None and field_of(rows.schema, name):
        try:
            values = filter_values(known_class.reads, field_of(rows.schema, name), text)
        except FieldError as error:
            refused, values = error, []
        mask = _any_of(lambda x: _mask_of_value(rows, name, x, known_class, is_open), values)
        if values and (text != "None" or mask.true_count):
            return mask
    if field is None:
        raise refused or CommandError(unknown_column(name, rows.schema.names))
    if refused is None:
        return _by_column(rows, field, text, known_class.shown, is_open)
    try:
        parts = [part.strip() for part in split(text)]
        masks = [_by_column(rows, field, part, known_class.shown, is_open) for part in parts]
    except (SuperparamsError, Unreadable):
        raise refused from None
    for part, mask in zip(parts, masks, strict=True):
        if not (mask.true_count or (is_open and part == "None")):
            raise refused
    return functools.reduce(pc.or_, masks)


def _any_of(mask_of: Callable[[Any], pa.Array], values: Iterable[Any]) -> pa.Array:
    """Which rows have one of some values; raises if no row could have any of them."""
    masks: list[pa.Array] = []
    errors: list[StoreError] = []
    for x in values:
        try:
            masks.append(pc.fill_null(flat(mask_of(x)), _FALSE))
        except StoreError as error:
            errors.append(error)
    if errors and not masks:
        raise errors[0]
    return functools.reduce(pc.or_, masks) if masks else _FALSE


def _mask_of_value(
    rows: Rows, name: str, x: Any, known_class: _Class, is_open: bool = False
) -> pa.Array:
    """Which rows have a value, a range of values, or a group or named point of this name.

    With `is_open`, None means missing fields, too.
    """
    if x is None and is_open and name in rows.schema.names:
        return pc.is_null(rows.columns(name).column(0))
    if isinstance(x, range):
        return _mask_of_range(rows, name, x, known_class)
    parts = items_of(table_value(x))
    if parts:
        return _mask_of_parts(rows, name, flatten(parts, f"{name}."))
    if name in rows.schema.names:
        cells = cells_of_filter(known_class.shown, rows.schema, name, x)[name]
        return mask_of_content(rows, name, cells, x, known_class.shown)
    mask = pa.repeat(_FALSE, rows.columns("run").num_rows)
    fields = declared_fields(known_class.reads, field_of(rows.schema, name))
    kinds = [field.annotation for field, _ in fields]
    if any(is_group_class(kind) and kind.__name__ == x for kind in kinds):
        # All groups of the field are of its class, so the table has no column for the class.
        for column in _columns_of_items(rows, name):
            mask = pc.or_(mask, pc.fill_null(FieldOwners(rows).has(column), _TRUE))
    return mask


def _mask_of_parts(rows: Rows, name: str, parts: dict[str, Any]) -> pa.Array:
    """Which rows have a dict, whose items are in separate columns."""
    mask = pa.repeat(_TRUE, rows.columns("run").num_rows)
    for column in _columns_of_items(rows, name):
        values, field = rows.columns(column).column(0), rows.schema.field(column)
        part_mask = flat(matches(values, field, parts.get(column)))
        mask = pc.and_(mask, pc.fill_null(part_mask, _FALSE))
    return mask if parts.keys() <= {*_columns_of_items(rows, name)} else pc.and_(mask, _FALSE)


def _columns_of_items(rows: Rows, name: str) -> list[str]:
    """The columns of the items inside a field."""
    return [column for column in rows.schema.names if column.startswith(f"{name}.")]


def _mask_of_range(rows: Rows, name: str, points: range, known_class: _Class) -> pa.Array:
    """Which rows have an int of a range, also as the value of a named point."""
    column = rows.columns(name).column(0)
    axes = [
        axis
        for _, axis in declared_fields(known_class.reads, field_of(rows.schema, name))
        if axis is not None
    ]
    labels = {label for axis in axes for label in axis.labels or ()}
    values = column.unique()
    is_in = [x not in labels and _is_in(_int(x), points) for x in values.to_pylist()]
    mask = flat(pc.is_in(column, value_set=values.filter(plain_array(is_in, pa.bool_()))))
    named = [x for axis in axes for x in (*axis.points, *map(_int, axis.labels or ()))]
    ints = [x for x in named if _is_in(x, points)]
    return functools.reduce(
        pc.or_, [_mask_of_value(rows, name, x, known_class) for x in ints], mask
    )


def _is_in(x: object, points: range) -> bool:
    return type(x) is int and x in points  # a range is searched in full for anything else


def _int(x: Any) -> int | None:
    """An int of a column, which may hold ints as floats or as text; None for anything else."""
    try:
        number = json.loads(x) if isinstance(x, str) else x
    except (ValueError, RecursionError):
        return None
    is_whole = isinstance(number, float) and number.is_integer()
    return int(number) if is_whole or type(number) is int else None


def _by_column(rows: Rows, field: pa.Field, text: str, cls: Of, is_open: bool) -> pa.Array:
    """Which rows of a column have one of the values that a text means for this type of column.

    The names of points that runs recorded are known, too.
    """
    column, name = rows.columns(field.name).column(0), field.name
    annotation = _annotation(field)
    values = column_values(annotation | None, name, text)

    def equal(x: Any) -> pa.Array:
        if x is None:
            return pc.is_null(column) if is_open else is_none(column, FieldOwners(rows).has(name))
        if isinstance(x, range):
            return _mask_of_range(rows, name, x, _Class())
        if name in _BEGINNINGS and source_of(field) is None and x:
            return pc.starts_with(column, pattern=x)
        return matches(column, field, _in_zone(field.type, x))

    def named(both: tuple[str, Any]) -> pa.Array:
        return _by_name(rows, field, *both, cls, equal)

    if annotation not in (str, ANY):
        return _any_of(equal, values)
    texts = [text_of(part.strip()) for part in split(text)]
    return _any_of(named, zip(texts, values, strict=True))


def _by_name(
    rows: Rows, field: pa.Field, text: str, x: Any, cls: Of, equal: Callable[[Any], pa.Array]
) -> pa.Array:
    """Which rows have a value, or a named point with this text as its name or its value."""
    name = field.name
    meanings = texts_of_filter(rows.schema, name, text)
    held = mask_of_text(rows, name, text)
    try:
        if x is not None and len(meanings) == 1:
            refuse_no_name(
                cls, field_of(rows.schema, name), meanings[0], rows.columns(name).column(0)
            )
            refuse_unknown(cls, rows, name, text, meanings[0])
        mask = _any_of(equal, [x if meaning == text else meaning for meaning in meanings])
    except StoreError:
        if held is None:
            raise
        return held[0]
    return mask if held is None else pc.or_(held[0], pc.and_(mask, pc.invert(held[1])))


def _compared(table: pa.Table, condition: _Condition) -> pa.Array:
    """Which rows have a value before or after that of a condition."""
    field = table.schema.field(checked_name(table.column_names, condition.name))
    column = table.column(condition.name)
    compute, compare = _ORDERS[condition.operator]
    (value,) = column_values(_annotation(field), field.name, condition.text, condition.operator)
    if kind_of(field) in NUMBERS_AS_TEXT:
        return pa.array([_holds(compare, cell, value) for cell in column.to_pylist()], pa.bool_())
    try:
        scalar = _scalar(field.type, _in_zone(field.type, value))
        return pc.fill_null(compute(column, scalar), _FALSE)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise CommandError(f"columns of type {field.type} have no order: {error}") from error


def _holds(compare: Callable[[Any, Any], bool], text: str | None, value: Any) -> bool:
    """Whether a comparison holds for a value that a column holds as text."""
    try:
        return text is not None and compare(json.loads(text), value)
    except (ValueError, TypeError):
        return False


def _scalar(form: pa.DataType, value: Any) -> Any:
    if isinstance(value, decimal.Decimal):  # with its own digits
        return pa.scalar(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    number = pa.int64() if isinstance(value, int) else pa.float64()
    return plain_scalar(value, number if is_number else form)


def _in_zone(form: pa.DataType, x: Any) -> Any:
    """A time; without a zone, it is local time if the column has zones."""
    is_open = isinstance(x, dt.datetime) and x.tzinfo is None
    return x.astimezone(dt.timezone.utc) if is_open and getattr(form, "tz", None) else x


def _annotation(field: pa.Field) -> Any:
    """The type of the values in a column, as an annotation."""
    form, kind = field.type, kind_of(field)
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "json" or pa.types.is_nested(form) or pa.types.is_null(form):
        return ANY
    return next((each for is_such, each in _ANNOTATIONS if is_such(form)), str)
