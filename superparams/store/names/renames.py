"""Shows the rows of all runs by one set of names, also if points had other names when they ran."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.outcomes.arrow import kind_of, metadata_of, plain_array, to_json
from superparams.store.json_values import shared_by_runs
from superparams.store.names.field_owners import (
    FIELDS_OF,
    Condition,
    FieldOwners,
    Fields,
    fields_by_run,
)
from superparams.store.names.meanings import (
    MEANINGS,
    NamedPoints,
    Point,
    Reference,
    declared_names,
    name_groups,
    names_from_json,
    names_to_head,
    names_to_json,
)
from superparams.store.runs.folder import TABLE, RunFolder, run_folders
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.column_order import PARAM
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.schema import source_of
from superparams.store.table.table_file import HEAD, TableFile, head_of, open_table

__all__ = ["NAMED", "Renaming", "Renamings", "renamed_as", "renamed_rows", "renamed_since"]

NAMED: Final = "named"  # in the metadata of the table: the names that its rows have
MOST_CHANGES: Final = 4  # that a note tells


@dataclass(frozen=True)
class _RunGroup:
    """Runs with the same names, and the new name for each old name."""

    runs: list[str]
    names: Sequence[NamedPoints]
    labels: Sequence[Mapping[str, str]]

    def changes(self) -> Iterator[tuple[NamedPoints, Mapping[str, str]]]:
        """The fields with changed names, and the new name for each old name."""
        for field, labels in zip(self.names, self.labels, strict=True):
            if any(old != new for old, new in labels.items()):
                yield field, labels

    def renamed_condition(self, condition: Condition) -> Condition:
        """A condition on old names as one on the new names."""
        renamed = dict(condition)
        for field, labels in zip(self.names, self.labels, strict=True):
            label = labels.get(condition.get(field.column, ""))
            if label is not None and any(x.items() <= condition.items() for x in field.conditions):
                renamed[field.column] = label
        return renamed

    def renamed(self) -> list[NamedPoints]:
        return [
            NamedPoints(
                field.column,
                field.owner,
                [self.renamed_condition(condition) for condition in field.conditions],
                [replace(point, label=labels[point.label]) for point in field.points],
            )
            for field, labels in zip(self.names, self.labels, strict=True)
        ]


class Renaming:
    """Translates the names of some runs to those of a reference."""

    def __init__(self, runs: Mapping[str, Sequence[NamedPoints]], reference: Reference) -> None:
        """Runs: the names of each run; the newest decides what the reference leaves open."""
        groups: dict[str, _RunGroup] = {}
        for run in sorted(runs, reverse=True):
            names = runs[run]
            key = json.dumps(names_to_json(names))
            if key not in groups:
                labels = [
                    {x.label: reference.label(field, x) for x in field.points} for field in names
                ]
                groups[key] = _RunGroup([], names, labels)
            groups[key].runs.append(run)
        self._groups = list(groups.values())
        self._changed = [group for group in self._groups if next(group.changes(), None)]

    @property
    def is_needed(self) -> bool:
        """Whether any name has changed."""
        return bool(self._changed)

    @property
    def columns(self) -> set[str]:
        """The fields with other names, and the fields on which their conditions depend."""
        columns: set[str] = set()
        for group in self._changed:
            for field, _ in group.changes():
                columns.update((field.column, *(name for x in field.conditions for name in x)))
        return columns

    def names(self) -> dict[str, list[NamedPoints]]:
        """The new names of each run."""
        return {run: group.renamed() for group in self._groups for run in group.runs}

    def fields(self, runs: Mapping[str, Fields]) -> dict[str, Fields]:
        """Which fields the settings of each run have, by the new names."""
        fields = dict(runs)
        for group in self._groups if self.is_needed else ():
            for run in group.runs:
                if run in fields:
                    fields[run] = {
                        column: [group.renamed_condition(condition) for condition in conditions]
                        for column, conditions in fields[run].items()
                    }
        return fields

    def applied(self, table: pa.Table) -> pa.Table:
        """Rows with the new names; they have the columns `columns` and their runs."""
        if not self.is_needed or not table.num_rows:
            return table
        owners, run, renamed = FieldOwners(Rows.of_table(table)), table.column("run"), table
        places = {source_of(field): number for number, field in enumerate(table.schema)}
        for group in self._changed:
            is_of_group = flat(pc.is_in(run, value_set=plain_array(group.runs, pa.string())))
            for named, labels in group.changes():
                place = places.get(PARAM + named.column)
                if place is not None:
                    mask = pc.and_(is_of_group, owners.meets(named.conditions, table.num_rows))
                    field = table.schema.field(place)
                    write = to_json if kind_of(field) == "json" else str
                    texts = {write(old): write(new) for old, new in labels.items()}
                    column = _relabelled(table.column(place), renamed.column(place), texts, mask)
                    renamed = renamed.set_column(place, field, column)
        return renamed


def _relabelled(
    old: pa.ChunkedArray, new: pa.ChunkedArray, texts: Mapping[str, str], mask: pa.Array
) -> pa.ChunkedArray:
    """A column, with the new texts of the old ones where a mask holds."""
    form = old.type
    if not (pa.types.is_string(form) or pa.types.is_large_string(form)):
        return new
    before, after = (
        plain_array(list(x), pa.string()).cast(form) for x in (texts.keys(), texts.values())
    )
    place = pc.index_in(flat(old), value_set=before)
    mask = pc.and_(mask, pc.is_valid(place))
    return pa.chunked_array([pc.if_else(mask, after.take(place), flat(new))], form)


@dataclass(slots=True)
class Renamings:
    """Translates the names in the older table and in ledgers to the names of the new table."""

    table: Renaming
    ledgers: Renaming
    named: list[dict[str, Any]] | None

    def of(self, run: str | None) -> Renaming:
        """The renaming for rows of a run's ledger; with None, for rows of the older table."""
        return self.table if run is None else self.ledgers

    def names(self) -> dict[str, list[NamedPoints]]:
        """The names that rows of each run have in the table."""
        older, newer = self.table.names(), self.ledgers.names()
        return {run: [*older.get(run, ()), *newer.get(run, ())] for run in {**older, **newer}}

    @classmethod
    def between(
        cls,
        table: TableFile | None,
        runs: Sequence[RunFolder],
        run_names: Collection[str],
        names: Sequence[NamedPoints] | None,
    ) -> Renamings:
        """Between an older table and a newer one.

        Args:
            table: The older table, if there is one.
            runs: The runs whose ledgers are read.
            run_names: The names of the runs that the newer table holds.
            names: The names that its rows get; None for those of the newest run.
        """
        recorded = {run.name: names_from_json(run.manifest().get(MEANINGS)) for run in runs}
        ledgers = {run: x for run, x in recorded.items() if x is not None}
        last = names_from_json(table.named) if table else None
        if names is None:
            names = ledgers[max(ledgers)] if ledgers else last
        reference = Reference(names or (), last or ())
        after = Renaming(ledgers, reference)
        by_run = _by_run(table.meanings if table else None)
        before = Renaming({run: x for run, x in by_run.items() if run in run_names}, reference)
        if names is None and last is None:
            return cls(before, after, None)
        fields = {(field.column, field.owner) for field in names or ()}
        others = [field for field in last or () if (field.column, field.owner) not in fields]
        return cls(before, after, names_to_json([*(names or ()), *others]))


def _by_run(groups: object) -> dict[str, list[NamedPoints]]:
    return {run: names for runs, names in name_groups(groups) for run in runs}


# ---- rows as they are read


def renamed_rows(rows: Rows, experiment: object = None) -> Rows:
    """Rows with the present names of the class, if the class is known.

    Args:
        rows: Rows with the metadata of the table.
        experiment: The experiment's class, or the space; None if that is not known.
    """
    head = head_of(rows.schema)
    runs = _by_run(head.get(MEANINGS))
    if not runs:
        return rows
    names = [] if experiment is None else declared_names(experiment)
    if experiment is not None and not isinstance(experiment, type):
        names += declared_names(type(experiment))
    reference = Reference(names, names_from_json(head.get(NAMED)) or ())
    return _renamed(rows, head, Renaming(runs, reference))


def renamed_as(rows: pa.Table, other: pa.Table) -> pa.Table:
    """The rows of a run with the names that another run gives to the same points."""
    head = head_of(rows.schema)
    names = _by_run(head_of(other.schema).get(MEANINGS)).values()
    renaming = Renaming(_by_run(head.get(MEANINGS)), Reference(*names))
    return _renamed(Rows.of_table(rows), head, renaming).whole()


def _renamed(rows: Rows, head: Mapping[str, object], renaming: Renaming) -> Rows:
    if not renaming.is_needed:
        return rows
    new_head = {
        **head,
        MEANINGS: names_to_head(renaming.names()),
        FIELDS_OF: shared_by_runs(renaming.fields(fields_by_run(head.get(FIELDS_OF))), FIELDS_OF),
    }
    schema = rows.schema.with_metadata(
        {**metadata_of(rows.schema), HEAD: json.dumps(new_head).encode()}
    )
    columns = {source_of(field): field.name for field in schema}
    changed = [columns[PARAM + name] for name in renaming.columns if PARAM + name in columns]
    renamed = renaming.applied(rows.columns(*changed, "run"))

    def read(names: Sequence[str] | None) -> pa.Table:
        selected: list[str] = list(schema.names if names is None else names)
        others = rows.whole() if names is None else rows.columns(*selected)
        arrays = [renamed.column(n) if n in changed else others.column(n) for n in selected]
        form = pa.schema([schema.field(n) for n in selected], metadata=schema.metadata)
        return pa.Table.from_arrays(arrays, schema=form)

    return Rows(schema, read)


# ---- names that changed since the last run


def renamed_since(root: Path, space: object) -> tuple[list[NamedPoints] | None, list[str]]:
    """The names of the class if they differ from those of the table, and a note about that.

    Args:
        root: The folder of the experiment.
        space: The space that is about to run.
    """
    recorded = _names_of_last(root)
    names = [*declared_names(type(space)), *declared_names(space)]
    if recorded is None and any(field.points for field in names):
        return names, [
            "an older version recorded the last run without the meanings of the names of points: "
            f"if {type(space).__name__} has renamed points since, rows of that run have wrong "
            "names; run them again with resume=False then"
        ]
    points: dict[tuple[str, str], list[Point]] = {}
    for field in names:
        points.setdefault((field.column, field.owner), []).extend(field.points)
    changes: dict[str, None] = {}
    for field in recorded or ():
        for point in field.points:
            change = _change(point, points.get((field.column, field.owner), []))
            changes |= {f"{field.column}: {change}": None} if change else {}
    if not changes:
        return None, []
    shown = "; ".join([*list(changes)[:MOST_CHANGES], *(["…"] * (len(changes) > MOST_CHANGES))])
    return names, [
        f"names of points have changed: {shown}. Every row is shown by the name that its value has "
        "now, and by its old name with the value where a new value has that name. If you did not "
        f"mean this, restore the names in {type(space).__name__}"
    ]


def _names_of_last(root: Path) -> list[NamedPoints] | None:
    """The names in the table, or those of the last run; None if neither has names."""
    try:
        table = open_table(root / TABLE, verify=False)
    except OSError:
        table = None
    names = None
    if table is not None:
        names = names_from_json(table.named)
        table.close()
    if names is None:
        last = next(reversed(run_folders(root)), None)
        names = None if last is None else names_from_json(last.manifest().get(MEANINGS))
    return names


def _change(old: Point, points: Sequence[Point]) -> str:
    """How the name of a point differs from the present names, as text; empty without a change."""
    same = old.matches_among(points)
    if any(point.name == old.name for point in same):
        return ""
    other = next((point for point in points if point.name == old.name), None)
    if other is not None:
        return f"{old.name!r} was {old.text} and is {other.text} now"
    return f"{old.text} was {old.name!r} and is {same[0].name!r} now" if same else ""
