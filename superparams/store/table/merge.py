"""`results.parquet`: the newest outcome of every setting of an experiment, in one table.

One row a setting (or as many as the data frame that it returned), in the order of runs and, within
a run, of the space; the columns are told in `schema`.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet

from superparams.errors import StoreError
from superparams.errors.units import counted
from superparams.outcomes.arrow import kind_of, plain_scalar
from superparams.outcomes.columns import FORMAT
from superparams.store.ledger.exclusions import ALL, Without
from superparams.store.ledger.reader import LedgerReader
from superparams.store.names.field_owners import (
    FIELDS_OF,
    Fields,
    checked,
    fields_by_run,
    told_apart,
)
from superparams.store.names.meanings import MEANINGS, Named
from superparams.store.names.meanings import together as meanings_together
from superparams.store.names.renames import NAMED, Renamings
from superparams.store.runs.folder import (
    LEFT_OVER_SECONDS,
    TABLE,
    RunFolder,
    part_of,
    replace_durably,
    run_folders,
)
from superparams.store.table import checksum, text_columns
from superparams.store.table.column_order import ORDER_OF, checked_order, joined_orders
from superparams.store.table.column_types import Form, recast
from superparams.store.table.newest_outcomes import Piece, Survey, survey, together
from superparams.store.table.schema import Column, columns_of, is_repetitive, source_of
from superparams.store.table.table_file import (
    GROUP_ROWS,
    HEAD,
    OUTCOME,
    open_table,
    outcome_column,
    superparams_version,
)

DAMAGED = "results.damaged.parquet"


class Written(NamedTuple):
    """A table that stands on disk, and what there is to say of its columns."""

    path: Path
    rows: int
    notes: list[str]
    lost: list[str]  # what there is to say of rows that no ledger has any more


class NotWritten(StoreError):
    """The table cannot be written; what is recorded can be read all the same."""


class Folded(NamedTuple):
    """A table in memory, and what there is to say of it."""

    table: pa.Table
    notes: list[str]
    lost: list[str]


def compact(
    root: Path,
    *,
    rebuild: bool = False,
    without: Without = ALL,
    names: Sequence[Named] | None = None,
) -> Written:
    """Bring `results.parquet` up to date with the ledgers of all runs in an experiment's folder.

    Only ledgers that the table does not hold yet are read. Another run may do the same at once:
    whoever renames last looks again whether something is missing. rebuild: from the ledgers alone.
    without: outcomes that are left out of the table, as they have been of the ledgers. names: the
    names of points that its rows get, and those of the newest run if they are not given. Raises
    StoreError, with the path, when it cannot be written; the old table then stands.
    """
    written = _compact(root, rebuild, without, names)
    for _ in range(5):
        mine, _ = written
        if not _is_behind(root / TABLE, mine):
            break
        written = _compact(root, False, without, names)
    return written[1]


def folded(root: Path) -> Folded:
    """What `compact` would write, in memory: for a folder that may only be read."""
    with survey(root) as found:
        plan = _planned(found)
        return Folded(_whole_table(plan), plan.notes, list(found.lost.notes()))


def recorded_by(run: RunFolder) -> pa.Table:
    """The newest outcome of each setting that one run recorded, whatever came later.

    In the columns that the table of that run alone would have.
    """
    root = run.path.parent.parent
    others = frozenset(one.name for one in run_folders(root)) - {run.name}
    with survey(root, without=Without(others)) as found:
        return _whole_table(_planned(found))


def _whole_table(plan: _Plan) -> pa.Table:
    groups = list(_groups(plan, plan.schema)) if plan.pieces else []
    return pa.concat_tables(groups) if groups else plan.schema.empty_table()


def _compact(
    root: Path, rebuild: bool, without: Without, names: Sequence[Named] | None
) -> tuple[Mapping[str, int], Written]:
    with survey(root, rebuild=rebuild, glance=names is None, without=without) as found:
        old = found.old
        if old is not None and found.is_fresh and not without and names is None:
            found.lost.of_table(old, found.gone)
            return old.runs, Written(old.path, old.rows, old.notes, list(found.lost.notes()))
        return found.sizes, _write(found, names)


def _is_behind(path: Path, mine: Mapping[str, int]) -> bool:
    """Whether another process put a table in place that lacks something of this one's."""
    try:
        table = open_table(path, verify=False)
    except OSError:
        return False  # not something that writing again would mend
    if table is None:
        return True
    table.close()
    return any(table.runs.get(run, -1) < size for run, size in mine.items())


# ---- writing


@dataclass(slots=True)
class _Plan:
    """What the table is made of."""

    found: Survey
    kept: pa.Array
    pieces: list[Piece]
    columns: list[Column]
    notes: list[str]
    fields: list[dict[str, Any]]
    order: list[str]
    renamings: Renamings

    @property
    def schema(self) -> pa.Schema:
        head = {
            "version": FORMAT,
            "superparams": superparams_version(),
            "runs": self.found.sizes_all(),
            "codes": self.found.codes,
            "notes": self.notes,
            "alone": self.found.lost.alone,
            FIELDS_OF: self.fields,
            ORDER_OF: self.order,
            MEANINGS: meanings_together(self.renamings.names()),
            NAMED: self.renamings.named,
        }
        outcome = [pa.field(name, form) for name, form in OUTCOME.items()]
        fields = [*(column.field for column in self.columns), *outcome]
        return pa.schema(fields, metadata={HEAD: json.dumps(head).encode()})


def _planned(found: Survey, names: Sequence[Named] | None = None) -> _Plan:
    kept = found.kept()
    found.forget()
    pieces = [piece for piece in found.pieces if _any_kept(kept, piece)]
    notes = list(found.old.notes) if found.old else []
    order = _order(found)
    columns = columns_of(found, pieces, notes, order)
    notes = list(dict.fromkeys(notes))
    read = {piece.run for piece in pieces}
    runs = [run for run in found.runs if run.name in read]
    renamings = Renamings.between(found.old, runs, found.sizes_all(), names)
    fields = _fields(found, renamings)
    return _Plan(found, kept, pieces, columns, notes, fields, order, renamings)


def _order(found: Survey) -> list[str]:
    """The order of the columns of parameters: that of the newest run counts."""
    older = found.old.order if found.old else None
    return joined_orders(map(checked_order, (*_newer(found, ORDER_OF)[::-1], older)))


def _newer(found: Survey, name: str) -> list[Any]:
    """What the runs tell that the table does not have, oldest first."""
    known = found.old.runs if found.old else {}
    return [run.manifest().get(name) for run in found.runs if run.name not in known]


def _fields(found: Survey, renamings: Renamings) -> list[dict[str, Any]]:
    """Which fields the settings of each run have: as the table tells, or the run itself."""
    old = found.old
    of_table = fields_by_run(old.fields if old else None)
    told: dict[str, Fields | None] = {**renamings.table.fields(of_table)}
    known = old.runs if old else {}
    for run in found.runs:
        if run.name not in known:
            fields = checked(run.manifest().get(FIELDS_OF))
            told[run.name] = (
                None if fields is None else renamings.ledgers.fields({run.name: fields})[run.name]
            )
    names = found.sizes_all()
    return told_apart({run: fields for run, fields in told.items() if run in names})


def _write(found: Survey, names: Sequence[Named] | None) -> Written:
    path = found.root / TABLE
    if found.not_readable is not None:
        raise NotWritten(
            f"{path} is not replaced, since it cannot be read and may hold rows that no ledger "
            f"has: {found.not_readable}; make it readable, or remove it"
        )
    plan = _planned(found, names)
    beside = part_of(path)
    try:
        _drop_left_over(path)
        rows = _write_parquet(beside, plan)
        if found.is_damaged:  # it may hold rows of runs whose folder is gone
            _keep(path, path.with_name(DAMAGED))
        replace_durably(beside, path)
    except OSError as error:
        raise NotWritten(
            f"cannot write {path} ({counted(found.rows, 'row')}): {error}; the ledgers in "
            f"{found.root / 'runs'} hold all outcomes, and the next run makes the table from them"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return Written(path, rows, plan.notes, list(found.lost.notes()))


def _keep(path: Path, name: Path) -> None:
    """Give a file a second name, where the file system can."""
    name.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        os.link(path, name)


def _any_kept(kept: pa.Array, piece: Piece) -> bool:
    return bool(kept.slice(piece.start, piece.rows).true_count)


def _drop_left_over(path: Path) -> None:
    for left in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_OVER_SECONDS:
                left.unlink()


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
            writer.add_key_value_metadata({checksum.KEY: checksum.SEAL.decode()})
        checksum.seal(file)
        file.flush()
        os.fsync(file.fileno())
    return rows


def _groups(plan: _Plan, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of the table in order, as tables of some 65,536 rows."""
    names = {run: place for place, run in enumerate(plan.found.names())}
    order = sorted(
        plan.pieces, key=lambda one: (names.get(one.run or "", -1), one.first, one.start)
    )
    with LedgerReader() as reader:
        for pieces in together(order, lambda one: _kept(plan, one).true_count):
            files: dict[tuple[str | None, Path], list[Piece]] = {}
            for piece in pieces:
                files.setdefault((piece.run, piece.path), []).append(piece)
            yield _in_order([_rows(plan, reader, some, schema) for some in files.values()], pieces)


def _in_order(parts: list[pa.Table], pieces: Sequence[Piece]) -> pa.Table:
    """Rows by run and, within a run, by their place in its space, as those of one piece mostly are.

    An older table has that order.
    """
    table = pa.concat_tables(parts)
    runs = {piece.run for piece in pieces}
    if len(runs) == 1:
        steps = pc.pairwise_diff(table.column("index").combine_chunks())
        if runs == {None} or (pc.min(steps).as_py() or 0) >= 0:
            return table
    return table.sort_by([("run", "ascending"), ("index", "ascending"), ("row", "ascending")])


def _kept(plan: _Plan, piece: Piece) -> pa.Array:
    return plan.kept.slice(piece.start, piece.rows)


def _rows(
    plan: _Plan, reader: LedgerReader, pieces: Sequence[Piece], schema: pa.Schema
) -> pa.Table:
    """The rows of pieces of one file that are kept, in the columns of the table."""
    fields = plan.found.schemas[pieces[0].path]
    table = pa.Table.from_batches(
        [batch for piece in pieces for batch in plan.found.load(reader, piece)]
    )
    mask = pa.concat_arrays([_kept(plan, piece) for piece in pieces])
    if mask.true_count < len(mask):
        table = table.filter(mask)
    table = table.combine_chunks()
    spilled = text_columns.rows_of(table) if text_columns.SPILLED in table.column_names else []
    places = {source_of(field): at for at, field in enumerate(fields)}
    arrays: list[pa.Array] = []
    for column in plan.columns:
        if spilled:
            arrays.append(_unspilled(spilled, column, plan))
        elif column.source in places:
            at = places[column.source]
            arrays.append(_recast(_whole(table.column(at)), fields.field(at), column.form))
        else:
            arrays.append(pa.nulls(table.num_rows, column.form.type))
    arrays.extend(_outcome(table, pieces[0].run, plan, name) for name in OUTCOME)
    made = pa.Table.from_arrays(arrays, schema=schema)
    return plan.renamings.of(pieces[0].run).applied(made)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _recast(array: pa.Array, field: pa.Field, form: Form) -> pa.Array:
    return recast(array, Form(field.type, kind_of(field)), form)


def _unspilled(rows: Sequence[Mapping[str, Any]], column: Column, plan: _Plan) -> pa.Array:
    if column.source == text_columns.MORE:
        known = {one.source for one in plan.columns}
        return pa.array([text_columns.more(row, known) for row in rows], column.form.type)
    empty = pa.nulls(1, column.form.type)
    values = [row.get(column.source) for row in rows]
    made = [
        empty
        if one is None
        else recast(text_columns.value_of(one), Form(*text_columns.form_of(one)), column.form)
        for one in values
    ]
    return pa.chunked_array(made, column.form.type).combine_chunks()


def _outcome(table: pa.Table, run: str | None, plan: _Plan, name: str) -> pa.Array:
    """A column of OUTCOME, as the ledger or the older table (whose run is None) has it."""
    form = OUTCOME[name]
    if run is not None and name in ("run", "code"):
        value = run if name == "run" else plan.found.codes.get(run)
        return pa.repeat(plain_scalar(value, form), table.num_rows)
    column = _whole(outcome_column(table, name))
    if run is not None and name == "started":
        micros = pc.round(pc.multiply(column, plain_scalar(1e6, pa.float64())))
        return pc.cast(pc.cast(micros, pa.int64()), form)
    return column
