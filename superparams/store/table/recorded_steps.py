"""The steps that belong to rows, read from the folders of their runs.

A step belongs to a row if it was recorded in the attempt that made the row. Those of earlier
attempts are superseded, and so are those of earlier runs. A setting whose worker died before its
outcome was sent runs again in the same attempt: of its steps, those recorded last count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors.units import counted
from superparams.errors.user_lines import warn_user
from superparams.outcomes.arrow import make_field, metadata_of, plain_array, plain_scalar
from superparams.outcomes.step_batches import FIELD, STEP_META
from superparams.store.ledger.reader import Entry, LedgerWarning, ledger_files, read_file
from superparams.store.runs.folder import RunFolder
from superparams.store.table import text_columns
from superparams.store.table.arrow_arrays import flat, joined
from superparams.store.table.schema import common_type, note_of_types, recast
from superparams.store.table.text_columns import ColumnType

__all__ = [
    "NOTE",
    "OWN",
    "StepBatch",
    "StepRows",
    "owners_of",
    "steps_in_order",
    "steps_of_rows",
    "steps_of_settings",
]

# The columns of every step in the table of steps, after the parameters and the fields.
OWN: Final[tuple[str, ...]] = ("step", "seconds", "attempt", "key", "run", "code")
NOTE: Final = b"superparams.note"  # field metadata: a note for the user
Cells = dict[str, tuple[pa.Array, ColumnType]]  # the fields of some steps, by name


class StepBatch(NamedTuple):
    """Steps as in a ledger, each with the sequence number of its batch."""

    order: pa.Array
    batch: pa.RecordBatch


class StepRows(NamedTuple):
    """Some steps: the places of the rows that they belong to, and their columns."""

    owners: pa.Array
    order: pa.Array  # the sequence number of their batch
    step: pa.Array
    seconds: pa.Array
    fields: Cells
    are_all_there: bool  # whether each step has all of the fields


def owners_of(rows: pa.Table) -> pa.Table:
    """The rows that steps may belong to: one row for each setting, even if it has several.

    Args:
        rows: Rows of results with the columns `run`, `index`, `attempt` and `n_steps`.
    """
    first: dict[tuple[str, int], int] = {}
    keys = zip(rows.column("run").to_pylist(), rows.column("index").to_pylist(), strict=True)
    for place, key in enumerate(keys):
        first.setdefault(key, place)
    if len(first) == rows.num_rows:
        return rows
    return rows.take(plain_array(list(first.values()), pa.int64()))


def steps_of_rows(root: Path, owners: pa.Table) -> pa.Table:
    """The steps of rows, in the order of the rows: `owner` is the place of a row in `owners`.

    Columns `step` and `seconds` follow, and then the fields, as ``step.<name>``. Warns if some of
    the steps are gone.

    Args:
        root: The folder of the experiment.
        owners: The rows that `owners_of` returned.
    """
    table = _joined([rows for run in _runs(owners) for rows in _of_run(root, run, owners)], owners)
    _warn_of_lost(root, owners, table.num_rows)
    return table


def steps_of_settings(batches: Iterable[StepBatch], owners: pa.Table) -> pa.Table:
    """The steps of settings of one run, as `steps_of_rows` returns them.

    Args:
        batches: The steps of the run, as its ledger has them.
        owners: The settings, with the columns `index`, `attempt` and `n_steps`.
    """
    places = plain_array(list(range(owners.num_rows)), pa.int64())
    return _joined(list(_in_batches(batches, owners, places)), owners)


def _joined(batches: list[StepRows], owners: pa.Table) -> pa.Table:
    """Steps as one table, in the order of the rows that they belong to."""
    types: dict[str, list[tuple[pa.Array, ColumnType]]] = {name: [] for name in _names(batches)}
    for rows in batches:
        for name, column in rows.fields.items():
            types[name].append(column)
    chosen = {
        name: common_type(dict.fromkeys(form for _, form in columns), columns)
        for name, columns in types.items()
    }
    meta = [("owner", pa.int64()), ("order", pa.int64())]
    meta += [(name, STEP_META[name]) for name in ("step", "seconds")]
    arrays = [
        joined([rows[place] for rows in batches], form) for place, (_, form) in enumerate(meta)
    ]
    arrays += [
        joined([_cells(rows, name, x) for rows in batches], x.type) for name, x in chosen.items()
    ]
    fields = [pa.field(name, form) for name, form in meta]
    fields += [_field(name, x, types[name]) for name, x in chosen.items()]
    table = _without_repeated(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), owners)
    return table.sort_by([("owner", "ascending"), ("step", "ascending")])


def _field(
    name: str, chosen: ColumnType, columns: Sequence[tuple[pa.Array, ColumnType]]
) -> pa.Field:
    """The field of a column of steps, with a note if values of several types became JSON text."""
    field = make_field(name, chosen.type, chosen.kind)
    note = note_of_types(name.removeprefix(FIELD), chosen, [form for _, form in columns])
    if note is None:
        return field
    return field.with_metadata({**metadata_of(field), NOTE: note.encode()})


def _without_repeated(table: pa.Table, owners: pa.Table) -> pa.Table:
    """The steps, without those that a setting repeated in the same attempt."""
    counts = pc.value_counts(table.column("owner"))
    owner, n_found = counts.field("values"), counts.field("counts")
    n_recorded = pc.coalesce(owners.column("n_steps").combine_chunks().take(owner), n_found)
    if pc.any(pc.greater(n_found, n_recorded)).as_py():
        table = table.sort_by([("owner", "ascending"), ("order", "ascending")])
        n_left = dict(zip(owner.to_pylist(), n_recorded.to_pylist(), strict=True))
        mask: list[bool] = []
        for place in reversed(table.column("owner").to_pylist()):
            n_left[place] -= 1
            mask.append(n_left[place] >= 0)
        table = table.filter(plain_array(mask[::-1], pa.bool_()))
    return table.drop_columns(["order"])


def _warn_of_lost(root: Path, owners: pa.Table, n_found: int) -> None:
    n_recorded: int = pc.sum(owners.column("n_steps")).as_py() or 0
    if n_found < n_recorded:
        warn_user(
            f"{root}: {counted(n_recorded - n_found, 'step')} of {n_recorded:,} cannot be read: "
            "the folder of their run is gone, or damaged",
            LedgerWarning,
        )


def _runs(owners: pa.Table) -> Iterable[str]:
    names: list[str] = owners.column("run").unique().to_pylist()
    return sorted(names)


def _of_run(root: Path, name: str, owners: pa.Table) -> Iterator[StepRows]:
    """The steps that one run recorded of these rows."""
    run = RunFolder(root / "runs" / name)
    files = ledger_files(run.steps)
    if not files:
        return
    places = pc.indices_nonzero(flat(pc.equal(owners.column("run"), pa.scalar(name))))
    is_growing = run.state() == "running"
    entries = (entry for path in files for entry in read_file(path, growing=is_growing))
    yield from _in_batches(map(steps_in_order, entries), owners, places)


def steps_in_order(entry: Entry) -> StepBatch:
    """The steps of a batch of a ledger, with their order."""
    order = pa.repeat(plain_scalar(entry.seq, pa.int64()), entry.batch.num_rows)
    return StepBatch(order, entry.batch)


def _in_batches(
    batches: Iterable[StepBatch], owners: pa.Table, places: pa.Array
) -> Iterator[StepRows]:
    """The steps of some rows of one run."""
    settings = owners.select(["index", "attempt"]).take(places).combine_chunks()
    index, attempt = flat(settings.column("index")), flat(settings.column("attempt"))
    for order, batch in batches:
        place = pc.index_in(batch.column("index"), value_set=index)
        counts = _counts(batch, attempt.take(place))
        batch, place, order = batch.filter(counts), place.filter(counts), order.filter(counts)
        if batch.num_rows:
            owner = pc.cast(places.take(place), pa.int64())
            step, seconds = batch.column("step"), batch.column("seconds")
            are_all_there = text_columns.SPILLED not in batch.schema.names
            yield StepRows(owner, order, step, seconds, _fields(batch), are_all_there)


def _names(batches: Sequence[StepRows]) -> list[str]:
    """The names of the fields in the order of the settings, whichever setting ran first."""
    first: dict[str, tuple[int, int, int]] = {}
    for rows in batches:
        places = list(zip(rows.owners.to_pylist(), rows.step.to_pylist(), strict=True))
        for number, (name, (column, _)) in enumerate(rows.fields.items()):
            having = places
            if not rows.are_all_there and column.null_count < len(column):
                are_given: list[bool] = pc.is_valid(column).to_pylist()
                having = [
                    place for place, is_given in zip(places, are_given, strict=True) if is_given
                ]
            place = *min(having), number
            first[name] = min(place, first.get(name, place))
    return sorted(first, key=first.__getitem__)


def _counts(batch: pa.RecordBatch, attempt: pa.Array) -> pa.Array:
    """Whether each step counts for a row of this attempt; null for a setting without a row.

    An attempt starts over, so that the steps of the attempts before it are superseded.
    """
    return pc.equal(batch.column("attempt"), attempt)


def _fields(batch: pa.RecordBatch) -> Cells:
    if text_columns.SPILLED in batch.schema.names:
        return _unspilled(text_columns.spilled_rows(batch))
    return {
        field.name: (column, ColumnType.of(field))
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if field.name.startswith(FIELD)
    }


def _unspilled(rows: Sequence[text_columns.SpilledRow]) -> Cells:
    """Fields that were written as text."""
    columns: Cells = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        cells = [row.get(name) for row in rows]
        typed = [
            None if cell is None else (text_columns.value_of(cell), text_columns.type_of(cell))
            for cell in cells
        ]
        values = [value for value in typed if value is not None]
        form = common_type(dict.fromkeys(value for _, value in values), values)
        nothing = pa.nulls(1, form.type)
        parts = [nothing if value is None else recast(*value, form) for value in typed]
        columns[name] = pa.concat_arrays(parts), form
    return columns


def _cells(rows: StepRows, name: str, form: ColumnType) -> pa.Array:
    if name not in rows.fields:
        return pa.nulls(len(rows.step), form.type)
    return recast(*rows.fields[name], form)
