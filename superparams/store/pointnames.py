"""The names of points as runs recorded them, so that results read without the class are filtered.

Each run tells which classes and values the names of its points stand for, in `run.json`. The
metadata of the table tells it of all runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

import pyarrow as pa

from superparams.columns import kind_of, metadata_of, to_json
from superparams.declare import recorded_fields
from superparams.errors import StoreError
from superparams.fields import Axis, Value, group_class, is_group, is_open
from superparams.labels import label_of, naming
from superparams.shorten import shorten
from superparams.show import inline, table_value, text_beside
from superparams.store.matching import (
    OneOf,
    are_same,
    columns_of_value,
    labels_meant,
    refuse_no_name,
    text_meant,
)
from superparams.store.owned import fields_by_run
from superparams.store.rows import Rows
from superparams.store.schema import source_of
from superparams.store.tablefile import HEAD

__all__ = [
    "NAMES_OF",
    "Names",
    "checked_names",
    "columns_asked",
    "joined_names",
    "meanings",
    "point_names",
    "refuse_unknown",
    "texts_asked",
]

NAMES_OF: Final = "names"  # in run.json, and in the metadata of the table
MOST_NAMES: Final = 1000  # of one axis
LONGEST: Final = 1000  # characters of a value
CLASS: Final = "class"
VALUE: Final = "value"
FIRST: Final = "first"
SHOWN: Final = "shown"
CONTAINERS: Final[tuple[type[Any], ...]] = (list, tuple, set, frozenset, dict)

# By column and name, what the name stands for: {"class": its class, "shown": the group as text}, or
# {"value": JSON}. An earlier name of the same point is its {"first": name}, which rows have.
Names = Mapping[str, Mapping[str, Sequence[Mapping[str, str]]]]


# ---- what a space tells


def point_names(space: Any) -> dict[str, dict[str, list[dict[str, str]]]]:
    """What each name of a point of a space stands for, by column.

    Args:
        space: An experiment, open or not.
    """
    return joined_names(_named(space, ""))


def _named(params: Any, prefix: str) -> Iterator[Names]:
    held: dict[str, Any] = params.__dict__
    for name, field in recorded_fields(params.__class__).items():
        axis, column = naming(params, field), prefix + name
        if axis is not None:
            pairs = zip(axis.labels or (), axis.points, strict=False)
            some = [pair for _, pair in zip(range(MOST_NAMES), pairs, strict=False)]
            yield {column: {label: [_meaning(axis, label, point)] for label, point in some}}
        x = held.get(name, held.get("~lazy", {}).get(name, field.declared))
        x = x.given if isinstance(x, Value) else x
        points = () if isinstance(x, Axis) and isinstance(x.points, range) else x
        for point in points.points[:MOST_NAMES] if isinstance(points, Axis) else (points,):
            if is_group(point):
                yield from _named(point, f"{column}.")


def _meaning(axis: Axis, label: str, point: Any) -> dict[str, str]:
    known = label if is_open(point) else label_of(axis, point)
    first = {} if known is None or known == label else {FIRST: known}
    if is_group(point):
        shown = inline(point)
        of_it = {SHOWN: shown} if len(shown) <= LONGEST else {}
        return {CLASS: type(point).__name__, **of_it, **first}
    text = to_json(table_value(point))
    return {**({VALUE: text} if len(text) <= LONGEST else {}), **first}


def joined_names(several: Iterable[Names]) -> dict[str, dict[str, list[dict[str, str]]]]:
    """What the names of several runs stand for; a name may have had several meanings.

    Args:
        several: What each run tells.
    """
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    for names in several:
        for column, labels in names.items():
            for label, meanings in labels.items():
                known = found.setdefault(column, {}).setdefault(label, [])
                known += [dict(one) for one in meanings if one not in known]
    return found


# ---- what files tell


def checked_names(found: object) -> Names:
    """What a run or a table tells of the names of points; nothing where it is damaged."""
    if not _is_mapping_of(found, _are_names):
        return {}
    return cast("Names", found)


def _is_mapping_of(found: object, is_right: Callable[[object], bool]) -> bool:
    return isinstance(found, dict) and all(map(is_right, cast("dict[str, object]", found).values()))


def _are_names(x: object) -> bool:
    return _is_mapping_of(x, _are_meanings)


def _are_meanings(x: object) -> bool:
    return isinstance(x, list) and all(
        _is_mapping_of(one, lambda text: isinstance(text, str)) for one in cast("list[object]", x)
    )


class Recorded:
    """The names of the points of one column, as the metadata of a table tells them."""

    def __init__(self, schema: pa.Schema, column: str) -> None:
        """Of a column of a table with this schema."""
        source = source_of(schema.field(column)) if column in schema.names else None
        name = column if source is None else source.removeprefix("param.")
        try:
            head: Any = json.loads(metadata_of(schema).get(HEAD, b"null"))
        except (ValueError, RecursionError):
            head = None
        told = cast("dict[str, object]", head) if isinstance(head, dict) else {}
        self.names = dict(checked_names(told.get(NAMES_OF)).get(name, {}))
        self.alternatives = {
            condition[name]
            for fields in fields_by_run(told.get("fields")).values()
            for conditions in fields.values()
            for condition in conditions
            if name in condition
        }

    @property
    def known(self) -> list[str]:
        """All names that rows may have in this column."""
        return list(dict.fromkeys([*self.names, *sorted(self.alternatives)]))

    @property
    def has_values(self) -> bool:
        """Whether there are named points that are no groups."""
        return any(CLASS not in one for known in self.names.values() for one in known)

    def of_class(self, name: str) -> list[str]:
        """The names that stand for groups of a class of this name."""
        return [
            label
            for label, known in self.names.items()
            if any(one.get(CLASS) == name for one in known)
        ]

    def of_value(self, x: Any) -> list[str]:
        """The names that stand for a value."""
        wanted = json.loads(to_json(table_value(x)))
        return [
            label
            for label, known in self.names.items()
            if any(VALUE in one and are_same(_read(one[VALUE]), wanted) for one in known)
        ]

    def of_text(self, text: str) -> list[str]:
        """The names that a text means: itself, or those of a class or value of this text."""
        if text in self.names or text in self.alternatives:
            first = [one[FIRST] for one in self.names.get(text, ()) if FIRST in one]
            return [text, *first, *(self.of_class(text) if text not in self.names else ())]
        return [*self.of_class(text), *self.of_value(text)]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def meanings(names: Names) -> dict[str, str]:
    """What each name of a run stands for, as text, by column and name."""
    return {
        f"{column} {label!r}": text
        for column, labels in names.items()
        for label, known in labels.items()
        for text in [known[0].get(SHOWN, known[0].get(VALUE)) if known else None]
        if text is not None
    }


# ---- what a filter asks for


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
    recorded, cls = Recorded(schema, name), _class_meant(x)
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


def texts_asked(of: Any, schema: pa.Schema, name: str, text: str) -> list[str]:
    """What stands in a column for what a text of the command line means.

    Args:
        of: The experiment's class or the space; None where the table alone is known.
        schema: The columns of the table, with its metadata.
        name: The column.
        text: What it is to have.
    """
    if of is not None:
        return labels_meant(of, name, text_meant(of, name, text))
    recorded = Recorded(schema, name)
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
    recorded = Recorded(rows.schema, name)
    if cls is None and not is_odd and (of is not None or not recorded.known):
        return
    several = wanted if isinstance(wanted, OneOf) else (wanted,)
    texts = {one for one in several if isinstance(one, str)}
    column = rows.columns(name).column(0)
    present: list[str] = column.unique().drop_null().to_pylist()
    if not texts or texts & {*present, *recorded.known} or _is_beside(x, recorded):
        return
    if cls is not None and of is not None:
        refuse_no_name(of, name, cls.__name__, column)
    shown = cls.__name__ if cls is not None and isinstance(x, type) else shorten(x)
    known = recorded.known or present[:5]
    remedy = f"; there are {', '.join(map(repr, known))}" if known else ""
    if is_odd and cls is None:
        remedy = (
            f", which is compared as one value; give one value, or filter `to_pandas()`{remedy}"
        )
    raise StoreError(f"no row has {name}={shown}{remedy}")


def _is_beside(x: Any, recorded: Recorded) -> bool:
    """Whether it may be a value that is none of the named points: rows may have had it."""
    return isinstance(x, bool | int | float) and recorded.has_values
