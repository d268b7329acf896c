"""Brings `results.parquet` up to date: the newest outcome of every setting of an experiment.

Each setting has one row, or the rows of the data frame that it returned. They are in the order of
runs and, within a run, of the space; `schema` has the columns.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.errors import StoreError
from superparams.errors.units import counted
from superparams.errors.user_lines import warn_user
from superparams.outcomes.arrow import plain_scalar
from superparams.outcomes.columns import FORMAT
from superparams.store.json_values import shared_by_runs
from superparams.store.ledger.exclusions import NO_EXCLUSIONS, Exclusions
from superparams.store.ledger.reader import LedgerReader, LedgerWarning
from superparams.store.names.field_owners import (
    FIELDS_OF,
    Fields,
    fields_by_run,
    fields_from_json,
)
from superparams.store.names.meanings import MEANINGS, NamedPoints, names_to_head
from superparams.store.names.renames import NAMED, Renamings
from superparams.store.runs.folder import (
    LEFT_OVER_SECONDS,
    TABLE,
    RunFolder,
    part_of,
    replace_durably,
    run_folders,
)
from superparams.store.table import text_columns
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.column_order import ORDER_OF, checked_order, joined_orders
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.missing_records import lacks_records, table_holds
from superparams.store.table.newest_outcomes import Piece, Survey, in_groups, open_survey
from superparams.store.table.row_codes import code_places, codes_of_ledger
from superparams.store.table.schema import Column, columns_of, is_repetitive, recast, source_of
from superparams.store.table.table_file import (
    EMPTY_SEAL,
    GROUP_ROWS,
    HEAD,
    HELD,
    OUTCOME,
    outcome_column,
    seal,
    superparams_version,
)
from superparams.store.table.text_columns import ColumnType

DAMAGED = "results.damaged.parquet"
_TRIES: Final = 10  # to bring the table up to date while other runs end, too


class RecordedRows(NamedTuple):
    """The recorded rows of an experiment.

    Attributes:
        rows: The rows.
        notes: Notes on their columns.
        lost: Notes about rows that are in the table, but in no ledger any more.
    """

    rows: Rows
    notes: list[str]
    lost: list[str]


class TableOnDisk(NamedTuple):
    """A table that is up to date.

    Attributes:
        path: The file.
        rows: The number of its rows.
        notes: As in `RecordedRows`.
        lost: As in `RecordedRows`.
        runs: The bytes of each run's ledger that it holds.
        is_new: Whether it was written for this.
    """

    path: Path
    rows: int
    notes: list[str]
    lost: list[str]
    runs: Mapping[str, int]
    is_new: bool


class NotWritten(StoreError):
    """The table cannot be written; but all records can be read."""


def compact(
    root: Path,
    *,
    rebuild: bool = False,
    exclusions: Exclusions = NO_EXCLUSIONS,
    names: Sequence[NamedPoints] | None = None,
) -> TableOnDisk:
    """Bring `results.parquet` up to date with the ledgers of all runs in an experiment's folder.

    Only ledgers that the table does not hold yet are read. Other runs may do this at the same time.
    The one that renames its table last checks whether the table has all of its own records, and
    those of all runs that have ended.

    Args:
        root: The folder.
        rebuild: Make the table from the ledgers alone.
        exclusions: Outcomes to exclude from the table.
        names: The names of points for its rows; None for those of the newest run.

    Raises:
        StoreError: With the path, when it cannot be written; the old table then remains.
    """
    table = _compact(root, rebuild, exclusions, names)
    for _ in range(_TRIES):
        if not table.is_new or not lacks_records(root, table.runs, exclusions):
            break
        table = _compact(root, False, exclusions, names)
    return table


def read_back(root: Path, *, writes: bool = True) -> RecordedRows:
    """All rows of an experiment; the table is brought up to date if it may and can be written."""
    try:
        if not writes:
            return _in_memory(root)
        table = compact(root)
        recorded = RecordedRows(Rows.of_file(table.path), table.notes, table.lost)
        if not table_holds(recorded.rows.schema, table.runs):  # it was replaced
            recorded = _in_memory(root)
    except NotWritten as error:
        why = f"read from the ledgers into memory, since the table cannot be written: {error}"
        recorded = _in_memory(root, why)
    for note in recorded.lost:
        warn_user(f"{root}: {note}", LedgerWarning)
    return recorded


def _in_memory(root: Path, *notes: str) -> RecordedRows:
    with open_survey(root) as survey:
        plan = _planned(survey)
        rows, lost = Rows.of_table(_whole_table(plan)), list(survey.lost.notes())
        return RecordedRows(rows, [*plan.notes, *notes], lost)


def recorded_by(run: RunFolder) -> pa.Table:
    """The newest outcome of each setting in one run, also if later runs ran the setting again.

    The columns are those of a table of that run alone.
    """
    root = run.path.parent.parent
    others = frozenset(folder.name for folder in run_folders(root)) - {run.name}
    with open_survey(root, exclusions=Exclusions(others)) as survey:
        return _whole_table(_planned(survey))


def _whole_table(plan: _Plan) -> pa.Table:
    groups = list(_groups(plan, plan.schema)) if plan.pieces else []
    return pa.concat_tables(groups) if groups else plan.schema.empty_table()


def _compact(
    root: Path, rebuild: bool, exclusions: Exclusions, names: Sequence[NamedPoints] | None
) -> TableOnDisk:
    skip = names is None
    with open_survey(root, rebuild=rebuild, skip_current=skip, exclusions=exclusions) as survey:
        table = survey.table
        if table is not None and survey.is_table_current and not exclusions and names is None:
            survey.lost.count_in_table(table, survey.gone)
            lost = list(survey.lost.notes())
            return TableOnDisk(table.path, table.rows, table.notes, lost, survey.sizes, False)
        return _write(survey, names)


# ---- writing


@dataclass(slots=True)
class _Plan:
    """The contents of the new table."""

    survey: Survey
    newest: pa.Array  # whether each row of the survey is in it
    pieces: list[Piece]
    columns: list[Column]
    notes: list[str]
    fields: list[dict[str, Any]]
    order: list[str]
    renamings: Renamings
    held: dict[str, tuple[str, ...]]

    @property
    def schema(self) -> pa.Schema:
        head = {
            "version": FORMAT,
            "superparams": superparams_version(),
            "runs": self.survey.new_table_runs(),
            "codes": self.survey.codes,
            "notes": self.notes,
            "alone": self.survey.lost.beyond_ledger,
            FIELDS_OF: self.fields,
            ORDER_OF: self.order,
            MEANINGS: names_to_head(self.renamings.names()),
            NAMED: self.renamings.named,
            **({HELD: self.held} if self.held else {}),
        }
        outcome = [pa.field(name, form) for name, form in OUTCOME.items()]
        fields = [*(column.field for column in self.columns), *outcome]
        return pa.schema(fields, metadata={HEAD: json.dumps(head).encode()})

    def mask(self, piece: Piece) -> pa.Array:
        """Whether each row of a piece is in the table."""
        return self.newest.slice(piece.start, piece.rows)


def _planned(survey: Survey, names: Sequence[NamedPoints] | None = None) -> _Plan:
    newest = survey.newest()
    codes = code_places(survey.row_codes)[1] if survey.has_setting_codes else []
    held = {code: x for code, x in survey.held.items() if code in codes}
    survey.release_arrays()
    pieces = [x for x in survey.pieces if newest.slice(x.start, x.rows).true_count]
    notes = list(survey.table.notes) if survey.table else []
    new_runs = [run for run in survey.runs if run.name not in survey.table_runs]
    orders = [run.manifest().get(ORDER_OF) for run in reversed(new_runs)]
    orders.append(survey.table.order if survey.table else None)
    order = joined_orders(map(checked_order, orders))  # that of the newest run counts
    columns = columns_of(survey, pieces, notes, order)
    notes = list(dict.fromkeys(notes))
    read = {piece.run for piece in pieces}
    runs = [run for run in survey.runs if run.name in read]
    renamings = Renamings.between(survey.table, runs, survey.new_table_runs(), names)
    fields = _fields(survey, new_runs, renamings)
    return _Plan(survey, newest, pieces, columns, notes, fields, order, renamings, held)


def _fields(
    survey: Survey, new_runs: Sequence[RunFolder], renamings: Renamings
) -> list[dict[str, Any]]:
    """The fields of the settings of each run, as the table or the run itself recorded them."""
    of_table = fields_by_run(survey.table.fields if survey.table else None)
    recorded = {run.name: fields_from_json(run.manifest().get(FIELDS_OF)) for run in new_runs}
    of_runs: dict[str, Fields] = {run: x for run, x in recorded.items() if x is not None}
    fields = renamings.table.fields(of_table) | renamings.ledgers.fields(of_runs)
    runs = survey.new_table_runs()
    return shared_by_runs({run: x for run, x in fields.items() if run in runs}, FIELDS_OF)


def _write(survey: Survey, names: Sequence[NamedPoints] | None) -> TableOnDisk:
    path = survey.root / TABLE
    if survey.not_readable is not None:
        raise NotWritten(
            f"{path} is not replaced, since it cannot be read and may hold rows that no ledger "
            f"has: {survey.not_readable}; make it readable, or remove it"
        )
    plan = _planned(survey, names)
    unfinished = part_of(path)
    try:
        _remove_left_over(path)
        rows = _write_parquet(unfinished, plan)
        if survey.is_damaged:  # it may hold rows of runs whose folder is gone
            path.with_name(DAMAGED).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not all file systems have a second name
                os.link(path, path.with_name(DAMAGED))
        replace_durably(unfinished, path)
    except OSError as error:
        raise NotWritten(
            f"cannot write {path} ({counted(survey.rows, 'row')}): {error}; the ledgers in "
            f"{survey.root / 'runs'} hold all outcomes, and the next run makes the table from them"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return TableOnDisk(path, rows, plan.notes, list(survey.lost.notes()), survey.sizes, True)


def _remove_left_over(path: Path) -> None:
    for unfinished in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - unfinished.stat().st_mtime > LEFT_OVER_SECONDS:
                unfinished.unlink()


def _write_parquet(path: Path, plan: _Plan) -> int:
    schema = plan.schema
    rows = 0
    with open(path, "w+b") as file:
        with parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in schema if is_repetitive(field)],
            write_page_checksum=True,
        ) as writer:
            for table in _groups(plan, schema):
                writer.write_table(table, row_group_size=GROUP_ROWS)
                rows += table.num_rows
            writer.add_key_value_metadata(EMPTY_SEAL)
        seal(file)
        file.flush()
        os.fsync(file.fileno())
    return rows


def _groups(plan: _Plan, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of the table in order, as tables of some 65,536 rows."""
    places = {run: place for place, run in enumerate(plan.survey.run_names())}
    order = sorted(plan.pieces, key=lambda x: (places.get(x.run or "", -1), x.first, x.start))
    with LedgerReader() as reader:
        for pieces in in_groups(order, lambda piece: plan.mask(piece).true_count):
            files: dict[tuple[str | None, Path], list[Piece]] = {}
            for piece in pieces:
                files.setdefault((piece.run, piece.path), []).append(piece)
            tables = [_rows(plan, reader, of_file, schema) for of_file in files.values()]
            yield _in_order(pa.concat_tables(tables), {piece.run for piece in pieces})


def _in_order(table: pa.Table, runs: set[str | None]) -> pa.Table:
    """Rows by run and, within a run, by their place in its space, as those of a piece mostly are.

    An older table has that order.
    """
    if len(runs) == 1:
        steps = pc.pairwise_diff(flat(table.column("index")))
        if runs == {None} or (pc.min(steps).as_py() or 0) >= 0:
            return table
    return table.sort_by([("run", "ascending"), ("index", "ascending"), ("row", "ascending")])


def _rows(
    plan: _Plan, reader: LedgerReader, pieces: Sequence[Piece], schema: pa.Schema
) -> pa.Table:
    """The newest rows of pieces of one file, in the columns of the table."""
    fields = plan.survey.schemas[pieces[0].path]
    batches = [batch for piece in pieces for batch in plan.survey.load(reader, piece)]
    table = pa.Table.from_batches(batches)
    mask = pa.concat_arrays([plan.mask(piece) for piece in pieces])
    if mask.true_count < len(mask):
        table = table.filter(mask)
    table = table.combine_chunks()
    spilled = text_columns.SPILLED in table.column_names
    cells = text_columns.spilled_rows(table) if spilled else []
    places = {source_of(field): place for place, field in enumerate(fields)}
    arrays: list[pa.Array] = []
    for column in plan.columns:
        if cells:
            arrays.append(_unspilled(cells, column, plan))
        elif column.source in places:
            place = places[column.source]
            own = ColumnType.of(fields.field(place))
            arrays.append(recast(flat(table.column(place)), own, column.type))
        else:
            arrays.append(pa.nulls(table.num_rows, column.type.type))
    arrays.extend(_outcome(table, pieces[0].run, plan, name) for name in OUTCOME)
    rows = pa.Table.from_arrays(arrays, schema=schema)
    return plan.renamings.of(pieces[0].run).applied(rows)


def _unspilled(rows: Sequence[text_columns.SpilledRow], column: Column, plan: _Plan) -> pa.Array:
    form = column.type.type
    if column.source == text_columns.MORE:
        columns = {x.source for x in plan.columns}
        return pa.array([text_columns.more(row, columns) for row in rows], form)
    null = pa.nulls(1, form)
    arrays = [
        null
        if cell is None
        else recast(text_columns.value_of(cell), text_columns.type_of(cell), column.type)
        for cell in (row.get(column.source) for row in rows)
    ]
    return flat(pa.chunked_array(arrays, form))


def _outcome(table: pa.Table, run: str | None, plan: _Plan, name: str) -> pa.Array:
    """A column of OUTCOME, as the ledger or the older table (whose run is None) has it."""
    form = OUTCOME[name]
    if run is not None and name == "run":
        return pa.repeat(plain_scalar(run, form), table.num_rows)
    if run is not None and name == "code":
        return codes_of_ledger(table, plan.survey.codes.get(run))
    column = flat(outcome_column(table, name))
    if run is not None and name == "started":
        micros = pc.round(pc.multiply(column, plain_scalar(1e6, pa.float64())))
        return pc.cast(pc.cast(micros, pa.int64()), form)
    return column
