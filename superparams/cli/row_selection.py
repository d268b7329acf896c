"""Which rows and columns of a table are meant: ``--where``, ``--sort`` and ``--columns``."""

from __future__ import annotations

import datetime as dt
import decimal
import fnmatch
import json
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import CommandError, StoreError
from superparams.outcomes.arrow import kind_of, plain_scalar
from superparams.store.names.content_filters import mask_of_text
from superparams.store.names.field_owners import Owned, is_none
from superparams.store.names.name_filters import (
    OF_OUTCOMES,
    column_asked,
    refuse_unknown,
    texts_asked,
)
from superparams.store.table.filters import matches, refuse_no_name, unknown_column
from superparams.store.table.lazy_rows import Rows, flat
from superparams.store.table.schema import field_of
from superparams.store.table.table_file import OUTCOME

__all__ = ["chosen", "matching", "ordered"]

_OPERATOR = re.compile(r"\s*(==|!=|<=|>=|=|<|>)\s*")
_ORDERS: Final[dict[str, tuple[Any, Callable[[Any, Any], bool]]]] = {
    "<": (pc.less, operator.lt),
    "<=": (pc.less_equal, operator.le),
    ">": (pc.greater, operator.gt),
    ">=": (pc.greater_equal, operator.ge),
}
AS_TEXT: Final = ("json", "int")  # kinds of columns that hold numbers as text
_BEGINNINGS: Final = ("key", "code", "run")  # columns of which the beginning of a value is enough
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


# ---- columns


def chosen(names: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """The columns that are meant: by name, by the group they are in, or by a pattern with ``*``.

    Raises:
        CommandError: For a name that is none.
    """
    found: dict[str, None] = {}
    for one in wanted:
        group = [name for name in names if name.startswith(f"{one}.")]
        match = [one] if one in names else group or fnmatch.filter(names, one)
        found |= dict.fromkeys(match or [known(names, one)])
    return list(found)


def known(names: Sequence[str], name: str) -> str:
    """The name, if there is such a column.

    Raises:
        CommandError: When there is none.
    """
    if name in names:
        return name
    raise CommandError(unknown_column(name, names))


# ---- order


def ordered(table: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """The rows in the order of columns, descending where a ``-`` stands before the name.

    Nulls and NaN come last either way; rows that are equal stay in the order they are in.

    Raises:
        CommandError: For a name that is none, and a column without an order.
    """
    if not wanted or not table.num_rows:
        for name in wanted:
            _direction(table.column_names, name)
        return table
    keys = [_direction(table.column_names, name) for name in wanted]
    columns = [
        _sortable(table.column(name), kind_of(table.schema.field(name)), way) for name, way in keys
    ]
    labels = [str(place) for place in range(len(columns))]
    order = pa.Table.from_arrays(columns, names=labels)
    sorts = [(label, "ascending") for label in labels]
    return table.take(pc.sort_indices(order, sort_keys=sorts))


def _direction(names: Sequence[str], wanted: str) -> tuple[str, int]:
    if wanted not in names and wanted.startswith("-"):
        return known(names, wanted[1:]), -1
    return known(names, wanted), 1


def _sortable(column: pa.ChunkedArray, kind: str | None, way: int) -> pa.Array:
    """The place of each value in the order, so that one sort takes columns of all kinds."""
    form = column.type
    if pa.types.is_floating(form):
        column = pc.if_else(pc.is_nan(column), plain_scalar(None, form), column)
    try:
        values = column.combine_chunks().drop_null().unique()
        values = (
            _sorted_texts(values) if kind in AS_TEXT else values.take(pc.array_sort_indices(values))
        )
        places = pc.index_in(column, value_set=values).combine_chunks()
    except (NotImplementedError, TypeError, ValueError) as error:
        raise CommandError(f"columns of type {form} have no order: {error}") from error
    return places if way > 0 else pc.negate(places)


def _sorted_texts(values: pa.Array) -> pa.Array:
    """Values that are kept as JSON text: numbers first."""

    def place(text: str) -> tuple[bool, float, str]:
        x = _json(text)
        is_number = isinstance(x, (int, float)) and x == x
        return (False, x, "") if is_number else (True, 0, text)

    return pa.array(sorted(values.to_pylist(), key=place), values.type)


# ---- rows


@dataclass(frozen=True)
class _Condition:
    column: str
    operator: str
    text: str


def matching(table: pa.Table, wanted: Iterable[str], of: Any = None) -> pa.Table:
    """The rows for which all conditions hold: ``kernel=rbf,poly``, ``accuracy>0.9``, ``C!=1``.

    Values are read by the type of the column; ``None`` is a field that is None, of settings that
    have it, and several by comma are any of them. A named point is meant by its name or its value,
    a constant with a key by that.

    Args:
        table: The rows, with all columns.
        wanted: The conditions.
        of: The experiment's class, which knows names and keys; None where that is not known.

    Raises:
        CommandError: For what is no condition, no column, or no such value.
    """
    for one in wanted:
        condition = _parsed(table.schema, one)
        table = table.filter(_mask(table, condition, of))
    return table


def _parsed(schema: pa.Schema, text: str) -> _Condition:
    names: list[str] = schema.names
    every = [*names, *(f"{OF_OUTCOMES}{name}" for name in OUTCOME)]
    longest = max((name for name in every if _is_before(text, name)), key=len, default=None)
    if longest is not None:
        found = _OPERATOR.match(text, len(longest))
        assert found is not None
        return _Condition(column_asked(schema, longest), found[1], text[found.end() :].strip())
    found = _OPERATOR.search(text)
    if found is None:
        raise CommandError(
            f"--where {text}: give a condition such as kernel=rbf, accuracy>0.9 or C!=1"
        )
    known(names, text[: found.start()].strip())
    raise CommandError(f"--where {text}: give a column before the {found[1]}")


def _is_before(text: str, name: str) -> bool:
    return text.startswith(name) and _OPERATOR.match(text, len(name)) is not None


def _mask(table: pa.Table, condition: _Condition, of: Any) -> pa.Array:
    if condition.operator in _ORDERS:
        field = table.schema.field(condition.column)
        return _compared(table.column(condition.column), field, condition)
    masks = [_of_text(table, condition, of, text) for text in _several(condition.text)]
    mask = masks[0]
    for one in masks[1:]:
        mask = pc.or_(mask, one)
    return pc.invert(mask) if condition.operator == "!=" else mask


def _of_text(table: pa.Table, condition: _Condition, of: Any, text: str) -> pa.Array:
    """The rows with a value; that of a named point is found by what each run called it."""
    held = mask_of_text(Rows.of_table(table), condition.column, text)
    if held is None:
        return _by_name(table, condition, of, text)
    found, known = held
    try:
        others = _by_name(table, condition, of, text)
    except (CommandError, StoreError):
        return found
    return pc.or_(found, pc.and_(flat(others), pc.invert(known)))


def _by_name(table: pa.Table, condition: _Condition, of: Any, text: str) -> pa.Array:
    field = table.schema.field(condition.column)
    column = table.column(condition.column)
    meant = texts_asked(of, table.schema, condition.column, text)
    if field.type == pa.string() and len(meant) == 1 and meant[0] != "None":
        refuse_no_name(of, field_of(table.schema, condition.column), meant[0], column)
        refuse_unknown(of, Rows.of_table(table), condition.column, text, meant[0])

    def has() -> pa.Array:
        return Owned(Rows.of_table(table)).has(condition.column)

    mask, *others = [_equal(column, field, condition, one, has) for one in meant]
    for one in others:
        mask = pc.or_(mask, one)
    return mask


def _several(text: str) -> list[str]:
    """The values that stand between commas, outside of quotes and brackets."""
    parts, depth, quote, start = list[str](), 0, "", 0
    for place, one in enumerate(text):
        if quote:
            quote = "" if one == quote else quote
        elif one in "'\"":
            quote = one
        elif one in "[{(":
            depth += 1
        elif one in "]})":
            depth -= 1
        elif one == "," and depth <= 0:
            parts.append(text[start:place])
            start = place + 1
    return [_unquoted(part.strip()) for part in [*parts, text[start:]]]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def _equal(
    column: Any, field: pa.Field, condition: _Condition, text: str, has: Callable[[], pa.Array]
) -> pa.Array:
    if text == "None":
        return pc.is_null(column) if condition.operator == "!=" else is_none(column, has())
    if field.name in _BEGINNINGS and text:
        return pc.fill_null(pc.starts_with(column, pattern=text), plain_scalar(False, pa.bool_()))
    value = _typed(field, text, condition)
    is_text = kind_of(field) in AS_TEXT
    if not is_text and field.type in (pa.string(), pa.bool_()):
        found = pc.equal(column, plain_scalar(value, field.type))
    elif pa.types.is_floating(field.type) and value == value:
        # In the type of the column: 0.1 in 32 bits is not that in 64.
        found = pc.equal(column, plain_scalar(value, field.type))
    else:
        found = matches(column, field, value)
    return pc.fill_null(found, plain_scalar(False, pa.bool_()))


def _compared(column: Any, field: pa.Field, condition: _Condition) -> pa.Array:
    compute, compare = _ORDERS[condition.operator]
    value = _typed(field, _unquoted(condition.text), condition)
    if kind_of(field) in AS_TEXT:
        return pa.array([_holds(compare, one, value) for one in column.to_pylist()], pa.bool_())
    try:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        form = pa.int64() if isinstance(value, int) else pa.float64()
        scalar = plain_scalar(value, form if is_number else field.type)
        return pc.fill_null(compute(column, scalar), plain_scalar(False, pa.bool_()))
    except (ValueError, TypeError, NotImplementedError) as error:
        raise _no_value(field, condition) from error


def _holds(compare: Callable[[Any, Any], bool], text: str | None, value: Any) -> bool:
    """Whether a value that a column holds as text compares so."""
    try:
        return text is not None and compare(json.loads(text), value)
    except (ValueError, TypeError):
        return False


def _typed(field: pa.Field, text: str, condition: _Condition) -> Any:
    """The value that a text means in a column."""
    try:
        return _read(field, text)
    except (ValueError, decimal.InvalidOperation, OverflowError) as error:
        raise _no_value(field, condition) from error


def _read(field: pa.Field, text: str) -> Any:
    form, is_a = field.type, pa.types
    if kind_of(field) in AS_TEXT or is_a.is_nested(form):
        return _json(text)
    if is_a.is_boolean(form):
        if text.lower() not in _TRUTH:
            raise ValueError(text)
        return _TRUTH[text.lower()]
    if is_a.is_integer(form) or is_a.is_floating(form):
        return _number(text)
    if is_a.is_decimal(form):
        return decimal.Decimal(text)
    if is_a.is_timestamp(form):
        return _time(text, form.tz)
    if is_a.is_date(form):
        return dt.date.fromisoformat(text)
    if is_a.is_time(form):
        return dt.time.fromisoformat(text)
    if is_a.is_binary(form) or is_a.is_large_binary(form):
        return text.encode()
    return text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _time(text: str, zone: str | None) -> dt.datetime:
    """A time; without a zone it is one of here, where the column has one."""
    made = dt.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
    return made.astimezone(dt.timezone.utc) if zone is not None else made


def _no_value(field: pa.Field, condition: _Condition) -> CommandError:
    return CommandError(
        f"--where {condition.column}{condition.operator}{condition.text}: "
        f"{condition.text!r} is not a value of that column, which holds "
        f"{kind_of(field) or str(field.type)}"
    )
