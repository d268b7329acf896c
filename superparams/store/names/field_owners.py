"""Which settings have which fields: alternatives have fields of their own.

In the table, a null in a column of a group says either that the field is None, or that the setting
has no such field, since another alternative was chosen. `run.json` tells the two apart, and so does
the metadata of `results.parquet`: they list the fields of the space that ran, each with the
conditions of which one must hold for a setting to have it.
"""

from __future__ import annotations

import enum
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.instance_state import declaration_on
from superparams.declare.labels import labels_of, leaves_class_open, naming
from superparams.declare.metaclass import recorded_fields
from superparams.errors import StoreError
from superparams.outcomes.arrow import metadata_of, plain_array, plain_scalar
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import matches, refuse_no_name
from superparams.store.table.lazy_rows import Rows, flat
from superparams.store.table.schema import field_of, source_of
from superparams.store.table.table_file import HEAD

__all__ = [
    "FIELDS_OF",
    "NONE",
    "Condition",
    "Fields",
    "Owned",
    "Spot",
    "are_conditions",
    "checked",
    "fields_by_run",
    "head_of",
    "is_none",
    "mask_of",
    "owned_fields",
    "spots",
    "told_apart",
]

FIELDS_OF: Final = "fields"  # in run.json, and in the metadata of the table
MOST_POINTS: Final = 1000  # groups on one axis that are told apart
INSIDE: Final = "*"
MADE: Final = object()  # by a derived field
ATOMS: Final = (type(None), bool, int, float, complex, str, bytes, enum.Enum)  # one column each

Condition = Mapping[str, str]  # what must stand in which columns
Fields = Mapping[str, Sequence[Condition]]


class _None:
    """Stands in a shown row for a field that is None; a plain None is a cell without content."""

    def __str__(self) -> str:
        return "None"


NONE: Final = _None()


# ---- what a space tells


def owned_fields(space: Any) -> dict[str, list[dict[str, str]]]:
    """The fields of a space, each with the conditions of which one must hold for it to be there.

    A field that every setting has has one empty condition. ``x.*`` stands for columns inside a
    value of `x` of which nothing is told: it is no group, or one of very many.

    Args:
        space: An experiment, open or not.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for spot in spots(space):
        for column in _columns(spot):
            found.setdefault(column, {})[json.dumps(spot.when)] = spot.when
    return {
        column: [{}] if {} in known.values() else list(known.values())
        for column, known in found.items()
    }


class Spot(NamedTuple):
    """A field of an experiment, or of one of the groups that it may hold.

    column: its dotted name; owner: the class of its group, empty for the experiment itself; when:
    which alternatives must have been chosen for a setting to have it; x: its value, an axis where
    it is open; names: the axis that names its values.
    """

    field: Field
    column: str
    owner: str
    when: dict[str, str]
    x: Any
    names: Axis | None


def spots(of: Any) -> Iterator[Spot]:
    """The fields of a space, or of a class as it is declared, those of groups included."""
    yield from _spots(of, "", "", {})


def _spots(of: Any, prefix: str, owner: str, when: dict[str, str]) -> Iterator[Spot]:
    cls: type[Any] = of if isinstance(of, type) else of.__class__
    held = cast("dict[str, Any]", {} if of is cls else of.__dict__)
    for name, field in recorded_fields(cls).items():
        declared = declaration_on(of, field)
        x = held.get(name, declared)
        if isinstance(x, Value):
            if x.factory is not None:
                continue
            x = MADE if x.given is REQUIRED else x.given
        column, names = prefix + name, naming(of, field)
        yield Spot(field, column, owner, when, x, names)
        groups = list(filter(is_group, itertools.islice(_points(x), MOST_POINTS)))
        labels = [None] * len(groups) if names is None else labels_of(names, groups)
        for point, label in zip(groups, labels, strict=True):
            shown = label
            if label is None and (names is not None or leaves_class_open(field, point)):
                shown = type(point).__name__
            condition = when if shown is None else {**when, column: shown}
            yield from _spots(point, f"{column}.", type(point).__qualname__, condition)


def _columns(spot: Spot) -> Iterator[str]:
    yield spot.column
    points = list(_points(spot.x))
    if len(points) > MOST_POINTS or not all(isinstance(x, ATOMS) or is_group(x) for x in points):
        yield f"{spot.column}.{INSIDE}"


def _points(x: Any) -> Iterable[Any]:
    if not isinstance(x, Axis):
        return (x,)
    if isinstance(x.points, range):
        return ()
    is_plain = all(isinstance(point, ATOMS) for point in x.points)
    return () if is_plain else itertools.islice(x.points, MOST_POINTS + 1)


# ---- what files tell


def checked(found: object) -> Fields | None:
    """What a run tells of its fields; None where it does not, or is damaged."""
    if not isinstance(found, dict):
        return None
    fields = cast("dict[str, object]", found)
    return cast("Fields", fields) if all(map(are_conditions, fields.values())) else None


def are_conditions(x: object) -> bool:
    """Whether a value of JSON is a list of conditions."""
    if not isinstance(x, list):
        return False
    each = cast("list[object]", x)
    return all(
        isinstance(one, dict)
        and all(isinstance(label, str) for label in cast("dict[str, object]", one).values())
        for one in each
    )


def told_apart(runs: Mapping[str, Fields | None]) -> list[dict[str, Any]]:
    """What the metadata of the table tells: runs, and the fields of all of them.

    Args:
        runs: What each run tells.
    """
    made: dict[str, dict[str, Any]] = {}
    for run, fields in runs.items():
        if fields is not None:
            known = made.setdefault(json.dumps(fields), {"runs": [], "fields": fields})
            known["runs"].append(run)
    return list(made.values())


def fields_by_run(head: object) -> dict[str, Fields]:
    """What the metadata of a table tells of each run; nothing of those it is damaged for."""
    found: dict[str, Fields] = {}
    for one in cast("list[object]", head) if isinstance(head, list) else ():
        entry = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        fields, runs = checked(entry.get("fields")), entry.get("runs")
        if fields is not None and isinstance(runs, list):
            found.update((str(run), fields) for run in cast("list[object]", runs))
    return found


# ---- what rows tell


class Owned:
    """Which fields the settings of some rows have, as far as their runs tell."""

    def __init__(self, rows: Rows) -> None:
        """Of these rows, whose schema has the metadata of the table."""
        self._rows = rows
        self._fields = {field.name: field for field in rows.schema}
        sources = {name: source_of(field) or "" for name, field in self._fields.items()}
        self._params = {
            source.removeprefix(PARAM): name
            for name, source in sources.items()
            if source.startswith(PARAM)
        }
        self._names = {column: name for name, column in self._params.items()}
        self._told = _told(rows.schema)

    def has(self, column: str) -> pa.Array:
        """Whether the setting of each row has a field; null where its run does not tell.

        Args:
            column: The column of the field.
        """
        run = self._rows.columns("run").column(0)
        known = pa.nulls(len(run), pa.bool_())
        if column not in self._names:
            return known
        for entry in self._told:
            here = self._has(entry["fields"], self._names[column], len(run))
            is_of = pc.is_in(run, value_set=plain_array(entry["runs"], pa.string()))
            known = pc.if_else(flat(is_of), here, known)
        return known

    def _has(self, fields: Fields, name: str, size: int) -> Any:
        places = [place for place, one in enumerate(name) if one == "."]
        if any(f"{name[:place]}.{INSIDE}" in fields for place in places):
            return plain_scalar(None, pa.bool_())
        return self.holds(fields.get(name, ()), size)

    def holds(self, conditions: Sequence[Condition], size: int) -> Any:
        """Which of the rows, `size` in all, one of these conditions holds for."""
        found = pa.repeat(plain_scalar(False, pa.bool_()), size)
        for condition in conditions:
            mask: Any = pa.repeat(plain_scalar(True, pa.bool_()), size)
            for one, label in condition.items():
                mask = pc.and_(mask, self._is(one, label, size))
            found = pc.or_(found, mask)
        return found

    def _is(self, name: str, label: str, size: int) -> Any:
        """Whether the alternative of this name stands in a field."""
        nowhere = pa.repeat(plain_scalar(False, pa.bool_()), size)
        column = self._params.get(name)
        if column is None:
            return nowhere
        try:
            found = matches(self._rows.columns(column).column(0), self._fields[column], label)
        except StoreError:  # it holds no text
            return nowhere
        return pc.fill_null(flat(found), plain_scalar(False, pa.bool_()))

    def nones(self, columns: Collection[str]) -> dict[str, pa.Array]:
        """Of the columns with nulls that are None: which of their rows are.

        Args:
            columns: Some columns of the table, and maybe others.
        """
        found: dict[str, pa.Array] = {}
        for name in columns if self._told else ():
            if name in self._names:
                column = self._rows.columns(name).column(0)
                if column.null_count:
                    mask = is_none(column, pc.fill_null(self.has(name), _FALSE))
                    found.update({name: mask} if pc.any(mask).as_py() else {})
        return found


_FALSE: Final = plain_scalar(False, pa.bool_())


def mask_of(rows: Rows, column: str, wanted: Any, of: Any) -> pa.Array:
    """Which rows have a value in a column; None is that of a field, not of one that is not there.

    Raises:
        StoreError: For a value that the column could never hold, and a name that no point has.
    """
    values = rows.columns(column).column(0)
    refuse_no_name(of, field_of(rows.schema, column), wanted, values)
    if wanted is None:
        return is_none(values, Owned(rows).has(column))
    return matches(values, rows.schema.field(column), wanted)


def is_none(column: pa.ChunkedArray, has: pa.Array) -> pa.Array:
    """Which rows of a column are None: null where the setting has the field, or may have it."""
    return pc.and_(flat(pc.is_null(column)), pc.fill_null(has, plain_scalar(True, pa.bool_())))


def _told(schema: pa.Schema) -> list[dict[str, Any]]:
    return told_apart(fields_by_run(head_of(schema).get(FIELDS_OF)))


def head_of(schema: pa.Schema) -> dict[str, object]:
    """What the metadata of the table tells; empty where it is missing or damaged."""
    try:
        head: Any = json.loads(metadata_of(schema).get(HEAD, b"null"))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", head) if isinstance(head, dict) else {}
