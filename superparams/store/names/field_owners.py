"""Which settings have which fields: alternatives have fields of their own.

In the table, a null in a column of a group means either that the field is None, or that the setting
has no such field, since another alternative was chosen. `run.json` and the metadata of
`results.parquet` distinguish the two: they list the fields of the space that ran, each with
conditions, of which one must hold for a setting to have the field.
"""

from __future__ import annotations

import enum
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.descriptors import REQUIRED, Value
from superparams.declare.field import Field
from superparams.declare.instance_state import declaration_on
from superparams.declare.labels import labels_of, leaves_class_open, naming
from superparams.declare.metaclass import recorded_fields
from superparams.errors import StoreError
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.space.axis import Axis
from superparams.space.groups import is_group
from superparams.store.json_values import is_list, is_object, run_groups
from superparams.store.table.arrow_arrays import constant, flat, true_where_known
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import matches, refuse_no_name
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.schema import field_of, source_of
from superparams.store.table.table_file import head_of

__all__ = [
    "FIELDS_OF",
    "NONE",
    "Condition",
    "FieldOwners",
    "FieldPlace",
    "Fields",
    "are_conditions",
    "field_conditions",
    "field_places",
    "fields_by_run",
    "fields_from_json",
    "is_none",
    "mask_of",
]

FIELDS_OF: Final = "fields"  # in run.json, and in the metadata of the table
MOST_POINTS: Final = 1000  # groups on one axis that have conditions of their own
INSIDE: Final = "*"
DERIVED: Final = object()  # the value of a derived field
ATOMS: Final = (type(None), bool, int, float, complex, str, bytes, enum.Enum)  # one column each

Condition = Mapping[str, str]  # the name of an alternative that must be in a column
Fields = Mapping[str, Sequence[Condition]]


class _None:
    """Represents a field that is None in a shown row; a plain None is a cell without content."""

    def __str__(self) -> str:
        return "None"


NONE: Final = _None()


# ---- the fields of a space


def field_conditions(space: object) -> dict[str, list[dict[str, str]]]:
    """The fields of a space, each with a list of conditions.

    A setting has a field if it satisfies one of the conditions. An empty condition always holds.
    ``x.*`` means all columns inside `x`, if the values of `x` are other containers than
    groups, or very many groups.

    Args:
        space: An experiment, open or not.
    """
    fields: dict[str, dict[str, dict[str, str]]] = {}
    for place in field_places(space):
        for column in _columns(place):
            fields.setdefault(column, {})[json.dumps(place.condition)] = place.condition
    return {
        column: [{}] if {} in conditions.values() else list(conditions.values())
        for column, conditions in fields.items()
    }


class FieldPlace(NamedTuple):
    """A field of an experiment, or of one of the groups that it may hold."""

    field: Field
    column: str  # its dotted name
    owner: str  # the class of its group; empty for the experiment itself
    condition: dict[str, str]  # the alternatives that every setting with this field has
    value: Any  # the axis, if the field is open
    naming_axis: Axis | None  # the axis with names for its values, if there is one


def field_places(holder: object) -> Iterator[FieldPlace]:
    """The fields of a space, or of a class as it is declared, those of groups included."""
    yield from _field_places(holder, "", "", {})


def _field_places(
    holder: object, prefix: str, owner: str, condition: dict[str, str]
) -> Iterator[FieldPlace]:
    cls: type[Any] = holder if isinstance(holder, type) else holder.__class__
    own: Mapping[str, Any] = {} if holder is cls else holder.__dict__
    for name, field in recorded_fields(cls).items():
        value = own.get(name, declaration_on(holder, field))
        if isinstance(value, Value):
            if value.factory is not None:
                continue
            value = DERIVED if value.given is REQUIRED else value.given
        column, axis = prefix + name, naming(holder, field)
        yield FieldPlace(field, column, owner, condition, value, axis)
        groups = list(filter(is_group, itertools.islice(_points(value), MOST_POINTS)))
        labels = [None] * len(groups) if axis is None else labels_of(axis, groups)
        for group, label in zip(groups, labels, strict=True):
            name_of_group = label
            if label is None and (axis is not None or leaves_class_open(field, group)):
                name_of_group = type(group).__name__
            inner = condition if name_of_group is None else {**condition, column: name_of_group}
            yield from _field_places(group, f"{column}.", type(group).__qualname__, inner)


def _columns(place: FieldPlace) -> Iterator[str]:
    yield place.column
    points = list(_points(place.value))
    if len(points) > MOST_POINTS or not all(isinstance(x, ATOMS) or is_group(x) for x in points):
        yield f"{place.column}.{INSIDE}"


def _points(value: object) -> Iterable[Any]:
    if not isinstance(value, Axis):
        return (value,)
    if isinstance(value.points, range):
        return ()
    is_plain = all(issubclass(kind, ATOMS) for kind in set(map(type, value.points)))
    return () if is_plain else itertools.islice(value.points, MOST_POINTS + 1)


# ---- the fields in files


def fields_from_json(value: object) -> Fields | None:
    """The fields that a run recorded; None if it recorded none, or if they are damaged."""
    if not is_object(value) or not all(map(are_conditions, value.values())):
        return None
    return value


def are_conditions(value: object) -> bool:
    """Whether a value of JSON is a list of conditions."""
    return is_list(value) and all(
        is_object(condition) and all(isinstance(label, str) for label in condition.values())
        for condition in value
    )


def fields_by_run(groups: object) -> dict[str, Fields]:
    """The fields of each run, from the metadata of a table, except for damaged entries."""
    entries = [(runs, fields_from_json(x)) for runs, x in run_groups(groups, FIELDS_OF)]
    return {run: fields for runs, fields in entries if fields is not None for run in runs}


# ---- the fields of rows


class FieldOwners:
    """Tells which fields the settings of some rows have, as far as their runs recorded this."""

    def __init__(self, rows: Rows) -> None:
        """For rows whose schema has the metadata of the table."""
        self._rows = rows
        self._schema_fields = {field.name: field for field in rows.schema}
        sources = {name: source_of(field) or "" for name, field in self._schema_fields.items()}
        self._params = {
            source.removeprefix(PARAM): name
            for name, source in sources.items()
            if source.startswith(PARAM)
        }
        self._names = {column: name for name, column in self._params.items()}
        groups = run_groups(head_of(rows.schema).get(FIELDS_OF), FIELDS_OF)
        entries = [(runs, fields_from_json(fields)) for runs, fields in groups]
        self._fields = [(runs, fields) for runs, fields in entries if fields is not None]

    def has(self, column: str) -> pa.Array:
        """Whether the setting of each row has a field; null where its run did not record that.

        Args:
            column: The column of the field.
        """
        run = self._rows.columns("run").column(0)
        mask = pa.nulls(len(run), pa.bool_())
        if column not in self._names:
            return mask
        for runs, fields in self._fields:
            is_of_runs = pc.is_in(run, value_set=plain_array(runs, pa.string()))
            mask = pc.if_else(
                flat(is_of_runs), self._has(fields, self._names[column], len(run)), mask
            )
        return mask

    def _has(self, fields: Fields, name: str, size: int) -> Any:
        dots = [position for position, character in enumerate(name) if character == "."]
        if any(f"{name[:position]}.{INSIDE}" in fields for position in dots):
            return plain_scalar(None, pa.bool_())
        return self.meets(fields.get(name, ()), size)

    def conditions_of(self, column: str) -> list[Condition]:
        """The conditions for a field: settings have the field if they meet one of them.

        Empty if all settings have it, or if no run recorded that.

        Args:
            column: The column of the field.
        """
        name = self._names.get(column, column)
        conditions = [condition for _, fields in self._fields for condition in fields.get(name, ())]
        return [] if {} in conditions else list({json.dumps(x): x for x in conditions}.values())

    def conditions(self, column: str) -> str:
        """The settings that have a field, in words, as in ``optimizer=Adam``.

        Args:
            column: The column of the field, which not all settings have.
        """
        name = self._names.get(column, column)
        texts = [
            ", ".join(f"{x}={label}" for x, label in condition.items())
            for _, fields in self._fields
            for condition in fields.get(name, ())
        ]
        alternatives = " or ".join(dict.fromkeys(filter(None, texts)))
        return alternatives or f"settings with {column}"

    def meets(self, conditions: Sequence[Condition], size: int) -> Any:
        """A mask of the rows for which one of these conditions holds.

        Args:
            conditions: The conditions.
            size: The number of rows.
        """
        mask = constant(False, size)
        for condition in conditions:
            meets_all: Any = constant(True, size)
            for name, label in condition.items():
                meets_all = pc.and_(meets_all, self._has_alternative(name, label, size))
            mask = pc.or_(mask, meets_all)
        return mask

    def _has_alternative(self, name: str, label: str, size: int) -> Any:
        column = self._params.get(name)
        if column is None:
            return constant(False, size)
        try:
            cells = self._rows.columns(column).column(0)
            return true_where_known(matches(cells, self._schema_fields[column], label))
        except StoreError:  # the column holds no text
            return constant(False, size)

    def none_masks(self, columns: Collection[str]) -> dict[str, pa.Array]:
        """For each column with fields that are None, a mask of these rows.

        Args:
            columns: Names of columns; those that the table does not have are ignored.
        """
        masks: dict[str, pa.Array] = {}
        for name in columns if self._fields else ():
            if name in self._names:
                cells = self._rows.columns(name).column(0)
                if cells.null_count:
                    mask = is_none(cells, true_where_known(self.has(name)))
                    masks.update({name: mask} if pc.any(mask).as_py() else {})
        return masks


def mask_of(rows: Rows, column: str, cell: object, experiment: object) -> pa.Array:
    """A mask of the rows that have a cell in a column.

    The cell None means a field that is None, and not a field that a setting does not have.

    Raises:
        StoreError: For a value that the column could never hold, and a name that no point has.
    """
    cells = rows.columns(column).column(0)
    refuse_no_name(experiment, field_of(rows.schema, column), cell, cells)
    if cell is None:
        return is_none(cells, FieldOwners(rows).has(column))
    return matches(cells, rows.schema.field(column), cell)


def is_none(column: pa.ChunkedArray, has: pa.Array) -> pa.Array:
    """A mask of the rows whose field is None: null cells of settings that may have the field."""
    return pc.and_(flat(pc.is_null(column)), pc.fill_null(has, plain_scalar(True, pa.bool_())))
