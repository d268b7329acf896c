"""What a filter asks for where only the table is known: its runs tell what names of points mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from superparams.declare.presentation import table_value, text_beside
from superparams.errors import StoreError
from superparams.errors.short_repr import shorten
from superparams.outcomes.arrow import kind_of, to_json
from superparams.space.groups import group_class, is_group
from superparams.store.names.field_owners import FIELDS_OF, fields_by_run, head_of
from superparams.store.names.meanings import MEANINGS, Point, names_by_run
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import (
    OneOf,
    are_same,
    columns_of_value,
    refuse_no_name,
)
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.schema import field_of, source_of
from superparams.store.table.table_file import OUTCOME

__all__ = ["OF_OUTCOMES", "column_asked", "columns_asked", "refuse_unknown", "texts_asked"]

OF_OUTCOMES: Final = "outcome."  # before the name of a column of outcomes, in a filter

CONTAINERS: Final[tuple[type[Any], ...]] = (list, tuple, set, frozenset, dict)


class RecordedName:
    """The named points of one column, as the metadata of a table tells them."""

    def __init__(self, schema: pa.Schema, column: str) -> None:
        """Of a column of a table with this schema."""
        name = field_of(schema, column)
        head = head_of(schema)
        runs = {id(one): one for one in names_by_run(head.get(MEANINGS)).values()}
        self.names: dict[str, list[Point]] = {}
        for point in (
            p for one in runs.values() for x in one if x.column == name for p in x.points
        ):
            self.names.setdefault(point.label, []).append(point)
        self.alternatives = {
            condition[name]
            for fields in fields_by_run(head.get(FIELDS_OF)).values()
            for conditions in fields.values()
            for condition in conditions
            if name in condition
        }

    @property
    def known(self) -> list[str]:
        """All names that points of this column have."""
        names = [x for label, known in self.names.items() for x in (label, *known[0].also)]
        return list(dict.fromkeys([*names, *sorted(self.alternatives)]))

    @property
    def has_values(self) -> bool:
        """Whether there are named points that are no groups."""
        return any(one.cls is None for known in self.names.values() for one in known)

    def of_class(self, name: str) -> list[str]:
        """The names that stand for groups of a class of this name."""
        return self._where(lambda one: one.class_name == name) if name else []

    def of_value(self, x: Any) -> list[str]:
        """The names that stand for a value."""
        wanted = json.loads(to_json(table_value(x)))
        return self._where(lambda one: one.shown != "" and are_same(json.loads(one.shown), wanted))

    def of_text(self, text: str) -> list[str]:
        """The names that a text means: itself, or those of a class or value of this text."""
        first = self._where(lambda one: text in one.also)
        if text in self.names or first:
            return [text, *first]
        if text in self.alternatives:
            return [text, *self.of_class(text)]
        return [*self.of_class(text), *self.of_value(text)]

    def _where(self, is_wanted: Callable[[Point], bool]) -> list[str]:
        return [label for label, known in self.names.items() if any(map(is_wanted, known))]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


# ---- what a filter asks for


def column_asked(schema: pa.Schema, name: str) -> str:
    """The column that a filter names; ``outcome.rank`` is the column `rank` that outcomes have.

    Args:
        schema: The columns of the table.
        name: The name in the filter.

    Raises:
        StoreError: For a name that is that of a parameter and of a column of outcomes.
    """
    plain = name.removeprefix(OF_OUTCOMES)
    if name not in schema.names and plain in OUTCOME:
        return plain
    field = f"{PARAM}{name}"
    column = next((one.name for one in schema if source_of(one) == field), name)
    if name in OUTCOME and column != name:
        raise StoreError(
            f"{name!r} is a parameter, and a column of every outcome as well: write {column!r} for "
            f"the parameter, or {OF_OUTCOMES + name!r} for the column of outcomes"
        )
    return name


def columns_asked(of: Any, schema: pa.Schema, name: str, x: Any) -> dict[str, Any]:
    """The columns by which a table knows that a field is `x`, with what stands there.

    Args:
        of: The experiment's class or the space; None where the table alone is known.
        schema: The columns of the table, with its metadata.
        name: The column, or the field.
        x: What it is to have.
    """
    meant = columns_of_value(of, schema, name, x)
    if of is not None or name not in meant:
        return meant
    recorded, cls = RecordedName(schema, name), _class_meant(x)
    if cls is not None:
        labels = recorded.of_class(cls.__name__)
        return {**meant, name: OneOf([*labels, cls.__name__])} if labels else meant
    if not recorded.names or x is None:
        return meant
    if isinstance(x, str):  # also the name of a class
        return {**meant, name: OneOf(dict.fromkeys([*recorded.of_text(x), x]))}
    if not recorded.has_values:
        return meant
    labels = recorded.of_value(x)
    beside = text_beside(recorded.names, table_value(x))
    return {**meant, name: OneOf([*labels, *([] if labels else [beside, table_value(x)])])}


def _class_meant(x: Any) -> type[Any] | None:
    """The class of groups that a filter asks for: it is one, or a group of one."""
    cls: type[Any] = x.__class__
    return cls if is_group(x) else group_class(x)


def texts_asked(schema: pa.Schema, name: str, text: str) -> list[str]:
    """The texts in a column that a text of the command line means: names of points, or itself.

    Args:
        schema: The columns of the table, with its metadata.
        name: The column.
        text: The text.
    """
    recorded = RecordedName(schema, name)
    found = recorded.of_text(text)
    if not found:
        number = _read(text)
        found = [] if isinstance(number, str) else recorded.of_value(number)
    return found or [text]


def refuse_unknown(of: Any, rows: Rows, name: str, x: Any, wanted: Any) -> None:
    """Complain about a filter that can find no row, whatever the rows are.

    Args:
        of: The experiment's class or the space; None where the table alone is known.
        rows: The rows of the table.
        name: The column.
        x: The value that was asked for.
        wanted: What stands there for it.

    Raises:
        StoreError: For a function or a container that is no value of the column, and for a class
            or a name that no run had; names the remedy.
    """
    form = rows.schema.field(name)
    if kind_of(form) == "json" or not pa.types.is_string(form.type):
        return
    cls = _class_meant(x)
    is_odd = callable(x) or isinstance(x, CONTAINERS)
    recorded = RecordedName(rows.schema, name)
    if cls is None and not is_odd and (of is not None or not recorded.known):
        return
    several = wanted if isinstance(wanted, OneOf) else (wanted,)
    texts = {one for one in several if isinstance(one, str)}
    column = rows.columns(name).column(0)
    present: list[str] = column.unique().drop_null().to_pylist()
    if not texts or texts & {*present, *recorded.known} or _is_beside(x, recorded):
        return
    if cls is not None and of is not None:
        refuse_no_name(of, field_of(rows.schema, name), cls.__name__, column)
    shown = cls.__name__ if cls is not None and isinstance(x, type) else shorten(x)
    known = recorded.known or present[:5]
    remedy = f"; there are {', '.join(map(repr, known))}" if known else ""
    if is_odd and cls is None:
        remedy = (
            f", which is compared as one value; give one value, or filter `to_pandas()`{remedy}"
        )
    raise StoreError(f"no row has {name}={shown}{remedy}")


def _is_beside(x: Any, recorded: RecordedName) -> bool:
    """Whether it may be a value that is none of the named points: rows may have had it."""
    return isinstance(x, bool | int | float) and recorded.has_values
