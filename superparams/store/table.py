"""`results.parquet`: the newest outcome of every setting of an experiment, in one table.

One row a setting (or as many as the data frame that it returned), in the order of runs and, within
a run, of the space. Columns: parameters and results by their plain names, then `OUTCOME`. A
parameter or result named like one of those gets the prefix `param.` or `result.`; so does a result
named like a parameter.
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

from superparams.columns import KIND, kind_of, metadata_of
from superparams.errors import StoreError
from superparams.store import seal, spill
from superparams.store.folder import TABLE, part_of, replace_durably
from superparams.store.reading import Reader
from superparams.store.survey import HEAD, Piece, Survey, open_table, survey
from superparams.store.unify import JSON, Form, fits, recast, widest

# The columns of the table that tell of the outcome itself.
OUTCOME: dict[str, Any] = {
    "key": pa.string(),
    "code": pa.string(),
    "status": pa.string(),
    "error": pa.string(),
    "seconds": pa.float64(),
    "started": pa.timestamp("us", "UTC"),
    "rank": pa.int32(),
    "attempt": pa.int32(),
    "run": pa.string(),
    "index": pa.int64(),
    "row": pa.int64(),
    "traceback": pa.string(),
    "log_start": pa.int64(),
    "log_end": pa.int64(),
    "peak_memory": pa.int64(),
}
SOURCE = b"superparams.source"  # field metadata: `param.<name>` or `result.<name>` behind the label
_GROUP_ROWS = 1 << 16
DAMAGED = "results.damaged.parquet"
_STALE_SECONDS = 3600  # an unfinished file of this age was left by a killed process


class Written(NamedTuple):
    """A table that stands on disk, and what there is to say of its columns."""

    path: Path
    rows: int
    notes: list[str]


def compact(root: Path, *, rebuild: bool = False) -> Written:
    """Bring `results.parquet` up to date with the ledgers of all runs in an experiment's folder.

    Only ledgers that the table does not hold yet are read. Another run may do the same at once:
    whoever renames last looks again whether something is missing. rebuild: from the ledgers alone.
    Raises StoreError, with the path, when it cannot be written; the old table then stands.
    """
    written = _compact(root, rebuild)
    for _ in range(5):
        mine, _ = written
        if not _is_behind(root / TABLE, mine):
            break
        written = _compact(root, False)
    return written[1]


def read_table(root: Path) -> pa.Table:
    """The whole of `results.parquet`, verified; a damaged one is made anew from the ledgers."""
    path = root / TABLE
    try:
        seal.check(path)
    except OSError:
        compact(root)  # which tells of it
    return parquet.read_table(path, partitioning=None)


def _compact(root: Path, rebuild: bool) -> tuple[Mapping[str, int], Written]:
    with survey(root, rebuild=rebuild) as found:
        old = found.old
        if old is not None and found.is_fresh:
            return old.runs, Written(old.path, old.rows, old.notes)
        return found.sizes, _write(found)


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


# ---- which columns


@dataclass(frozen=True, slots=True)
class _Column:
    source: str  # param.<name> or result.<name>
    label: str
    form: Form

    @property
    def field(self) -> pa.Field:
        kind = {KIND: self.form.kind.encode()} if self.form.kind else {}
        return pa.field(self.label, self.form.type, metadata={SOURCE: self.source.encode(), **kind})


def source_of(field: pa.Field) -> str | None:
    """`param.<name>` or `result.<name>` for a field of a ledger or the table.

    None for one of OUTCOME.
    """
    found = metadata_of(field).get(SOURCE)
    if found is not None:
        return found.decode()
    name: str = field.name
    return name if name.startswith(("param.", "result.")) else None


def _columns(found: Survey, pieces: Sequence[Piece], notes: list[str]) -> list[_Column]:
    forms = _forms(found, pieces)
    chosen = {name: _choose(found, pieces, name, met, notes) for name, met in forms.items()}
    names = sorted(chosen, key=lambda name: not name.startswith("param."))
    labels = _labels(names, notes)
    return [_Column(name, labels[name], chosen[name]) for name in names]


def _forms(found: Survey, pieces: Sequence[Piece]) -> dict[str, dict[Form, None]]:
    """The forms met of each column, in the order of columns."""
    forms: dict[str, dict[Form, None]] = {}
    for path in dict.fromkeys(piece.path for piece in pieces):
        for field in found.schemas[path]:
            source = source_of(field)
            if source is not None:
                forms.setdefault(source, {})[Form(field.type, kind_of(field))] = None
    for name, met in found.spilled.items():
        if name in forms:
            forms[name].update(met)
    if found.spilled.keys() - forms.keys():
        forms[spill.MORE] = {JSON: None}
    return forms


def _choose(
    found: Survey, pieces: Sequence[Piece], name: str, met: Mapping[Form, None], notes: list[str]
) -> Form:
    """The form for all values of a column, with a note when that is text which no value was."""
    form, must_try = widest(met)
    if must_try and not all(fits(array, own, form) for array, own in _values(found, pieces, name)):
        form = JSON
    if form.kind == "json" and JSON not in met:
        types = ", ".join(sorted({one.kind or str(one.type) for one in met} - {"null"}))
        shown = name.partition(".")[2]
        notes.append(
            f"column {shown!r} holds values of several types ({types}): each is kept as JSON text"
        )
    return form


def _values(found: Survey, pieces: Sequence[Piece], name: str) -> Iterator[tuple[pa.Array, Form]]:
    """All values of one column, piece by piece."""
    with Reader() as reader:
        for piece in pieces:
            schema = found.schemas[piece.path]
            places = [at for at, field in enumerate(schema) if source_of(field) == name]
            if places:
                column = _load(found, reader, piece).column(places[0])
                whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
                yield whole, Form(whole.type, kind_of(schema.field(places[0])))


def _labels(names: Sequence[str], notes: list[str]) -> dict[str, str]:
    """The column name of each param.<name> and result.<name>; no two are the same."""
    labels: dict[str, str] = {}
    taken = set(OUTCOME)
    for name in names:
        plain = name.partition(".")[2]
        label = plain if plain and plain not in taken else name
        if label != plain:
            notes.append(
                f"the name {plain!r} is taken: that {name.partition('.')[0]} is column {label!r}"
            )
        while label in taken:
            label += "~"
        taken.add(label)
        labels[name] = label
    return labels


# ---- writing


@dataclass(slots=True)
class _Plan:
    """What the table is made of."""

    found: Survey
    kept: pa.Array
    pieces: list[Piece]
    columns: list[_Column]
    notes: list[str]

    @property
    def schema(self) -> pa.Schema:
        head = {
            "version": 1,
            "runs": self.found.sizes_all(),
            "codes": self.found.codes,
            "notes": self.notes,
        }
        outcome = [pa.field(name, form) for name, form in OUTCOME.items()]
        fields = [*(column.field for column in self.columns), *outcome]
        return pa.schema(fields, metadata={HEAD: json.dumps(head).encode()})


def _write(found: Survey) -> Written:
    path = found.root / TABLE
    kept = found.kept()
    pieces = [piece for piece in found.pieces if _any_kept(kept, piece)]
    notes = list(found.old.notes) if found.old else []
    columns = _columns(found, pieces, notes)
    plan = _Plan(found, kept, pieces, columns, list(dict.fromkeys(notes)))
    beside = part_of(path)
    try:
        _drop_left_over(path)
        rows = _write_parquet(beside, plan)
        if found.is_damaged:  # it may hold rows of runs whose folder is gone
            _keep(path, path.with_name(DAMAGED))
        replace_durably(beside, path)
    except OSError as error:
        raise StoreError(
            f"cannot write {path} ({found.rows:,} rows): {error}; the ledgers in "
            f"{found.root / 'runs'} hold all outcomes, and the next run makes the table from them"
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return Written(path, rows, plan.notes)


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
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()


def _write_parquet(path: Path, plan: _Plan) -> int:
    schema = plan.schema
    rows = 0
    with open(path, "w+b") as file:
        with parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in schema if _repeats(field)],
            write_page_checksum=True,
        ) as writer:
            for table in _groups(plan, schema):
                writer.write_table(table, row_group_size=_GROUP_ROWS)
                rows += table.num_rows
            writer.add_key_value_metadata({seal.KEY: seal.SEAL.decode()})
        seal.seal(file)
        file.flush()
        os.fsync(file.fileno())
    return rows


def _repeats(field: pa.Field) -> bool:
    """Whether a dictionary of values is worth its making."""
    source = source_of(field)
    if source is not None:
        return source.startswith("param.")
    return field.name in ("code", "status", "run", "error", "traceback", "rank", "attempt", "row")


def _groups(plan: _Plan, schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of the table in order, as tables of some 65,536 rows."""
    parts: list[pa.Table] = []
    size = 0
    names = {run: place for place, run in enumerate(plan.found.names())}
    order = sorted(
        plan.pieces, key=lambda one: (names.get(one.run or "", -1), one.first, one.start)
    )
    with Reader() as reader:
        for piece in order:
            if size >= _GROUP_ROWS:
                yield _in_order(parts)
                parts, size = [], 0
            parts.append(_rows(plan, reader, piece, schema))
            size += parts[-1].num_rows
    if parts:
        yield _in_order(parts)


def _in_order(parts: list[pa.Table]) -> pa.Table:
    table = pa.concat_tables(parts)
    return table.sort_by([("run", "ascending"), ("index", "ascending"), ("row", "ascending")])


def _load(found: Survey, reader: Reader, piece: Piece) -> pa.Table | pa.RecordBatch:
    if piece.run is not None:
        return reader.entry(piece.path, piece.offset).batch
    assert found.old is not None
    return found.old.group(piece.offset).combine_chunks()


def _rows(plan: _Plan, reader: Reader, piece: Piece, schema: pa.Schema) -> pa.Table:
    """The rows of one piece that are kept, in the columns of the table."""
    data = _load(plan.found, reader, piece)
    fields = plan.found.schemas[piece.path]
    mask = plan.kept.slice(piece.start, piece.rows)
    table = (pa.Table.from_batches([data]) if piece.run else data).filter(mask).combine_chunks()
    spilled = spill.rows_of(table) if spill.SPILLED in table.column_names else []
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
    arrays.extend(_outcome(table, piece, plan, name) for name in OUTCOME)
    return pa.Table.from_arrays(arrays, schema=schema)


def _whole(column: pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _recast(array: pa.Array, field: pa.Field, form: Form) -> pa.Array:
    return recast(array, Form(field.type, kind_of(field)), form)


def _unspilled(rows: Sequence[Mapping[str, Any]], column: _Column, plan: _Plan) -> pa.Array:
    if column.source == spill.MORE:
        known = {one.source for one in plan.columns}
        return pa.array([spill.more(row, known) for row in rows], column.form.type)
    empty = pa.nulls(1, column.form.type)
    values = [row.get(column.source) for row in rows]
    made = [
        empty
        if one is None
        else recast(spill.value_of(one), Form(*spill.form_of(one)), column.form)
        for one in values
    ]
    return pa.chunked_array(made, column.form.type).combine_chunks()


def _outcome(table: pa.Table, piece: Piece, plan: _Plan, name: str) -> pa.Array:
    """A column of OUTCOME, as the ledger or the older table has it."""
    form = OUTCOME[name]
    if piece.run is None:
        return _whole(table.column(table.schema.get_field_index(name)))
    if name == "run":
        return pa.repeat(pa.scalar(piece.run, form), table.num_rows)
    if name == "code":
        return pa.repeat(pa.scalar(plan.found.codes.get(piece.run), form), table.num_rows)
    column = _whole(table.column(table.schema.get_field_index(name)))
    if name == "started":
        return pc.cast(pc.cast(pc.round(pc.multiply(column, 1e6)), pa.int64()), form)
    return column
