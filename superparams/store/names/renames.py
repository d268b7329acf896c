"""Shows rows of all runs by one set of names, whatever the points were called when they ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import kind_of, metadata_of, plain_array, to_json
from superparams.store.names.field_owners import (
    FIELDS_OF,
    Condition,
    Fields,
    Owned,
    fields_by_run,
    head_of,
    told_apart,
)
from superparams.store.names.meanings import (
    MEANINGS,
    Named,
    Reference,
    as_json,
    as_named,
    declared_names,
    names_by_run,
    together,
)
from superparams.store.runs.folder import RunFolder
from superparams.store.table.column_order import PARAM
from superparams.store.table.lazy_rows import Rows, flat
from superparams.store.table.schema import source_of
from superparams.store.table.table_file import HEAD, Old

__all__ = ["NAMED", "Renaming", "Renamings", "renamed_as", "renamed_rows"]

NAMED: Final = "named"  # in the metadata of the table: the names that its rows have


@dataclass(frozen=True)
class _Group:
    """Runs with the same names, and the new name of each old one."""

    runs: list[str]
    names: Sequence[Named]
    new: Sequence[Mapping[str, str]]

    @property
    def is_changed(self) -> bool:
        return any(old != new for labels in self.new for old, new in labels.items())

    def condition(self, given: Condition) -> Condition:
        """A condition on old names as one on the new names."""
        made = dict(given)
        for named, labels in zip(self.names, self.new, strict=True):
            label = given.get(named.column)
            if (
                label is not None
                and label in labels
                and any(w.items() <= given.items() for w in named.when)
            ):
                made[named.column] = labels[label]
        return made

    def named(self) -> list[Named]:
        return [
            Named(
                one.column,
                one.owner,
                [self.condition(w) for w in one.when],
                [replace(point, label=labels[point.label]) for point in one.points],
            )
            for one, labels in zip(self.names, self.new, strict=True)
        ]


class Renaming:
    """From the names of some runs to those of a reference."""

    def __init__(self, runs: Mapping[str, Sequence[Named]], reference: Reference) -> None:
        """Runs: the names of each run; the newest decides what the reference leaves open."""
        groups: dict[str, _Group] = {}
        for run in sorted(runs, reverse=True):
            names = runs[run]
            mark = json.dumps(as_json(names))
            if mark not in groups:
                new = [{p.label: reference.label(one, p) for p in one.points} for one in names]
                groups[mark] = _Group([], names, new)
            groups[mark].runs.append(run)
        self._groups = list(groups.values())

    @property
    def is_needed(self) -> bool:
        """Whether any name is another."""
        return any(group.is_changed for group in self._groups)

    @property
    def columns(self) -> set[str]:
        """The fields with another name, and those that tell which settings have them."""
        found: set[str] = set()
        for group in self._groups:
            for named, labels in zip(group.names, group.new, strict=True):
                if any(old != new for old, new in labels.items()):
                    found.update((named.column, *(name for w in named.when for name in w)))
        return found

    def names(self) -> dict[str, list[Named]]:
        """The names of each run after that."""
        return {run: group.named() for group in self._groups for run in group.runs}

    def fields(self, runs: Mapping[str, Fields]) -> dict[str, Fields]:
        """Which fields the settings of each run have, by the new names."""
        made = dict(runs)
        for group in self._groups if self.is_needed else ():
            for run in group.runs:
                if run in made:
                    made[run] = {
                        column: [group.condition(one) for one in conditions]
                        for column, conditions in made[run].items()
                    }
        return made

    def applied(self, table: pa.Table) -> pa.Table:
        """Rows with the new names; they have the columns `columns` and their runs."""
        if not self.is_needed or not table.num_rows:
            return table
        owned, run, made = Owned(Rows.of_table(table)), table.column("run"), table
        for group in filter(lambda one: one.is_changed, self._groups):
            is_of = flat(pc.is_in(run, value_set=plain_array(group.runs, pa.string())))
            for named, labels in zip(group.names, group.new, strict=True):
                place = _place(table.schema, named.column)
                if place is not None and any(old != new for old, new in labels.items()):
                    mask = pc.and_(is_of, owned.holds(named.when, table.num_rows))
                    field = made.schema.field(place)
                    both = table.column(place), made.column(place)
                    column = _relabelled(*both, labels, mask, is_json=kind_of(field) == "json")
                    made = made.set_column(place, field, column)
        return made


def _place(schema: pa.Schema, column: str) -> int | None:
    """Where the column of a field stands."""
    wanted = PARAM + column
    return next((at for at, field in enumerate(schema) if source_of(field) == wanted), None)


def _relabelled(
    old: pa.ChunkedArray,
    made: pa.ChunkedArray,
    labels: Mapping[str, str],
    mask: pa.Array,
    *,
    is_json: bool,
) -> pa.ChunkedArray:
    """A column with new names where a mask holds."""
    form = old.type
    if not (pa.types.is_string(form) or pa.types.is_large_string(form)):
        return made
    write: Callable[[str], str] = to_json if is_json else str
    before = plain_array([write(one) for one in labels], pa.string()).cast(form)
    after = plain_array([write(one) for one in labels.values()], pa.string()).cast(form)
    place = pc.index_in(flat(old), value_set=before)
    mask = pc.and_(mask, pc.is_valid(place))
    return pa.chunked_array([pc.if_else(mask, after.take(place), flat(made))], form)


@dataclass(slots=True)
class Renamings:
    """From the names in the older table, and from those in ledgers, to the names of the table."""

    table: Renaming
    ledgers: Renaming
    named: list[dict[str, Any]] | None

    def of(self, run: str | None) -> Renaming:
        """The one for rows of a ledger, or of the older table, whose run is None."""
        return self.table if run is None else self.ledgers

    def names(self) -> dict[str, list[Named]]:
        """The names that rows of each run have in the table."""
        made, more = self.table.names(), self.ledgers.names()
        return {run: [*made.get(run, ()), *more.get(run, ())] for run in {**made, **more}}

    @classmethod
    def between(
        cls,
        old: Old | None,
        runs: Sequence[RunFolder],
        kept: Collection[str],
        names: Sequence[Named] | None,
    ) -> Renamings:
        """Between an older table and a newer one.

        Args:
            old: The older table, if there is one.
            runs: The runs whose ledgers are read.
            kept: The names of the runs that the newer table holds.
            names: The names that its rows get; None for those of the newest run.
        """
        recorded = {run.name: as_named(run.manifest().get(MEANINGS)) for run in runs}
        ledgers = {run: one for run, one in recorded.items() if one is not None}
        known = names_by_run(old.meanings if old else None)
        last, newest = as_named(old.named) if old else None, max(ledgers, default=None)
        named = names
        if named is None:
            named = last if newest is None else ledgers[newest]
        reference = Reference(named or (), last or ())
        after = Renaming(ledgers, reference)
        before = Renaming({run: x for run, x in known.items() if run in kept}, reference)
        is_known = named is not None or last is not None
        every = as_json(_merged(named or (), last or ())) if is_known else None
        return cls(before, after, every)


def _merged(named: Sequence[Named], more: Sequence[Named]) -> list[Named]:
    """Names, and those of fields that the first do not have."""
    known = {(one.column, one.owner) for one in named}
    return [*named, *(one for one in more if (one.column, one.owner) not in known)]


# ---- rows as they are read


def renamed_rows(rows: Rows, of: Any = None) -> Rows:
    """Rows with the names of the class as it is now, as far as it is known.

    Args:
        rows: Rows with the metadata of the table.
        of: The experiment's class, or the space; None where that is not known.
    """
    head = head_of(rows.schema)
    runs = names_by_run(head.get(MEANINGS))
    if not runs:
        return rows
    reference = Reference(_declared(of), as_named(head.get(NAMED)) or ())
    return _renamed(rows, head, Renaming(runs, reference))


def renamed_as(rows: pa.Table, other: pa.Table) -> pa.Table:
    """The rows of a run with the names that another run gives to the same points."""
    head = head_of(rows.schema)
    names = names_by_run(head_of(other.schema).get(MEANINGS)).values()
    renaming = Renaming(names_by_run(head.get(MEANINGS)), Reference(*names))
    return _renamed(Rows.of_table(rows), head, renaming).whole()


def _declared(of: Any) -> list[Named]:
    if of is None:
        return []
    return (
        declared_names(of)
        if isinstance(of, type)
        else [*declared_names(of), *declared_names(type(of))]
    )


def _renamed(rows: Rows, head: Mapping[str, object], renaming: Renaming) -> Rows:
    if not renaming.is_needed:
        return rows
    recorded = {
        **head,
        MEANINGS: together(renaming.names()),
        FIELDS_OF: told_apart(renaming.fields(fields_by_run(head.get(FIELDS_OF)))),
    }
    schema = rows.schema.with_metadata(
        {**metadata_of(rows.schema), HEAD: json.dumps(recorded).encode()}
    )
    sources = {source_of(field): field.name for field in schema}
    needed = [sources[PARAM + one] for one in renaming.columns if PARAM + one in sources]
    made = renaming.applied(rows.columns(*needed, "run"))

    def read(names: Sequence[str] | None) -> pa.Table:
        wanted: list[str] = list(schema.names if names is None else names)
        others = rows.whole() if names is None else rows.columns(*wanted)
        arrays = [made.column(n) if n in needed else others.column(n) for n in wanted]
        form = pa.schema([schema.field(n) for n in wanted], metadata=schema.metadata)
        return pa.Table.from_arrays(arrays, schema=form)

    return Rows(schema, read)
