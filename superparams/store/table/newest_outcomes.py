"""Which outcome of each setting is the newest, over the table and the ledgers of all runs.

One pass over the keys, in bounded memory: the table that was made before, then the ledgers of runs
that it does not know or that have changed since. An outcome of a later run is newer; within a run,
the one with the higher sequence number. Of what stands in the table alone, since a ledger is
shorter than it was, damaged or gone, nothing is dropped.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors.user_lines import warn_user
from superparams.outcomes.arrow import plain_array, plain_scalar
from superparams.store.ledger.exclusions import ALL, Without
from superparams.store.ledger.lost_rows import Lost, attempts_of, has_lost
from superparams.store.ledger.reader import (
    Entry,
    LedgerReader,
    LedgerWarning,
    ledger_files,
    ledger_size,
    read_file,
    unreadable,
)
from superparams.store.plain_files import is_passing
from superparams.store.runs.folder import TABLE, RunFolder, run_folders
from superparams.store.table import text_columns
from superparams.store.table.column_types import Form
from superparams.store.table.key_arrays import are_distinct, first_places, joined, key_bytes
from superparams.store.table.table_file import (
    GROUP_ROWS,
    NotReadable,
    Old,
    open_table,
    refuse_nulls,
)

STATUSES = ("done", "failed", "killed", "timeout")
# The age of a row is one integer: place of its run, sequence number, place in a batch.
RUN_BITS, SEQ_BITS = 44, 20
# Rows are looked at, and written, so many at a time, or fewer when they are long.
GROUP_BYTES = 32 << 20


class Piece(NamedTuple):
    """Rows that are read together.

    A batch of a ledger (at an offset) or a row group of the table.
    """

    run: str | None  # None: a row group of the table
    path: Path
    offset: int
    first: int  # smallest index of a setting in it
    start: int  # place of its first row in the arrays of the survey
    rows: int
    size: int  # bytes, about


_Sized = TypeVar("_Sized", Piece, Entry)


@dataclass(slots=True)
class Survey:
    """Keys and ages of all rows, and where they are."""

    root: Path
    old: Old | None
    runs: list[RunFolder]
    sizes: dict[str, int]  # bytes of each run's ledger when the survey began
    codes: dict[str, str | None]
    pieces: list[Piece] = field(default_factory=list[Piece])
    schemas: dict[Path, pa.Schema] = field(default_factory=dict[Path, pa.Schema])
    spilled: dict[str, dict[Form, None]] = field(default_factory=dict[str, dict[Form, None]])
    keys: list[pa.Array] = field(default_factory=list[pa.Array])  # 16 bytes each
    ages: list[pa.Array] = field(
        default_factory=list[pa.Array]
    )  # int64; higher is newer, -1: superseded
    status: list[pa.Array] = field(default_factory=list[pa.Array])  # int8, place in STATUSES
    attempts: list[pa.Array] = field(default_factory=list[pa.Array])  # int32
    rows: int = 0
    without: Without = ALL
    is_damaged: bool = False  # the table that was there
    not_readable: OSError | None = None  # why the table cannot be read; it may be whole
    has_many_rows: bool = False  # of one setting
    lost: Lost = field(default_factory=Lost)

    @property
    def is_fresh(self) -> bool:
        """Whether the table holds all there is, in all columns of outcomes."""
        old = self.old
        return old is not None and old.has_all_columns and all(map(self.has_all_of, self.runs))

    def has_all_of(self, run: RunFolder) -> bool:
        """Whether the table holds all of a run's ledger."""
        return self.old is not None and self.old.runs.get(run.name) == self.sizes[run.name]

    @property
    def gone(self) -> set[str]:
        """The runs that the table holds and whose folders are gone."""
        return set(self.old.runs if self.old else ()) - {run.name for run in self.runs}

    def names(self) -> list[str]:
        """All runs, oldest first, also those whose folder is gone."""
        return sorted({run.name for run in self.runs} | set(self.old.runs if self.old else ()))

    def sizes_all(self) -> dict[str, int]:
        """The bytes of each run's ledger that a table made from this survey holds."""
        every = (self.old.runs if self.old else {}) | self.sizes
        return {name: size for name, size in every.items() if name not in self.without.runs}

    def add(
        self,
        pieces: Sequence[Piece],
        schema: pa.Schema,
        keys: pa.Array,
        ages: pa.Array,
        status: pa.Array,
        attempt: pa.Array,
    ) -> None:
        """Take in the rows of pieces of one file."""
        if self.without.failures:
            is_done = pc.equal(status, plain_scalar(0, pa.int8()))
            ages = pc.if_else(is_done, ages, plain_scalar(-1, pa.int64()))
        self.pieces.extend(pieces)
        self.schemas.setdefault(pieces[0].path, schema)
        self.keys.append(keys)
        self.ages.append(ages)
        self.status.append(status)
        self.attempts.append(attempt)
        self.rows += len(keys)

    def kept(self) -> pa.Array:
        """Whether each row belongs to the newest outcome of its setting."""
        mask = self._newest()
        names = self.names()
        places = self.lost.places(self.ages[0], mask, RUN_BITS)
        self.lost.count({names[place]: n for place, n in places.items()}, self.gone)
        return mask

    def _newest(self) -> pa.Array:
        ages = joined(self.ages, pa.int64())
        self.keys, self.ages = [joined(self.keys, pa.binary(16))], [ages]  # no two copies of them
        counts = pc.greater_equal(ages, plain_scalar(0, pa.int64()))
        if are_distinct(self.keys[0]):  # as after a single run
            return counts
        keys = self.keys[0].dictionary_encode().indices
        newest_first = pc.array_sort_indices(ages, order="descending")
        # In the order of the numbers of the keys: where each stands first.
        places = newest_first.take(first_places(keys.take(newest_first), keys.unique()))
        return pc.and_(counts, pc.equal(ages, ages.take(places).take(keys)))

    def forget(self) -> None:
        """Let go of keys and ages, once it is known which rows are kept."""
        for arrays in (self.keys, self.ages, self.status, self.attempts):
            arrays.clear()

    def load(self, reader: LedgerReader, piece: Piece) -> list[pa.RecordBatch]:
        """The rows of a piece, with all columns."""
        if piece.run is not None:
            return [reader.entry(piece.path, piece.offset).batch]
        assert self.old is not None
        batches: list[pa.RecordBatch] = self.old.group(piece.offset).to_batches()
        return batches

    def close(self) -> None:
        """Let go of the table."""
        if self.old is not None:
            self.old.close()


@contextlib.contextmanager
def survey(
    root: Path, *, rebuild: bool = False, glance: bool = False, without: Without = ALL
) -> Generator[Survey]:
    """Look through the table and the ledgers of an experiment's folder.

    Damage is left out with a LedgerWarning. A damaged table is made anew from the ledgers, and one
    that cannot be read now is left out. rebuild: take no row from the table. glance: look at no
    row when the table holds all there is.
    """
    found = _survey(root, rebuild, glance and not without, without)
    try:
        yield found
    finally:
        found.close()
        pa.default_memory_pool().release_unused()


def _survey(root: Path, rebuild: bool, glance: bool, without: Without) -> Survey:
    found = _begin(root, rebuild, without)
    if glance and found.is_fresh:
        return found
    try:
        fresh = _to_read(found)
        _take_table(found, without.runs)
    except (OSError, ValueError, MemoryError) as error:
        found.close()
        warn_of_table(root / TABLE, error)
        found = _begin(root, True, without)
        if isinstance(error, OSError) and is_passing(error):
            found.not_readable = error
        else:
            found.is_damaged = True
        fresh = _to_read(found)
    places = {name: place for place, name in enumerate(found.names())}
    for run in fresh:
        _take_ledger(found, run, places[run.name])
    return found


def _take_ledger(found: Survey, run: RunFolder, place: int) -> None:
    """Take in the rows of a ledger, beside those of the table that it lacks."""
    growing, damaged, before = run.state() == "running", set[Path](), len(found.ages)
    for why in unreadable(run.ledger):
        warn_user(why, LedgerWarning)
    for path in ledger_files(run.ledger):
        for entries in together(read_file(path, growing=growing, damaged=damaged), _rows_of):
            _take_entries(found, run, entries, place)
    old = found.old
    if old is not None and run.name in old.runs:
        found.lost.read.add(run.name)
        if damaged or run.name in old.alone or has_lost(old.runs, run.name, found.sizes):
            here = attempts_of(zip(found.keys[before:], found.attempts[before:], strict=True))
            _prefer_table(found, place, here)


def _prefer_table(found: Survey, place: int, here: Mapping[bytes, int]) -> None:
    """Have the rows of the table win that are newer than what is left of the ledger of a run.

    here: the last attempt of each setting that the ledger has.
    """
    newest = _age(place + 1, 0) - 1
    for at in range(found.lost.groups):
        is_of_run = pc.equal(found.ages[at], plain_scalar(_age(place, 0), pa.int64()))
        if not is_of_run.true_count:
            continue
        keys, attempts = found.keys[at].to_pylist(), found.attempts[at].to_pylist()
        pairs = zip(keys, attempts, strict=True)
        is_newer = plain_array([(n or 0) > here.get(key, -1) for key, n in pairs], pa.bool_())
        mask = pc.and_(is_of_run, is_newer)
        found.ages[at] = pc.if_else(mask, plain_scalar(newest, pa.int64()), found.ages[at])


def _to_read(found: Survey) -> list[RunFolder]:
    """The runs whose ledgers are read.

    All of them when some outcomes do not count: the table does not hold what those superseded.
    """
    there = [run for run in found.runs if run.name not in found.without.runs]
    alone = found.old.alone if found.old else {}
    return [run for run in there if found.without or run.name in alone or not found.has_all_of(run)]


def _begin(root: Path, rebuild: bool, without: Without) -> Survey:
    """What a glance at the folder tells: the runs, how long their ledgers are, and the table."""
    old, error = (None, None) if rebuild else _open_or_warn(root / TABLE)
    runs = run_folders(root)
    known = old.codes if old else {}
    codes = known | {run.name: run.code() or known.get(run.name) for run in runs}
    sizes = {run.name: ledger_size(run.ledger) for run in runs}
    found = Survey(root, old, runs, sizes, codes, without=without)
    found.not_readable = error if isinstance(error, NotReadable) else None
    found.is_damaged = error is not None and found.not_readable is None
    return found


def _open_or_warn(path: Path) -> tuple[Old | None, OSError | None]:
    """The table, or why it cannot be used; neither if there is none."""
    try:
        return open_table(path), None
    except OSError as error:
        warn_of_table(path, error)
        return None, error


def warn_of_table(path: Path, error: Exception) -> None:
    """Tell that a table cannot be used, and what happens now."""
    if isinstance(error, NotReadable) or is_passing(error):
        told = f"{path} cannot be read, and its rows are taken from the ledgers: {error}"
    else:
        told = f"{path} is damaged and is made anew from the ledgers: {error}"
    warn_user(told, LedgerWarning)


def _take_table(found: Survey, left_out: Collection[str]) -> None:
    """Take in the rows of the table, but for those of runs that do not count.

    Those of a run whose ledger is read again are older than all that it has.
    """
    old = found.old
    if old is None:
        return
    names = found.names()
    ages = [_age(-1 if one in left_out else at, 0) for at, one in enumerate(names)]
    of_run, runs = plain_array(ages, pa.int64()), plain_array(names, pa.string())
    for number in range(old.file.num_row_groups):
        table = old.group(number, ["key", "run", "status", "row", "attempt"])
        found.has_many_rows |= bool(pc.max(table.column("row")).as_py())
        refuse_nulls(old.path, table)
        keys, run, status, attempt = (
            table.column(one).combine_chunks() for one in ("key", "run", "status", "attempt")
        )
        size = old.file.metadata.row_group(number).total_byte_size
        piece = Piece(None, old.path, number, number, found.rows, len(keys), size)
        # Rows of a run that the head does not name are the oldest.
        age = pc.fill_null(of_run.take(pc.index_in(run, runs)), plain_scalar(0, pa.int64()))
        found.add([piece], old.schema, key_bytes(keys), age, _status(status), attempt)
    found.lost.groups, found.lost.rows = len(found.ages), found.rows


def together(parts: Iterable[_Sized], rows_of: Callable[[_Sized], int]) -> Iterator[list[_Sized]]:
    """Parts in order, as many at a time as are looked at in one go, and at least one."""
    some: list[_Sized] = []
    rows = size = 0
    for part in parts:
        if some and (rows >= GROUP_ROWS or size + part.size > GROUP_BYTES):
            yield some
            some, rows, size = [], 0, 0
        some.append(part)
        rows, size = rows + rows_of(part), size + part.size
    if some:
        yield some


def _take_entries(found: Survey, run: RunFolder, entries: list[Entry], rank: int) -> None:
    schema = entries[0].batch.schema
    first = [_first_index(entry.batch) for entry in entries]
    table = pa.Table.from_batches([entry.batch for entry in entries])
    key, status, row = (table.column(one).combine_chunks() for one in ("key", "status", "row"))
    begins = pc.cast(pc.equal(row, plain_scalar(0, row.type)), pa.int64())
    found.has_many_rows |= pc.sum(begins).as_py() != len(begins)
    # A setting that returned a frame has many rows of one age; all others differ.
    begun = pc.cumulative_sum(begins)
    bases, pieces, start = array("q"), list[Piece](), 0
    for entry, index in zip(entries, first, strict=True):
        rows = entry.batch.num_rows
        before = begun[start - 1].as_py() if start else 0
        bases.extend(array("q", [_age(rank, entry.seq) - before]) * rows)
        place = found.rows + start
        pieces.append(Piece(run.name, entry.path, entry.offset, index, place, rows, entry.size))
        start += rows
    base = pa.Array.from_buffers(pa.int64(), start, [None, pa.py_buffer(bases)])
    attempt = table.column("attempt").combine_chunks()
    found.add(pieces, schema, key_bytes(key), pc.add(begun, base), _status(status), attempt)
    if text_columns.SPILLED in schema.names:
        for each in text_columns.rows_of(table):
            for name, value in each.items():
                found.spilled.setdefault(name, {})[Form(*text_columns.form_of(value))] = None


def _rows_of(entry: Entry) -> int:
    rows: int = entry.batch.num_rows
    return rows


def _first_index(batch: pa.RecordBatch) -> int:
    return pc.min(batch.column("index")).as_py() or 0


def _age(rank: int, seq: int) -> int:
    return -1 if rank < 0 else (rank << RUN_BITS) + (seq << SEQ_BITS)


def _status(column: pa.Array) -> pa.Array:
    return pc.cast(pc.index_in(column, plain_array(list(STATUSES), pa.string())), pa.int8())
